//! A thousand requests at once, each with tasks of its own: every record has its own request's actor.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body, extract::Path, http::Request, routing::post};
use ftn_audit_sea::{
    prelude::*,
    sink::{Outcome, Sink},
    web::HeaderName,
};
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, DbBackend, Schema, TransactionTrait, prelude::*};
use tokio::{runtime::Handle, task::JoinSet};
use tower::ServiceExt;

use crate::entities::*;

const REQUESTS: usize = 1000;
const RECORDS_OF_EACH: usize = 100;
const PATIENCE: Duration = Duration::from_secs(300);

/// Compares what a record says of the request with what the handler knew of it.
#[derive(Clone, Default)]
struct Comparing {
    right: Arc<AtomicUsize>,
    wrong: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink for Comparing {
    fn name(&self) -> &str {
        "comparing"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        for record in batch {
            let text = |name: &str| record.attribute(name).map(|value| value.to_string());
            let own = text("audit.changeset.name.new").or_else(|| text("shop.own"));
            let path = own.as_ref().map(|own| format!("/requests/{own}"));
            let right = own.is_some() && record.actor().and_then(Actor::id) == own.as_deref();
            if right && text("url.path") == path && text("audit.request_id") == own {
                self.right.fetch_add(1, Relaxed);
            } else {
                self.wrong.fetch_add(1, Relaxed);
            }
        }
        Outcome::Delivered
    }
}

async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).idle_timeout(None).max_lifetime(None);
    options.acquire_timeout(PATIENCE).sqlx_logging(false);
    let bare = Database::connect(options).await.unwrap();
    bare.execute(&Schema::new(DbBackend::Sqlite).create_table_from_entity(tag::Entity)).await.unwrap();
    bare
}

async fn events(audit: &Audit, own: &str, count: usize) {
    for _ in 0..count {
        audit.event("noted").attr("shop.own", own).record(audit).await;
        tokio::task::yield_now().await;
    }
}

/// 10 rows in a transaction.
async fn rows(db: &AuditedConnection, own: &str) {
    let txn = db.begin().await.unwrap();
    for _ in 0..10 {
        tag::ActiveModel { name: Set(own.to_owned()), ..Default::default() }.insert(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
}

/// Says who it is, as a third of the requests do here; the others' actor comes from outside, or is asked for.
async fn handle(db: AuditedConnection, own: String) {
    let number: usize = own.parse().unwrap();
    if number.is_multiple_of(3) {
        tokio::task::yield_now().await;
        AuditContext::set_actor(Actor::user(&own)).unwrap();
    }
    let audit = db.audit().clone();
    let task = audit_spawn({
        let (db, audit, own) = (db.clone(), audit.clone(), own.clone());
        async move {
            let inner = audit_spawn({
                let (db, own) = (db.clone(), own.clone());
                async move { rows(&db, &own).await }
            });
            events(&audit, &own, 30).await;
            inner.await.unwrap();
        }
    });
    let mut set = JoinSet::new();
    for _ in 0..3 {
        let (audit, own) = (audit.clone(), own.clone());
        set.spawn(audit_carry(async move { events(&audit, &own, 10).await }));
    }
    let thread = audit_spawn_blocking({
        let (audit, own) = (audit.clone(), own.clone());
        move || Handle::current().block_on(events(&audit, &own, 10))
    });
    events(&audit, &own, 10).await;
    rows(&db, &own).await;
    task.await.unwrap();
    thread.await.unwrap();
    while let Some(done) = set.join_next().await {
        done.unwrap();
    }
}

fn no_wrong_actor(worker_threads: usize) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(worker_threads).enable_all().build();
    runtime.unwrap().block_on(async {
        let sink = Comparing::default();
        let audit = Audit::builder()
            .sink(sink.clone())
            .delivery(Delivery::queue().capacity(1_000_000).capacity_bytes(1 << 40))
            .environment(|_| None)
            .late_actor_timeout(PATIENCE)
            .build()
            .unwrap();
        let db = audit.connect(database().await).await.unwrap();
        const TOKEN: HeaderName = HeaderName::from_static("x-token");
        let layer = AuditLayer::new(&audit).late_actor(|head| {
            let token = head.header(&TOKEN).map(|token| String::from_utf8_lossy(token).into_owned());
            async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(token.map(Actor::user))
            }
        });
        let handler = async move |Path(own): Path<String>| handle(db.clone(), own).await;
        let app = Router::new().route("/requests/{own}", post(handler)).layer(layer);
        let mut requests = JoinSet::new();
        for number in 0..REQUESTS {
            let mut request = Request::post(format!("/requests/{number}"))
                .header("x-request-id", number.to_string())
                .header("x-token", number.to_string())
                .body(Body::empty())
                .unwrap();
            if number % 3 == 1 {
                request.extensions_mut().insert(Actor::user(number));
            }
            requests.spawn(app.clone().oneshot(request));
        }
        while let Some(answer) = requests.join_next().await {
            assert_eq!(answer.unwrap().unwrap().status(), 200);
        }
        assert!(audit.flush(PATIENCE).await);
        let (right, wrong) = (sink.right.load(Relaxed), sink.wrong.load(Relaxed));
        assert_eq!((right, wrong), (REQUESTS * RECORDS_OF_EACH, 0));
        let stats = audit.stats();
        assert_eq!((stats.unknown_actors, stats.fallback), (0, 0), "{stats:?}");
    });
}

#[test]
fn no_wrong_actor_on_2_worker_threads() {
    no_wrong_actor(2);
}

#[test]
fn no_wrong_actor_on_8_worker_threads() {
    no_wrong_actor(8);
}
