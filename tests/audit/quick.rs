//! The main job, start to end.

use sea_orm::{ActiveValue::Set, TransactionTrait, prelude::*};

use crate::{
    database::{TestDatabase, on},
    entities::*,
};

on! { Sqlite Postgres MariaDb: one_item_from_creation_to_deletion }

async fn one_item_from_creation_to_deletion(database: &TestDatabase) {
    let db = &database.db;
    let item = item::ActiveModel {
        name: Set("Tea".into()),
        price: Set(Decimal::new(1050, 2)),
        ..Default::default()
    };
    let item = item.insert(db).await.unwrap();
    let mut change: item::ActiveModel = item.clone().into();
    change.name = Set("Green tea".into());
    change.update(db).await.unwrap();
    let txn = db.begin().await.unwrap();
    let mut change: item::ActiveModel = item.clone().into();
    change.name = Set("Black tea".into());
    change.update(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    let item = item::Entity::find_by_id(item.id).one(db).await.unwrap().unwrap();
    item.delete(db).await.unwrap();
    let events: Vec<_> = database.take().iter().map(|record| record.event_type().to_string()).collect();
    assert_eq!(events, ["creation", "update", "deletion"]);
}
