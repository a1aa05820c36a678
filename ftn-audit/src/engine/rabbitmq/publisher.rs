//! Publishing to the main queue.

use async_trait::async_trait;

use super::{session::Session, wire::Outgoing};
use crate::engine::{EngineError, Message, Published, Publisher};

pub(super) struct Publishing(pub(super) Session);

#[async_trait]
impl Publisher for Publishing {
    async fn publish(&mut self, messages: &[Message]) -> Result<Vec<Published>, EngineError> {
        let Self(session) = self;
        let queue = &session.queues.main;
        session.publish(messages.iter().map(|message| Outgoing::new(queue, message)).collect()).await
    }
}
