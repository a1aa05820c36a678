//! Records in a snapshot: the same in every run, and on every database.

use ftn_audit_sea::prelude::*;
use sea_orm::{TransactionTrait, prelude::*};

use super::life;
use crate::{
    database::{TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb: as_text }
on! { Sqlite: as_data replaced side_by_side causes }

async fn as_text(database: &TestDatabase) {
    let context = AuditContext::builder().actor(Actor::user("42")).raw_route("PATCH|/items/:id").build();
    context.scope(life(database)).await;
    let snapshot = database.recorder.snapshot().without("db.*");
    insta::allow_duplicates! {
        insta::assert_snapshot!(snapshot, @"
        record 1: creation Item #1 (transaction 1, 1 of 1)
          Created Item #1
          audit.actor.type: user
          audit.changeset.id.new: 1
          audit.changeset.price.new: 10.50
          audit.changeset.supplier_note.new: ***
          audit.changeset.title.new: Tea
          audit.raw_route: PATCH|/items/:id
          user.id: 42
        record 2: update Item #1 (transaction 2, 1 of 1)
          Updated Item #1 (title, price, supplier_note)
          audit.actor.type: user
          audit.changeset.price.new: 12.50
          audit.changeset.price.old: 10.50
          audit.changeset.supplier_note.old: ***
          audit.changeset.title.new: Mate
          audit.changeset.title.old: Tea
          audit.raw_route: PATCH|/items/:id
          user.id: 42
        record 3: deletion Item #1 (transaction 3, 1 of 1)
          Deleted Item #1
          audit.actor.type: user
          audit.changeset.id.old: 1
          audit.changeset.price.old: 12.50
          audit.changeset.title.old: Mate
          audit.raw_route: PATCH|/items/:id
          user.id: 42
        ");
    }
}

async fn as_data(database: &TestDatabase) {
    new_item("Tea").insert(&database.db).await.unwrap();
    insta::assert_json_snapshot!(database.recorder.snapshot(), @r#"
    [
      {
        "id": "record 1",
        "event": "creation",
        "model": "Item",
        "pk": "1",
        "transaction": "transaction 1",
        "sequence": 1,
        "transaction_count": 1,
        "description": "Created Item #1",
        "attributes": {
          "audit.actor.type": "unknown",
          "audit.changeset.id.new": 1,
          "audit.changeset.price.new": "10.50",
          "audit.changeset.title.new": "Tea",
          "db.collection.name": "item",
          "db.operation.name": "INSERT",
          "db.system.name": "sqlite"
        }
      }
    ]
    "#);
}

/// What the application makes anew in each run, it replaces by itself.
async fn replaced(database: &TestDatabase) {
    let item = new_item("Tea").insert(&database.db).await.unwrap();
    let id = format!("#{}", item.id);
    let snapshot = database.recorder.snapshot().replace(id, "#[item]").redact("audit.changeset.price.*");
    assert_eq!(snapshot.records()[0].description, "Created Item #[item]");
    assert_eq!(snapshot.records()[0].attributes["audit.changeset.price.new"], "[redacted]");
}

async fn side_by_side(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    for name in ["Tea", "Mate"] {
        new_item(name).insert(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
    item::Entity::delete_by_id(1).exec(&database.db).await.unwrap();
    let sorted = database.recorder.snapshot().sorted();
    let brief: Vec<_> = sorted
        .records()
        .iter()
        .map(|record| {
            let transaction = record.transaction.as_deref().unwrap_or_default();
            format!("{}: {} {} in {transaction}", record.id, record.event, record.pk)
        })
        .collect();
    assert_eq!(
        brief,
        [
            "record 1: creation 1 in transaction 1",
            "record 2: deletion 1 in transaction 2",
            "record 3: creation 2 in transaction 1",
        ]
    );
}

/// A record that names another one does so by its place.
async fn causes(database: &TestDatabase) {
    let db = &database.db;
    for table in ["item_tag", "item_label", "item"] {
        database.bare.execute_unprepared(&format!("DROP TABLE {table}")).await.unwrap();
    }
    let table = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL NOT NULL, owner_id INTEGER \
                 REFERENCES owner (id) ON DELETE CASCADE, supplier_note TEXT, api_token TEXT, internal TEXT, updated_at \
                 TEXT)";
    db.execute_unprepared(table).await.unwrap();
    let owner = owner::ActiveModel { name: sea_orm::Set("Ann".to_owned()), ..Default::default() };
    let owner = owner.insert(&database.bare).await.unwrap();
    let mut tea = new_item("Tea");
    tea.owner_id = sea_orm::Set(Some(owner.id));
    tea.insert(&database.bare).await.unwrap();
    owner.delete(db).await.unwrap();
    let snapshot = database.recorder.snapshot();
    let of_item = snapshot.records().iter().find(|record| record.model == "Item").unwrap();
    let cause = snapshot.records().iter().find(|record| record.model == "Owner").unwrap();
    assert_eq!(of_item.attributes["audit.cause"], cause.id.as_str());
    assert_eq!(cause.id, "record 2");
}
