//! How records travel from a committed transaction to the sink.
//!
//! [`Delivery`] says how, [`Fallback`] what becomes of records that the sink did not take. Nothing here ever fails a
//! write: what cannot be delivered goes to the fallback and is counted by reason in
//! [`Stats`](crate::metrics::Stats).

mod dispatcher;
mod fallback;
mod ledger;
mod log;
mod outbox;
mod send;
mod sync;
#[cfg(test)]
mod tests;
mod worker;

use std::{fmt, time::Duration};

pub(crate) use self::{
    dispatcher::Dispatcher,
    send::{Answer, Backoff, Fate, Plan},
};
pub use self::{
    dispatcher::OutboxStore,
    fallback::Fallback,
    outbox::{OutboxFull, OutboxSettings},
};

/// How records travel: not at all, before the write returns, through a queue in memory, or through a table.
///
/// Setters that belong to another way than the chosen one are refused when the `Audit` is built, and so are values
/// that make no sense (a queue without room, a batch larger than the queue).
///
/// ```
/// use std::time::Duration;
/// use ftn_audit::delivery::Delivery;
///
/// let delivery = Delivery::queue().capacity(50_000).capacity_bytes(64 << 20).max_age(Duration::from_secs(3600));
/// assert_eq!(delivery.name(), "queue");
/// ```
#[derive(Clone)]
pub struct Delivery {
    mode: Mode,
    /// Setters that were called on a mode which has no use for them.
    misplaced: Vec<&'static str>,
}

#[derive(Clone, Debug)]
enum Mode {
    Noop,
    Sync { attempt_timeout: Duration },
    Queue(QueueSettings),
    Outbox(OutboxSettings),
}

#[derive(Clone, Debug)]
pub(super) struct QueueSettings {
    capacity: usize,
    capacity_bytes: usize,
    batch: usize,
    linger: Duration,
    max_attempts: u32,
    max_age: Duration,
    backoff_initial: Duration,
    backoff_max: Duration,
}

impl Delivery {
    /// Nothing is recorded at all: no formatter runs, nothing is computed.
    pub fn noop() -> Self {
        Self::new(Mode::Noop)
    }

    /// After the commit and before the write returns, in one attempt within
    /// [`attempt_timeout`](Self::attempt_timeout); what the sink did not take by then goes to the [`Fallback`].
    ///
    /// The attempt runs on a thread of its own, so it goes on when the future of the write is dropped, and a sink
    /// that blocks its thread holds writes up no longer than the timeout. Attempts of different transactions run
    /// side by side; the order among them is not kept.
    pub fn sync() -> Self {
        Self::new(Mode::Sync { attempt_timeout: Duration::from_secs(1) })
    }

    /// After the commit, from a queue in memory that one thread empties in batches, in order. A write waits for
    /// nothing. What is in the queue when the process dies is lost: call `shutdown` before the end.
    ///
    /// Bounded in [records](Self::capacity) and [bytes](Self::capacity_bytes); when it is full, new records go to the
    /// [`Fallback`] at once. Failed attempts are repeated with [`backoff`](Self::backoff), bounded by
    /// [`max_attempts`](Self::max_attempts) and [`max_age`](Self::max_age). An attempt that has no answer within a
    /// minute is given up and counts as failed.
    pub fn queue() -> Self {
        Self::new(Mode::Queue(QueueSettings {
            capacity: 10_000,
            capacity_bytes: 16 << 20,
            batch: 512,
            linger: Duration::from_millis(200),
            max_attempts: 10,
            max_age: Duration::from_secs(15 * 60),
            backoff_initial: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
        }))
    }

    fn new(mode: Mode) -> Self {
        Self { mode, misplaced: Vec::new() }
    }

    /// Sets what a queue and an outbox have in common.
    fn in_both(
        mut self,
        setter: &'static str,
        queue: impl FnOnce(&mut QueueSettings),
        outbox: impl FnOnce(&mut OutboxSettings),
    ) -> Self {
        match &mut self.mode {
            Mode::Queue(settings) => queue(settings),
            Mode::Outbox(settings) => outbox(settings),
            _ => self.misplaced.push(setter),
        }
        self
    }

    fn in_queue(mut self, setter: &'static str, set: impl FnOnce(&mut QueueSettings)) -> Self {
        match &mut self.mode {
            Mode::Queue(settings) => set(settings),
            _ => self.misplaced.push(setter),
        }
        self
    }

    /// The most records in the queue, those of the running request included. 10,000 unless set; at least 1.
    #[must_use]
    pub fn capacity(self, records: usize) -> Self {
        self.in_queue("capacity", |queue| queue.capacity = records)
    }

    /// The most memory that queued records may hold, in bytes, estimated. 16 MiB unless set, so that a full queue and
    /// what the allocator adds stay under 20 MiB; at least 1.
    #[must_use]
    pub fn capacity_bytes(self, bytes: usize) -> Self {
        self.in_queue("capacity_bytes", |queue| queue.capacity_bytes = bytes)
    }

    /// The most records given to the sink at once. 512 unless set; at least 1, at most [`capacity`](Self::capacity),
    /// in an outbox 10,000. A sink with a limit in bytes gets fewer.
    #[must_use]
    pub fn batch(self, records: usize) -> Self {
        self.in_both("batch", |queue| queue.batch = records, |outbox| outbox.batch = records)
    }

    /// How long the oldest record waits for others to fill a batch. 200 ms unless set; zero sends at once.
    #[must_use]
    pub fn linger(self, wait: Duration) -> Self {
        self.in_queue("linger", |queue| queue.linger = wait)
    }

    /// How often a record is tried before it goes to the [`Fallback`] as `retries_exhausted`. 10 unless set;
    /// at least 1.
    #[must_use]
    pub fn max_attempts(self, attempts: u32) -> Self {
        self.in_queue("max_attempts", |queue| queue.max_attempts = attempts)
    }

    /// How long after its hand-over a record is still tried again; then it goes to the [`Fallback`] as `too_old`.
    /// 15 minutes unless set; more than zero. However old, a record is tried once.
    ///
    /// In an outbox: how long a row waits for a sink that takes it before it becomes a dead letter; 30 days unless
    /// set.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        self.in_both("max_age", |queue| queue.max_age = age, |outbox| outbox.max_age = age)
    }

    /// The wait between attempts: a random time up to `initial`, doubled with every failure in a row up to `max`
    /// (full jitter), but never shorter than the sink asked for. 500 ms and 30 s unless set; more than zero, and
    /// `initial` at most `max`.
    #[must_use]
    pub fn backoff(self, initial: Duration, max: Duration) -> Self {
        self.in_both(
            "backoff",
            |queue| (queue.backoff_initial, queue.backoff_max) = (initial, max),
            |outbox| (outbox.backoff_initial, outbox.backoff_max) = (initial, max),
        )
    }

    /// How long a write waits for its records at most, for [`sync`](Self::sync). 1 s unless set; more than zero.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        match &mut self.mode {
            Mode::Sync { attempt_timeout } => *attempt_timeout = timeout,
            _ => self.misplaced.push("attempt_timeout"),
        }
        self
    }

    /// `noop`, `sync`, `queue` or `outbox`.
    pub fn name(&self) -> &'static str {
        match self.mode {
            Mode::Noop => "noop",
            Mode::Sync { .. } => "sync",
            Mode::Queue(_) => "queue",
            Mode::Outbox(_) => "outbox",
        }
    }

    /// The bounds of the wait between attempts; those of the default queue where there is no queue.
    pub(crate) fn backoff_bounds(&self) -> (Duration, Duration) {
        match &self.mode {
            Mode::Queue(queue) => (queue.backoff_initial, queue.backoff_max),
            Mode::Outbox(outbox) => (outbox.backoff_initial, outbox.backoff_max),
            _ => Self::queue().backoff_bounds(),
        }
    }

    pub(crate) fn queue_capacity(&self) -> Option<u64> {
        match &self.mode {
            Mode::Queue(queue) => Some(queue.capacity as u64),
            _ => None,
        }
    }

    pub(crate) fn is_noop(&self) -> bool {
        matches!(self.mode, Mode::Noop)
    }

    /// What is wrong with the settings, a sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self
            .misplaced
            .iter()
            .map(|setter| {
                format!("delivery: `{setter}` means nothing for Delivery::{}(); take it out", self.name())
            })
            .collect();
        let mut refuse = |wrong: bool, problem: &str| {
            if wrong {
                problems.push(format!("delivery: {problem}"));
            }
        };
        match &self.mode {
            Mode::Noop => {}
            Mode::Sync { attempt_timeout } => {
                refuse(attempt_timeout.is_zero(), "`attempt_timeout` must be more than zero");
            }
            Mode::Queue(queue) => {
                refuse(queue.capacity == 0, "`capacity` must be at least 1 record");
                refuse(queue.capacity_bytes == 0, "`capacity_bytes` must be at least 1 byte");
                refuse(queue.batch == 0, "`batch` must be at least 1 record");
                refuse(
                    queue.capacity > 0 && queue.batch > queue.capacity,
                    "`batch` must not be larger than `capacity`: such a batch can never fill",
                );
                refuse(queue.max_attempts == 0, "`max_attempts` must be at least 1");
                refuse(queue.max_age.is_zero(), "`max_age` must be more than zero");
                refuse(queue.backoff_initial.is_zero(), "`backoff` must begin with more than zero");
                refuse(
                    queue.backoff_initial > queue.backoff_max,
                    "`backoff` must not begin above its own maximum",
                );
            }
            Mode::Outbox(outbox) => outbox.refuse(refuse),
        }
        problems
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mode.fmt(f)
    }
}

/// What became of the records that were waiting when `shutdown` began.
///
/// ```
/// use ftn_audit::delivery::ShutdownReport;
///
/// let report = ShutdownReport::default();
/// assert_eq!(report, ShutdownReport { drained: 0, failed: 0, left: 0 });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Delivered to the sink.
    pub drained: u64,
    /// Given to the fallback after the sink had refused them.
    pub failed: u64,
    /// Given to the fallback undelivered: still waiting at the timeout, or told by the sink to wait beyond it.
    pub left: u64,
}
