//! From a filled outbox into a receiver over the network, by one relay and by four.

use std::{
    error::Error,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use ftn_audit_sea::prelude::*;

use crate::{
    database::{Bench, Kind, setting},
    receiver,
};

pub async fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let most = if bench.kind == Kind::Postgres { 200_000 } else { 50_000 };
    let rows = setting("BENCH_ROWS", most).min(most);
    for relays in [1, 4] {
        bench.fill(rows).await?;
        let (endpoint, arrived) = receiver::start().await?;
        let mut running = Vec::new();
        let start = Instant::now();
        for _ in 0..relays {
            let audit = Audit::builder()
                .sink(OtlpSink::grpc(&endpoint).build()?)
                .delivery(Delivery::outbox().batch(1000))
                .build()?;
            running.push(audit.relay([bench.connect().await?]).spawn());
        }
        while arrived.load(Ordering::Relaxed) < rows {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let rate = rows as f64 / start.elapsed().as_secs_f64();
        for relay in running {
            relay.stop().await;
        }
        println!("{}: {relays} relay(s), records of 1 KB: {rate:.0} / s", bench.kind.name());
    }
    Ok(())
}
