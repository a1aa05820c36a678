//! What an operator does with dead letters: look at them, and send them again.

use std::{collections::HashSet, sync::Mutex};

use uuid::Uuid;

use super::{DeadLetter, Engine, EngineError, Message};
use crate::{Actor, Audit, AuditContext, AuditRecord, EventScope};

/// Few enough that a batch is over before anybody waits for it.
const BATCH: usize = 1000;

/// An operator's hand on the dead letters of a broker.
///
/// What it sends again goes with a record that says who did it, with how many messages and why; a worker delivers that
/// like any other.
///
/// ```no_run
/// use ftn_audit::{Audit, Delivery, engine::{Engine, Replay}, sink::MemorySink};
///
/// # async fn example(engine: &dyn Engine) -> Result<(), Box<dyn std::error::Error>> {
/// let audit = Audit::builder().sink(MemorySink::new()).delivery(Delivery::outbox()).build()?;
/// let replayed = Replay::new(&audit, "ann").all(engine, "token renewed").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Replay {
    audit: Audit,
    who: String,
}

impl Replay {
    /// `who` stands on the records that this leaves.
    pub fn new(audit: &Audit, who: impl Into<String>) -> Self {
        Self { audit: audit.clone(), who: who.into() }
    }

    /// The dead letters that have been there for longest, up to `most`. They stay.
    ///
    /// # Errors
    ///
    /// When the broker does not answer.
    pub async fn list(&self, engine: &dyn Engine, most: usize) -> Result<Vec<DeadLetter>, EngineError> {
        engine.dead_letters().await?.take(most).await
    }

    /// Sends all dead letters again that are there now, and says how many there were.
    ///
    /// # Errors
    ///
    /// When the broker does not answer. What was sent by then has left its record; a message may be both sent again and
    /// still there.
    pub async fn all(&self, engine: &dyn Engine, reason: &str) -> Result<u64, EngineError> {
        self.run(engine, reason, |_| true).await
    }

    /// Sends those dead letters again that hold the records with these ids, and says how many there were.
    ///
    /// # Errors
    ///
    /// As of [`all`](Self::all).
    pub async fn some(&self, engine: &dyn Engine, ids: &[String], reason: &str) -> Result<u64, EngineError> {
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        self.run(engine, reason, |letter| letter.id.as_deref().is_some_and(|id| ids.contains(id))).await
    }

    async fn run(
        &self,
        engine: &dyn Engine,
        reason: &str,
        wanted: impl Fn(&DeadLetter) -> bool,
    ) -> Result<u64, EngineError> {
        let mut letters = engine.dead_letters().await?;
        // What comes back while this goes on is left for the next time: it would have no end.
        let mut left = usize::try_from(letters.count().await?).unwrap_or(usize::MAX);
        let mut replayed = 0;
        while left > 0 {
            let taken = letters.take(left.min(BATCH)).await?;
            if taken.is_empty() {
                break;
            }
            left -= taken.len();
            let chosen: Vec<_> =
                taken.iter().filter(|letter| wanted(letter)).map(|letter| letter.ticket).collect();
            if chosen.is_empty() {
                continue;
            }
            let count = chosen.len() as u64;
            letters.replay(chosen, self.told(count, reason).await).await?;
            replayed += count;
        }
        Ok(replayed)
    }

    /// The record of what is done.
    async fn told(&self, messages: u64, reason: &str) -> Message {
        let context = AuditContext::builder().actor(Actor::user(&self.who)).reason(reason).build();
        let told = Told { context, record: Mutex::default() };
        self.audit
            .event("dead_letters.replayed")
            .subject("Broker", "")
            .description(format!("{messages} dead letters replayed: {reason}"))
            .attr("audit.broker.messages", messages)
            .record(&told)
            .await;
        let record = told.record.into_inner().ok().flatten();
        let mut record = record.unwrap_or_else(|| AuditRecord::event("dead_letters.replayed", "Broker", ""));
        record.set_place(Uuid::now_v7(), 1, Some(1));
        Message::new(&record)
    }
}

/// Takes the record, to be sent with what it tells of.
struct Told {
    context: AuditContext,
    record: Mutex<Option<AuditRecord>>,
}

impl EventScope for Told {
    fn context(&self) -> Option<AuditContext> {
        Some(self.context.clone())
    }

    async fn accept(&self, _audit: &Audit, record: AuditRecord) {
        if let Ok(mut told) = self.record.lock() {
            *told = Some(record);
        }
    }
}
