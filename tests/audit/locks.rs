//! The user's write is the same write: it waits where the bare one waits, fails where and as the bare one fails.

use std::time::Duration;

use ftn_audit_sea::{prelude::*, testing::*};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IsolationLevel, RuntimeErr,
    TransactionTrait,
};

use crate::{
    database::{Kind, TestDatabase, connect, on, sql, until},
    entities::*,
    samples::*,
};

on! { Sqlite:
    a_deferred_transaction_waits_for_another_writer
    a_busy_database_is_waited_for_once
}
on! { Sqlite Postgres MariaDb:
    many_writers_of_the_same_rows
    constraint_errors
    a_model_that_cannot_read_the_row
}
on! { Postgres:
    foreign_key_checks_of_others_go_on
    serialization_failures
}
on! { Postgres MariaDb: lock_timeouts }

/// SQLite cannot turn a read into a write once another writer was there: it fails at once, whatever the timeout.
async fn a_deferred_transaction_waits_for_another_writer(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let link = {
        let tag = stored_tag(database, "hot").await;
        item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) }
    };
    let link = link.insert(&database.bare).await.unwrap();
    for round in 0..2 {
        let pool = connect(&database.url).await;
        let other = pool.begin().await.unwrap();
        renamed(&item, &format!("other {round}")).update(&other).await.unwrap();
        let txn = database.db.begin().await.unwrap();
        let release = async {
            // Long enough for a statement that does not wait to have failed.
            tokio::time::sleep(Duration::from_millis(200)).await;
            other.commit().await.unwrap();
        };
        if round == 0 {
            let (written, ()) = tokio::join!(renamed(&item, "mine").update(&txn), release);
            written.unwrap();
        } else {
            let gone: item_tag::ActiveModel = link.clone().into();
            let (written, ()) = tokio::join!(gone.delete(&txn), release);
            written.unwrap();
        }
        txn.commit().await.unwrap();
    }
    assert_audited!(database.recorder, item::Entity, update, title: "other 0" => "mine");
    assert_audited!(database.recorder, item::Entity, collection_update, tags: remove [1]);
    assert_eq!(database.take().len(), 2);
}

async fn a_busy_database_is_waited_for_once(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let pool = connect(&database.url).await;
    let other = pool.begin().await.unwrap();
    renamed(&item, "other").update(&other).await.unwrap();
    let outcome = async |db: &dyn Fn() -> futures_util::future::BoxFuture<'static, DbErr>| {
        let start = std::time::Instant::now();
        (same_error(&db().await), start.elapsed())
    };
    let (bare, audited) = (database.bare.clone(), database.db.clone());
    let impatient = "PRAGMA busy_timeout = 600";
    let (item_one, item_two) = (item.clone(), item.clone());
    let (bare_error, bare_time) = outcome(&move || {
        let (bare, item) = (bare.clone(), item_one.clone());
        Box::pin(async move {
            let txn = bare.begin().await.unwrap();
            txn.execute_unprepared(impatient).await.unwrap();
            renamed(&item, "mine").update(&txn).await.unwrap_err()
        })
    })
    .await;
    let (audited_error, audited_time) = outcome(&move || {
        let (db, item) = (audited.clone(), item_two.clone());
        Box::pin(async move {
            let txn = db.begin().await.unwrap();
            txn.execute_unprepared(impatient).await.unwrap();
            renamed(&item, "mine").update(&txn).await.unwrap_err()
        })
    })
    .await;
    assert_eq!(audited_error, bare_error);
    assert!(audited_time < bare_time + Duration::from_millis(400), "{audited_time:?}, bare {bare_time:?}");
    other.rollback().await.unwrap();
    database.silent();
}

async fn many_writers_of_the_same_rows(database: &TestDatabase) {
    let (writers, updates) = if database.kind == Kind::Sqlite { (4, 500) } else { (16, 30) };
    let items = [stored_item(database, "0").await, stored_item(database, "0").await];
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let db = match database.kind {
            // A pool each, as if they were processes.
            Kind::Sqlite => database.audit.connect(connect(&database.url).await).await.unwrap(),
            _ => database.db.clone(),
        };
        let items = items.clone();
        tasks.push(tokio::spawn(async move {
            for step in 0..updates {
                let change = renamed(&items[(writer + step) % 2], &format!("{writer} {step}"));
                if step % 3 == 0 {
                    change.update_without_returning(&db).await.unwrap();
                } else {
                    change.update(&db).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // Records of different transactions arrive in any order: each old value belongs to exactly one new one.
    let records = database.take();
    assert_eq!(records.len(), writers * updates);
    for item in items {
        let mut steps: std::collections::HashMap<_, _> =
            records.iter().filter(|record| record.pk() == item.id.to_string()).map(titles).collect();
        let (mut title, total) = ("0".to_owned(), steps.len());
        let mut length = 0;
        while let Some(next) = steps.remove(&title) {
            title = next;
            length += 1;
        }
        assert!(steps.is_empty(), "the chain breaks after {length} of {total}: {steps:?}");
        assert_eq!(title, stored(database, item.id).await.unwrap().name);
        assert_eq!(length, records.iter().filter(|record| record.pk() == item.id.to_string()).count());
    }
}

/// FOR UPDATE would make the child row wait for the audited transaction.
async fn foreign_key_checks_of_others_go_on(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tag = stored_tag(database, "hot").await;
    let txn = database.db.begin().await.unwrap();
    renamed(&item, "Mate").update(&txn).await.unwrap();
    let other = database.bare.begin().await.unwrap();
    other.execute_unprepared("SET LOCAL lock_timeout = '2s'").await.unwrap();
    let child = item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) };
    child.insert(&other).await.expect("the key of the updated row is not locked");
    other.commit().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(database.take().len(), 1);
}

/// What an application can tell of an error: its variant, and the database's code and message.
fn same_error(error: &DbErr) -> (&'static str, String) {
    let (variant, inner) = match error {
        DbErr::Exec(inner) => ("exec", inner),
        DbErr::Query(inner) => ("query", inner),
        other => return ("other", format!("{other:?}")),
    };
    match inner {
        RuntimeErr::SqlxError(error) => {
            let database = error.as_database_error().unwrap_or_else(|| panic!("{error:?}"));
            (variant, format!("{:?} {}", database.code(), database.message()))
        }
        RuntimeErr::Internal(text) => (variant, text.clone()),
    }
}

/// The errors of some bad writes, in a transaction each or outside any.
async fn bad_writes<C>(db: &C, transactions: bool) -> Vec<(&'static str, String)>
where
    C: TransactionTrait + ConnectionTrait,
{
    let mut errors = Vec::new();
    for write in 0..8 {
        let error = if transactions {
            let txn = db.begin().await.unwrap();
            let error = bad_write(&txn, write).await;
            sea_orm::TransactionSession::rollback(txn).await.unwrap();
            error
        } else {
            bad_write(db, write).await
        };
        errors.push(same_error(&error));
    }
    errors
}

async fn bad_write(db: &impl ConnectionTrait, write: u32) -> DbErr {
    let change = |id: i32| item::ActiveModel { id: Set(id), ..Default::default() };
    match write {
        0 => new_item("x")
            .insert(db)
            .await
            .and(item::ActiveModel { id: Set(1), ..new_item("x") }.insert(db).await)
            .unwrap_err(),
        1 => item::ActiveModel { name: Set("x".into()), ..Default::default() }.insert(db).await.unwrap_err(),
        2 => {
            let item = item::ActiveModel { owner_id: Set(Some(99)), ..change(1) };
            item.update(db).await.unwrap_err()
        }
        3 => {
            let item = item::ActiveModel { owner_id: Set(Some(99)), ..change(1) };
            item.update_without_returning(db).await.unwrap_err()
        }
        4 => item::Entity::delete_by_id(1).exec(db).await.unwrap_err(),
        5 => item_tag::ActiveModel { item_id: Set(1), tag_id: Set(99) }.insert(db).await.unwrap_err(),
        6 => db.execute_unprepared("UPDATE item SET nothing = 1").await.unwrap_err(),
        _ => db.execute_unprepared("UPDATE item SET WHERE").await.unwrap_err(),
    }
}

async fn constraint_errors(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tag = stored_tag(database, "hot").await;
    item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) }
        .insert(&database.bare)
        .await
        .unwrap();
    // A child that nothing cascades to.
    let strict = match database.kind {
        Kind::Sqlite => "CREATE TABLE strict (item_id integer REFERENCES item (id))",
        _ => "CREATE TABLE strict (item_id integer, FOREIGN KEY (item_id) REFERENCES item (id))",
    };
    database.bare.execute_unprepared(strict).await.unwrap();
    database.bare.execute_unprepared("INSERT INTO strict VALUES (1)").await.unwrap();
    for transactions in [false, true] {
        let bare = bad_writes(&database.bare, transactions).await;
        let audited = bad_writes(&database.db, transactions).await;
        assert_eq!(audited, bare, "transactions: {transactions}");
    }
    // The rows that went in before the bad ones outside a transaction.
    let records = database.take();
    assert!(matches!(brief(&records).as_slice(), [one] if one.starts_with("creation Item")), "{records:#?}");
}

/// A row that has more in it than the entity knows of, as in the middle of a roll-out.
async fn a_model_that_cannot_read_the_row(database: &TestDatabase) {
    let gadget = {
        let id = sea_orm::prelude::Uuid::from_u128(7);
        let text = match database.kind {
            Kind::Postgres => {
                "ALTER TABLE gadget DROP COLUMN color; ALTER TABLE gadget ADD COLUMN color integer DEFAULT 7"
            }
            Kind::MariaDb => "ALTER TABLE gadget MODIFY color varchar(16) NOT NULL DEFAULT 'blue'",
            Kind::Sqlite => "SELECT 1",
        };
        for text in text.split(';') {
            database.bare.execute_unprepared(text).await.unwrap();
        }
        id
    };
    let hex = match database.kind {
        Kind::Postgres => format!("'{gadget}'"),
        _ => format!("x'{}'", gadget.simple()),
    };
    let (color, color_value) = if database.kind == Kind::Sqlite { (", color", ", 'blue'") } else { ("", "") };
    let raw = if database.kind == Kind::Postgres { "'\\x00'" } else { "x'00'" };
    let active = if database.kind == Kind::Postgres { "true" } else { "1" };
    let insert = format!(
        "INSERT INTO gadget (id, caption{color}, state, made_on, opens_at, seen_at, weight, parts, raw, active) \
         VALUES ({hex}, 'Lamp'{color_value}, 'new', '2026-01-01', '08:00:00', '2026-01-01 00:00:00', 1, '[]', {raw}, {active})"
    );
    database.bare.execute_unprepared(&insert).await.unwrap();
    let change = gadget::ActiveModel { id: Set(gadget), label: Set("Torch".into()), ..Default::default() };
    let txn = database.db.begin().await.unwrap();
    assert_eq!(
        change.update_without_returning(&txn).await.expect("as on a bare connection").rows_affected,
        1
    );
    txn.commit().await.unwrap();
    let record = database.one();
    assert_eq!((record.event_type().as_str(), record.table()), ("unparsed_write", "gadget"));
    assert_eq!(record.attribute("audit.old_confirmed").unwrap(), false);
    let gone =
        gadget::Entity::delete_by_id(gadget).exec(&database.db).await.expect("as on a bare connection");
    assert_eq!(gone.rows_affected, 1);
    assert_eq!(brief(&database.take()), ["unparsed_write Gadget "]);
}

async fn serialization_failures(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let isolation = Some(IsolationLevel::RepeatableRead);
    let fails = async |txn: DatabaseTransaction| {
        txn.query_all_raw(sql(&txn, "SELECT 1 FROM item")).await.unwrap();
        renamed(&item, "other").update(&database.bare).await.unwrap();
        let error = renamed(&item, "mine").update(&txn).await.unwrap_err();
        same_error(&error)
    };
    let bare = fails(database.bare.begin_with_config(isolation, None).await.unwrap()).await;
    let txn = database.db.begin_with_config(isolation, None).await.unwrap();
    txn.query_all_raw(sql(&txn, "SELECT 1 FROM item")).await.unwrap();
    renamed(&item, "another").update(&database.bare).await.unwrap();
    let audited = same_error(&renamed(&item, "mine").update(&txn).await.unwrap_err());
    assert_eq!(audited, bare);
    assert!(audited.1.contains("40001"), "{audited:?}");
    txn.commit().await.unwrap();
    database.silent();
}

async fn lock_timeouts(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let other = database.bare.begin().await.unwrap();
    renamed(&item, "other").update(&other).await.unwrap();
    let impatient = match database.kind {
        Kind::Postgres => "SET LOCAL lock_timeout = '200ms'",
        _ => "SET SESSION innodb_lock_wait_timeout = 1",
    };
    async fn waits<T: ConnectionTrait>(
        txn: &T,
        impatient: &str,
        item: &item::Model,
    ) -> Vec<(&'static str, String)> {
        let mut errors = Vec::new();
        txn.execute_unprepared(impatient).await.unwrap();
        errors.push(same_error(&renamed(item, "mine").update(txn).await.unwrap_err()));
        errors
    }
    async fn deletes<T: ConnectionTrait>(
        txn: &T,
        impatient: &str,
        item: &item::Model,
    ) -> (&'static str, String) {
        txn.execute_unprepared(impatient).await.unwrap();
        same_error(&item::Entity::delete_by_id(item.id).exec(txn).await.unwrap_err())
    }
    let bare = database.bare.begin().await.unwrap();
    let expected = waits(&bare, impatient, &item).await;
    drop(bare);
    let txn: AuditedTransaction = database.db.begin().await.unwrap();
    assert_eq!(waits(&txn, impatient, &item).await, expected);
    drop(txn);
    let bare = database.bare.begin().await.unwrap();
    let expected = deletes(&bare, impatient, &item).await;
    drop(bare);
    let txn = database.db.begin().await.unwrap();
    assert_eq!(deletes(&txn, impatient, &item).await, expected);
    drop(txn);
    other.rollback().await.unwrap();
    until("the row is free", async || stored(database, item.id).await.is_some()).await;
    database.silent();
}
