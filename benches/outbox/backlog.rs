//! What a claim costs when much waits, and what the relay's process holds.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use ftn_audit_sea::{
    prelude::*,
    sink::{Outcome, Sink},
};

use crate::database::{Bench, Kind, setting};

const BATCH: usize = 200;
/// Fewer than the smallest backlog has.
const BATCHES: usize = 5;

/// Takes so many batches, then no more, and notes when each came.
#[derive(Clone, Default)]
struct Few(Arc<Mutex<Vec<Instant>>>);

impl Few {
    /// From one batch to the next lie one mark and one claim.
    fn between(&self) -> Duration {
        let came = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (came.first(), came.last(), u32::try_from(came.len())) {
            (Some(first), Some(last), Ok(count @ 2..)) => last.duration_since(*first) / (count - 1),
            _ => Duration::ZERO,
        }
    }
}

#[async_trait]
impl Sink for Few {
    fn name(&self) -> &str {
        "few"
    }

    async fn deliver(&self, _: &[AuditRecord]) -> Outcome {
        let mut came = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        came.push(Instant::now());
        if came.len() < BATCHES { Outcome::Delivered } else { Outcome::retry(None, "enough") }
    }
}

pub async fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let most = setting("BENCH_ROWS", 1_000_000);
    let most = if bench.kind == Kind::Postgres { most } else { most.min(100_000) };
    for rows in [1_000, 100_000, 1_000_000].into_iter().filter(|rows| *rows <= most) {
        bench.fill(rows).await?;
        let few = Few::default();
        let audit = Audit::builder().sink(few.clone()).delivery(Delivery::outbox().batch(BATCH)).build()?;
        let before = resident();
        audit.relay([bench.db.clone()]).drain().await?;
        println!(
            "{}: {rows} rows wait: claim and mark {BATCH} rows in {:.2} ms, memory {before} -> {} KiB",
            bench.kind.name(),
            few.between().as_secs_f64() * 1e3,
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
