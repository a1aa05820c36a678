//! More tasks than connections: how long a caller waits for its update, the pool included.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;

use crate::{database::Database, median, micros, reprice, rows};

const TASKS: usize = 64;
const UPDATES: usize = 40;
const ROUNDS: usize = 7;

pub async fn run(database: &Database) {
    let ids = rows(database, 1000).await;
    let (mut bare, mut audited) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(crowd(&database.bare, &ids).await);
        audited.push(crowd(&database.audited, &ids).await);
    }
    for (name, part) in [("p50", 50), ("p99", 99)] {
        let at = |rounds: &[Vec<Duration>]| {
            median(rounds.iter().map(|times| micros(times[(times.len() - 1) * part / 100])).collect())
        };
        let ratio = median(
            bare.iter()
                .zip(&audited)
                .map(|(bare, audited)| {
                    let index = (bare.len() - 1) * part / 100;
                    audited[index].as_secs_f64() / bare[index].as_secs_f64()
                })
                .collect(),
        );
        println!(
            "load {} full_pool_{name} {ratio:.2} (bare {:.0} us, audited {:.0} us)",
            database.name,
            at(&bare),
            at(&audited)
        );
    }
}

/// The latencies of all updates, the shortest first.
async fn crowd<C: ConnectionTrait + Clone + Send + 'static>(db: &C, ids: &[i32]) -> Vec<Duration> {
    let mut running = JoinSet::new();
    for task in 0..TASKS {
        let (db, ids) = (db.clone(), ids.to_vec());
        running.spawn(async move {
            let mut times = Vec::with_capacity(UPDATES);
            for step in 0..UPDATES {
                let id = ids[(task * UPDATES + step * 7) % ids.len()];
                let start = Instant::now();
                reprice(&db, id, fastrand::i64(1..)).await.expect("an update");
                times.push(start.elapsed());
            }
            times
        });
    }
    let mut times = running.join_all().await.concat();
    times.sort();
    times
}
