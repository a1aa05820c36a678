//! Delivery over a broker that runs already, for those whose workers are to be many: outbox -> relay -> broker -> any
//! number of workers -> sink.
//!
//! A relay publishes what is in the outbox, and marks a row when the broker has confirmed it. A [`Worker`] gives what it
//! takes from the broker to the sink of its [`Audit`](crate::Audit), and answers the broker only when the fate of a
//! record is known: so a record can arrive twice, with the same id, and is never lost. What no sink will take is among
//! the dead letters with its reason, from where [`Replay`] sends it again.
//!
//! An [`Engine`] is the broker's side of it. RabbitMQ's is [`RabbitMq`] (feature `rabbitmq`).

mod carrier;
mod error;
mod message;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
mod replay;
#[cfg(test)]
mod tests;
mod worker;

use async_trait::async_trait;

#[cfg(feature = "rabbitmq")]
pub use self::rabbitmq::RabbitMq;
pub use self::{
    carrier::Carrier,
    error::EngineError,
    message::{Arrived, Content, DeadLetter, Message, MessagePlace, Published, Settlement, Ticket},
    replay::Replay,
    worker::{Worker, WorkerHandle},
};

/// The most messages that a worker's lane has from the broker and has not settled. When a worker dies, the broker counts
/// a delivery for each of them.
pub const PREFETCH: u16 = 100;

/// A broker: where messages wait, again and again, until a worker settles them.
///
/// What it has to give: a message that was [`Confirmed`](Published::Confirmed) outlives the broker's own restart; a
/// message that arrived and was not settled when its session ended arrives again, with
/// [`deliveries`](Arrived::deliveries) counted; [`Later`](Settlement::Later), [`Dead`](Settlement::Dead) and a replay
/// store the message anew before the old one is let go. None of it need happen once only.
///
/// A session is over with its first error, and then with all others; who used it opens another. An engine neither
/// reconnects nor waits between attempts: those who use it do.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// A short name for logs.
    fn name(&self) -> &str;

    /// A session to publish with. Makes what is missing at the broker.
    async fn publisher(&self) -> Result<Box<dyn Publisher>, EngineError>;

    /// A session to work with, in which up to [`PREFETCH`] messages are unsettled. Makes what is missing at the broker.
    async fn consumer(&self) -> Result<Box<dyn Consumer>, EngineError>;

    /// A session with the dead letters. Makes what is missing at the broker.
    async fn dead_letters(&self) -> Result<Box<dyn DeadLetters>, EngineError>;
}

/// A session to publish with.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes, and waits for the broker's word on each message. An error says nothing of what was stored.
    async fn publish(&mut self, messages: &[Message]) -> Result<Vec<Published>, EngineError>;
}

/// A session to work with.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Waits for a message, and takes what else is there, up to `most`. Nothing only after [`cancel`](Self::cancel).
    ///
    /// Cancellation: nothing is taken when the future is dropped.
    async fn receive(&mut self, most: usize) -> Result<Vec<Arrived>, EngineError>;

    /// Settles messages of this session. An error says nothing of what was settled.
    async fn settle(&mut self, settled: Vec<(Ticket, Settlement)>) -> Result<(), EngineError>;

    /// Asks the broker for no more: [`receive`](Self::receive) gives what is here already, and then nothing.
    async fn cancel(&mut self) -> Result<(), EngineError>;
}

/// A session with the dead letters. What it took and did not settle is back when the session ends.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// How many there are.
    async fn count(&mut self) -> Result<u64, EngineError>;

    /// Takes up to `most`; none when there are none.
    async fn take(&mut self, most: usize) -> Result<Vec<DeadLetter>, EngineError>;

    /// Publishes these as if for the first time, and `told` with them; lets them go when all are confirmed.
    async fn replay(&mut self, letters: Vec<Ticket>, told: Message) -> Result<(), EngineError>;
}
