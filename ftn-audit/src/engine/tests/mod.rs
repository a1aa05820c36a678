//! What every engine has to do, and what a worker makes of it, on an engine in memory and on RabbitMQ.
//!
//! `FTN_AUDIT_TEST_RABBITMQ` names a broker on which queues may be made and deleted.

mod conformance;
mod memory;
#[cfg(feature = "rabbitmq")]
mod proxy;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
mod sinks;
mod working;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use self::memory::Memory;
use super::{Arrived, Consumer, Content, Engine, Message, MessagePlace, Publisher, Ticket};
use crate::{AuditRecord, stored::FORMAT};

/// An engine, and what a test does to it.
#[async_trait]
trait Bench: Send + Sync {
    fn engine(&self) -> Arc<dyn Engine>;

    /// Ends all sessions, as a network does.
    async fn cut(&self);
}

#[async_trait]
impl Bench for Memory {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.clone())
    }

    async fn cut(&self) {
        Self::cut(self);
    }
}

/// Each test on each engine. Where there is no broker, it passes.
macro_rules! on_each_engine {
    ($($test:ident)+) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                super::$test(&crate::engine::tests::memory::Memory::default()).await;
            }

            #[cfg(feature = "rabbitmq")]
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn rabbitmq() {
                if let Some(bench) = crate::engine::tests::rabbitmq::TestQueues::new().await {
                    super::$test(&bench).await;
                    bench.delete().await;
                }
            }
        }
    )+};
}
use on_each_engine;

/// Longer than anything takes that these tests wait for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// So many records in one transaction, as messages.
fn messages(count: u32) -> Vec<Message> {
    let transaction = uuid::Uuid::now_v7();
    let message = |sequence| {
        let mut record = AuditRecord::event("exported", "Report", sequence).with_attribute("rows", 120);
        record.set_place(transaction, sequence, Some(count));
        Message::new(&record)
    };
    (1..=count).map(message).collect()
}

/// One of a format that is to come.
fn newer() -> Message {
    let id = uuid::Uuid::now_v7().to_string();
    Message::stored(id, FORMAT + 1, None, "\u{1f680} nothing that is known now".to_owned())
}

fn ids(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.id.clone()).collect()
}

async fn publish(engine: &dyn Engine, messages: &[Message]) {
    let mut publisher: Box<dyn Publisher> = engine.publisher().await.unwrap();
    let published = publisher.publish(messages).await.unwrap();
    assert_eq!(published, vec![super::Published::Confirmed; messages.len()]);
}

/// Receives until there are so many.
async fn receive(consumer: &mut dyn Consumer, count: usize) -> Vec<Arrived> {
    let mut arrived = Vec::new();
    while arrived.len() < count {
        let more = tokio::time::timeout(PATIENCE, consumer.receive(count - arrived.len())).await;
        arrived.extend(more.expect("it arrives in time").unwrap());
    }
    arrived
}

fn message(arrived: &Arrived) -> &Message {
    match &arrived.content {
        Content::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn tickets(arrived: &[Arrived]) -> Vec<Ticket> {
    arrived.iter().map(|arrived| arrived.ticket).collect()
}

fn place(message: &Message) -> &MessagePlace {
    message.place.as_ref().expect("it has a place")
}
