//! The main job, start to end.

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, TransactionTrait, prelude::*};

use crate::{database::Kind, entities::*};

#[tokio::test]
async fn one_item_from_creation_to_deletion() {
    let database = Kind::Sqlite.database().await.unwrap();
    let sink = MemorySink::new();
    let audit =
        Audit::builder().service_name("test").sink(sink.clone()).delivery(Delivery::sync()).build().unwrap();
    let db = audit.connect(database.connection.clone()).await.unwrap();
    println!("{}", audit.describe());

    let item = item::ActiveModel {
        name: Set("Tea".into()),
        price: Set(Decimal::new(1050, 2)),
        ..Default::default()
    };
    let item = item.insert(&db).await.unwrap();
    let mut change: item::ActiveModel = item.clone().into();
    change.name = Set("Green tea".into());
    change.update(&db).await.unwrap();
    let txn = db.begin().await.unwrap();
    let mut change: item::ActiveModel = item.clone().into();
    change.name = Set("Black tea".into());
    change.update(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    let item = item::Entity::find_by_id(item.id).one(&db).await.unwrap().unwrap();
    item.delete(&db).await.unwrap();
    for record in sink.records() {
        println!("{}", record.to_json());
    }
    assert_eq!(sink.records().len(), 3);
}
