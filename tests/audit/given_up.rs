//! Statements whose caller gave them up while the database was at it: a row and its record agree.

use std::time::Duration;

use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, TransactionTrait, prelude::Expr};
use tokio::time::timeout;

use crate::{
    database::{Kind, TestDatabase, on, until},
    entities::*,
    samples::*,
};

// Not on MariaDB: sqlx loses its place there when a future is dropped while it prepares a statement, bare or not.
on! { Sqlite Postgres:
    a_statement_dropped_at_any_step
}
on! { Postgres MariaDb:
    an_update_outside_a_transaction
    an_update_in_a_transaction
    an_update_before_another
    a_deletion_in_a_transaction
    an_insert_and_an_update_of_many
    one_in_a_savepoint_that_is_rolled_back
}
on! { Postgres: one_that_failed }

const SOON: Duration = Duration::from_millis(150);

/// Makes every write of an item take a while.
async fn slow_writes(database: &TestDatabase) {
    for (event, row) in [("UPDATE", "NEW"), ("INSERT", "NEW"), ("DELETE", "OLD")] {
        let trigger = format!("slow_{}", event.to_lowercase());
        let texts = match database.kind {
            Kind::Postgres => vec![
                format!(
                    "CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS \
                     $$ BEGIN PERFORM pg_sleep(0.5); RETURN {row}; END $$"
                ),
                format!(
                    "CREATE TRIGGER {trigger} BEFORE {event} ON item FOR EACH ROW EXECUTE FUNCTION {trigger}()"
                ),
            ],
            _ => vec![format!("CREATE TRIGGER {trigger} BEFORE {event} ON item FOR EACH ROW DO SLEEP(0.5)")],
        };
        for text in texts {
            database.bare.execute_unprepared(&text).await.unwrap();
        }
    }
}

async fn an_update_outside_a_transaction(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    slow_writes(database).await;
    timeout(SOON, renamed(&item, "Mate").update(&database.db)).await.expect_err("it is on its way");
    until("the row is stored", async || stored(database, item.id).await.unwrap().name == "Mate").await;
    until("its record arrives", async || database.recorder.records().len() == 1).await;
    let record = database.one();
    assert_eq!(titles(&record), ("Tea".to_owned(), "Mate".to_owned()));
}

async fn an_update_in_a_transaction(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    slow_writes(database).await;
    let txn = database.db.begin().await.unwrap();
    timeout(SOON, renamed(&item, "Mate").update(&txn)).await.expect_err("it is on its way");
    txn.commit().await.unwrap();
    assert_eq!(stored(database, item.id).await.unwrap().name, "Mate");
    let record = database.one();
    assert_eq!(titles(&record), ("Tea".to_owned(), "Mate".to_owned()));
}

/// What the dropped one did is found out before the next one writes over it.
async fn an_update_before_another(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    slow_writes(database).await;
    let txn = database.db.begin().await.unwrap();
    timeout(SOON, renamed(&item, "Mate").update(&txn)).await.expect_err("it is on its way");
    let inner = txn.begin().await.unwrap();
    renamed(&item, "Milk").update(&inner).await.unwrap();
    inner.commit().await.unwrap();
    txn.commit().await.unwrap();
    let records = database.take();
    assert_eq!(records.len(), 2);
    assert_eq!(chain_end(&records, item.id, "Tea"), "Milk");
    assert_eq!(titles(&records[0]).1, "Mate");
}

async fn a_deletion_in_a_transaction(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    slow_writes(database).await;
    let txn = database.db.begin().await.unwrap();
    timeout(SOON, item::ActiveModel::from(item.clone()).delete(&txn)).await.expect_err("it is on its way");
    txn.commit().await.unwrap();
    assert!(stored(database, item.id).await.is_none());
    let record = database.one();
    assert_eq!(record.event_type(), "deletion");
}

async fn an_insert_and_an_update_of_many(database: &TestDatabase) {
    stored_item(database, "Tea").await;
    slow_writes(database).await;
    let txn = database.db.begin().await.unwrap();
    timeout(SOON, new_item("Mate").insert(&txn)).await.expect_err("it is on its way");
    txn.commit().await.unwrap();
    assert_eq!(brief(&database.take()), ["creation Item 2"]);
    let txn = database.db.begin().await.unwrap();
    let update = item::Entity::update_many().col_expr(item::Column::Name, Expr::value("Milk"));
    timeout(SOON, update.exec(&txn)).await.expect_err("it is on its way");
    txn.commit().await.unwrap();
    assert_eq!(stored(database, 1).await.unwrap().name, "Milk");
    let records = database.take();
    assert_eq!(
        records.iter().map(titles).collect::<Vec<_>>(),
        [("Tea", "Milk"), ("Mate", "Milk")].map(|(old, new)| (old.to_owned(), new.to_owned()))
    );
}

async fn one_in_a_savepoint_that_is_rolled_back(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    slow_writes(database).await;
    let txn = database.db.begin().await.unwrap();
    let inner = txn.begin().await.unwrap();
    timeout(SOON, renamed(&item, "Mate").update(&inner)).await.expect_err("it is on its way");
    inner.rollback().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(stored(database, item.id).await.unwrap().name, "Tea");
    database.silent();
}

async fn one_that_failed(database: &TestDatabase) {
    let (one, two) = (stored_item(database, "Tea").await, stored_item(database, "Mate").await);
    slow_writes(database).await;
    let check = "ALTER TABLE item ADD CONSTRAINT no_milk CHECK (name <> 'Milk')";
    database.bare.execute_unprepared(check).await.unwrap();
    let txn = database.db.begin().await.unwrap();
    renamed(&one, "Green tea").update(&txn).await.unwrap();
    timeout(SOON, renamed(&two, "Milk").update(&txn)).await.expect_err("it is on its way");
    txn.commit().await.expect("the outcome is the database's");
    assert_eq!(stored(database, one.id).await.unwrap().name, "Tea");
    database.silent();
}

async fn a_statement_dropped_at_any_step(database: &TestDatabase) {
    for steps in 0..12 {
        let item = stored_item(database, "Tea").await;
        let txn = database.db.begin().await.unwrap();
        let mut update = Box::pin(renamed(&item, "Mate").update(&txn));
        for _ in 0..=steps {
            if polled_once(&mut update).await.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(update);
        let mut touched = renamed(&item, "Tea");
        touched.name = Set(format!("after {steps}"));
        touched.update(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let records = database.take();
        assert_eq!(chain_end(&records, item.id, "Tea"), format!("after {steps}"), "{steps}");
    }
}
