//! A broker: working from it, and its dead letters.

use std::{path::Path, sync::Arc};

use ftn_audit_sea::{
    Audit, AuditBuilder, Delivery,
    engine::{Engine, Replay},
    sink::{JsonlSink, OtlpSink},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Broker, ReplayDead, Worker},
    change::reasoned,
    failure::Failure,
    operators_audit,
    output::{Output, log},
    stop::told_to_stop,
};

#[cfg(feature = "rabbitmq")]
pub fn engine(broker: &Broker) -> Result<Arc<dyn Engine>, Failure> {
    let url = broker.url.as_deref().ok_or(Failure::NoBroker)?;
    Ok(Arc::new(ftn_audit_sea::engine::RabbitMq::new(url)?.queue(&broker.queue)?))
}

#[cfg(not(feature = "rabbitmq"))]
pub fn engine(_: &Broker) -> Result<Arc<dyn Engine>, Failure> {
    Err(Failure::NotBuiltIn)
}

/// To a file, or to the receiver of the environment.
pub fn sink(builder: AuditBuilder, to_file: Option<&Path>) -> Result<AuditBuilder, Failure> {
    Ok(match to_file {
        Some(path) => builder
            .sink(JsonlSink::file(path).map_err(|error| Failure::File(path.display().to_string(), error))?),
        None => builder.sink(OtlpSink::from_env().map_err(|error| Failure::Receiver(error.to_string()))?),
    })
}

pub async fn work(worker: Worker, output: &Output) -> Result<(), Failure> {
    let engine = engine(&worker.broker)?;
    let builder = Audit::builder()
        .service_name(std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "ftn-audit".to_owned()))
        .delivery(Delivery::outbox())
        .locked();
    let audit = sink(builder, worker.to_file.as_deref())?.build()?;
    // A wrong broker shows now, and not in the log of a process that seems to run.
    drop(engine.publisher().await?);
    log();
    let running = audit.worker(engine).lanes(worker.lanes).spawn();
    told_to_stop().await;
    running.stop().await;
    let stats = audit.stats();
    output.answer(
        &json!({ "delivered": stats.delivered, "retried": stats.retried, "dead": stats.dead }),
        [format!("delivered {}, retried {}, dead letters {}", stats.delivered, stats.retried, stats.dead)],
    );
    Ok(())
}

pub async fn replay(chosen: ReplayDead, who: String, output: &Output) -> Result<(), Failure> {
    let replay = Replay::new(&operators_audit()?, who);
    if chosen.list {
        return list(&replay, &*engine(&chosen.broker)?, chosen.limit, output).await;
    }
    let reason = reasoned(chosen.reason.as_ref())?;
    let engine = engine(&chosen.broker)?;
    let spinner = output.spinner("replaying");
    let replayed = match chosen.all {
        true => replay.all(&*engine, reason).await?,
        false => replay.some(&*engine, &chosen.ids, reason).await?,
    };
    spinner.finish_and_clear();
    if replayed == 0 {
        return Err(Failure::NoDeadLetter);
    }
    output.answer(&json!({ "replayed": replayed }), [format!("{replayed} dead letters replayed")]);
    Ok(())
}

async fn list(replay: &Replay, engine: &dyn Engine, most: usize, output: &Output) -> Result<(), Failure> {
    let letters = replay.list(engine, most).await?;
    let told = |letter: &ftn_audit_sea::engine::DeadLetter| json!({ "id": letter.id, "why": letter.why });
    output.answer(
        &json!({ "dead_letters": letters.iter().map(told).collect::<Vec<Value>>() }),
        letters.iter().map(|letter| {
            format!("{}  {}", letter.id.as_deref().unwrap_or("no record of ftn-audit"), letter.why)
        }),
    );
    Ok(())
}
