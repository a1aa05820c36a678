//! Transactions of two updates in either order on ten rows: deadlocks, bare and audited.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::{DbErr, TransactionSession, TransactionTrait};
use tokio::task::JoinSet;

use crate::{database::Database, reprice, rows};

const TASKS: usize = 16;
const TRANSACTIONS: usize = 150;
const ROUNDS: usize = 3;

pub async fn run(database: &Database) {
    let ids = rows(database, 10).await;
    let (mut bare, mut audited) = (0, 0);
    for _ in 0..ROUNDS {
        bare += crowd(&database.bare, &ids).await;
        audited += crowd(&database.audited, &ids).await;
    }
    let million = |deadlocks: u64| deadlocks as f64 * 1e6 / (TASKS * TRANSACTIONS * ROUNDS * 2) as f64;
    println!(
        "load {} deadlocks_a_million_writes {:.2} (bare {:.0}, audited {:.0})",
        database.name,
        audited as f64 / bare.max(1) as f64,
        million(bare),
        million(audited)
    );
}

async fn crowd<C>(db: &C, ids: &[i32]) -> u64
where
    C: TransactionTrait + Clone + Send + Sync + 'static,
    C::Transaction: Send + Sync,
{
    let deadlocks = Arc::new(AtomicU64::new(0));
    let mut running = JoinSet::new();
    for _ in 0..TASKS {
        let (db, ids, deadlocks) = (db.clone(), ids.to_vec(), deadlocks.clone());
        running.spawn(async move {
            for _ in 0..TRANSACTIONS {
                let (one, two) = (fastrand::choice(&ids).copied(), fastrand::choice(&ids).copied());
                while let Err(error) = both(&db, one.into_iter().chain(two)).await {
                    assert!(error.to_string().to_lowercase().contains("deadlock"), "{error}");
                    deadlocks.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    running.join_all().await;
    deadlocks.load(Ordering::Relaxed)
}

async fn both<C>(db: &C, ids: impl Iterator<Item = i32>) -> Result<(), DbErr>
where
    C: TransactionTrait,
    C::Transaction: Send + Sync,
{
    let txn = db.begin().await?;
    for id in ids {
        reprice(&txn, id, fastrand::i64(1..)).await?;
    }
    txn.commit().await
}
