//! What becomes of each message of a batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use super::super::{Arrived, Content, Message, Settlement, Ticket};
use crate::{
    Audit, AuditRecord,
    metrics::Reason,
    relay::{Courier, Pace, Verdict},
};

/// Asks the sink, and decides.
pub(super) struct Judge {
    audit: Audit,
    courier: Courier,
    pace: Arc<Pace>,
    /// Messages of a later format, met so far.
    newer: AtomicU64,
}

/// How often a message is delivered without an answer before it is taken for what the workers die of. A worker that dies
/// takes up to [`PREFETCH`](super::super::PREFETCH) blameless ones one step nearer to it.
const DELIVERY_LIMIT: u32 = 20;

/// How long a message of a later format waits before a worker looks at it again.
const NEWER_WAITS: Duration = Duration::from_secs(10 * 60);

/// A wait of a broker can be over a little before the moment that was asked for: its clock is another.
const EARLY: Duration = Duration::from_millis(500);

impl Content {
    pub(super) fn attempts(&self) -> u32 {
        match self {
            Self::Message(message) => message.attempts,
            Self::Newer { .. } | Self::Foreign => 0,
        }
    }

    fn not_before(&self) -> Option<SystemTime> {
        match self {
            Self::Message(message) => message.not_before,
            Self::Newer { not_before, .. } => *not_before,
            Self::Foreign => None,
        }
    }
}

impl Judge {
    pub(super) fn new(audit: Audit, courier: Courier, pace: Arc<Pace>) -> Self {
        Self { audit, courier, pace, newer: AtomicU64::new(0) }
    }

    pub(super) fn backoff(&self, failures: u32) -> Duration {
        self.courier.backoff(failures)
    }

    pub(super) async fn batch(&self, arrived: Vec<Arrived>) -> Vec<(Ticket, Settlement)> {
        let deadline = Instant::now() + self.courier.settings().lease;
        let now = SystemTime::now();
        let mut settled = Vec::with_capacity(arrived.len());
        let mut asked = Vec::with_capacity(arrived.len());
        let mut records = Vec::with_capacity(arrived.len());
        for Arrived { ticket, deliveries, content } in arrived {
            match self.before_the_sink(deliveries, content, now) {
                Ok((message, record)) => {
                    asked.push((ticket, message));
                    records.push(record);
                }
                Err(settlement) => settled.push((ticket, settlement)),
            }
        }
        if records.is_empty() {
            return settled;
        }
        let verdicts = self.courier.deliver(&records, deadline).await;
        let backoff = |failures| self.courier.backoff(failures);
        self.pace.heed(&verdicts, self.courier.sink_name(), "broker", backoff);
        let judged = asked.into_iter().zip(verdicts);
        settled
            .extend(judged.map(|((ticket, message), verdict)| (ticket, self.settlement(&message, verdict))));
        settled
    }

    /// What the sink is asked for, or what becomes of the message without.
    fn before_the_sink(
        &self,
        deliveries: u32,
        content: Content,
        now: SystemTime,
    ) -> Result<(Message, AuditRecord), Settlement> {
        if let Some(until) = content.not_before()
            && until > now + EARLY
        {
            return Err(Settlement::Later { until, attempts: content.attempts() });
        }
        let message = match content {
            Content::Message(message) => message,
            Content::Newer { format, .. } => return Err(self.newer(format, now)),
            Content::Foreign => {
                return Err(self.dead("", "it is no message of ftn-audit".to_owned(), Reason::Unreadable));
            }
        };
        if deliveries >= DELIVERY_LIMIT {
            let why = format!("it was delivered {deliveries} times, and no worker answered");
            return Err(self.dead(&message.id, why, Reason::DeliveryLimit));
        }
        match message.restore(&self.audit) {
            Ok(record) => Ok((message, record)),
            Err(unreadable) => Err(self.dead(&message.id, unreadable.to_string(), Reason::Unreadable)),
        }
    }

    fn newer(&self, format: i32, now: SystemTime) -> Settlement {
        self.courier.count(Reason::NewerFormat, 1, false);
        // One line for many: a whole queue of them comes by every few minutes.
        let met = self.newer.fetch_add(1, Ordering::Relaxed) + 1;
        if met.is_power_of_two() {
            tracing::warn!(
                target: "ftn_audit::worker",
                format, met,
                "messages have a later format than this version reads: they wait for a newer worker"
            );
        }
        Settlement::Later { until: now + NEWER_WAITS, attempts: 0 }
    }

    fn dead(&self, id: &str, why: String, reason: Reason) -> Settlement {
        self.courier.count(reason, 1, true);
        tracing::error!(target: "ftn_audit::worker", id, why, "a message is a dead letter now");
        Settlement::Dead { why }
    }

    fn settlement(&self, message: &Message, verdict: Verdict) -> Settlement {
        match verdict {
            Verdict::Delivered => Settlement::Done,
            Verdict::Hopeless { why } => Settlement::Dead { why },
            Verdict::Untried => Settlement::Return,
            Verdict::Again { after, why, .. } => {
                let now = SystemTime::now();
                let age = now.duration_since(message.since).unwrap_or_default();
                if age > self.courier.settings().max_age {
                    return self.dead(
                        &message.id,
                        format!("too old to be tried again: {why}"),
                        Reason::TooOld,
                    );
                }
                let attempts = message.attempts.saturating_add(1);
                let wait = self.courier.backoff(attempts).max(after.unwrap_or_default());
                Settlement::Later { until: now + wait, attempts }
            }
        }
    }
}
