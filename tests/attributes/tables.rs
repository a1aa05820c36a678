//! Several entities on one table.

use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, ModelTrait};

use crate::{
    database::{TestDatabase, changed, on_every_database},
    entities::*,
};

on_every_database! {
    records_follow_the_primary_entity
    hooks_tell_the_same
}

async fn records_follow_the_primary_entity(test: &TestDatabase) {
    write(test, &test.db).await;
    let line = |record: &ftn_audit_sea::AuditRecord| format!("{} {}", record.event_type(), record.model());
    let records = test.take();
    let lines: Vec<_> = records.iter().map(line).collect();
    assert_eq!(lines, ["creation Product", "update Product", "deletion Product"]);
    assert_eq!(changed(&records[1]), ["name"]);
    assert_eq!(changed(&records[2]), ["id", "name", "cost"]);
    assert_eq!(records[2].attribute("audit.changeset.cost.old").unwrap(), "***");
}

/// The other entity's row lacks a column, which the record has all the same.
async fn write<C: ConnectionTrait>(test: &TestDatabase, db: &C) {
    let new = product_name::ActiveModel { name: Set("Tea".into()), ..Default::default() };
    let stored = new.insert(db).await.unwrap();
    let cost = format!("UPDATE product SET cost = 4711 WHERE id = {}", stored.id);
    test.plain.execute_unprepared(&cost).await.unwrap();
    let mut change: product_name::ActiveModel = stored.into();
    change.name = Set("Green tea".into());
    let stored = change.update(db).await.unwrap();
    stored.delete(db).await.unwrap();
    assert!(product::Entity::find().one(&test.plain).await.unwrap().is_none());
}

async fn hooks_tell_the_same(test: &TestDatabase) {
    test.hooked(write(test, &test.plain)).await;
    let records = test.take();
    let lines: Vec<_> =
        records.iter().map(|record| format!("{} {}", record.event_type(), record.model())).collect();
    assert_eq!(lines, ["creation Product", "update Product", "deletion Product"]);
    assert_eq!(changed(&records[1]), ["name"]);
    // SeaORM shows a deletion's hook the row of its own entity, when the other one's is gone.
    assert_eq!(changed(&records[2]), ["id", "name"]);
}
