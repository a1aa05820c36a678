//! The relay's side: publishes, over sessions that are made anew when they end.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Engine, EngineError, Message, Published, Publisher};
use crate::{Audit, metrics::Metrics, relay::Verdict};

/// Gives messages to a broker, and counts in the [`Stats`](crate::Stats) of its handle.
#[derive(Clone)]
pub struct Carrier(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    /// Those that nobody uses at the moment.
    idle: Mutex<Vec<Box<dyn Publisher>>>,
    metrics: Arc<Metrics>,
}

impl Carrier {
    /// The broker's name.
    pub fn name(&self) -> &str {
        self.0.engine.name()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<dyn Publisher>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes the messages, and says of each whether the broker has it. Verdicts are in the order of the messages;
    /// there is no hopeless one.
    ///
    /// Cancellation: what was published may have been stored; published again, it has the same id.
    pub async fn carry(&self, messages: &[Message], deadline: Instant) -> Vec<Verdict> {
        let published = tokio::time::timeout_at(deadline.into(), self.publish(messages)).await;
        let published = published
            .unwrap_or_else(|_| Err(EngineError::Lost("the broker confirmed nothing in time".to_owned())));
        let verdicts: Vec<Verdict> = match published {
            Ok(published) => published
                .into_iter()
                .map(|published| match published {
                    Published::Confirmed => Verdict::Delivered,
                    Published::NotTaken { why } => Verdict::Again { after: None, operator: false, why },
                })
                .collect(),
            Err(error) => {
                let again =
                    Verdict::Again { after: None, operator: error.needs_operator(), why: error.to_string() };
                vec![again; messages.len()]
            }
        };
        let taken = verdicts.iter().filter(|verdict| **verdict == Verdict::Delivered).count();
        self.0.metrics.published.add(taken as u64);
        self.0.metrics.retried.add((verdicts.len() - taken) as u64);
        self.0.metrics.sink_answered(taken == 0 && !verdicts.is_empty());
        verdicts
    }

    async fn publish(&self, messages: &[Message]) -> Result<Vec<Published>, EngineError> {
        let idle = self.idle().pop();
        let mut session = match idle {
            Some(session) => session,
            None => self.0.engine.publisher().await?,
        };
        let published = session.publish(messages).await?;
        // What was not taken has found no queue, or a full one: a new session makes the queue when it is missing.
        if published.iter().all(|published| *published == Published::Confirmed) {
            self.idle().push(session);
        }
        Ok(published)
    }
}

impl Audit {
    /// For relays: the way to a broker. `None` when nothing is recorded.
    pub fn carrier(&self, engine: Arc<dyn Engine>) -> Option<Carrier> {
        let metrics = self.metrics()?;
        Some(Carrier(Arc::new(Inner { engine, idle: Mutex::default(), metrics })))
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").field("engine", &self.name()).finish_non_exhaustive()
    }
}
