//! Working on the main queue.

use std::{
    collections::{BTreeMap, HashSet},
    time::SystemTime,
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use lapin::{
    message::Delivery,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};

use super::{
    session::{Session, lost},
    wire::{Outgoing, content, deliveries},
};
use crate::engine::{Arrived, Consumer, EngineError, PREFETCH, Published, Settlement, Ticket};

pub(super) struct Working {
    session: Session,
    stream: lapin::Consumer,
    unsettled: BTreeMap<u64, Delivery>,
    cancelled: bool,
    /// After a cancel, the stream has been seen to the end.
    drained: bool,
}

impl Working {
    pub(super) async fn begin(session: Session) -> Result<Self, EngineError> {
        let channel = &session.channel;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.map_err(lost)?;
        let queue = session.queues.main.as_str().into();
        let options = BasicConsumeOptions::default();
        let stream =
            channel.basic_consume(queue, "".into(), options, FieldTable::default()).await.map_err(lost)?;
        Ok(Self { session, stream, unsettled: BTreeMap::new(), cancelled: false, drained: false })
    }

    fn taken(&mut self, delivery: Delivery) -> Arrived {
        let ticket = Ticket(delivery.delivery_tag);
        let arrived = Arrived { ticket, deliveries: deliveries(&delivery), content: content(&delivery) };
        self.unsettled.insert(delivery.delivery_tag, delivery);
        arrived
    }

    fn ended(&mut self) -> Result<(), EngineError> {
        self.drained = true;
        match self.cancelled {
            true => Ok(()),
            // The queue was deleted, or the connection is gone.
            false => Err(EngineError::Lost("the broker ended the consumer".to_owned())),
        }
    }

    /// Answers for those that are done: in one word where nothing older is open.
    async fn ack(&mut self, done: HashSet<u64>) -> Result<(), EngineError> {
        let Some(last) = done.iter().copied().max() else { return Ok(()) };
        let in_one = self.unsettled.range(..=last).all(|(tag, _)| done.contains(tag));
        let channel = &self.session.channel;
        if in_one {
            channel.basic_ack(last, BasicAckOptions { multiple: true }).await.map_err(lost)?;
        } else {
            for tag in &done {
                channel.basic_ack(*tag, BasicAckOptions::default()).await.map_err(lost)?;
            }
        }
        self.unsettled.retain(|tag, _| !done.contains(tag));
        Ok(())
    }

    /// To the main queue again. Never `nack`: newer brokers do not count that as a delivery.
    async fn give_back(&mut self, tag: u64) -> Result<(), EngineError> {
        let options = BasicRejectOptions { requeue: true };
        self.session.channel.basic_reject(tag, options).await.map_err(lost)?;
        self.unsettled.remove(&tag);
        Ok(())
    }
}

#[async_trait]
impl Consumer for Working {
    async fn receive(&mut self, most: usize) -> Result<Vec<Arrived>, EngineError> {
        let mut arrived = Vec::new();
        if self.drained {
            return Ok(arrived);
        }
        match self.stream.next().await {
            Some(delivery) => {
                let delivery = delivery.map_err(lost)?;
                arrived.push(self.taken(delivery));
            }
            None => return self.ended().map(|()| arrived),
        }
        while arrived.len() < most {
            match self.stream.next().now_or_never() {
                None => break,
                Some(Some(delivery)) => {
                    let delivery = delivery.map_err(lost)?;
                    arrived.push(self.taken(delivery));
                }
                Some(None) => {
                    self.ended()?;
                    break;
                }
            }
        }
        Ok(arrived)
    }

    async fn settle(&mut self, settled: Vec<(Ticket, Settlement)>) -> Result<(), EngineError> {
        let mut done = HashSet::new();
        let mut back = Vec::new();
        let mut copies = Vec::new();
        let mut copied = Vec::new();
        for (Ticket(tag), settlement) in &settled {
            let Some(delivery) = self.unsettled.get(tag) else { continue };
            match settlement {
                Settlement::Done => {
                    done.insert(*tag);
                }
                Settlement::Return => back.push(*tag),
                Settlement::Later { until, attempts } => {
                    let wait = until.duration_since(SystemTime::now()).unwrap_or_default();
                    match self.session.queues.wait(wait) {
                        Some(queue) => {
                            copies.push(Outgoing::later(queue, delivery, *until, *attempts));
                            copied.push(*tag);
                        }
                        None => back.push(*tag),
                    }
                }
                Settlement::Dead { why } => {
                    copies.push(Outgoing::dead(&self.session.queues.dead, delivery, why));
                    copied.push(*tag);
                }
            }
        }
        let mut not_taken = None;
        // A message is let go when its copy is stored, and not before.
        let published = self.session.publish(copies).await?;
        for (tag, published) in copied.into_iter().zip(published) {
            match published {
                Published::Confirmed => {
                    done.insert(tag);
                }
                Published::NotTaken { why } => {
                    back.push(tag);
                    not_taken = Some(why);
                }
            }
        }
        self.ack(done).await?;
        for tag in back {
            self.give_back(tag).await?;
        }
        // Another session makes the queue that was missing.
        not_taken.map_or(Ok(()), |why| Err(EngineError::Lost(why)))
    }

    async fn cancel(&mut self) -> Result<(), EngineError> {
        self.cancelled = true;
        self.session
            .channel
            .basic_cancel(self.stream.tag(), BasicCancelOptions::default())
            .await
            .map_err(lost)
    }
}
