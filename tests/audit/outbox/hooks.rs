//! Hooks on plain connections: a row of the caller's transaction, or a refusal.

use ftn_audit_sea::{AuditError, prelude::*};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{
    entities::memo,
    setup::{brief, connected, new_memo, rows},
};
use crate::{
    database::{TestDatabase, count, on, until},
    entities::*,
    samples::{new_item, stored_item},
};

on! { Sqlite Postgres MariaDb:
    a_plain_connection
    a_plain_transaction
    a_plain_transaction_without_outbox
}

async fn a_plain_connection(database: &TestDatabase) {
    let (audit, _, _) = connected(database, Delivery::outbox()).await;
    let item = stored_item(database, "Tea").await;
    audit
        .scope(async {
            let refusals = [
                new_item("Mate").insert(&database.bare).await.unwrap_err(),
                item::ActiveModel::from(item).delete(&database.bare).await.unwrap_err(),
            ];
            for refusal in refusals {
                let why = AuditError::from_db_err(&refusal);
                assert!(matches!(why, Some(AuditError::PlainConnection { table: "item" })), "{refusal}");
            }
            new_memo("best effort").insert(&database.bare).await.expect("the write stands");
        })
        .await;
    assert_eq!(count(&database.bare, item::Entity).await, 1);
    assert_eq!(brief(&rows(&database.bare).await), ["creation Memo 1 1/1"]);
    assert_eq!((audit.stats().stored, audit.stats().unattached), (1, 1));
}

async fn a_plain_transaction(database: &TestDatabase) {
    let (audit, _, _) = connected(database, Delivery::outbox()).await;
    audit
        .scope(async {
            let txn = database.bare.begin().await.unwrap();
            new_item("Tea").insert(&txn).await.unwrap();
            txn.commit().await.unwrap();
            let txn = database.bare.begin().await.unwrap();
            new_item("Mate").insert(&txn).await.unwrap();
            txn.rollback().await.unwrap();
        })
        .await;
    assert_eq!(brief(&rows(&database.bare).await), ["creation Item 1 1/1"]);
    assert_eq!(audit.stats().unattached, 0);
    let start = std::time::Instant::now();
    audit
        .scope(async {
            let txn = database.bare.begin().await.unwrap();
            new_memo("best effort").insert(&txn).await.unwrap();
            txn.commit().await.unwrap();
        })
        .await;
    until("it is stored", async || rows(&database.bare).await.len() == 2).await;
    assert!(start.elapsed().as_secs() < 4, "the write waits for no lock of its own transaction");
}

async fn a_plain_transaction_without_outbox(database: &TestDatabase) {
    let (audit, _, _) = connected(database, Delivery::outbox()).await;
    database.bare.execute_unprepared("DROP TABLE audit_outbox").await.unwrap();
    audit
        .scope(async {
            let txn = database.bare.begin().await.unwrap();
            new_memo("one").insert(&txn).await.expect("the write stands");
            let error = new_item("Tea").insert(&txn).await.unwrap_err();
            assert!(matches!(AuditError::from_db_err(&error), Some(AuditError::Outbox(_))), "{error}");
            txn.rollback().await.unwrap();
        })
        .await;
    assert_eq!(count(&database.bare, memo::Entity).await, 0);
}
