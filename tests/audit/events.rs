//! Events of the application's own, and work that is not audited on purpose.

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, TransactionTrait, prelude::*};

use crate::{database::Kind, entities::*};

async fn setup() -> (AuditedConnection, Audit, MemorySink) {
    let database = Kind::Sqlite.database().await.expect("SQLite is always there");
    let sink = MemorySink::new();
    let audit = Audit::builder()
        .sink(sink.clone())
        .delivery(Delivery::sync())
        .environment(|_| None)
        .build()
        .expect("the settings are good");
    let db = audit.connect(database.bare.clone()).await.expect("the database answers");
    (db, audit, sink)
}

fn owner(name: &str) -> owner::ActiveModel {
    owner::ActiveModel { name: Set(name.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn an_event_shares_its_transactions_outcome() {
    let (db, audit, sink) = setup().await;
    let txn = db.begin().await.unwrap();
    audit.event("export.downloaded").subject("Report", "7").attr("rows", 120).record(&txn).await;
    assert!(sink.records().is_empty(), "nothing before the commit");
    owner("Ann").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let records = sink.records();
    assert_eq!(records.len(), 2);
    let event = &records[0];
    assert_eq!(event.event_type(), "export.downloaded");
    assert_eq!((event.model(), event.pk()), ("Report", "7"));
    assert_eq!(event.attribute("rows").unwrap(), 120);
    assert_eq!(event.transaction_id(), records[1].transaction_id());
    assert_eq!((event.sequence(), event.transaction_count()), (Some(1), Some(2)));

    sink.clear();
    let txn = db.begin().await.unwrap();
    audit.event("export.downloaded").record(&txn).await;
    txn.rollback().await.unwrap();
    assert!(sink.records().is_empty());

    let txn = db.begin().await.unwrap();
    audit.event("first").record(&txn).await;
    let savepoint = txn.begin().await.unwrap();
    audit.event("undone").record(&savepoint).await;
    savepoint.rollback().await.unwrap();
    let savepoint = txn.begin().await.unwrap();
    audit.event("second").record(&savepoint).await;
    savepoint.commit().await.unwrap();
    assert!(sink.records().is_empty(), "a savepoint's end is not the transaction's");
    txn.commit().await.unwrap();
    let events: Vec<_> = sink.records().iter().map(|record| record.event_type().to_string()).collect();
    assert_eq!(events, ["first", "second"]);
}

#[tokio::test]
async fn an_event_outside_a_transaction_stands_for_itself() {
    let (db, audit, sink) = setup().await;
    let context = AuditContext::builder().actor(Actor::user(42)).raw_route("GET|/reports/:id").build();
    context.scope(audit.event("report.read").subject("Report", 7).record(&db)).await;
    let record = &sink.records()[0];
    assert_eq!(record.description(), "report.read on Report #7");
    assert_eq!(record.attribute("user.id").unwrap(), "42");
    assert_eq!(record.attribute("audit.raw_route").unwrap(), "GET|/reports/:id");
    assert_eq!(record.event_name(), "audit.Report.report.read");
}

#[tokio::test]
async fn without_leaves_one_record_with_the_reason() {
    let (db, audit, sink) = setup().await;
    let stored = audit
        .without("seed data", async {
            let txn = db.begin().await.unwrap();
            owner("Ann").insert(&txn).await.unwrap();
            txn.commit().await.unwrap();
            audit.event("never").record(&db).await;
            audit.without("inner", owner("Bob").insert(&db)).await.unwrap()
        })
        .await;
    assert_eq!(stored.name, "Bob");
    let records = sink.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].event_type(), "without");
    assert_eq!(records[0].attribute("audit.reason").unwrap(), "seed data");

    owner("Cyd").insert(&db).await.unwrap();
    assert_eq!(sink.records().len(), 2, "what comes after is audited again");
}

#[tokio::test]
async fn without_silences_its_own_handle_only() {
    let (db, audit, sink) = setup().await;
    let (other_db, _other, other_sink) = setup().await;
    audit
        .without("repair", async {
            owner("Ann").insert(&db).await.unwrap();
            owner("Bob").insert(&other_db).await.unwrap();
        })
        .await;
    assert_eq!((sink.records().len(), other_sink.records().len()), (1, 1));
}

#[tokio::test]
async fn a_disabled_handle_is_the_same_to_use() {
    let database = Kind::Sqlite.database().await.unwrap();
    let audit = Audit::disabled();
    let db = audit.connect(database.bare.clone()).await.unwrap();
    let stored = audit.without("nothing", owner("Ann").insert(&db)).await.unwrap();
    audit.event("never").record(&db).await;
    let txn = db.begin().await.unwrap();
    stored.delete(&txn).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(audit.stats().captured, 0);
    assert_eq!(audit.describe(), "ftn-audit: disabled\n");
}

#[tokio::test]
async fn acting_as_somebody_else_nests() {
    let (db, _audit, sink) = setup().await;
    let ann = AuditContext::builder().actor(Actor::user("ann")).tenant("acme").build();
    ann.scope(async {
        AuditContext::act_as(Actor::user("root"), async {
            AuditContext::act_as(Actor::service("billing"), owner("Zero").insert(&db)).await.unwrap();
            owner("One").insert(&db).await.unwrap();
        })
        .await;
        owner("Two").insert(&db).await.unwrap();
    })
    .await;
    // Also where nobody was named before.
    AuditContext::act_as(Actor::user("cron"), owner("Three").insert(&db)).await.unwrap();
    let records = sink.records();
    let actors: Vec<_> = records.iter().filter_map(|record| record.actor()?.id()).collect();
    assert_eq!(actors, ["billing", "root", "ann", "cron"]);
    assert!(records[..3].iter().all(|record| record.attribute("audit.tenant").unwrap() == "acme"));
}
