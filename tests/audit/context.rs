//! Who and where, on the records of both captures.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use ftn_audit_sea::{ActorKind, prelude::*};
use sea_orm::{ActiveValue::Set, EntityTrait, TransactionTrait};

use crate::{
    database::{TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    the_task_says_who
    a_connection_of_one_context
    an_actor_that_comes_late
    nobody_is_unknown
    links_of_two_actors_are_two_records
    a_late_actor_did_not_link
    formatters_run_in_the_context
    a_late_actor_is_asked_before_the_first_write
    a_late_actor_may_read_and_write_itself
    a_context_comes_back_from_a_jobs_payload
}

fn context(id: &str) -> AuditContext {
    AuditContext::builder()
        .actor(Actor::user(id))
        .tenant("acme")
        .raw_route("PATCH|/items/:id")
        .http_route("/items/{id}")
        .request_id("r-1")
        .reason("ticket 4711")
        .trace([10; 16], [11; 8], 1)
        .attribute("shop.till", 3)
        .build()
}

fn who(record: &AuditRecord) -> Option<&str> {
    record.actor().and_then(Actor::id)
}

async fn the_task_says_who(database: &TestDatabase) {
    let writes = async {
        new_item("one").insert(&database.db).await.unwrap();
        let txn = database.db.begin().await.unwrap();
        new_item("two").insert(&txn).await.unwrap();
        txn.commit().await.unwrap();
        new_item("three").insert(&database.bare).await.unwrap();
    };
    database.audit.scope(context("42").scope(writes)).await;
    let records = database.take();
    assert_eq!(records.len(), 3);
    for record in records {
        assert_eq!(who(&record), Some("42"));
        assert_eq!(record.attribute("user.id").unwrap(), "42");
        assert_eq!(record.attribute("audit.tenant").unwrap(), "acme");
        assert_eq!(record.attribute("audit.raw_route").unwrap(), "PATCH|/items/:id");
        assert_eq!(record.attribute("http.route").unwrap(), "/items/{id}");
        assert_eq!(record.attribute("audit.reason").unwrap(), "ticket 4711");
        assert_eq!(record.attribute("shop.till").unwrap(), 3);
        assert_eq!((record.trace_id(), record.span_id()), (Some([10; 16]), Some([11; 8])));
    }
}

async fn a_connection_of_one_context(database: &TestDatabase) {
    let db = database.db.with_context(context("job"));
    let writes = async {
        new_item("one").insert(&db).await.unwrap();
        let txn = db.begin().await.unwrap();
        let inner = txn.begin().await.unwrap();
        new_item("two").insert(&inner).await.unwrap();
        inner.commit().await.unwrap();
        txn.commit().await.unwrap();
        new_item("three").insert(&database.db).await.unwrap();
    };
    context("42").scope(writes).await;
    new_item("four").insert(&db).await.unwrap();
    let records = database.take();
    let all: Vec<_> = records.iter().map(who).collect();
    assert_eq!(all, [Some("job"), Some("job"), Some("42"), Some("job")]);
}

async fn an_actor_that_comes_late(database: &TestDatabase) {
    let anonymous = AuditContext::builder().tenant("acme").build();
    let writes = async {
        let txn = database.db.begin().await.unwrap();
        new_item("before").insert(&txn).await.unwrap();
        AuditContext::set_actor(Actor::user("42")).unwrap();
        new_item("after").insert(&txn).await.unwrap();
        txn.commit().await.unwrap();
        AuditContext::set_actor(Actor::user("43")).unwrap_err();
        AuditContext::act_as(Actor::user("root"), async {
            new_item("as another").insert(&database.db).await.unwrap();
        })
        .await;
        new_item("again").insert(&database.db).await.unwrap();
    };
    anonymous.scope(writes).await;
    let records = database.take();
    let all: Vec<_> = records.iter().map(who).collect();
    assert_eq!(all, [None, Some("42"), Some("root"), Some("42")]);
    assert!(records.iter().all(|record| record.attribute("audit.tenant").is_some()));
}

async fn nobody_is_unknown(database: &TestDatabase) {
    new_item("one").insert(&database.db).await.unwrap();
    let service = AuditContext::builder().actor(Actor::service("billing")).build();
    service.scope(async { new_item("two").insert(&database.db).await.unwrap() }).await;
    let [unknown, service] = database.take().try_into().unwrap();
    assert_eq!(unknown.attribute("audit.actor.type").unwrap(), "unknown");
    assert_eq!(unknown.attribute("user.id"), None);
    assert_eq!(service.actor().unwrap().kind(), ActorKind::Service);
    assert_eq!(service.attribute("audit.actor.id").unwrap(), "billing");
    assert_eq!(service.attribute("user.id"), None);
}

async fn link(db: &impl sea_orm::ConnectionTrait, item: &item::Model, tag: &tag::Model) {
    item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) }.insert(db).await.unwrap();
}

/// Adjacent links become one record only where one record can speak for them.
async fn links_of_two_actors_are_two_records(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tags =
        [stored_tag(database, "a").await, stored_tag(database, "b").await, stored_tag(database, "c").await];
    let writes = async {
        let txn = database.db.begin().await.unwrap();
        link(&txn, &item, &tags[0]).await;
        link(&txn, &item, &tags[1]).await;
        AuditContext::act_as(Actor::user("root"), link(&txn, &item, &tags[2])).await;
        txn.commit().await.unwrap();
    };
    context("42").scope(writes).await;
    let [own, other] = database.take().try_into().unwrap();
    assert_eq!((who(&own), linked(&own)), (Some("42"), "add [1,2]".to_owned()));
    assert_eq!((who(&other), linked(&other)), (Some("root"), "add [3]".to_owned()));
}

/// Link records are composed at the commit; they speak of the moment of their statement all the same.
async fn a_late_actor_did_not_link(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tags =
        [stored_tag(database, "a").await, stored_tag(database, "b").await, stored_tag(database, "c").await];
    let writes = async {
        let txn = database.db.begin().await.unwrap();
        link(&txn, &item, &tags[0]).await;
        link(&txn, &item, &tags[1]).await;
        AuditContext::set_actor(Actor::user("42")).unwrap();
        link(&txn, &item, &tags[2]).await;
        txn.commit().await.unwrap();
    };
    AuditContext::builder().tenant("acme").build().scope(writes).await;
    let [before, after] = database.take().try_into().unwrap();
    assert_eq!((who(&before), linked(&before)), (None, "add [1,2]".to_owned()));
    assert_eq!((who(&after), linked(&after)), (Some("42"), "add [3]".to_owned()));
    assert_eq!(before.attribute("audit.tenant").unwrap(), "acme");
}

#[audit_formatter(route = "POST|/seen", event = "creation")]
fn seen(change: &Change<item::Model>) -> Formatted {
    let current = AuditContext::current().and_then(|context| Some(context.actor()?.id()?.to_owned()));
    Formatted::new(format!("{} by {current:?}", change.subject().name))
}

async fn formatters_run_in_the_context(database: &TestDatabase) {
    let context = AuditContext::builder().actor(Actor::user("42")).raw_route("POST /seen").build();
    context.scope(async { new_item("Tea").insert(&database.db).await.unwrap() }).await;
    assert_eq!(database.one().description(), "Tea by Some(\"42\")");
}

/// A context whose actor somebody finds out, and how often somebody was asked.
fn late(id: &str) -> (AuditContext, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (id, counted) = (id.to_owned(), asked.clone());
    let context = AuditContext::builder().tenant("acme").late_actor(async move {
        counted.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Some(Actor::user(id)))
    });
    (context.build(), asked)
}

async fn a_late_actor_is_asked_before_the_first_write(database: &TestDatabase) {
    let (context, asked) = late("42");
    let writes = async {
        item::Entity::find().all(&database.db).await.unwrap();
        assert_eq!(asked.load(SeqCst), 0, "a read is no event");
        new_item("one").insert(&database.db).await.unwrap();
        let txn = database.db.begin().await.unwrap();
        new_item("two").insert(&txn).await.unwrap();
        txn.commit().await.unwrap();
    };
    context.scope(writes).await;
    assert_eq!(asked.load(SeqCst), 1);
    assert_eq!(database.take().iter().map(who).collect::<Vec<_>>(), [Some("42"); 2]);

    let (context, asked) = late("43");
    let txn = database.db.with_context(context).begin().await.unwrap();
    new_item("in a transaction").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let (context, _) = late("44");
    let hooked = async { new_item("by a hook").insert(&database.bare).await.unwrap() };
    database.audit.scope(context.scope(hooked)).await;
    assert_eq!(database.take().iter().map(who).collect::<Vec<_>>(), [Some("43"), Some("44")]);
    assert_eq!(asked.load(SeqCst), 1);

    // Nobody is asked for a write that nobody will record.
    let (context, asked) = late("45");
    let unrecorded = async { new_item("seed").insert(&database.db).await.unwrap() };
    context.scope(database.audit.without("seed data", unrecorded)).await;
    assert_eq!(who(&database.one()), Some("45"), "the fact itself is an event");
    assert_eq!(asked.load(SeqCst), 1);
    assert_eq!(database.audit.stats().late_actor_failures, 0);
}

/// Sessions are kept in a table, and reading one may note that it was read.
async fn a_late_actor_may_read_and_write_itself(database: &TestDatabase) {
    let db = database.db.clone();
    let context = AuditContext::builder().late_actor(async move {
        let session = new_item("session").insert(&db).await?;
        let read = item::Entity::find_by_id(session.id).one(&db).await?;
        Ok::<_, sea_orm::DbErr>(read.map(|session| Actor::user(session.id)))
    });
    context.build().scope(async { new_item("own").insert(&database.db).await.unwrap() }).await;
    let [session, own] = database.take().try_into().unwrap();
    assert_eq!((who(&session), who(&own)), (None, Some(session.pk())));
}

async fn a_context_comes_back_from_a_jobs_payload(database: &TestDatabase) {
    let (context, _) = late("42");
    let request = context.to_builder().raw_route("POST|/reports").request_id("r-1").build();
    database.audit.resolve_actor(Some(&request)).await;
    let payload = serde_json::to_string(&request).unwrap();

    let job: AuditContext = serde_json::from_str(&payload).unwrap();
    let job = job.delegated_to(Actor::service("reporter"));
    job.scope(async { new_item("report").insert(&database.db).await.unwrap() }).await;
    let record = database.one();
    for (name, value) in [
        ("audit.actor.type", "service"),
        ("audit.actor.id", "reporter"),
        ("audit.on_behalf_of.type", "user"),
        ("audit.on_behalf_of.id", "42"),
        ("audit.tenant", "acme"),
        ("audit.raw_route", "POST|/reports"),
        ("audit.request_id", "r-1"),
    ] {
        assert_eq!(record.attribute(name).unwrap(), value, "{name}");
    }
}
