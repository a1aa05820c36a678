//! One batch after the other: claim, send, mark.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ftn_audit::{
    Audit, AuditRecord,
    engine::{Carrier, Message, MessagePlace},
    relay::{Courier, Pace, Verdict},
    stored::UnreadableRecord,
};
use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, sleep_until},
};
use uuid::Uuid;

use super::Poll;
use crate::outbox::{
    claim::{Claimed, Ending, claim, counts, finish},
    without_data,
};

/// What a relay did.
///
/// ```
/// use ftn_audit_sea::outbox::RelayReport;
///
/// assert_eq!(RelayReport::default().sent, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayReport {
    /// Rows claimed.
    pub claimed: u64,
    /// Rows that the sink took, or the broker.
    pub sent: u64,
    /// Rows to be tried again later.
    pub again: u64,
    /// Rows that became dead letters.
    pub dead: u64,
}

impl RelayReport {
    pub(super) fn add(&mut self, step: &Self) {
        self.claimed += step.claimed;
        self.sent += step.sent;
        self.again += step.again;
        self.dead += step.dead;
    }

    pub(super) fn refused(&self) -> bool {
        self.again > 0
    }
}

pub(super) struct Lane<C> {
    pub(super) audit: Audit,
    pub(super) database: C,
    pub(super) courier: Courier,
    /// Instead of the courier's sink.
    pub(super) carrier: Option<Carrier>,
    pub(super) pace: Arc<Pace>,
    pub(super) poll: Poll,
}

/// The longest wait of a lane whose database does not answer.
const DATABASE_AWAY: Duration = Duration::from_secs(5);

impl<C> Lane<C>
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
{
    /// Until told to stop. A sender that is gone tells nothing more, and does not count as a stop.
    pub(super) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let signal: Arc<Notify> = self.audit.outbox_signal().unwrap_or_default();
        let mut idle = self.poll.shortest;
        let mut failures = 0_u32;
        while !*stopped.borrow() {
            // Before the look, so that what is committed during it is not missed.
            let mut committed = Box::pin(signal.notified());
            committed.as_mut().enable();
            if let Some(moment) = self.pace.not_before() {
                tokio::select! {
                    () = sleep_until(moment.into()) => {}
                    () = told(&mut stopped) => return,
                }
            }
            let wait = match self.step().await {
                Ok(step) => {
                    failures = 0;
                    if step.claimed > 0 {
                        idle = self.poll.shortest;
                        continue;
                    }
                    idle = (idle * 2).min(self.poll.longest);
                    idle
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(
                        target: "ftn_audit::relay",
                        failures, why = without_data(&error),
                        "the outbox does not answer; its relay tries again"
                    );
                    self.courier.backoff(failures).min(DATABASE_AWAY).max(self.poll.shortest)
                }
            };
            tokio::select! {
                () = committed => idle = self.poll.shortest,
                () = sleep(jittered(wait)) => {}
                () = told(&mut stopped) => return,
            }
        }
    }

    /// One batch. Nothing was claimed when nothing is due.
    pub(super) async fn step(&self) -> Result<RelayReport, DbErr> {
        let settings = self.courier.settings();
        let owner = Uuid::now_v7().to_string();
        let claimed_at = Instant::now();
        let rows = claim(&self.database, &owner, settings.batch, settings.lease).await?;
        if rows.is_empty() {
            return Ok(RelayReport::default());
        }
        let counts = counts(&self.database, &rows).await?;
        // What is left of the lease is for marking.
        let deadline = claimed_at + settings.lease.mul_f64(0.75);
        let endings = match &self.carrier {
            Some(carrier) => self.to_broker(carrier, &rows, &counts, deadline).await,
            None => self.to_sink(&rows, &counts, deadline).await,
        };
        self.mark(&owner, &rows, endings, claimed_at + settings.lease).await
    }

    /// What a row holds is not looked into: a worker does that, and another version of it may know more.
    async fn to_broker(
        &self,
        carrier: &Carrier,
        rows: &[Claimed],
        counts: &HashMap<String, i32>,
        deadline: Instant,
    ) -> Vec<Option<Ending>> {
        let message = |row: &Claimed| {
            let place = u32::try_from(row.sequence).ok().map(|sequence| MessagePlace {
                transaction: row.transaction_id.clone(),
                sequence,
                count: count(row, counts),
            });
            Message::stored(row.id.clone(), row.format, place, row.payload.clone())
        };
        let messages: Vec<Message> = rows.iter().map(message).collect();
        let verdicts = carrier.carry(&messages, deadline).await;
        self.pace.heed(&verdicts, carrier.name(), "outbox", |failures| self.courier.backoff(failures));
        verdicts
            .into_iter()
            .zip(rows)
            .map(|(verdict, row)| Some(self.ending(verdict, row.attempts)))
            .collect()
    }

    async fn to_sink(
        &self,
        rows: &[Claimed],
        counts: &HashMap<String, i32>,
        deadline: Instant,
    ) -> Vec<Option<Ending>> {
        let mut endings: Vec<Option<Ending>> = vec![None; rows.len()];
        let mut records = Vec::with_capacity(rows.len());
        let mut places = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter().enumerate() {
            match self.record(row, counts) {
                Ok(record) => {
                    records.push(record);
                    places.push(place);
                }
                Err(unreadable) => {
                    self.courier.count_dead(1, false);
                    tracing::error!(
                        target: "ftn_audit::relay",
                        id = row.id, why = %unreadable,
                        "a row of the outbox cannot be read: it is a dead letter now"
                    );
                    endings[place] = Some(Ending::Dead { why: unreadable.to_string() });
                }
            }
        }
        let verdicts = self.courier.deliver(&records, deadline).await;
        let backoff = |failures| self.courier.backoff(failures);
        self.pace.heed(&verdicts, self.courier.sink_name(), "outbox", backoff);
        for (place, verdict) in places.into_iter().zip(verdicts) {
            endings[place] = Some(self.ending(verdict, rows[place].attempts));
        }
        endings
    }

    fn record(&self, row: &Claimed, counts: &HashMap<String, i32>) -> Result<AuditRecord, UnreadableRecord> {
        let mut record = self.audit.restore(row.format, &row.payload)?;
        if let (Ok(transaction), Ok(sequence)) =
            (row.transaction_id.parse::<Uuid>(), u32::try_from(row.sequence))
        {
            record.set_place(transaction, sequence, count(row, counts));
        }
        Ok(record)
    }

    fn ending(&self, verdict: Verdict, attempts: i32) -> Ending {
        match verdict {
            Verdict::Delivered => Ending::Sent,
            Verdict::Hopeless { why } => Ending::Dead { why },
            Verdict::Again { after, why, .. } => {
                let failures = u32::try_from(attempts).unwrap_or(1);
                Ending::Again { wait: self.courier.backoff(failures).max(after.unwrap_or_default()), why }
            }
            _ => Ending::Untouched,
        }
    }

    /// Tries until the lease is over: a row that was sent and is not marked is sent again.
    async fn mark(
        &self,
        owner: &str,
        rows: &[Claimed],
        endings: Vec<Option<Ending>>,
        lease_end: Instant,
    ) -> Result<RelayReport, DbErr> {
        let mut report = RelayReport { claimed: rows.len() as u64, ..RelayReport::default() };
        let mut groups: HashMap<Ending, Vec<String>> = HashMap::new();
        let mut waits: HashMap<i32, Duration> = HashMap::new();
        for (row, ending) in rows.iter().zip(endings) {
            let ending = match ending.unwrap_or(Ending::Untouched) {
                // One wait for all that failed as often, so that they are one statement.
                Ending::Again { wait, why } => {
                    Ending::Again { wait: *waits.entry(row.attempts).or_insert(wait), why }
                }
                ending => ending,
            };
            groups.entry(ending).or_default().push(row.id.clone());
        }
        for (ending, ids) in groups {
            let held = loop {
                match finish(&self.database, owner, &ids, &ending).await {
                    Err(_) if Instant::now() < lease_end => sleep(jittered(self.poll.shortest * 4)).await,
                    held => break held?,
                }
            };
            let count = ids.len() as u64;
            if held < count {
                tracing::warn!(
                    target: "ftn_audit::relay",
                    rows = count - held,
                    "a lease was over before its rows were marked: they may be sent twice, with the same id"
                );
            }
            match ending {
                Ending::Sent => report.sent += count,
                Ending::Dead { .. } => report.dead += count,
                Ending::Again { .. } => report.again += count,
                Ending::Untouched => {}
            }
        }
        Ok(report)
    }
}

/// How many records the row's transaction has.
fn count(row: &Claimed, counts: &HashMap<String, i32>) -> Option<u32> {
    let count = row.transaction_count.or_else(|| counts.get(&row.transaction_id).copied())?;
    u32::try_from(count).ok()
}

/// Ends when a stop is told; never when the one who could tell it is gone.
pub(super) async fn told(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Between half of a wait and all of it, so that relays do not look in step.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}
