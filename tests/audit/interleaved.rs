//! Futures that share one transaction.

use std::collections::BTreeMap;

use sea_orm::{ActiveValue::Set, EntityTrait, TransactionTrait};
use tokio::{join, try_join};

use crate::{
    database::{TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    sibling_savepoints
    siblings_in_try_join
    updates_of_one_row
    a_crowd_in_one_transaction
}

async fn titles_as_stored(database: &TestDatabase) -> BTreeMap<i32, String> {
    let items = item::Entity::find().all(&database.bare).await.unwrap();
    items.into_iter().map(|item| (item.id, item.name)).collect()
}

/// The rows that the database kept are exactly those that the records tell of.
async fn agree(database: &TestDatabase, before: &BTreeMap<i32, String>, what: &str) {
    let (after, records) = (titles_as_stored(database).await, database.take());
    for (id, title) in &after {
        let told = match before.get(id) {
            Some(begin) => chain_end(&records, *id, begin),
            None => {
                let created = records.iter().find(|record| record.pk() == id.to_string());
                created.map_or_else(|| panic!("{what}: {id} has no record"), |record| titles(record).1)
            }
        };
        assert_eq!(&told, title, "{what}: item {id}: {records:#?}");
    }
    for record in &records {
        assert!(after.contains_key(&record.pk().parse().unwrap()), "{what}: {record:#?}");
    }
}

/// sqlx names savepoints by depth: whichever object ends first, the innermost savepoint ends.
async fn sibling_savepoints(database: &TestDatabase) {
    for (first_commits, second_commits) in [(false, true), (true, false), (true, true), (false, false)] {
        let before = titles_as_stored(database).await;
        let txn = database.db.begin().await.unwrap();
        let (one, two) = (txn.begin().await.unwrap(), txn.begin().await.unwrap());
        new_item("one").insert(&one).await.unwrap();
        new_item("two").insert(&two).await.unwrap();
        for (savepoint, commits) in [(one, first_commits), (two, second_commits)] {
            if commits {
                savepoint.commit().await.unwrap();
            } else {
                savepoint.rollback().await.unwrap();
            }
        }
        txn.commit().await.unwrap();
        agree(database, &before, &format!("{first_commits} {second_commits}")).await;
    }
}

async fn siblings_in_try_join(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    let nested = |name: &str| {
        item::ActiveModel::builder()
            .set_name(name)
            .set_price(price(1))
            .set_owner(owner::ActiveModel::builder().set_name(name))
    };
    try_join!(nested("one").save(&txn), nested("two").save(&txn)).unwrap();
    let undone = async {
        let inner = txn.begin().await?;
        new_item("three").insert(&inner).await?;
        inner.rollback().await
    };
    let kept = async {
        let inner = txn.begin().await?;
        new_item("four").insert(&inner).await?;
        inner.commit().await
    };
    try_join!(undone, kept).unwrap();
    txn.commit().await.unwrap();
    let stored = titles_as_stored(database).await;
    let records = database.take();
    let told: BTreeMap<i32, String> = records
        .iter()
        .filter(|record| record.model() == "Item")
        .map(|record| (record.pk().parse().unwrap(), titles(record).1))
        .collect();
    assert_eq!(told, stored);
    assert_eq!(records.iter().filter(|record| record.model() == "Owner").count(), 2);
}

/// Row locks do not help here: the transaction is the same.
async fn updates_of_one_row(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let before = titles_as_stored(database).await;
    let txn = database.db.begin().await.unwrap();
    let (one, two, three) = join!(
        renamed(&item, "one").update(&txn),
        renamed(&item, "two").update_without_returning(&txn),
        renamed(&item, "three").update(&txn),
    );
    one.unwrap();
    two.unwrap();
    three.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(database.recorder.records().len(), 3);
    agree(database, &before, "join").await;
}

/// Savepoints begin and end between the statements of others, in an order that nobody chose.
async fn a_crowd_in_one_transaction(database: &TestDatabase) {
    let mut items = Vec::new();
    for name in ["a", "b", "c"] {
        items.push(stored_item(database, name).await);
    }
    for round in 0..6_usize {
        let before = titles_as_stored(database).await;
        let txn = database.db.begin().await.unwrap();
        let writers = (0..4_usize).map(|writer| {
            let (txn, items) = (&txn, &items);
            async move {
                for step in 0..4 {
                    let item = &items[(round + writer * step) % 3];
                    let mut change = renamed(item, &format!("{round} {writer} {step}"));
                    change.internal = Set(None);
                    match (round + writer + step) % 4 {
                        0 => {
                            change.update_without_returning(txn).await.unwrap();
                        }
                        1 => {
                            let inner = txn.begin().await.unwrap();
                            change.update(&inner).await.unwrap();
                            inner.rollback().await.unwrap();
                        }
                        2 => {
                            let inner = txn.begin().await.unwrap();
                            change.update_without_returning(&inner).await.unwrap();
                            inner.commit().await.unwrap();
                        }
                        _ => {
                            change.update(txn).await.unwrap();
                        }
                    }
                }
            }
        });
        futures_util::future::join_all(writers).await;
        txn.commit().await.unwrap();
        agree(database, &before, &format!("round {round}")).await;
    }
}
