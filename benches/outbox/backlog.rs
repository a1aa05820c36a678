//! What a claim costs when much waits, and what the relay's process holds.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use async_trait::async_trait;
use ftn_audit_sea::{
    prelude::*,
    sink::{Outcome, Sink},
};

use crate::database::{Bench, Kind, setting};

const BATCH: usize = 200;
const BATCHES: u32 = 5;

/// Takes so many batches, then no more.
struct Few(AtomicU32);

#[async_trait]
impl Sink for Few {
    fn name(&self) -> &str {
        "few"
    }

    async fn deliver(&self, _: &[AuditRecord]) -> Outcome {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0..BATCHES => Outcome::Delivered,
            _ => Outcome::retry(None, "enough"),
        }
    }
}

pub async fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let most = setting("BENCH_ROWS", 1_000_000);
    let most = if bench.kind == Kind::Postgres { most } else { most.min(100_000) };
    for rows in [1_000, 100_000, 1_000_000].into_iter().filter(|rows| *rows <= most) {
        bench.fill(rows).await?;
        let audit = Audit::builder()
            .sink(Few(AtomicU32::new(0)))
            .delivery(Delivery::outbox().batch(BATCH))
            .build()?;
        let before = resident();
        let start = Instant::now();
        let report = audit.relay([bench.db.clone()]).drain().await?;
        let took = start.elapsed();
        println!(
            "{}: {rows} rows wait: claim and mark {BATCH} rows in {:.2} ms, memory {before} -> {} KiB",
            bench.kind.name(),
            took.as_secs_f64() * 1e3 / (report.claimed as f64 / BATCH as f64).max(1.0),
            resident()
        );
    }
    bench.clear().await?;
    Ok(())
}

/// The process's resident memory, in KiB; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
