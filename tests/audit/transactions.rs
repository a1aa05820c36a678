//! Transactions and savepoints: records of what was committed, and of nothing else.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use ftn_audit_sea::prelude::*;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IsolationLevel, TransactionError, TransactionTrait};

use crate::{
    database::{Kind, TestDatabase, count, on, recording},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    records_wait_for_the_commit
    what_is_rolled_back_is_not_recorded
    a_savepoint_that_is_rolled_back
    a_savepoint_whose_transaction_is_rolled_back
    savepoints_that_are_released
    closures
    what_waits_for_the_commit
    what_waits_keeps_its_context
    two_databases
    a_transaction_outlived_by_its_savepoint
}
on! { MariaDb:
    a_deadlock_rolls_everything_back
    a_deadlock_in_another_table
    a_statement_that_commits_by_itself
    a_statement_that_commits_inside_a_savepoint
    a_statement_that_only_looks_as_if_it_commits
}

async fn records_wait_for_the_commit(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    let item = new_item("Tea").insert(&txn).await.unwrap();
    renamed(&item, "Mate").update(&txn).await.unwrap();
    database.silent();
    txn.commit().await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["creation Item 1", "update Item 1"]);
    let places: Vec<_> =
        records.iter().map(|record| (record.sequence(), record.transaction_count())).collect();
    assert_eq!(places, [(Some(1), Some(2)), (Some(2), Some(2))]);
    assert!(records[0].transaction_id().is_some());
    assert_eq!(records[0].transaction_id(), records[1].transaction_id());
    assert!(records.iter().all(|record| record.attribute("audit.commit_confirmed").is_none()));
}

async fn what_is_rolled_back_is_not_recorded(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    let txn = database.db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    drop(txn);
    // The next use of the connections finds both undone.
    assert_eq!(count(&database.bare, item::Entity).await, 0);
    database.silent();
    new_item("Tea").insert(&database.db).await.unwrap();
    assert_eq!(database.one().transaction_count(), Some(1));
}

async fn a_savepoint_that_is_rolled_back(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("two").insert(&inner).await.unwrap();
    inner.rollback().await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("three").insert(&inner).await.unwrap();
    drop(inner);
    new_item("four").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(names(&database.take()), ["one", "four"]);
    assert_eq!(stored_names(database).await, ["four", "one"]);
}

async fn a_savepoint_whose_transaction_is_rolled_back(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("one").insert(&inner).await.unwrap();
    inner.commit().await.unwrap();
    txn.rollback().await.unwrap();
    database.silent();
    assert!(stored_names(database).await.is_empty());
}

async fn savepoints_that_are_released(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("two").insert(&inner).await.unwrap();
    let innermost = inner.begin().await.unwrap();
    new_item("three").insert(&innermost).await.unwrap();
    innermost.commit().await.unwrap();
    inner.commit().await.unwrap();
    new_item("four").insert(&txn).await.unwrap();
    database.silent();
    txn.commit().await.unwrap();
    let records = database.take();
    assert_eq!(names(&records), ["one", "two", "three", "four"]);
    assert!(records.iter().all(|record| record.transaction_count() == Some(4)));
}

/// The savepoint's own objects commit and roll back the innermost one, whatever they are: as SeaORM has it.
async fn a_transaction_outlived_by_its_savepoint(database: &TestDatabase) {
    let txn = database.db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("two").insert(&inner).await.unwrap();
    txn.commit().await.unwrap();
    database.silent();
    inner.commit().await.unwrap();
    assert_eq!(names(&database.take()), ["one", "two"]);
    assert_eq!(stored_names(database).await, ["one", "two"]);
}

async fn closures(database: &TestDatabase) {
    let db = &database.db;
    db.transaction::<_, _, DbErr>(|txn| {
        Box::pin(async move { new_item("one").insert(txn).await.map(|_| ()) })
    })
    .await
    .unwrap();
    db.transaction::<_, (), DbErr>(|txn| {
        Box::pin(async move {
            new_item("two").insert(txn).await?;
            Err(DbErr::Custom("no".to_owned()))
        })
    })
    .await
    .unwrap_err();
    db.transaction_async(async |txn| {
        new_item("three").insert(txn).await?;
        let undone = txn.transaction_async(async |inner| {
            new_item("four").insert(inner).await?;
            Err::<(), _>(DbErr::Custom("no".to_owned()))
        });
        undone.await.unwrap_err();
        txn.transaction_async(async |inner| new_item("five").insert(inner).await).await.unwrap();
        Ok::<_, DbErr>(())
    })
    .await
    .unwrap();
    let error = db
        .transaction_async(async |txn| {
            new_item("six").insert(txn).await?;
            Err::<(), _>(DbErr::Custom("no".to_owned()))
        })
        .await
        .unwrap_err();
    assert!(matches!(error, TransactionError::Transaction(DbErr::Custom(_))), "{error}");
    let isolation = (database.kind != Kind::Sqlite).then_some(IsolationLevel::Serializable);
    db.transaction_with_config_async(async |txn| new_item("seven").insert(txn).await, isolation, None)
        .await
        .unwrap();
    let records = database.take();
    assert_eq!(names(&records), ["one", "three", "five", "seven"]);
    let counts: Vec<_> = records.iter().map(|record| record.transaction_count().unwrap()).collect();
    assert_eq!(counts, [1, 2, 2, 1]);
}

async fn what_waits_for_the_commit(database: &TestDatabase) {
    let runs = Arc::new(AtomicU32::new(0));
    let add = |number: u32| {
        let runs = runs.clone();
        async move {
            runs.fetch_add(number, Ordering::SeqCst);
        }
    };
    let txn = database.db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    let (sink, seen) = (database.recorder.sink().clone(), Arc::new(Mutex::new(None)));
    let first = seen.clone();
    txn.on_commit(async move { *first.lock().unwrap() = Some(sink.records().len()) });
    txn.on_commit(async { panic!("an application's mistake") });
    txn.on_commit(add(1));
    let inner = txn.begin().await.unwrap();
    inner.on_commit(add(10));
    inner.rollback().await.unwrap();
    let inner = txn.begin().await.unwrap();
    inner.on_commit(add(100));
    inner.commit().await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    txn.commit().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(1), "it runs after hand-over, and before `commit` returns");
    assert_eq!(runs.load(Ordering::SeqCst), 101);
    let txn = database.db.begin().await.unwrap();
    txn.on_commit(add(1000));
    txn.rollback().await.unwrap();
    let txn = database.db.begin().await.unwrap();
    txn.on_commit(add(1000));
    drop(txn);
    database.bare.execute_unprepared("SELECT 1").await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 101);
    assert_eq!(names(&database.take()), ["one"]);
}

/// A commit runs in a task of its own; what waits for it still knows for whom.
async fn what_waits_keeps_its_context(database: &TestDatabase) {
    let context = AuditContext::builder().actor(Actor::user("42")).build();
    let work = async {
        let txn = database.db.begin().await.unwrap();
        let (db, bare) = (database.db.clone(), database.bare.clone());
        txn.on_commit(async move {
            new_item("audited").insert(&db).await.unwrap();
            new_item("plain").insert(&bare).await.unwrap();
        });
        txn.commit().await.unwrap();
    };
    database.audit.scope(context.scope(work)).await;
    let records = database.take();
    assert_eq!(names(&records), ["audited", "plain"]);
    for record in records {
        assert_eq!(record.actor().and_then(Actor::id), Some("42"));
    }
}

async fn two_databases(database: &TestDatabase) {
    let other = Kind::Sqlite.database().await.unwrap();
    let crm = database.audit.connect_named("crm", other.bare.clone()).await.unwrap();
    let (txn, crm_txn) = (database.db.begin().await.unwrap(), crm.begin().await.unwrap());
    new_item("shop").insert(&txn).await.unwrap();
    new_item("crm").insert(&crm_txn).await.unwrap();
    txn.rollback().await.unwrap();
    crm_txn.commit().await.unwrap();
    let record = database.one();
    assert_eq!(names(std::slice::from_ref(&record)), ["crm"]);
    assert_eq!(record.attribute("db.namespace").unwrap(), "crm");
    assert_eq!(record.attribute("db.system.name").unwrap(), "sqlite");
    new_item("shop").insert(&database.db).await.unwrap();
    let record = database.one();
    let (system, namespace) = match database.kind {
        Kind::Sqlite => ("sqlite", None),
        Kind::Postgres => ("postgresql", database.url.rsplit('/').next()),
        Kind::MariaDb => ("mariadb", database.url.rsplit('/').next()),
    };
    assert_eq!(record.attribute("db.system.name").unwrap(), system);
    let said = record.attribute("db.namespace").map(|value| value.to_string());
    assert_eq!(said.as_deref(), namespace);
    let (audit, sink) = recording();
    let named = audit.connect_named("shop", database.bare.clone()).await.unwrap();
    new_item("again").insert(&named).await.unwrap();
    assert_eq!(sink.records()[0].attribute("db.namespace").unwrap(), "shop");
}

/// The names that records of creations give.
fn names(records: &[AuditRecord]) -> Vec<String> {
    records.iter().map(|record| titles(record).1).collect()
}

async fn stored_names(database: &TestDatabase) -> Vec<String> {
    let items = item::Entity::find().all(&database.bare).await.unwrap();
    let mut names: Vec<_> = items.into_iter().map(|item| item.name).collect();
    names.sort();
    names
}

/// Makes the audited transaction the deadlock's victim: it has written less. What it sends last runs into it.
async fn into_a_deadlock(
    database: &TestDatabase,
    txn: &AuditedTransaction,
    first: &str,
    last: impl Future<Output = Result<(), DbErr>>,
) {
    let other = database.bare.begin().await.unwrap();
    for _ in 0..50 {
        new_item("ballast").insert(&other).await.unwrap();
    }
    other.execute_unprepared(first).await.unwrap();
    let (error, winner) = tokio::join!(last, async {
        // Waits for what the audited transaction holds; whoever comes second makes the circle.
        other.execute_unprepared("UPDATE item SET name = 'winner' WHERE id = 1").await
    });
    winner.unwrap();
    assert!(error.unwrap_err().to_string().contains("Deadlock"));
    other.rollback().await.unwrap();
    let _ = txn;
}

async fn a_deadlock_rolls_everything_back(database: &TestDatabase) {
    for commits in [true, false] {
        let one = match stored(database, 1).await {
            Some(item) => item,
            None => stored_item(database, "Tea").await,
        };
        let two = stored_item(database, "Mate").await;
        let txn = database.db.begin().await.unwrap();
        renamed(&one, "undone").update(&txn).await.unwrap();
        let hold = format!("UPDATE item SET name = 'held' WHERE id = {}", two.id);
        let last = async { renamed(&two, "never").update(&txn).await.map(|_| ()) };
        into_a_deadlock(database, &txn, &hold, last).await;
        // Nobody told the application that its transaction is over; what it sends now stands alone.
        renamed(&two, "stays").update(&txn).await.unwrap();
        if commits {
            txn.commit().await.unwrap();
        } else {
            txn.rollback().await.unwrap();
        }
        assert_eq!(stored(database, 1).await.unwrap().name, "Tea");
        assert_eq!(stored(database, two.id).await.unwrap().name, "stays");
        let record = database.one();
        assert_eq!(titles(&record), ("Mate".to_owned(), "stays".to_owned()), "commits: {commits}");
    }
}

async fn a_deadlock_in_another_table(database: &TestDatabase) {
    let one = stored_item(database, "Tea").await;
    database.bare.execute_unprepared("INSERT INTO label (name) VALUES ('a')").await.unwrap();
    let txn = database.db.begin().await.unwrap();
    renamed(&one, "undone").update(&txn).await.unwrap();
    let last = async { txn.execute_unprepared("UPDATE label SET name = 'c'").await.map(|_| ()) };
    into_a_deadlock(database, &txn, "UPDATE label SET name = 'b'", last).await;
    txn.commit().await.unwrap();
    assert_eq!(stored(database, 1).await.unwrap().name, "Tea");
    database.silent();
}

/// What MySQL commits before DDL stays, whatever the application makes of its transaction.
async fn a_statement_that_commits_by_itself(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    for statement in
        ["CREATE TABLE made (id INT)", "TRUNCATE TABLE made", "DROP TABLE made", "LOCK TABLES item WRITE"]
    {
        let txn = database.db.begin().await.unwrap();
        renamed(&item, "before").update(&txn).await.unwrap();
        database.silent();
        txn.execute_unprepared(statement).await.unwrap();
        let record = database.one();
        assert_eq!(titles(&record), ("Tea".to_owned(), "before".to_owned()), "{statement}");
        assert_eq!(record.transaction_count(), Some(1));
        renamed(&item, "behind").update(&txn).await.unwrap();
        txn.execute_unprepared("UNLOCK TABLES").await.unwrap();
        txn.rollback().await.unwrap();
        assert_eq!(stored(database, item.id).await.unwrap().name, "behind");
        let record = database.one();
        assert_eq!(titles(&record), ("before".to_owned(), "behind".to_owned()), "{statement}");
        renamed(&item, "Tea").update(&database.db).await.unwrap();
        database.one();
    }
    let txn = database.db.begin().await.unwrap();
    renamed(&item, "before").update(&txn).await.unwrap();
    // It fails when the commit has been made.
    txn.execute_unprepared("CREATE TABLE item (id INT)").await.unwrap_err();
    assert_eq!(titles(&database.one()).1, "before");
    txn.rollback().await.unwrap();
    assert_eq!(stored(database, item.id).await.unwrap().name, "before");
    database.silent();
}

async fn a_statement_that_commits_inside_a_savepoint(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let txn = database.db.begin().await.unwrap();
    renamed(&item, "outer").update(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    renamed(&item, "inner").update(&inner).await.unwrap();
    inner.execute_unprepared("CREATE TABLE made (id INT)").await.unwrap();
    let after: Vec<_> = database.take().iter().map(|record| titles(record).1).collect();
    assert_eq!(after, ["outer", "inner"]);
    // The savepoint is gone, too.
    inner.rollback().await.unwrap_err();
    drop(txn);
    assert_eq!(stored(database, item.id).await.unwrap().name, "inner");
    database.silent();
}

async fn a_statement_that_only_looks_as_if_it_commits(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let txn = database.db.begin().await.unwrap();
    renamed(&item, "undone").update(&txn).await.unwrap();
    txn.execute_unprepared("CREATE TEMPORARY TABLE passing (id INT)").await.unwrap();
    txn.execute_unprepared("CREATE TABLE").await.unwrap_err();
    txn.rollback().await.unwrap();
    assert_eq!(stored(database, item.id).await.unwrap().name, "Tea");
    database.silent();
}
