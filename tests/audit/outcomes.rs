//! What the database really did, where its answer lies, comes too late, or never comes.

use std::{sync::Arc, time::Duration};

use ftn_audit_sea::prelude::*;
use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, SqlxError, StreamTrait, TransactionTrait};
use tokio::time::timeout;

use crate::{
    database::{Kind, TestDatabase, connect, count, on, recording, sql, until},
    entities::*,
    proxy::Proxy,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    a_swallowed_error
    a_commit_that_is_dropped
    a_savepoint_commit_that_is_dropped
}
on! { Postgres:
    an_abort_that_capture_did_not_see
    an_abort_that_a_savepoint_mends
    a_commit_that_is_dropped_midway
    a_commit_that_is_refused
    a_commit_whose_session_is_killed
    a_read_that_loses_the_transaction
}
on! { Postgres MariaDb:
    a_commit_whose_answer_is_lost
}

const SOON: Duration = Duration::from_millis(100);

async fn names(database: &TestDatabase) -> Vec<String> {
    use sea_orm::EntityTrait;
    let items = item::Entity::find().all(&database.bare).await.unwrap();
    items.into_iter().map(|item| item.name).collect()
}

/// Postgres answers COMMIT of an aborted transaction with success; the others keep what was there.
async fn a_swallowed_error(database: &TestDatabase) {
    let taken = stored_tag(database, "taken").await;
    let txn = database.db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    let mut again: tag::ActiveModel = taken.into();
    again.id = sea_orm::ActiveValue::Set(1);
    again.name = sea_orm::ActiveValue::Set("again".to_owned());
    again.insert(&txn).await.unwrap_err();
    txn.commit().await.expect("the outcome is the database's");
    let kept = database.kind != Kind::Postgres;
    assert_eq!(count(&database.bare, item::Entity).await, u64::from(kept));
    let expected: &[&str] = if kept { &["creation Item 1"] } else { &[] };
    assert_eq!(brief(&database.take()), expected);
}

async fn an_abort_that_capture_did_not_see(database: &TestDatabase) {
    stored_item(database, "one").await;
    for way in 0..6 {
        let txn = database.db.begin().await.unwrap();
        new_item("Tea").insert(&txn).await.unwrap();
        match way {
            0 => drop(txn.query_one_raw(sql(&txn, "SELECT 1 / 0")).await.unwrap_err()),
            1 => drop(txn.execute_unprepared("INSERT INTO label (id) VALUES (NULL)").await.unwrap_err()),
            2 => drop(txn.inner().execute_unprepared("SELECT 1 / 0").await.unwrap_err()),
            3 => {
                let mut stream = txn
                    .stream_raw(sql(&txn, "SELECT 1 / (n - 2) FROM generate_series(1, 9) n"))
                    .await
                    .unwrap();
                while let Some(Ok(_)) = stream.next().await {}
            }
            4 => drop(
                txn.stream_raw(sql(&txn, "SELECT 1 / (n - 2) FROM generate_series(1, 9) n"))
                    .await
                    .unwrap()
                    .next()
                    .await,
            ),
            _ => {
                let failing =
                    txn.execute_unprepared("SELECT pg_sleep(0.3), 1 / (SELECT 0 FROM item LIMIT 1)");
                timeout(SOON, failing).await.unwrap_err();
            }
        }
        txn.commit().await.expect("the outcome is the database's");
        assert_eq!(names(database).await, ["one"], "way {way}");
        let records = database.take();
        assert!(records.is_empty(), "way {way}: {records:#?}");
    }
}

async fn an_abort_that_a_savepoint_mends(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("two").insert(&inner).await.unwrap();
    inner.execute_unprepared("SELECT 1 / 0").await.unwrap_err();
    // RELEASE fails in an aborted transaction; SeaORM then rolls back to the savepoint.
    inner.commit().await.unwrap_err();
    new_item("three").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(names(database).await, ["one", "three"]);
    assert_eq!(brief(&database.take()).len(), 2);
}

/// A client that hangs up drops the handler that was waiting for COMMIT.
async fn a_commit_that_is_dropped(database: &TestDatabase) {
    for round in 1..=5 {
        let txn = database.db.begin().await.unwrap();
        new_item("Tea").insert(&txn).await.unwrap();
        polled_once(txn.commit()).await;
        until("the commit goes on", async || count(&database.bare, item::Entity).await == round).await;
        until("its record arrives", async || database.recorder.records().len() as u64 == round).await;
    }
}

/// SeaORM panics when a transaction is dropped while its connection is busy.
async fn a_savepoint_commit_that_is_dropped(database: &TestDatabase) {
    for _ in 0..20 {
        let txn = database.db.begin().await.unwrap();
        new_item("one").insert(&txn).await.unwrap();
        let inner = txn.begin().await.unwrap();
        new_item("two").insert(&inner).await.unwrap();
        polled_once(inner.commit()).await;
        drop(txn);
    }
    database.bare.execute_unprepared("UPDATE item SET name = 'x'").await.unwrap();
    assert_eq!(count(&database.bare, item::Entity).await, 0);
    database.silent();
    let txn = database.db.begin().await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("two").insert(&inner).await.unwrap();
    polled_once(inner.commit()).await;
    txn.rollback().await.unwrap();
    assert_eq!(count(&database.bare, item::Entity).await, 0, "a rollback is a rollback");
    database.silent();
}

/// A check that the database makes at COMMIT.
async fn at_commit(database: &TestDatabase, does: &str) {
    for text in [
        format!(
            "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NULL; END $$"
        ),
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION at_commit()"
            .to_owned(),
    ] {
        database.bare.execute_unprepared(&text).await.unwrap();
    }
}

async fn a_commit_that_is_dropped_midway(database: &TestDatabase) {
    at_commit(database, "PERFORM pg_sleep(0.4)").await;
    let txn = database.db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    timeout(SOON, txn.commit()).await.expect_err("the database is still at it");
    assert!(names(database).await.is_empty());
    database.silent();
    until("the row is stored", async || names(database).await == ["Tea"]).await;
    until("its record arrives", async || database.recorder.records().len() == 1).await;
    assert_eq!(database.one().attribute("audit.commit_confirmed"), None);
    // The same for a statement that is its own transaction.
    timeout(SOON, new_item("Mate").insert(&database.db)).await.expect_err("the database is still at it");
    until("the row is stored", async || names(database).await.len() == 2).await;
    until("its record arrives", async || database.recorder.records().len() == 1).await;
}

async fn a_commit_that_is_refused(database: &TestDatabase) {
    at_commit(database, "RAISE EXCEPTION 'no' USING ERRCODE = 'FT001'").await;
    let code = |error: DbErr| match error {
        DbErr::Query(RuntimeErr::SqlxError(error)) => match &*error {
            SqlxError::Database(error) => error.code().map(|code| code.into_owned()),
            other => panic!("{other}"),
        },
        other => panic!("{other:?}"),
    };
    let bare = database.bare.begin().await.unwrap();
    new_item("Tea").insert(&bare).await.unwrap();
    let expected = code(bare.commit().await.unwrap_err());
    let txn = database.db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    txn.on_commit(async { unreachable!("nothing was committed") });
    assert_eq!(code(txn.commit().await.unwrap_err()), expected);
    assert_eq!(expected.as_deref(), Some("FT001"));
    database.silent();
    let autocommit = new_item("Tea").insert(&database.db).await.unwrap_err();
    assert_eq!(code(autocommit), expected);
    assert!(names(database).await.is_empty());
    database.silent();
}

/// Whoever is killed at COMMIT may have committed.
async fn a_commit_whose_session_is_killed(database: &TestDatabase) {
    at_commit(database, "PERFORM pg_sleep(60)").await;
    let txn = database.db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    let commit = tokio::spawn(txn.commit());
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE query = 'COMMIT' AND state = 'active' AND datname = current_database()";
    until("the session is killed", async || {
        !database.bare.query_all_raw(sql(&database.bare, kill)).await.unwrap().is_empty()
    })
    .await;
    commit.await.unwrap().unwrap_err();
    let record = database.one();
    assert_eq!(record.attribute("audit.commit_confirmed").unwrap(), false);
}

async fn a_commit_whose_answer_is_lost(database: &TestDatabase) {
    let proxy = Proxy::to(&database.url).await;
    let (audit, sink) = recording();
    let db = audit.connect(connect(&proxy.url).await).await.unwrap();
    let (txn, other) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    new_item("Tea").insert(&txn).await.unwrap();
    new_item("Mate").insert(&other).await.unwrap();
    proxy.lose_answers();
    txn.commit().await.unwrap_err();
    until("the server has committed", async || names(database).await == ["Tea"]).await;
    let records = sink.records();
    assert_eq!(brief(&records), ["creation Item 1"]);
    assert_eq!(records[0].attribute("audit.commit_confirmed").unwrap(), false);
    // Without a COMMIT on its way there is nothing that could have been committed.
    drop(other);
    assert_eq!(sink.records().len(), 1);
    drop(Arc::new(proxy));
}

/// What the audit reads behind a statement may fail, and take the transaction along: then the caller hears of it, instead
/// of committing work that is no longer there.
async fn a_read_that_loses_the_transaction(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let role = format!("blind_{}", &uuid::Uuid::new_v4().simple().to_string()[..16]);
    for text in [
        format!("CREATE ROLE {role}"),
        format!(
            "CREATE FUNCTION blind() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('role', '{role}', \
             true); RETURN NULL; END $$"
        ),
        "CREATE TRIGGER blind AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION blind()".to_owned(),
    ] {
        database.bare.execute_unprepared(&text).await.unwrap();
    }
    let txn = database.db.begin().await.unwrap();
    let refused = renamed(&item, "Mate").update_without_returning(&txn).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
    txn.commit().await.unwrap();
    let refused = renamed(&item, "Mate").update_without_returning(&database.db).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
    assert_eq!(stored(database, item.id).await.unwrap().name, "Tea");
    database.silent();
    database.bare.execute_unprepared(&format!("DROP ROLE {role}")).await.unwrap();
}
