//! The queue of dead letters.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lapin::{
    message::Delivery,
    options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};

use super::{
    session::{Session, lost},
    wire::{Outgoing, id, why},
};
use crate::engine::{DeadLetter, DeadLetters, EngineError, Message, Published, Ticket};

pub(super) struct Burying {
    session: Session,
    unsettled: BTreeMap<u64, Delivery>,
}

impl Burying {
    pub(super) fn new(session: Session) -> Self {
        Self { session, unsettled: BTreeMap::new() }
    }
}

#[async_trait]
impl DeadLetters for Burying {
    async fn count(&mut self) -> Result<u64, EngineError> {
        let look = QueueDeclareOptions::durable().passive();
        let dead = self.session.queues.dead.as_str().into();
        let queue =
            self.session.channel.queue_declare(dead, look, FieldTable::default()).await.map_err(lost)?;
        Ok(queue.message_count().into())
    }

    async fn take(&mut self, most: usize) -> Result<Vec<DeadLetter>, EngineError> {
        let mut letters = Vec::new();
        while letters.len() < most {
            let dead = self.session.queues.dead.as_str().into();
            let got = self.session.channel.basic_get(dead, BasicGetOptions::default()).await.map_err(lost)?;
            let Some(got) = got else { break };
            let delivery = got.delivery;
            let ticket = Ticket(delivery.delivery_tag);
            letters.push(DeadLetter { ticket, id: id(&delivery), why: why(&delivery) });
            self.unsettled.insert(delivery.delivery_tag, delivery);
        }
        Ok(letters)
    }

    async fn replay(&mut self, letters: Vec<Ticket>, told: Message) -> Result<(), EngineError> {
        let main = self.session.queues.main.as_str();
        let again = letters.iter().filter_map(|Ticket(tag)| self.unsettled.get(tag));
        let mut again: Vec<_> = again.map(|delivery| Outgoing::again(main, delivery)).collect();
        again.push(Outgoing::new(main, &told));
        let published = self.session.publish(again).await?;
        if let Some(Published::NotTaken { why }) =
            published.into_iter().find(|published| *published != Published::Confirmed)
        {
            return Err(EngineError::Lost(why));
        }
        for Ticket(tag) in letters {
            self.session.channel.basic_ack(tag, BasicAckOptions::default()).await.map_err(lost)?;
            self.unsettled.remove(&tag);
        }
        Ok(())
    }
}
