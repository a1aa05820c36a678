//! Delivering.

use ftn_audit_sea::{
    Audit, Delivery, OutboxExt,
    outbox::Operations,
    sink::{JsonlSink, OtlpSink},
};
use serde_json::json;

use crate::{arguments::Relay, connect, failure::Failure, output::Output};

pub async fn run(relay: Relay, database: Option<String>, output: &Output) -> Result<(), Failure> {
    let connection = connect(database).await?;
    let builder = Audit::builder()
        .service_name(std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "ftn-audit".to_owned()))
        .delivery(Delivery::outbox())
        .locked();
    let builder = match &relay.to_file {
        Some(path) => builder
            .sink(JsonlSink::file(path).map_err(|error| Failure::File(path.display().to_string(), error))?),
        None => builder.sink(OtlpSink::from_env().map_err(|error| Failure::Receiver(error.to_string()))?),
    };
    let audit = builder.build()?;
    // A wrong database shows now, and not in the log of a process that seems to run.
    Operations::new(&audit, connection.clone(), "").status().await?;
    let relays = audit.relay([connection]).lanes(relay.lanes);
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
    let running = relays.spawn();
    told_to_stop().await;
    running.stop().await;
    let stats = audit.stats();
    output.answer(
        &json!({ "sent": stats.delivered, "retried": stats.retried, "dead": stats.dead }),
        [format!("sent {}, retried {}, dead letters {}", stats.delivered, stats.retried, stats.dead)],
    );
    Ok(())
}

/// SIGINT, or the SIGTERM of a service manager.
async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = interrupted.await;
}
