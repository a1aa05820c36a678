//! The coverage checklist that teams know from the Python library, a test a point.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body, extract::Request, routing::any};
use ftn_audit_linked::note;
use ftn_audit_sea::{
    AuditBuilder, RawRoute,
    formatter::{FormatterRegistration, Rule},
    prelude::*,
    sink::{Outcome, Sink},
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, Schema, TransactionTrait, prelude::*};
use tower::ServiceExt;

use crate::{
    database::{Kind, TestDatabase},
    entities::*,
    log::Log,
    samples::*,
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn database() -> TestDatabase {
    Kind::Sqlite.database().await.expect("SQLite is always there")
}

fn builder(sink: impl Sink) -> AuditBuilder {
    let delivery = Delivery::sync().attempt_timeout(PATIENCE);
    Audit::builder().service_name("checklist").sink(sink).delivery(delivery).environment(|_| None)
}

async fn connect(audit: &Audit, database: &TestDatabase) -> AuditedConnection {
    audit.connect(database.bare.clone()).await.expect("the database answers")
}

fn through(route: &str) -> AuditContext {
    AuditContext::builder().raw_route(route).build()
}

fn new_tag(name: &str) -> tag::ActiveModel {
    tag::ActiveModel { name: Set(name.to_owned()), ..Default::default() }
}

/// A formatter that says its own name.
struct Named(&'static str);

impl AuditFormatter for Named {
    type Subject = tag::Model;

    fn description(&self, change: &Change<tag::Model>) -> String {
        format!("{} {}", self.0, change.event_type())
    }
}

fn named(
    name: &'static str,
    route: Option<&'static str>,
    event: Option<&'static str>,
) -> FormatterRegistration {
    let rule = Rule { route, event, priority: 0, file: file!(), line: line!() };
    FormatterRegistration::with(rule, Named(name))
}

#[tokio::test]
async fn discovery_finds_formatters_in_every_linked_crate() {
    let (sink, database) = (MemorySink::new(), database().await);
    let audit = builder(sink.clone()).build().unwrap();
    let described = audit.describe();
    assert!(described.contains("LinkedNote (table linked_note)"), "{described}");
    assert!(described.contains("LinkedNote POST|/linked/notes creation -> note_taken"), "{described}");
    let table = Schema::new(DbBackend::Sqlite).create_table_from_entity(note::Entity);
    database.bare.execute(&table).await.unwrap();
    let db = connect(&audit, &database).await;
    let note = note::ActiveModel { words: Set("buy tea".to_owned()), ..Default::default() };
    through("POST /linked/notes").scope(note.insert(&db)).await.unwrap();
    assert_eq!(sink.records()[0].description(), "Noted: buy tea");
}

#[tokio::test]
async fn canonical_raw_route() {
    for spelling in
        ["PATCH|/items/:id", "patch /items/{id}", r"PATCH /items/{id:\d+}", "PATCH items/<int:id>"]
    {
        assert_eq!(RawRoute::parse(spelling).unwrap().as_str(), "PATCH|/items/:id", "{spelling}");
        assert_eq!(through(spelling).raw_route(), Some("PATCH|/items/:id"), "{spelling}");
    }
    let (sink, database) = (MemorySink::new(), database().await);
    let audit = builder(sink.clone()).build().unwrap();
    let db = connect(&audit, &database).await;
    let handler = move || {
        let db = db.clone();
        async move { new_tag("hot").insert(&db).await.unwrap().name }
    };
    let app = Router::new().route("/items/{id}", any(handler)).layer(AuditLayer::new(&audit));
    let request = Request::builder().method("PATCH").uri("/items/7?fast=1").body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
    let record = &sink.records()[0];
    assert_eq!(record.attribute("audit.raw_route").unwrap(), "PATCH|/items/:id");
    assert_eq!(record.attribute("http.route").unwrap(), "/items/{id}");
}

#[tokio::test]
async fn selection_raw_route_then_default_then_generic() {
    let (sink, database) = (MemorySink::new(), database().await);
    let audit = builder(sink.clone())
        .auto_discover_formatters(false)
        .registration(named("default", None, None))
        .registration(named("route", Some("POST|/tags"), None))
        .build()
        .unwrap();
    let db = connect(&audit, &database).await;
    through("POST /tags").scope(new_tag("a").insert(&db)).await.unwrap();
    through("POST /elsewhere").scope(new_tag("b").insert(&db)).await.unwrap();
    new_tag("c").insert(&db).await.unwrap();
    through("POST /tags").scope(new_item("Tea").insert(&db)).await.unwrap();
    let descriptions: Vec<_> = sink.records().iter().map(|record| record.description().to_owned()).collect();
    let expected = ["route creation", "default creation", "default creation", "Created Item #1"];
    assert_eq!(descriptions, expected);
}

#[tokio::test]
async fn link_events_only_for_the_allow_list() {
    let database = database().await;
    let (item, tag) = (stored_item(&database, "Tea").await, stored_tag(&database, "hot").await);
    let label = label::ActiveModel { name: Set("new".to_owned()), ..Default::default() };
    let label = label.insert(&database.bare).await.unwrap();
    let linked = item_label::ActiveModel { item_id: Set(item.id), label_id: Set(label.id) };
    linked.clone().insert(&database.db).await.unwrap();
    linked.delete(&database.db).await.unwrap();
    database.silent();
    let link = item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) };
    link.clone().insert(&database.db).await.unwrap();
    link.delete(&database.db).await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["collection_update Item 1", "collection_update Item 1"]);
    assert_eq!(records.iter().map(crate::samples::linked).collect::<Vec<_>>(), ["add [1]", "remove [1]"]);
    assert!(records.iter().all(|record| record.attribute("audit.field_name").unwrap() == "tags"));
}

#[tokio::test]
async fn rollback_prevents_enqueue() {
    let (sink, database) = (MemorySink::new(), database().await);
    let audit = builder(sink.clone()).delivery(Delivery::queue().linger(Duration::ZERO)).build().unwrap();
    let db = connect(&audit, &database).await;
    let txn = db.begin().await.unwrap();
    new_tag("whole").insert(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    let txn = db.begin().await.unwrap();
    new_tag("dropped").insert(&txn).await.unwrap();
    drop(txn);
    let txn = db.begin().await.unwrap();
    let savepoint = txn.begin().await.unwrap();
    new_tag("inner").insert(&savepoint).await.unwrap();
    savepoint.rollback().await.unwrap();
    new_tag("kept").insert(&txn).await.unwrap();
    assert_eq!(audit.stats().queue_records, 0, "nothing is enqueued before the commit");
    txn.commit().await.unwrap();
    assert!(audit.flush(PATIENCE).await);
    let records = sink.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].attribute("audit.changeset.name.new").unwrap(), "kept");
    assert_eq!((audit.stats().delivered, audit.stats().discarded), (1, 3));
}

/// A sink that holds what it is given until it is let go.
struct Held(tokio::sync::watch::Receiver<bool>);

#[async_trait]
impl Sink for Held {
    fn name(&self) -> &str {
        "held"
    }

    async fn deliver(&self, _batch: &[AuditRecord]) -> Outcome {
        let _ = self.0.clone().wait_for(|open| *open).await;
        Outcome::Delivered
    }
}

#[tokio::test]
async fn enqueue_failure_is_logged_and_goes_to_the_fallback() {
    let (log, _guard) = Log::listen();
    let database = database().await;
    let kept = std::env::temp_dir().join(format!("ftn-audit-checklist-{}", uuid::Uuid::new_v4()));
    let (open, held) = tokio::sync::watch::channel(false);
    let audit = builder(Held(held))
        .delivery(Delivery::queue().capacity(1).batch(1).linger(Duration::ZERO))
        .fallback(Fallback::file(&kept))
        .build()
        .unwrap();
    let db = connect(&audit, &database).await;
    for name in ["first", "kept-secret-1", "kept-secret-2"] {
        new_tag(name).insert(&db).await.expect("a full queue is not in the way of the row");
    }
    assert_eq!(count(&database, "tag").await, 3);
    open.send(true).unwrap();
    assert!(audit.flush(PATIENCE).await);
    audit.shutdown(PATIENCE).await;
    let stats = audit.stats();
    assert_eq!((stats.failed("queue_full"), stats.fallback, stats.delivered), (2, 2, 1), "{stats:?}");
    let lines = std::fs::read_to_string(&kept).unwrap();
    std::fs::remove_file(&kept).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names = lines.iter().map(|line| line["attributes"]["audit.changeset.name.new"].as_str());
    assert_eq!(names.collect::<Vec<_>>(), [Some("kept-secret-1"), Some("kept-secret-2")]);
    let log = log.text();
    assert!(log.contains("ftn_audit::delivery") && log.contains("queue_full"), "{log}");
    assert!(!log.contains("kept-secret"), "{log}");
}

async fn count(database: &TestDatabase, table: &str) -> i64 {
    let text = format!("SELECT COUNT(*) FROM {table}");
    let row = database.bare.query_one_raw(crate::database::sql(&database.bare, &text)).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

/// A sink that always wants to be asked again, and counts.
struct Unwilling(Arc<AtomicU64>);

#[async_trait]
impl Sink for Unwilling {
    fn name(&self) -> &str {
        "unwilling"
    }

    async fn deliver(&self, _batch: &[AuditRecord]) -> Outcome {
        self.0.fetch_add(1, Relaxed);
        Outcome::retry(None, "not now")
    }
}

#[tokio::test]
async fn retries_are_bounded() {
    let (attempts, database) = (Arc::new(AtomicU64::new(0)), database().await);
    let delivery = Delivery::queue()
        .linger(Duration::ZERO)
        .max_attempts(3)
        .backoff(Duration::from_millis(1), Duration::from_millis(2));
    let audit =
        builder(Unwilling(attempts.clone())).delivery(delivery).fallback(Fallback::drop()).build().unwrap();
    new_tag("hot").insert(&connect(&audit, &database).await).await.unwrap();
    assert!(audit.flush(PATIENCE).await);
    let stats = audit.stats();
    assert_eq!(attempts.load(Relaxed), 3);
    assert_eq!(
        (stats.retried, stats.failed("retries_exhausted"), stats.queue_records),
        (2, 1, 0),
        "{stats:?}"
    );
}

#[test]
fn start_up_registration_check() {
    let registered = || {
        builder(MemorySink::new())
            .auto_discover_formatters(false)
            .routes(["POST|/tags", "PATCH|/tags/:id"])
            .registration(named("one", Some("POST|/tags"), Some("creation")))
            .registration(named("two", Some("POST|/tags"), Some("creation")))
            .registration(named("misspelt", None, Some("updated")))
            .registration(named("moved", Some("PATCH|/tag/:id"), None))
            .registration(named("never", None, Some("restoration")))
    };
    let error = registered().build().map(|audit| audit.describe()).unwrap_err();
    assert_eq!(error.problems().len(), 4, "{error}");
    for part in [
        "two formatters of Tag have the same route, event and priority",
        "there is no such event",
        "is for `PATCH|/tag/:id`, which is not in the route table; the nearest there is `PATCH|/tags/:id`",
        "the model has no `#[audit(soft_delete = \"..\")]`",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert!(error.problems().iter().all(|problem| problem.contains("checklist.rs:")), "{error}");
    let lenient = registered().strict_formatter_validation(false).build().unwrap();
    assert!(lenient.describe().contains("Tag POST|/tags creation -> Named"), "{}", lenient.describe());
}
