//! What a relay asks of the handle: to give a batch to the sink, and to say what became of each record.

mod pace;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::pace::Pace;
use crate::{
    Audit, AuditRecord, OutboxSettings,
    delivery::{Answer, Backoff, Fate, Plan},
    metrics::{Metrics, Reason},
    sink::Sink,
};

/// What became of one record of a batch.
///
/// ```
/// use ftn_audit::relay::Verdict;
///
/// assert_ne!(Verdict::Delivered, Verdict::Untried);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The sink has it.
    Delivered,
    /// The sink will never take it.
    Hopeless {
        /// What the sink said, without any data of a record.
        why: String,
    },
    /// It is to be tried again.
    Again {
        /// How long the sink asks to wait at least.
        after: Option<Duration>,
        /// Whether an operator has to mend something first.
        operator: bool,
        /// What went wrong, without any data of a record.
        why: String,
    },
    /// The time was over before it was tried.
    Untried,
}

/// Gives batches of an outbox to the sink of an [`Audit`], and counts in its [`Stats`](crate::Stats).
///
/// ```
/// use ftn_audit::{Audit, Delivery, sink::MemorySink};
///
/// let audit = Audit::builder().sink(MemorySink::new()).delivery(Delivery::outbox()).build()?;
/// assert_eq!(audit.courier().unwrap().sink_name(), "memory");
/// # Ok::<(), ftn_audit::StartupError>(())
/// ```
#[derive(Clone)]
pub struct Courier {
    sink: Arc<dyn Sink>,
    metrics: Arc<Metrics>,
    settings: OutboxSettings,
}

impl Courier {
    pub(crate) fn new(sink: Arc<dyn Sink>, metrics: Arc<Metrics>, settings: OutboxSettings) -> Self {
        Self { sink, metrics, settings }
    }

    /// The outbox's settings.
    pub fn settings(&self) -> &OutboxSettings {
        &self.settings
    }

    /// The sink's name.
    pub fn sink_name(&self) -> &str {
        self.sink.name()
    }

    /// Gives the records to the sink, in requests of its size, until each has met its fate, the sink refuses, or
    /// `deadline` comes near. A batch of which the sink refused a part is halved and sent again, so that the refused
    /// ones are known. The verdicts are in the order of the records.
    ///
    /// Cancellation: what was sent may have been stored; sent again, it has the same id.
    pub async fn deliver(&self, records: &[AuditRecord], deadline: Instant) -> Vec<Verdict> {
        let sink = &*self.sink;
        let mut verdicts = Vec::with_capacity(records.len());
        let mut plan = Plan::new(sink, records, self.settings.batch);
        while let Some(part) = plan.head().cloned() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let begun = Instant::now();
            let answer = plan.attempt(sink, records, left).await;
            self.metrics.count_export(begun.elapsed());
            self.metrics.sink_answered(matches!(answer, Answer::Refused(_)));
            let verdict = match answer {
                Answer::Split => continue,
                Answer::Settled(Fate::Delivered | Fate::Stored, _) => {
                    self.metrics.delivered.add(part.range.len() as u64);
                    Verdict::Delivered
                }
                Answer::Settled(Fate::Failed(reason), why) => {
                    self.metrics.fail(reason, part.range.len());
                    self.metrics.count_dead(part.range.len() as u64);
                    Verdict::Hopeless { why: why.unwrap_or_else(|| reason.as_str().to_owned()) }
                }
                Answer::Refused(refusal) => {
                    let rest = part.range.start..records.len();
                    self.metrics.retried.add(rest.len() as u64);
                    let again =
                        Verdict::Again { after: refusal.after, operator: refusal.operator, why: refusal.why };
                    verdicts.extend(rest.map(|_| again.clone()));
                    return verdicts;
                }
            };
            plan.settled(part.range.len());
            verdicts.extend(part.range.map(|_| verdict.clone()));
        }
        verdicts.resize(records.len(), Verdict::Untried);
        verdicts
    }

    /// How long to wait after so many failures in a row: a random time up to a ceiling that doubles.
    pub fn backoff(&self, failures: u32) -> Duration {
        let OutboxSettings { backoff_initial: initial, backoff_max: max, .. } = self.settings;
        Backoff { initial, max }.wait(failures)
    }

    /// Counts rows that became dead letters because they cannot be read, or are too old.
    pub fn count_dead(&self, rows: u64, too_old: bool) {
        self.metrics.fail(if too_old { Reason::TooOld } else { Reason::Unreadable }, rows as usize);
        self.metrics.count_dead(rows);
    }

    /// Counts messages of a broker that did not go the normal way.
    pub(crate) fn count(&self, reason: Reason, messages: usize, dead: bool) {
        self.metrics.fail(reason, messages);
        if dead {
            self.metrics.count_dead(messages as u64);
        }
    }

    /// Says what waits in the outbox: how many rows, how many of them for another attempt or a newer relay, and how old
    /// the oldest is.
    pub fn observe(&self, waiting: u64, parked: u64, oldest: Duration) {
        self.metrics.observe_outbox(waiting, parked, oldest);
    }
}

impl Audit {
    /// For relays: the way to the sink. `None` when nothing is recorded, or delivery is no outbox.
    pub fn courier(&self) -> Option<Courier> {
        let (sink, metrics, settings) = self.outbox_parts()?;
        Some(Courier::new(sink, metrics, settings.clone()))
    }
}
