//! Many tasks on few rows: for each row, the records are one unbroken chain from its first value to the stored one, and
//! auditing brings no deadlock that was not there.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
};

use ftn_audit_sea::prelude::*;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, RuntimeErr, TransactionSession, TransactionTrait,
    entity::prelude::*, sea_query::Expr,
};

use crate::{
    database::{Kind, TestDatabase, connect, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb: chains_of_contended_rows }

const ROWS: usize = 10;

/// Writes that were undone because of others, and done again.
#[derive(Default)]
struct Undone {
    deadlocks: AtomicU32,
    time_outs: AtomicU32,
}

impl Undone {
    /// Counts an error that a caller answers by trying again; any other is one of the test's.
    fn count(&self, error: &DbErr) {
        let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error
        else {
            panic!("{error:?}")
        };
        let database = inner.as_database_error().unwrap_or_else(|| panic!("{error:?}"));
        let message = database.message().to_lowercase();
        if message.contains("deadlock") {
            self.deadlocks.fetch_add(1, Ordering::Relaxed);
        } else if message.contains("timeout") || message.contains("locked") {
            self.time_outs.fetch_add(1, Ordering::Relaxed);
        } else {
            panic!("{error:?}");
        }
    }

    fn of(&self) -> (u32, u32) {
        (self.deadlocks.load(Ordering::Relaxed), self.time_outs.load(Ordering::Relaxed))
    }
}

async fn chains_of_contended_rows(database: &TestDatabase) {
    // Several rounds, because deadlocks are few and come by chance.
    let (tasks, steps, rounds) = if database.kind == Kind::Sqlite { (4, 150, 1) } else { (64, 12, 3) };
    let mut items = Vec::new();
    for _ in 0..ROWS {
        items.push(stored_item(database, "0").await);
    }
    // SQLite's writers have a pool each, as if they were processes.
    let (mut bare, mut audited) = (Vec::new(), Vec::new());
    for _ in 0..tasks {
        let pool = match database.kind {
            Kind::Sqlite => connect(&database.url).await,
            _ => database.bare.clone(),
        };
        audited.push(match database.kind {
            Kind::Sqlite => database.audit.connect(pool.clone()).await.unwrap(),
            _ => database.db.clone(),
        });
        bare.push(pool);
    }
    let without = crowds(&bare, &items, steps, rounds).await;
    database.silent();
    let mut begin = Vec::new();
    for item in &items {
        begin.push(stored(database, item.id).await.unwrap().name);
    }
    let with = crowds(&audited, &items, steps, rounds).await;
    let records = database.take();
    println!(
        "crowd {:?}: {} records; deadlocks and time-outs: bare {without:?}, audited {with:?}",
        database.kind,
        records.len()
    );

    for (item, begin) in items.iter().zip(begin) {
        // Records of different transactions arrive in any order: each old value belongs to exactly one new one.
        let of_row: Vec<_> = records.iter().filter(|record| record.pk() == item.id.to_string()).collect();
        let mut next: HashMap<_, _> = of_row.iter().map(|record| titles(record)).collect();
        assert_eq!(next.len(), of_row.len(), "two records of item {} have one old value", item.id);
        let mut title = begin;
        while let Some(then) = next.remove(&title) {
            title = then;
        }
        assert!(next.is_empty(), "the chain of item {} breaks at {title}: {next:?}", item.id);
        assert_eq!(title, stored(database, item.id).await.unwrap().name, "where item {} ends", item.id);
    }
    // By chance a few more or less: what lock order does is no small number.
    assert!(with.0 <= 2 * without.0 + 10 * rounds, "deadlocks: bare {}, audited {}", without.0, with.0);
    assert!(with.1 <= 2 * without.1, "time-outs: bare {}, audited {}", without.1, with.1);
}

/// Rounds of [`crowd`], added up.
async fn crowds<C>(connections: &[C], items: &[item::Model], steps: usize, rounds: u32) -> (u32, u32)
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + Sync + 'static,
    C::Transaction: Send + Sync,
{
    let mut all = (0, 0);
    for _ in 0..rounds {
        let undone = crowd(connections.to_vec(), items, steps).await;
        all = (all.0 + undone.0, all.1 + undone.1);
    }
    all
}

/// A task a connection, all at once; how many deadlocks and time-outs there were.
async fn crowd<C>(connections: Vec<C>, items: &[item::Model], steps: usize) -> (u32, u32)
where
    C: ConnectionTrait + TransactionTrait + Send + Sync + 'static,
    C::Transaction: Send + Sync,
{
    let undone = std::sync::Arc::new(Undone::default());
    let mut running = tokio::task::JoinSet::new();
    for (task, db) in connections.into_iter().enumerate() {
        let (items, undone) = (items.to_vec(), undone.clone());
        running.spawn(async move {
            for step in 0..steps {
                let mut attempt = 0;
                while let Err(error) = write(&db, &items, task, step, attempt).await {
                    undone.count(&error);
                    attempt += 1;
                }
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    undone.of()
}

/// One row alone, two rows in a transaction in either order, or two in one statement. No title is written twice.
async fn write<C>(
    db: &C,
    items: &[item::Model],
    task: usize,
    step: usize,
    attempt: usize,
) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
    C::Transaction: Send + Sync,
{
    let title = format!("{task} {step} {attempt} {}", uuid::Uuid::new_v4().simple());
    let one = &items[(task + 3 * step) % ROWS];
    let two = &items[(5 * task + 7 * step + 1) % ROWS];
    match (task + step) % 4 {
        0 => renamed(one, &title).update(db).await.map(|_| ()),
        1 => renamed(one, &title).update_without_returning(db).await.map(|_| ()),
        2 => {
            let txn = db.begin().await?;
            renamed(one, &title).update(&txn).await?;
            renamed(two, &format!("{title} two")).update(&txn).await?;
            txn.commit().await
        }
        _ => {
            let update = item::Entity::update_many().col_expr(item::Column::Name, Expr::value(title));
            update.filter(item::Column::Id.is_in([one.id, two.id])).exec(db).await.map(|_| ())
        }
    }
}
