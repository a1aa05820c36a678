//! What happened to records, as numbers.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use crate::context::NoAnswer;

/// What happened to records since the [`Audit`](crate::Audit) was built: a snapshot, from `audit.stats()`.
///
/// All numbers are counts of records unless said otherwise. They are read one after the other while work goes on,
/// so sums over them are exact only when nothing is under way.
///
/// ```
/// use ftn_audit::metrics::Stats;
///
/// let stats = Stats::default();
/// assert_eq!(stats.failed("queue_full"), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Made by capture.
    pub captured: u64,
    /// Taken by the sink.
    pub delivered: u64,
    /// Taken by a broker, for workers that give them to their sinks.
    pub published: u64,
    /// Written to the outbox, in the transaction of their change or, counted as [`unattached`](Self::unattached), by
    /// themselves.
    pub stored: u64,
    /// Written to the outbox by themselves: changes of plain connections, and events outside of any transaction. A
    /// process that dies between the change and its record loses the record.
    pub unattached: u64,
    /// Kept for another attempt, once for each attempt that failed: a record that was tried four times in vain
    /// before it was delivered counts four here.
    pub retried: u64,
    /// Written by the fallback.
    pub fallback: u64,
    /// Lost for good: the fallback is `drop`, failed, or was itself full.
    pub dropped: u64,
    /// Made dead letters by relays and workers of this handle.
    pub dead: u64,
    /// Requests to the sink that relays and workers of this handle made.
    pub exports: u64,
    /// How long these requests took together.
    pub export_time: Duration,
    /// Rows that wait in the outbox, as a relay of this handle last counted them, every half minute: up to 100,000 for
    /// each of its databases.
    pub outbox_waiting: u64,
    /// Those of them that were tried in vain, or have a format that the relay does not know.
    pub outbox_parked: u64,
    /// The age of the oldest of them, by the database's clock.
    pub outbox_oldest: Duration,
    /// In the queue now, those of the running request to the sink included.
    pub queue_records: u64,
    /// Memory of the records in the queue now, in bytes, estimated.
    pub queue_bytes: u64,
    /// Formatters that panicked (the generic formatter took their place).
    pub formatter_panics: u64,
    /// Formatters that described no event so far, as `name at file:line`: after a while in production, those whose route
    /// or event never comes.
    pub unmatched_formatters: Vec<String>,
    /// Records whose actor nobody named.
    pub unknown_actors: u64,
    /// Records of models with `#[audit(reason = "required")]` whose context gave no reason.
    pub missing_reasons: u64,
    /// Late actors that were asked and did not answer in time.
    pub late_actor_timeouts: u64,
    /// Late actors that were asked and answered with an error, or panicked.
    pub late_actor_failures: u64,
    /// Statements that could write to an audited table and were not understood.
    pub unparsed_writes: u64,
    /// Records of hooks on plain connections that had no old row.
    pub hook_without_old: u64,
    /// Thrown away because their transaction or savepoint was rolled back.
    pub discarded: u64,
    /// Why records did not go the normal way, by reason; reasons that never came up are left out. The set of reasons
    /// is fixed, so this does not grow. A record that the fallback lost too is counted twice: under the reason that
    /// sent it to the fallback, and under that of the fallback (`fallback_full`, `fallback_file`, `fallback_muted`).
    pub failures: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// How many records failed for a reason, 0 for one that never came up.
    pub fn failed(&self, reason: &str) -> u64 {
        self.failures.get(reason).copied().unwrap_or_default()
    }
}

/// Why a record did not go the normal way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    QueueFull,
    QueueBytesFull,
    RetriesExhausted,
    TooOld,
    Permanent,
    Rejected,
    Timeout,
    SinkPanic,
    WorkerPanic,
    NoWorker,
    NoOutbox,
    OutboxFailed,
    OutboxFull,
    Unreadable,
    NewerFormat,
    DeliveryLimit,
    Shutdown,
    FallbackFull,
    FallbackFile,
    FallbackMuted,
}

impl Reason {
    pub(crate) const ALL: [Self; 20] = [
        Self::QueueFull,
        Self::QueueBytesFull,
        Self::RetriesExhausted,
        Self::TooOld,
        Self::Permanent,
        Self::Rejected,
        Self::Timeout,
        Self::SinkPanic,
        Self::WorkerPanic,
        Self::NoWorker,
        Self::NoOutbox,
        Self::OutboxFailed,
        Self::OutboxFull,
        Self::Unreadable,
        Self::NewerFormat,
        Self::DeliveryLimit,
        Self::Shutdown,
        Self::FallbackFull,
        Self::FallbackFile,
        Self::FallbackMuted,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueBytesFull => "queue_bytes_full",
            Self::RetriesExhausted => "retries_exhausted",
            Self::TooOld => "too_old",
            Self::Permanent => "permanent",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::SinkPanic => "sink_panic",
            Self::WorkerPanic => "worker_panic",
            Self::NoWorker => "no_worker",
            Self::NoOutbox => "no_outbox",
            Self::OutboxFailed => "outbox_failed",
            Self::OutboxFull => "outbox_full",
            Self::Unreadable => "unreadable",
            Self::NewerFormat => "newer_format",
            Self::DeliveryLimit => "delivery_limit",
            Self::Shutdown => "shutdown",
            Self::FallbackFull => "fallback_full",
            Self::FallbackFile => "fallback_file",
            Self::FallbackMuted => "fallback_muted",
        }
    }
}

/// A number that many threads add to. It orders nothing: it is only ever read for a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    captured: Counter,
    stored: Counter,
    unattached: Counter,
    dead: Counter,
    exports: Counter,
    export_nanos: Counter,
    outbox_waiting: Counter,
    outbox_parked: Counter,
    outbox_oldest_nanos: Counter,
    /// When the sink began to refuse whatever it was asked, in milliseconds since 1970; 0 when it does not.
    refusing_since: Counter,
    pub(crate) delivered: Counter,
    pub(crate) published: Counter,
    pub(crate) retried: Counter,
    pub(crate) fallback: Counter,
    pub(crate) dropped: Counter,
    pub(crate) queue_records: Counter,
    pub(crate) queue_bytes: Counter,
    formatter_panics: Counter,
    unknown_actors: Counter,
    missing_reasons: Counter,
    late_actor_timeouts: Counter,
    late_actor_failures: Counter,
    unparsed_writes: Counter,
    hook_without_old: Counter,
    discarded: Counter,
    failures: [Counter; Reason::ALL.len()],
}

impl Metrics {
    pub(crate) fn count_captured(&self, records: u64) {
        self.captured.add(records);
    }

    pub(crate) fn count_discarded(&self, records: u64) {
        self.discarded.add(records);
    }

    pub(crate) fn count_formatter_panic(&self) {
        self.formatter_panics.add(1);
    }

    pub(crate) fn count_unknown_actor(&self) {
        self.unknown_actors.add(1);
    }

    pub(crate) fn count_missing_reason(&self) {
        self.missing_reasons.add(1);
    }

    pub(crate) fn count_late_actor(&self, why: NoAnswer) {
        match why {
            NoAnswer::Timeout => self.late_actor_timeouts.add(1),
            NoAnswer::Error | NoAnswer::Panic => self.late_actor_failures.add(1),
        }
    }

    pub(crate) fn count_unparsed_write(&self) {
        self.unparsed_writes.add(1);
    }

    pub(crate) fn count_hook_without_old(&self) {
        self.hook_without_old.add(1);
    }

    pub(crate) fn count_stored(&self, records: u64) {
        self.stored.add(records);
    }

    pub(crate) fn count_unattached(&self, records: u64) {
        self.stored.add(records);
        self.unattached.add(records);
    }

    pub(crate) fn count_dead(&self, records: u64) {
        self.dead.add(records);
    }

    pub(crate) fn count_export(&self, time: Duration) {
        self.exports.add(1);
        self.export_nanos.add(nanos(time));
    }

    /// What the sink made of an attempt: it took records or judged them, or refused.
    pub(crate) fn sink_answered(&self, refused: bool) {
        match (refused, self.refusing_since.get()) {
            (false, 0) => {}
            (false, _) => self.refusing_since.set(0),
            (true, 0) => self.refusing_since.set(milliseconds()),
            (true, _) => {}
        }
    }

    pub(crate) fn refusing_for(&self) -> Option<Duration> {
        match self.refusing_since.get() {
            0 => None,
            since => Some(Duration::from_millis(milliseconds().saturating_sub(since))),
        }
    }

    pub(crate) fn observe_outbox(&self, waiting: u64, parked: u64, oldest: Duration) {
        self.outbox_waiting.set(waiting);
        self.outbox_parked.set(parked);
        self.outbox_oldest_nanos.set(nanos(oldest));
    }

    pub(crate) fn fail(&self, reason: Reason, count: usize) {
        self.failures[reason as usize].add(count as u64);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            captured: self.captured.get(),
            stored: self.stored.get(),
            unattached: self.unattached.get(),
            dead: self.dead.get(),
            exports: self.exports.get(),
            export_time: Duration::from_nanos(self.export_nanos.get()),
            outbox_waiting: self.outbox_waiting.get(),
            outbox_parked: self.outbox_parked.get(),
            outbox_oldest: Duration::from_nanos(self.outbox_oldest_nanos.get()),
            delivered: self.delivered.get(),
            published: self.published.get(),
            retried: self.retried.get(),
            fallback: self.fallback.get(),
            dropped: self.dropped.get(),
            queue_records: self.queue_records.get(),
            queue_bytes: self.queue_bytes.get(),
            formatter_panics: self.formatter_panics.get(),
            unmatched_formatters: Vec::new(),
            unknown_actors: self.unknown_actors.get(),
            missing_reasons: self.missing_reasons.get(),
            late_actor_timeouts: self.late_actor_timeouts.get(),
            late_actor_failures: self.late_actor_failures.get(),
            unparsed_writes: self.unparsed_writes.get(),
            hook_without_old: self.hook_without_old.get(),
            discarded: self.discarded.get(),
            failures: Reason::ALL
                .into_iter()
                .map(|reason| (reason.as_str(), self.failures[reason as usize].get()))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        let metrics = Metrics::default();
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            metrics.fail(reason, place + 1);
        }
        let stats = metrics.snapshot();
        assert_eq!(stats.failures.len(), Reason::ALL.len());
        assert_eq!(stats.failed("queue_full"), 1);
        assert_eq!(stats.failed("fallback_muted"), Reason::ALL.len() as u64);
        assert_eq!(stats.failed("never heard of"), 0);
    }
}
