//! `soft_delete`: an update that is a deletion, and the way back.

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, ModelTrait, TransactionTrait, prelude::DateTimeUtc};

use crate::{
    database::{TestDatabase, changed, on_every_database},
    entities::*,
};

on_every_database! {
    marking_and_unmarking_a_row
    marking_by_a_truth_value
    hooks_tell_the_same
}

#[audit_formatter(event = "restoration")]
fn restored(change: &Change<document::Model>) -> Formatted {
    Formatted::new(format!("{} is back", change.subject().title))
}

fn noon() -> DateTimeUtc {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

async fn marking_and_unmarking_a_row(test: &TestDatabase) {
    let new = document::ActiveModel { title: Set("Plan".into()), ..Default::default() };
    let stored = new.insert(&test.db).await.unwrap();
    test.take();
    let mut change: document::ActiveModel = stored.into();
    change.deleted_at = Set(Some(noon()));
    let stored = change.update(&test.db).await.unwrap();
    let record = test.one();
    assert_eq!(record.event_type(), "deletion");
    assert_eq!(record.description(), format!("Deleted Document #{}", stored.id));
    assert_eq!(record.event_name(), "audit.document.deletion");
    assert_eq!(record.attribute("db.operation.name").unwrap(), "UPDATE");
    assert_eq!(record.attribute("audit.changeset.deleted_at.new").unwrap(), "2026-01-01T12:00:00+00:00");
    assert_eq!(changed(&record), ["deleted_at"]);

    // A later mark is no second deletion.
    let mut change: document::ActiveModel = stored.into();
    change.deleted_at = Set(Some("2026-01-02T12:00:00Z".parse().unwrap()));
    let stored = change.update(&test.db).await.unwrap();
    assert_eq!(test.events(), [format!("update Document #{}", stored.id)]);

    let txn = test.db.begin().await.unwrap();
    let mut change: document::ActiveModel = stored.into();
    change.deleted_at = Set(None);
    change.title = Set("New plan".into());
    let stored = change.update(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let record = test.one();
    assert_eq!((record.event_type().as_str(), record.description()), ("restoration", "New plan is back"));
    assert_eq!(changed(&record), ["title", "deleted_at"]);

    stored.delete(&test.db).await.unwrap();
    assert_eq!(test.one().attribute("db.operation.name").unwrap(), "DELETE");
}

async fn marking_by_a_truth_value(test: &TestDatabase) {
    let new = flagged::ActiveModel { title: Set("Plan".into()), modified: Set(false), ..Default::default() };
    let stored = new.insert(&test.db).await.unwrap();
    let mut change: flagged::ActiveModel = stored.into();
    change.modified = Set(true);
    let mut change: flagged::ActiveModel = change.update(&test.db).await.unwrap().into();
    change.modified = Set(false);
    let stored = change.update(&test.db).await.unwrap();
    let records = test.take();
    let events: Vec<_> = records.iter().map(|record| record.event_type().as_str().to_owned()).collect();
    assert_eq!(events, ["creation", "deletion", "restoration"]);
    assert_eq!(records[2].description(), format!("Restored Flagged #{}", stored.id));
}

async fn hooks_tell_the_same(test: &TestDatabase) {
    test.hooked(async {
        let new = document::ActiveModel { title: Set("Plan".into()), ..Default::default() };
        let mut change: document::ActiveModel = new.insert(&test.plain).await.unwrap().into();
        change.deleted_at = Set(Some(noon()));
        let mut change: document::ActiveModel = change.update(&test.plain).await.unwrap().into();
        change.deleted_at = Set(None);
        change.update(&test.plain).await.unwrap();
    })
    .await;
    let events: Vec<_> = test.take().iter().map(|record| record.event_type().to_string()).collect();
    assert_eq!(events, ["creation", "deletion", "restoration"]);
}
