//! Delivering.

use ftn_audit_sea::{Audit, Delivery, OutboxExt, outbox::Operations, sink::MemorySink};
use serde_json::json;

use crate::{
    arguments::Relay,
    broker::{engine, sink},
    connect,
    failure::Failure,
    output::{Output, log},
    stop::told_to_stop,
};

pub async fn run(relay: Relay, database: Option<String>, output: &Output) -> Result<(), Failure> {
    let engine = relay.engine.map(|_| engine(&relay.broker)).transpose()?;
    let connection = connect(database).await?;
    let builder = Audit::builder()
        .service_name(std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "ftn-audit".to_owned()))
        .delivery(Delivery::outbox())
        .locked();
    let audit = match engine {
        // What is published has its sink elsewhere.
        Some(_) => builder.sink(MemorySink::new()),
        None => sink(builder, relay.to_file.as_deref())?,
    }
    .build()?;
    // A wrong database or broker shows now, and not in the log of a process that seems to run.
    Operations::new(&audit, connection.clone(), "").status().await?;
    let mut relays = audit.relay([connection]).lanes(relay.lanes);
    if let Some(engine) = engine {
        drop(engine.publisher().await?);
        relays = relays.through(engine);
    }
    if relay.once {
        let report = relays.drain().await?;
        output.answer(
            &json!({ "sent": report.sent, "again": report.again, "dead": report.dead }),
            [format!(
                "sent {}, to be tried again {}, dead letters {}",
                report.sent, report.again, report.dead
            )],
        );
        return Ok(());
    }
    log();
    let running = relays.spawn();
    told_to_stop().await;
    running.stop().await;
    let stats = audit.stats();
    let sent = stats.delivered + stats.published;
    output.answer(
        &json!({ "sent": sent, "retried": stats.retried, "dead": stats.dead }),
        [format!("sent {sent}, retried {}, dead letters {}", stats.retried, stats.dead)],
    );
    Ok(())
}
