//! A process that takes records from the outbox to the receiver or the broker, until it is killed.

use std::{error::Error, time::Duration};

use ftn_audit_sea::prelude::*;

use crate::{
    arguments::{Arguments, Engine},
    broker,
    database::connect,
    mutants::{Mutant, mark_then_send},
};

pub async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let db = connect(&arguments.url, 4).await?;
    let sink = || OtlpSink::grpc(&arguments.endpoint).timeout(Duration::from_secs(1)).build();
    let delivery = Delivery::outbox()
        .batch(100)
        .lease(Duration::from_secs(3))
        .backoff(Duration::from_millis(20), Duration::from_millis(300));
    let audit = Audit::builder().service_name("ledger").sink(sink()?).delivery(delivery).build()?;
    if arguments.mutant == Some(Mutant::MarksFirst) {
        mark_then_send(&audit, &db, &sink()?).await;
        return Ok(());
    }
    let mut relay = audit.relay([db]).poll(Duration::from_millis(10), Duration::from_millis(100));
    if arguments.engine == Engine::Rabbitmq {
        relay = relay.through(broker::engine(arguments)?);
    }
    let _running = relay.spawn();
    std::future::pending().await
}
