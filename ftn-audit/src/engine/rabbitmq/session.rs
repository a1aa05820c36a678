//! A connection with one channel, and the queues that have to be there.

use std::{sync::Arc, time::Duration};

use lapin::{
    Channel, Confirmation, Connection, ConnectionProperties, Error, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, LongString},
};

use super::{Queues, RabbitMq, Wait, wire::Outgoing};
use crate::engine::{EngineError, Published};

pub(super) struct Session {
    pub(super) channel: Channel,
    pub(super) queues: Arc<Queues>,
    /// It lives as long as the channel is used.
    _connection: Connection,
}

/// How long a broker may take until the session can be used.
const OPENING: Duration = Duration::from_secs(10);

impl Session {
    pub(super) async fn open(engine: &RabbitMq) -> Result<Self, EngineError> {
        let opened = tokio::time::timeout(OPENING, Self::connect(engine)).await;
        opened.unwrap_or_else(|_| {
            let why = format!("no session within {} s", OPENING.as_secs());
            Err(EngineError::Unreachable { address: engine.address(), why })
        })
    }

    async fn connect(engine: &RabbitMq) -> Result<Self, EngineError> {
        let refused = |error: Error| no_session(engine, &error);
        // Attempts are the business of who opens the session: the client has none of its own.
        let properties = ConnectionProperties::default()
            .configure_backoff(|backoff| backoff.with_max_times(0))
            .with_connection_name("ftn-audit".into());
        let connection = Connection::connect_uri(engine.uri.clone(), properties).await.map_err(refused)?;
        let channel = connection.create_channel().await.map_err(refused)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(refused)?;
        let session = Self { channel, queues: engine.queues.clone(), _connection: connection };
        session.declare(engine).await?;
        Ok(session)
    }

    async fn declare(&self, engine: &RabbitMq) -> Result<(), EngineError> {
        let Queues { main, dead, waits } = &*self.queues;
        self.declare_one(engine, dead, quorum()).await?;
        self.declare_one(engine, main, dead_lettered_to(dead)).await?;
        for Wait { time, queue } in waits {
            let mut arguments = dead_lettered_to(main);
            let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(millis));
            // Both are needed for that a message is not lost on its way back to the main queue. The queue is nobody's but
            // ours, so it is not left to a policy.
            arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
            arguments.insert("x-overflow".into(), text("reject-publish"));
            self.declare_one(engine, queue, arguments).await?;
        }
        Ok(())
    }

    async fn declare_one(
        &self,
        engine: &RabbitMq,
        queue: &str,
        arguments: FieldTable,
    ) -> Result<(), EngineError> {
        let declared =
            self.channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await;
        match declared {
            Ok(_) => Ok(()),
            Err(error) if is(&error, &AMQPSoftError::PRECONDITIONFAILED) => {
                Err(EngineError::OtherArguments { queue: queue.to_owned(), why: error.to_string() })
            }
            Err(error) => Err(no_session(engine, &error)),
        }
    }

    /// Publishes to queues by the default exchange, and waits for the broker's word on each message.
    pub(super) async fn publish(&self, messages: Vec<Outgoing<'_>>) -> Result<Vec<Published>, EngineError> {
        // Without `mandatory`, a message that finds no queue is confirmed, and gone.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let mut confirms = Vec::with_capacity(messages.len());
        for Outgoing { queue, body, properties } in messages {
            let published = self.channel.basic_publish("".into(), queue.into(), options, body, properties);
            confirms.push(published.await.map_err(lost)?);
        }
        let mut published = Vec::with_capacity(confirms.len());
        for confirm in confirms {
            published.push(match confirm.await.map_err(lost)? {
                Confirmation::Ack(None) => Published::Confirmed,
                Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                    Published::NotTaken { why: format!("no queue took it: {}", returned.reply_text) }
                }
                Confirmation::Nack(None) => {
                    Published::NotTaken { why: "the queue did not take it".to_owned() }
                }
                Confirmation::NotRequested => {
                    return Err(EngineError::Lost("the broker confirms nothing".to_owned()));
                }
            });
        }
        Ok(published)
    }
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

/// Limits are left to policies: arguments cannot be changed once the queue is there.
fn dead_lettered_to(queue: &str) -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(queue));
    arguments
}

fn is(error: &Error, kind: &AMQPSoftError) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(error.kind(), AMQPErrorKind::Soft(soft) if soft == kind)
}

/// Why there is no session. The broker's words hold names, and never a password.
fn no_session(engine: &RabbitMq, error: &Error) -> EngineError {
    let (address, why) = (engine.address(), error.to_string());
    match error.kind() {
        ErrorKind::ProtocolError(_) | ErrorKind::AuthProviderError(_) => {
            EngineError::Refused { address, why }
        }
        _ => EngineError::Unreachable { address, why },
    }
}

pub(super) fn lost(error: Error) -> EngineError {
    EngineError::Lost(error.to_string())
}
