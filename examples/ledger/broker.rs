//! Queues of the ledger's own, and the processes that work from them.

use std::{error::Error, future::pending, sync::Arc, time::Duration};

use ftn_audit_sea::{
    engine::{Content, Engine as _, RabbitMq, Settlement},
    prelude::*,
    sink::Sink,
};
use lapin::{
    Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use crate::{
    arguments::{Arguments, Engine},
    mutants::Mutant,
};

pub struct Queues {
    url: String,
    name: String,
}

impl Queues {
    /// `None` where the relay sends to the receiver itself.
    pub fn new(arguments: &Arguments) -> Result<Option<Self>, Box<dyn Error>> {
        if arguments.engine == Engine::Relay {
            return Ok(None);
        }
        let named = arguments.broker.clone().or_else(|| std::env::var("LEDGER_RABBITMQ").ok());
        let url = named.ok_or("no broker: name it with --broker or LEDGER_RABBITMQ")?;
        Ok(Some(Self { url, name: format!("ftn-audit.ledger.{}", uuid::Uuid::new_v4().simple()) }))
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many messages no worker could deliver.
    pub async fn dead(&self) -> Result<u32, lapin::Error> {
        let channel =
            Connection::connect(&self.url, ConnectionProperties::default()).await?.create_channel().await?;
        let dead = format!("{}.dead", self.name);
        let look = QueueDeclareOptions::durable().passive();
        Ok(channel.queue_declare(dead.as_str().into(), look, FieldTable::default()).await?.message_count())
    }

    pub async fn delete(&self) -> Result<(), lapin::Error> {
        let channel =
            Connection::connect(&self.url, ConnectionProperties::default()).await?.create_channel().await?;
        for suffix in ["", ".dead", ".wait.1s", ".wait.5s", ".wait.30s", ".wait.120s", ".wait.600s"] {
            let queue = format!("{}{suffix}", self.name);
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
        }
        Ok(())
    }
}

/// The broker of a child.
pub fn engine(arguments: &Arguments) -> Result<Arc<RabbitMq>, Box<dyn Error>> {
    let url = arguments.broker.as_deref().ok_or("no broker")?;
    Ok(Arc::new(RabbitMq::new(url)?.queue(&arguments.queue)?))
}

/// Takes records from the broker to the receiver, until it is killed.
pub async fn work(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let sink = || OtlpSink::grpc(&arguments.endpoint).timeout(Duration::from_secs(1)).build();
    let delivery = Delivery::outbox().backoff(Duration::from_millis(20), Duration::from_millis(300));
    let audit = Audit::builder().service_name("ledger").sink(sink()?).delivery(delivery).build()?;
    let engine = engine(arguments)?;
    if arguments.mutant == Some(Mutant::AnswersFirst) {
        return answer_then_send(&audit, &engine, &sink()?).await;
    }
    let _running = audit.worker(engine).spawn();
    pending().await
}

/// The worker of [`Mutant::AnswersFirst`].
async fn answer_then_send(audit: &Audit, engine: &RabbitMq, sink: &impl Sink) -> Result<(), Box<dyn Error>> {
    let mut consumer = engine.consumer().await?;
    loop {
        let arrived = consumer.receive(50).await?;
        consumer.settle(arrived.iter().map(|arrived| (arrived.ticket, Settlement::Done)).collect()).await?;
        let records = arrived.iter().filter_map(|arrived| match &arrived.content {
            Content::Message(message) => message.restore(audit).ok(),
            _ => None,
        });
        sink.deliver(&records.collect::<Vec<_>>()).await;
    }
}
