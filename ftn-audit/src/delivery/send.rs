//! One attempt after another to give a batch to a sink, until the fate of each record is known.
//!
//! This is the part that every way of delivery shares. It does not wait and does not decide how often: who calls it
//! does. The queue waits and comes back, `sync` gives up at the first failure, and a relay from a table would put its
//! rows back.

use std::{
    collections::VecDeque,
    future::poll_fn,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    AuditRecord,
    metrics::Reason,
    sink::{Outcome, Sink},
};

/// What became of records, once and for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    /// In the outbox, from where a relay takes it.
    Stored,
    Failed(Reason),
}

/// What an attempt brought for the records at the head of a [`Plan`].
#[derive(Debug)]
pub(crate) enum Answer {
    /// The fate of all of them is known; `why` is the sink's word for a refusal.
    Settled(Fate, Option<String>),
    /// The sink refused some, or found them too many at once: they are two heads now.
    Split,
    /// Nothing was stored, try again.
    Refused(Refusal),
}

/// Why a sink wants to be asked again.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) after: Option<Duration>,
    pub(crate) operator: bool,
    pub(crate) panicked: bool,
    pub(crate) why: String,
}

/// Consecutive records that go in one request.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) range: Range<usize>,
    /// How often these records were tried in vain.
    pub(crate) attempts: u32,
}

/// The requests that a batch still needs, in the order of its records.
///
/// A part that the sink refuses in part is halved until a refused record stands alone, so a part of n records takes
/// 2n - 1 requests at most, failed attempts aside.
#[derive(Debug)]
pub(crate) struct Plan {
    parts: VecDeque<Part>,
}

impl Plan {
    /// Cuts a batch into parts that the sink can take: at most `most` records and its own limit in bytes. A record
    /// that is above the limit by itself goes alone, for the sink to judge.
    pub(crate) fn new(sink: &dyn Sink, records: &[AuditRecord], most: usize) -> Self {
        // What a sink computes here is its own code, and a panic of it must not end the thread.
        let limit = catch_unwind(AssertUnwindSafe(|| sink.max_batch_bytes())).unwrap_or(usize::MAX);
        let mut parts = VecDeque::new();
        let (mut start, mut bytes) = (0, 0_usize);
        for (index, record) in records.iter().enumerate() {
            let size = if limit == usize::MAX {
                0
            } else {
                catch_unwind(AssertUnwindSafe(|| sink.encoded_bytes(record)))
                    .unwrap_or_else(|_| record.estimated_bytes())
            };
            if index > start && (index - start >= most || bytes.saturating_add(size) > limit) {
                parts.push_back(Part { range: start..index, attempts: 0 });
                (start, bytes) = (index, 0);
            }
            bytes = bytes.saturating_add(size);
        }
        if start < records.len() {
            parts.push_back(Part { range: start..records.len(), attempts: 0 });
        }
        Self { parts }
    }

    /// What the next attempt sends; `None` when all records are settled.
    pub(crate) fn head(&self) -> Option<&Part> {
        self.parts.front()
    }

    /// The first `count` records of the head are settled and need no more requests.
    pub(crate) fn settled(&mut self, count: usize) {
        if let Some(head) = self.parts.front_mut() {
            head.range.start += count;
            if head.range.is_empty() {
                self.parts.pop_front();
            }
        }
    }

    /// Sends the head once. A sink that panics, or does not answer within `limit`, has refused it for now.
    ///
    /// Nothing is changed when the future is dropped.
    pub(crate) async fn attempt(
        &mut self,
        sink: &dyn Sink,
        records: &[AuditRecord],
        limit: Duration,
    ) -> Answer {
        let Some(head) = self.parts.front() else {
            return Answer::Split;
        };
        let range = head.range.clone();
        let outcome = match tokio::time::timeout(limit, guarded(sink, &records[range.clone()])).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => return self.refused(None, false, true, "the sink panicked".to_owned()),
            Err(_) => return self.refused(None, false, false, format!("no answer within {limit:?}")),
        };
        match outcome {
            Outcome::Delivered => Answer::Settled(Fate::Delivered, None),
            // What the sink says of records it refused may quote them, so it goes nowhere.
            Outcome::Partial { .. } if range.len() == 1 => {
                Answer::Settled(Fate::Failed(Reason::Rejected), None)
            }
            Outcome::Partial { .. } => {
                self.split();
                Answer::Split
            }
            Outcome::Retry { after, operator, why } => self.refused(after, operator, false, why),
            Outcome::Permanent { why } => Answer::Settled(Fate::Failed(Reason::Permanent), Some(why)),
        }
    }

    fn split(&mut self) {
        if let Some(head) = self.parts.pop_front() {
            let middle = head.range.start + head.range.len() / 2;
            self.parts.push_front(Part { range: middle..head.range.end, attempts: head.attempts });
            self.parts.push_front(Part { range: head.range.start..middle, attempts: head.attempts });
        }
    }

    fn refused(&mut self, after: Option<Duration>, operator: bool, panicked: bool, why: String) -> Answer {
        if let Some(head) = self.parts.front_mut() {
            head.attempts = head.attempts.saturating_add(1);
        }
        Answer::Refused(Refusal { after, operator, panicked, why })
    }
}

/// What the sink answers; `None` when it panicked.
async fn guarded(sink: &dyn Sink, batch: &[AuditRecord]) -> Option<Outcome> {
    let mut delivering = catch_unwind(AssertUnwindSafe(|| sink.deliver(batch))).ok()?;
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| delivering.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => std::task::Poll::Ready(None),
    })
    .await
}

/// How long to wait after failures in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// A random wait between zero and the ceiling that `failures` in a row have reached (full jitter): many processes
    /// that lost the same collector at the same moment come back at different ones.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let ceiling = self.initial.saturating_mul(1_u32 << doublings).min(self.max);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(fastrand::u64(0..=nanos))
    }
}
