//! An application that writes while relays claim: nobody waits for a lock until a time-out.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use ftn_audit_sea::prelude::*;
use sea_orm::ActiveValue::Set;

use crate::database::{Bench, item, setting};

pub async fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let length = Duration::from_secs(setting("BENCH_SECONDS", 10));
    let mut relays = Vec::new();
    for _ in 0..4 {
        let audit = Audit::builder()
            .sink(MemorySink::new())
            .delivery(Delivery::outbox().batch(100).keep_sent(Duration::from_secs(2)))
            .build()?;
        let poll = Duration::from_millis(2);
        relays.push(audit.relay([bench.connect().await?]).lanes(1).poll(poll, poll * 10).spawn());
    }
    let audit = Audit::builder().sink(MemorySink::new()).delivery(Delivery::outbox()).build()?;
    let db = audit.connect(bench.connect().await?).await?;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let db = db.clone();
        writers.spawn(async move {
            let (start, mut written, mut failed, mut slowest) =
                (Instant::now(), 0_u64, 0_u64, Duration::ZERO);
            while start.elapsed() < length {
                let begun = Instant::now();
                let new =
                    item::ActiveModel { name: Set("Tea".to_owned()), price: Set(1), ..Default::default() };
                match new.insert(&db).await {
                    Ok(_) => written += 1,
                    Err(error) => {
                        failed += 1;
                        eprintln!("{error}");
                    }
                }
                slowest = slowest.max(begun.elapsed());
            }
            (written, failed, slowest)
        });
    }
    let (mut written, mut failed, mut slowest) = (0, 0, Duration::ZERO);
    while let Some(counts) = writers.join_next().await {
        let counts = counts?;
        written += counts.0;
        failed += counts.1;
        slowest = slowest.max(counts.2);
    }
    for relay in relays {
        relay.stop().await;
    }
    println!(
        "{}: {} s of writes beside 4 relays: {written} written, {failed} failed, the slowest took {slowest:.0?}",
        bench.kind.name(),
        length.as_secs()
    );
    Ok(())
}
