//! `reason = "required"` where records are kept with their rows: no change without a reason.

use ftn_audit_sea::{AuditError, prelude::*};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, Schema, TransactionTrait};

use super::{
    entities::verdict,
    setup::{connected, rows},
};
use crate::database::{TestDatabase, count, on};

on! { Sqlite Postgres MariaDb:
    a_change_without_a_reason_is_not_made
    a_large_transaction_without_a_reason_is_not_made
}

fn new(text: &str) -> verdict::ActiveModel {
    verdict::ActiveModel { text: Set(text.to_owned()), ..Default::default() }
}

async fn prepared(database: &TestDatabase, delivery: Delivery) -> (Audit, AuditedConnection) {
    let (audit, db, _) = connected(database, delivery).await;
    let table = Schema::new(database.bare.get_database_backend()).create_table_from_entity(verdict::Entity);
    database.bare.execute(&table).await.unwrap();
    (audit, db)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, DbErr>) {
    let error = result.unwrap_err();
    let why = AuditError::from_db_err(&error);
    assert!(matches!(why, Some(AuditError::ReasonMissing { model }) if model == "Verdict"), "{error}");
}

async fn a_change_without_a_reason_is_not_made(database: &TestDatabase) {
    let (audit, db) = prepared(database, Delivery::outbox()).await;
    refused(new("alone").insert(&db).await);
    let txn = db.begin().await.unwrap();
    new("in a transaction").insert(&txn).await.unwrap();
    refused(txn.commit().await);
    let txn = database.bare.begin().await.unwrap();
    refused(audit.scope(new("by a hook").insert(&txn)).await);
    txn.rollback().await.unwrap();
    assert_eq!((count(&database.bare, verdict::Entity).await, rows(&database.bare).await), (0, vec![]));

    let justified = AuditContext::builder().reason("appeal 7").build();
    justified
        .scope(async {
            new("alone").insert(&db).await.unwrap();
            let txn = database.bare.begin().await.unwrap();
            audit.scope(new("by a hook").insert(&txn)).await.unwrap();
            txn.commit().await.unwrap();
        })
        .await;
    assert_eq!(count(&database.bare, verdict::Entity).await, 2);
    assert_eq!(rows(&database.bare).await.len(), 2);
}

async fn a_large_transaction_without_a_reason_is_not_made(database: &TestDatabase) {
    let (_, db) = prepared(database, Delivery::outbox().scope_bytes(1)).await;
    let txn = db.begin().await.unwrap();
    refused(new("one").insert(&txn).await);
    txn.rollback().await.unwrap();
    assert_eq!((count(&database.bare, verdict::Entity).await, rows(&database.bare).await), (0, vec![]));
    let justified = AuditContext::builder().reason("appeal 7").build();
    justified
        .scope(async {
            let txn = db.begin().await.unwrap();
            new("one").insert(&txn).await.unwrap();
            new("two").insert(&txn).await.unwrap();
            txn.commit().await.unwrap();
        })
        .await;
    let stored = rows(&database.bare).await;
    let numbers: Vec<_> = stored.iter().map(|row| (row.sequence, row.transaction_count)).collect();
    assert_eq!(numbers, [(1, None), (2, Some(2))]);
}
