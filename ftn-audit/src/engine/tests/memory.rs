//! An engine without a broker: it shows that the rules are an engine's and not RabbitMQ's.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::super::{
    Arrived, Consumer, Content, DeadLetter, DeadLetters, Engine, EngineError, Message, PREFETCH, Published,
    Publisher, Settlement, Ticket,
};
use crate::stored::FORMAT;

#[derive(Clone, Default)]
pub(super) struct Memory {
    broker: Arc<Broker>,
}

#[derive(Default)]
struct Broker {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    main: VecDeque<Stored>,
    waiting: Vec<Stored>,
    dead: VecDeque<(Stored, String)>,
    tickets: u64,
    /// Sessions of an earlier age are over.
    age: u64,
}

#[derive(Clone)]
struct Stored {
    message: Message,
    deliveries: u32,
}

impl Memory {
    /// Ends all sessions.
    pub(super) fn cut(&self) {
        self.broker.state().age += 1;
        self.broker.changed.notify_waiters();
    }

    fn session(&self) -> Session {
        let age = self.broker.state().age;
        Session {
            broker: self.broker.clone(),
            age,
            unsettled: BTreeMap::new(),
            dead: BTreeMap::new(),
            cancelled: false,
        }
    }
}

impl Broker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// What has waited long enough is in the main queue.
    fn wake(&mut self) {
        let now = SystemTime::now();
        let (due, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|stored: &Stored| stored.message.not_before.is_none_or(|moment| moment <= now));
        self.waiting = waiting;
        let due: Vec<Stored> = due;
        self.main.extend(due);
    }
}

struct Session {
    broker: Arc<Broker>,
    age: u64,
    unsettled: BTreeMap<u64, Stored>,
    dead: BTreeMap<u64, (Stored, String)>,
    cancelled: bool,
}

impl Session {
    fn state(&self) -> Result<MutexGuard<'_, State>, EngineError> {
        let state = self.broker.state();
        if state.age == self.age { Ok(state) } else { Err(EngineError::Lost("cut".to_owned())) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.broker.state();
        for (_, mut stored) in std::mem::take(&mut self.unsettled).into_iter().rev() {
            stored.deliveries += 1;
            state.main.push_front(stored);
        }
        for (_, letter) in std::mem::take(&mut self.dead).into_iter().rev() {
            state.dead.push_front(letter);
        }
        self.broker.changed.notify_waiters();
    }
}

#[async_trait]
impl Engine for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn publisher(&self) -> Result<Box<dyn Publisher>, EngineError> {
        Ok(Box::new(self.session()))
    }

    async fn consumer(&self) -> Result<Box<dyn Consumer>, EngineError> {
        Ok(Box::new(self.session()))
    }

    async fn dead_letters(&self) -> Result<Box<dyn DeadLetters>, EngineError> {
        Ok(Box::new(self.session()))
    }
}

#[async_trait]
impl Publisher for Session {
    async fn publish(&mut self, messages: &[Message]) -> Result<Vec<Published>, EngineError> {
        let stored = messages.iter().map(|message| Stored { message: message.clone(), deliveries: 0 });
        self.state()?.main.extend(stored);
        self.broker.changed.notify_waiters();
        Ok(vec![Published::Confirmed; messages.len()])
    }
}

#[async_trait]
impl Consumer for Session {
    async fn receive(&mut self, most: usize) -> Result<Vec<Arrived>, EngineError> {
        loop {
            let broker = self.broker.clone();
            let mut changed = Box::pin(broker.changed.notified());
            changed.as_mut().enable();
            let mut arrived = Vec::new();
            {
                let mut state = self.state()?;
                if self.cancelled {
                    return Ok(arrived);
                }
                state.wake();
                let room = usize::from(PREFETCH).saturating_sub(self.unsettled.len());
                let mut taken = Vec::new();
                while taken.len() < room.min(most) {
                    let Some(stored) = state.main.pop_front() else { break };
                    state.tickets += 1;
                    taken.push((state.tickets, stored));
                }
                drop(state);
                for (ticket, stored) in taken {
                    let Message { format, not_before, .. } = stored.message;
                    let content = match format > FORMAT {
                        true => Content::Newer { format, not_before },
                        false => Content::Message(stored.message.clone()),
                    };
                    arrived.push(Arrived { ticket: Ticket(ticket), deliveries: stored.deliveries, content });
                    self.unsettled.insert(ticket, stored);
                }
            }
            if !arrived.is_empty() {
                return Ok(arrived);
            }
            // What waits becomes due without anybody's doing.
            let _ = tokio::time::timeout(Duration::from_millis(10), changed).await;
        }
    }

    async fn settle(&mut self, settled: Vec<(Ticket, Settlement)>) -> Result<(), EngineError> {
        drop(self.state()?);
        for (Ticket(ticket), settlement) in settled {
            let Some(mut stored) = self.unsettled.remove(&ticket) else { continue };
            let mut state = self.broker.state();
            match settlement {
                Settlement::Done => {}
                Settlement::Later { until, attempts } => {
                    stored.message.not_before = Some(until);
                    stored.message.attempts = attempts;
                    stored.deliveries = 0;
                    state.waiting.push(stored);
                }
                Settlement::Dead { why } => state.dead.push_back((stored, why)),
                Settlement::Return => {
                    stored.deliveries += 1;
                    state.main.push_front(stored);
                }
            }
        }
        self.broker.changed.notify_waiters();
        Ok(())
    }

    async fn cancel(&mut self) -> Result<(), EngineError> {
        self.cancelled = true;
        Ok(())
    }
}

#[async_trait]
impl DeadLetters for Session {
    async fn count(&mut self) -> Result<u64, EngineError> {
        Ok(self.state()?.dead.len() as u64)
    }

    async fn take(&mut self, most: usize) -> Result<Vec<DeadLetter>, EngineError> {
        let mut letters = Vec::new();
        while letters.len() < most {
            let mut state = self.state()?;
            let Some((stored, why)) = state.dead.pop_front() else { break };
            state.tickets += 1;
            let ticket = state.tickets;
            drop(state);
            letters.push(DeadLetter {
                ticket: Ticket(ticket),
                id: Some(stored.message.id.clone()),
                why: why.clone(),
            });
            self.dead.insert(ticket, (stored, why));
        }
        Ok(letters)
    }

    async fn replay(&mut self, letters: Vec<Ticket>, told: Message) -> Result<(), EngineError> {
        drop(self.state()?);
        let again = letters.iter().filter_map(|Ticket(ticket)| self.dead.remove(ticket));
        let again = again.map(|(stored, _)| {
            let Message { id, format, place, payload, .. } = stored.message;
            Stored { message: Message::stored(id, format, place, payload), deliveries: 0 }
        });
        let again: Vec<_> = again.chain([Stored { message: told, deliveries: 0 }]).collect();
        self.broker.state().main.extend(again);
        self.broker.changed.notify_waiters();
        Ok(())
    }
}
