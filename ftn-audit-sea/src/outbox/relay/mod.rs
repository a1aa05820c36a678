//! The relay: takes committed records from the outbox to the sink.

mod housekeeping;
mod lane;

use std::{sync::Arc, time::Duration};

use ftn_audit::{
    Audit,
    engine::{Carrier, Engine},
    relay::{Courier, Pace},
};
use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::{sync::watch, task::JoinSet};

use self::lane::Lane;
pub use self::lane::RelayReport;
use crate::error::AuditError;

/// Takes rows of outboxes to the sink of an [`Audit`], or to a broker; made by [`relay`](super::OutboxExt::relay).
///
/// Any number of relays may work at once, in any number of processes: each claims rows for the time of a lease, sends
/// them with no transaction open, and marks them only where it still holds them. Rows of a relay that died are due
/// again when their lease ends, so a record can arrive twice, with the same id, and is never lost.
///
/// It wakes at once when a transaction commits in this process, and looks for the work of others at intervals that
/// grow while there is none.
///
/// ```
/// use std::time::Duration;
///
/// use ftn_audit_sea::prelude::*;
///
/// # async fn example(audit: Audit, shop: AuditedConnection, crm: AuditedConnection) {
/// let relay = audit.relay([shop, crm]).lanes(4).poll(Duration::from_millis(50), Duration::from_secs(1)).spawn();
/// // .. at the end:
/// relay.stop().await;
/// # }
/// ```
#[must_use = "a relay does nothing until it is spawned"]
#[derive(Clone)]
pub struct Relay<C> {
    audit: Audit,
    databases: Vec<C>,
    engine: Option<Arc<dyn Engine>>,
    lanes: usize,
    poll: Poll,
}

/// What a relay's lanes share.
struct Pieces {
    courier: Courier,
    carrier: Option<Carrier>,
    pace: Arc<Pace>,
}

/// How long a lane without work waits before it looks again.
#[derive(Clone, Copy, Debug)]
struct Poll {
    shortest: Duration,
    longest: Duration,
}

impl<C> Relay<C>
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
{
    pub(super) fn new(audit: Audit, databases: Vec<C>) -> Self {
        let poll = Poll { shortest: Duration::from_millis(50), longest: Duration::from_secs(2) };
        Self { audit, databases, engine: None, lanes: 2, poll }
    }

    /// Publishes to a broker instead of sending to the sink of the handle: [workers](ftn_audit::engine::Worker) take it
    /// from there. A row counts as sent when the broker has confirmed it.
    pub fn through(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// How many batches of one database are on their way at once, each with a connection of its own while it claims and
    /// marks. 2 unless set; at least 1.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// How long a lane waits at least and at most before it looks for work of other processes. 50 ms and 2 s unless set.
    pub fn poll(mut self, shortest: Duration, longest: Duration) -> Self {
        self.poll = Poll { shortest, longest: longest.max(shortest) };
        self
    }

    fn pieces(&self) -> Option<Pieces> {
        let courier = self.audit.courier();
        if courier.is_none() {
            tracing::warn!(
                target: "ftn_audit::relay",
                "there is nothing to relay: audit is switched off, or its delivery is not `Delivery::outbox()`"
            );
        }
        let carrier = self.engine.clone().and_then(|engine| self.audit.carrier(engine));
        Some(Pieces { courier: courier?, carrier, pace: Arc::default() })
    }

    fn lane(&self, database: &C, pieces: &Pieces) -> Lane<C> {
        Lane {
            audit: self.audit.clone(),
            database: database.clone(),
            courier: pieces.courier.clone(),
            carrier: pieces.carrier.clone(),
            pace: pieces.pace.clone(),
            poll: self.poll,
        }
    }

    /// Starts it as tasks of the running Tokio runtime. It runs until [`RelayHandle::stop`]; dropping the handle leaves
    /// it running.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn spawn(self) -> RelayHandle {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if let Some(pieces) = self.pieces() {
            for database in &self.databases {
                for _ in 0..self.lanes {
                    tasks.spawn(self.lane(database, &pieces).run(stopped.clone()));
                }
            }
            tasks.spawn(housekeeping::run(self.databases.clone(), pieces.courier, stopped));
        }
        RelayHandle { stop, tasks: Some(tasks) }
    }

    /// Sends what is due now and nothing that becomes due later, then removes what is too old: for jobs that run now
    /// and then, and for tests. A sink that refuses ends the sending; what it refused is due again later.
    ///
    /// # Errors
    ///
    /// When a database does not answer.
    ///
    /// Cancellation: rows that were claimed are due again when their lease ends.
    pub async fn drain(&self) -> Result<RelayReport, AuditError> {
        let mut report = RelayReport::default();
        let Some(pieces) = self.pieces() else { return Ok(report) };
        for database in &self.databases {
            let lane = self.lane(database, &pieces);
            while !report.refused() {
                let step = lane.step().await.map_err(AuditError::Relay)?;
                if step.claimed == 0 {
                    break;
                }
                report.add(&step);
            }
        }
        housekeeping::once(&self.databases, &pieces.courier).await;
        Ok(report)
    }
}

/// A running [`Relay`].
///
/// ```
/// # async fn example(relay: ftn_audit_sea::outbox::RelayHandle) {
/// relay.stop().await;
/// # }
/// ```
#[derive(Debug)]
pub struct RelayHandle {
    stop: watch::Sender<bool>,
    /// `None` while it is being dropped.
    tasks: Option<JoinSet<()>>,
}

impl RelayHandle {
    /// Claims nothing more, waits until what is on its way is sent and marked, and ends. At the longest that takes the
    /// time of a lease.
    ///
    /// Dropping the future leaves it ending.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(mut tasks) = self.tasks.take() {
            while tasks.join_next().await.is_some() {}
        }
    }
}

impl Drop for RelayHandle {
    fn drop(&mut self) {
        if let Some(mut tasks) = self.tasks.take() {
            // The sender goes with the handle; without it, nothing tells the tasks to end.
            tasks.detach_all();
        }
    }
}
