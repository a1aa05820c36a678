//! The thread that empties the queue.

use std::{
    io,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, time::sleep_until};

use super::{
    QueueSettings,
    ledger::{Ledger, Next, Taken},
    log::{LogGate, Voice},
    send::{Answer, Backoff, Fate, Part, Plan, Refusal},
};
use crate::{AuditRecord, metrics::Reason, sink::Sink};

/// A sink bounds its own time; this is for one that does not.
pub(super) const ATTEMPT_LIMIT: Duration = Duration::from_secs(60);

/// A runtime for one thread, with everything that the sinks of this process were compiled for.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

pub(super) struct Worker {
    pub(super) ledger: Arc<Ledger>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) settings: QueueSettings,
    pub(super) log: AttemptLog,
}

/// How the sink has been doing. It outlives a batch: after a failure the next batch waits too.
#[derive(Default)]
struct Pace {
    failures: u32,
    not_before: Option<Instant>,
    /// Shutdown has ended one wait already.
    hurried: bool,
}

impl Worker {
    pub(super) fn start(self) -> io::Result<()> {
        let runtime = runtime()?;
        let voice = Voice::of_caller();
        thread::Builder::new().name("ftn-audit-queue".to_owned()).spawn(move || {
            let _voice = voice.take_over();
            let mut pace = Pace::default();
            // A panic of a sink is caught where it happens; this is for what else is not ours, such as subscribers.
            while catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.run(&mut pace)))).is_err() {
                self.ledger.expire_all(Reason::WorkerPanic);
            }
            drop(self);
            runtime.shutdown_background();
        })?;
        Ok(())
    }

    async fn run(&self, pace: &mut Pace) {
        loop {
            match self.ledger.next() {
                Next::Batch(taken) => self.ship(taken, pace).await,
                Next::Wait(None) => self.ledger.signal.notified().await,
                Next::Wait(Some(until)) => tokio::select! {
                    () = self.ledger.signal.notified() => {}
                    () = sleep_until(until.into()) => {}
                },
                Next::End => return,
            }
        }
    }

    async fn ship(&self, mut taken: Taken, pace: &mut Pace) {
        let sink = &*self.sink;
        let limit = ATTEMPT_LIMIT.min(self.settings.max_age);
        let mut plan = Plan::new(sink, &taken.records, self.settings.batch);
        while let Some(part) = plan.head().cloned() {
            if !self.wait_for_turn(&part, &mut taken, pace).await {
                return;
            }
            let expired = self.expired(&part, &taken);
            if !expired.is_empty() {
                plan.settled(expired.len());
                if !self.settle(&taken, expired, Fate::Failed(Reason::TooOld)).await {
                    return;
                }
                continue;
            }
            let answer = tokio::select! {
                biased;
                answer = plan.attempt(sink, &taken.records, limit) => answer,
                _ = taken.landed.changed() => return,
            };
            let refused = matches!(answer, Answer::Refused(_));
            self.ledger.metrics.sink_answered(refused);
            if !refused {
                if pace.failures > 0 {
                    self.log.recovered(sink, pace.failures);
                }
                pace.failures = 0;
                pace.not_before = None;
            }
            let fate = match answer {
                Answer::Split => continue,
                Answer::Settled(fate, why) => {
                    self.log.settled(sink, &taken.records[part.range.clone()], fate, why);
                    fate
                }
                Answer::Refused(refusal) => {
                    pace.failures = pace.failures.saturating_add(1);
                    let wait = self.backoff().wait(pace.failures).max(refusal.after.unwrap_or_default());
                    pace.not_before = later(Instant::now(), wait);
                    self.log.refused(sink, &part, &refusal, Some(wait));
                    if part.attempts + 1 < self.settings.max_attempts {
                        self.ledger.metrics.retried.add(part.range.len() as u64);
                        continue;
                    }
                    refusal.fate()
                }
            };
            plan.settled(part.range.len());
            if !self.settle(&taken, part.range, fate).await {
                return;
            }
        }
    }

    /// Waits until the sink may be asked, or the oldest record of the part is too old. False when the records are
    /// no longer ours.
    async fn wait_for_turn(&self, part: &Part, taken: &mut Taken, pace: &mut Pace) -> bool {
        loop {
            let closing = self.ledger.closing();
            if closing.is_some() && !pace.hurried {
                *pace = Pace { hurried: true, ..Pace::default() };
            }
            let Some(turn) = pace.not_before else { return true };
            let end = match later(taken.accepted[part.range.start], self.settings.max_age) {
                Some(too_old) if part.attempts > 0 => turn.min(too_old),
                _ => turn,
            };
            if end <= Instant::now() {
                return true;
            }
            if closing.is_some_and(|deadline| deadline < end) {
                self.ledger.give_up();
            }
            tokio::select! {
                _ = taken.landed.changed() => return false,
                () = self.ledger.signal.notified() => {}
                () = sleep_until(end.into()) => {}
            }
        }
    }

    /// Those at the head that were tried and are now too old to be tried again.
    fn expired(&self, part: &Part, taken: &Taken) -> Range<usize> {
        let start = part.range.start;
        if part.attempts == 0 {
            return start..start;
        }
        let young = |accepted: &Instant| accepted.elapsed() < self.settings.max_age;
        let count = taken.accepted[part.range.clone()].iter().position(young);
        start..count.map_or(part.range.end, |count| start + count)
    }

    async fn settle(&self, taken: &Taken, range: Range<usize>, fate: Fate) -> bool {
        // With room seen, a batch may overshoot it: others can take the room in between.
        let firm = matches!(fate, Fate::Failed(_)) && self.ledger.fallback.room().await;
        self.ledger.settle(taken, range, fate, firm)
    }

    fn backoff(&self) -> Backoff {
        Backoff { initial: self.settings.backoff_initial, max: self.settings.backoff_max }
    }
}

impl Refusal {
    /// The fate of records that are not tried again.
    pub(super) fn fate(&self) -> Fate {
        Fate::Failed(if self.panicked { Reason::SinkPanic } else { Reason::RetriesExhausted })
    }
}

/// A moment after another. A wait can be longer than a clock can say; then it is as long as anyone will see.
pub(super) fn later(now: Instant, wait: Duration) -> Option<Instant> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now.checked_add(wait.min(YEAR))
}

/// The lines about what a sink answers.
#[derive(Default)]
pub(super) struct AttemptLog(LogGate);

impl AttemptLog {
    pub(super) fn refused(&self, sink: &dyn Sink, part: &Part, refusal: &Refusal, wait: Option<Duration>) {
        let Fate::Failed(reason) = refusal.fate() else { return };
        let records = part.range.len();
        let Some(suppressed) = self.0.pass(reason, records, Instant::now()) else { return };
        let wait = wait.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        if refusal.operator {
            tracing::error!(
                target: "ftn_audit::delivery",
                sink = sink.name(), records, attempt = part.attempts + 1, wait_ms = wait, suppressed,
                why = short(&refusal.why),
                "audit records cannot be delivered until an operator mends this"
            );
        } else {
            tracing::warn!(
                target: "ftn_audit::delivery",
                sink = sink.name(), records, attempt = part.attempts + 1, wait_ms = wait, suppressed,
                why = short(&refusal.why),
                "an attempt to deliver audit records failed"
            );
        }
    }

    pub(super) fn settled(&self, sink: &dyn Sink, records: &[AuditRecord], fate: Fate, why: Option<String>) {
        let (Fate::Failed(reason), Some(first)) = (fate, records.first()) else { return };
        let Some(suppressed) = self.0.pass(reason, records.len(), Instant::now()) else { return };
        tracing::warn!(
            target: "ftn_audit::delivery",
            id = %first.id(), table = first.table(), event = first.event_type().as_str(),
            sink = sink.name(), records = records.len(), suppressed, reason = reason.as_str(),
            why = short(why.as_deref().unwrap_or_default()),
            "the sink refused audit records for good"
        );
    }

    fn recovered(&self, sink: &dyn Sink, failures: u32) {
        tracing::info!(
            target: "ftn_audit::delivery",
            sink = sink.name(), failures,
            "the sink takes audit records again"
        );
    }
}

/// A sink's words can hold the whole answer of a server.
fn short(why: &str) -> &str {
    let end = why.char_indices().nth(200).map_or(why.len(), |(end, _)| end);
    &why[..end]
}
