//! Every answer, error and row is that of a bare connection, with another writer about.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ftn_audit_sea::prelude::*;
use proptest::test_runner::TestCaseError;
use sea_orm::ConnectionTrait;

use super::{begin, create_tables, each_sequence, operations::run, replay::Rows};
use crate::database::{TestDatabase, connect, on};

on! { Sqlite Postgres MariaDb: answers_are_those_of_a_bare_connection }

async fn answers_are_those_of_a_bare_connection(database: &TestDatabase) {
    let bare = database.kind.database().await.expect("there was one before");
    for database in [database, &bare] {
        create_tables(&database.bare).await;
    }
    let db = database.audit.connect(database.bare.clone()).await.unwrap();
    let others = [Other::start(&database.url).await, Other::start(&bare.url).await];
    each_sequence(database.kind.backend(), async |units| {
        begin(&database.bare).await;
        begin(&bare.bare).await;
        for unit in &units {
            let (audited, expected) = (run(&db, unit).await, run(&bare.bare, unit).await);
            if audited != expected {
                return Err(TestCaseError::fail(format!(
                    "{unit:#?}\naudited: {audited:#?}\nbare: {expected:#?}"
                )));
            }
            let (stored, expected) = (Rows::stored(&database.bare).await, Rows::stored(&bare.bare).await);
            if stored != expected {
                return Err(TestCaseError::fail(format!(
                    "{unit:#?}\naudited: {stored:#?}\nbare: {expected:#?}"
                )));
            }
        }
        Ok(())
    });
    for other in others {
        other.stop().await;
    }
    assert!(!database.take().is_empty());
}

/// A writer of rows that the sequences leave alone.
struct Other {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Other {
    async fn start(url: &str) -> Self {
        let db = connect(url).await;
        db.execute_unprepared("CREATE TABLE aside (id INTEGER PRIMARY KEY, n INTEGER)").await.unwrap();
        db.execute_unprepared("INSERT INTO aside VALUES (1, 0)").await.unwrap();
        let (stop, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopping, written) = (stop.clone(), writes.clone());
        let task = tokio::spawn(async move {
            while !stopping.load(Ordering::Relaxed) {
                db.execute_unprepared("UPDATE aside SET n = n + 1").await.unwrap();
                written.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Self { stop, writes, task }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        assert!(self.writes.load(Ordering::Relaxed) > 0);
    }
}
