//! The one door to delivery: hand-over, flush, shutdown.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

use super::{
    Delivery, Fallback, Mode, ShutdownReport,
    fallback::{FALLBACK_GRACE, FallbackWriter},
    ledger::{Ledger, Limits},
    send::Fate,
    sync::Direct,
    worker::{AttemptLog, Worker, later},
};
use crate::{
    AuditRecord,
    metrics::{Metrics, Reason},
    sink::Sink,
};

/// How long a table may take for records that belong to no transaction.
const STORE_LIMIT: Duration = Duration::from_secs(10);

/// How long records still have when the last handle is dropped without a shutdown.
const DROP_GRACE: Duration = Duration::from_secs(5);

/// A table that takes records outside of the transaction of their change. An ORM's crate registers one for each
/// database that it connects: [`Audit::register_outbox`](crate::Audit::register_outbox).
///
/// ```
/// use ftn_audit::{AuditRecord, delivery::OutboxStore};
///
/// struct Table;
///
/// #[async_trait::async_trait]
/// impl OutboxStore for Table {
///     async fn store(&self, records: &[AuditRecord]) -> Result<(), String> {
///         // .. one INSERT of all of them
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// Stores the records, all or none; an error says why without any data of them.
    async fn store(&self, records: &[AuditRecord]) -> Result<(), String>;
}

/// Carries records to a sink the way a [`Delivery`] says.
///
/// It works under any runtime, and outside of one: everything that waits or times out does so on threads of its own.
pub(crate) struct Dispatcher {
    way: Way,
    ledger: Arc<Ledger>,
    report: watch::Sender<Option<ShutdownReport>>,
}

enum Way {
    Noop,
    Direct(Direct),
    Queue,
    /// What belongs to no transaction goes to the first table that was registered.
    Outbox(OnceLock<Arc<dyn OutboxStore>>),
    /// The threads could not be started: everything goes to the fallback.
    Broken,
}

impl Dispatcher {
    pub(crate) fn start(
        delivery: Delivery,
        sink: Arc<dyn Sink>,
        fallback: Fallback,
        metrics: Arc<Metrics>,
    ) -> Self {
        let limits = match &delivery.mode {
            Mode::Queue(queue) => Limits {
                records: queue.capacity,
                bytes: queue.capacity_bytes,
                batch: queue.batch,
                linger: queue.linger,
            },
            _ => Limits { records: usize::MAX, bytes: usize::MAX, batch: usize::MAX, linger: Duration::ZERO },
        };
        let fallback = FallbackWriter::new(fallback, metrics.clone());
        let ledger = Arc::new(Ledger::new(limits, metrics, fallback));
        let started = match delivery.mode {
            Mode::Noop => Ok(Way::Noop),
            Mode::Sync { attempt_timeout } => {
                Direct::start(ledger.clone(), sink, attempt_timeout).map(Way::Direct)
            }
            Mode::Queue(settings) => {
                Worker { ledger: ledger.clone(), sink, settings, log: AttemptLog::default() }
                    .start()
                    .map(|()| Way::Queue)
            }
            Mode::Outbox(_) => Ok(Way::Outbox(OnceLock::new())),
        };
        let way = started.unwrap_or_else(|error| {
            tracing::error!(
                target: "ftn_audit::delivery",
                reason = %error,
                "delivery cannot start its threads: all audit records go to the fallback"
            );
            ledger.abort(Reason::NoWorker);
            Way::Broken
        });
        Self { way, ledger, report: watch::Sender::new(None) }
    }

    pub(crate) fn is_noop(&self) -> bool {
        matches!(self.way, Way::Noop)
    }

    /// Takes the records of one committed transaction.
    ///
    /// They are taken by the call itself: a future that is dropped, or never polled, loses none. For a queue the
    /// future has nothing to wait for; for `sync` it waits until the fate of every record is known, at most for the
    /// timeout of the attempt.
    pub(crate) fn hand_over(&self, records: Vec<AuditRecord>) -> impl Future<Output = ()> + Send + use<> {
        let landed = self.accept(records);
        async move {
            if let Some(mut landed) = landed {
                // Nothing is ever sent: the error is the news that the attempt is over.
                let _ = landed.changed().await;
            }
        }
    }

    fn accept(&self, records: Vec<AuditRecord>) -> Option<watch::Receiver<()>> {
        if records.is_empty() {
            return None;
        }
        match &self.way {
            Way::Noop => None,
            Way::Direct(direct) => direct.send(&self.ledger, records),
            Way::Outbox(store) => self.store(store.get().cloned(), records),
            Way::Queue | Way::Broken => {
                self.ledger.enqueue(records);
                None
            }
        }
    }

    /// Makes a table the one for records that belong to no transaction, if it is the first.
    pub(crate) fn register(&self, outbox: impl FnOnce() -> Arc<dyn OutboxStore>) {
        if let Way::Outbox(store) = &self.way {
            store.get_or_init(outbox);
        }
    }

    /// Records that were to be stored in an outbox, and cannot be.
    pub(crate) fn give_up(&self, records: Vec<AuditRecord>, reason: Reason) {
        if let Some(launch) = (!records.is_empty()).then(|| self.ledger.launch(records)).flatten() {
            self.ledger.expire(launch.id, reason);
        }
    }

    fn store(
        &self,
        store: Option<Arc<dyn OutboxStore>>,
        records: Vec<AuditRecord>,
    ) -> Option<watch::Receiver<()>> {
        let (Some(store), Ok(runtime)) = (store, tokio::runtime::Handle::try_current()) else {
            self.give_up(records, Reason::NoOutbox);
            return None;
        };
        let ledger = self.ledger.clone();
        let launch = ledger.launch(records)?;
        let landed = launch.landed.clone();
        runtime.spawn(async move {
            let Some(taken) = ledger.board(&launch) else { return };
            match tokio::time::timeout(STORE_LIMIT, store.store(&taken.records)).await {
                Ok(Ok(())) => {
                    ledger.settle(&taken, 0..taken.records.len(), Fate::Stored, false);
                }
                failed => {
                    let why = failed.map_or_else(
                        |_| "no answer in time".to_owned(),
                        |failed| failed.err().unwrap_or_default(),
                    );
                    tracing::error!(
                        target: "ftn_audit::delivery",
                        records = taken.records.len(), why,
                        "the outbox does not take audit records: they go to the fallback"
                    );
                    ledger.expire(launch.id, Reason::OutboxFailed);
                }
            }
        });
        Some(landed)
    }

    /// Waits until everything that was handed over before has met its fate: delivered, or written by the fallback.
    /// False at the timeout. Records that linger are sent at once; waits between attempts are not cut short.
    ///
    /// Dropping the future changes nothing for the records.
    pub(crate) async fn flush(&self, timeout: Duration) -> bool {
        let Some(deadline) = later(Instant::now(), timeout) else { return false };
        let (done, answer) = oneshot::channel();
        let ledger = self.ledger.clone();
        let waiter = thread::Builder::new().name("ftn-audit-flush".to_owned()).spawn(move || {
            let settled = ledger.flush(deadline) && ledger.fallback.wait_idle(deadline);
            let _ = done.send(settled);
        });
        waiter.is_ok() && answer.await.unwrap_or(false)
    }

    /// Takes nothing more, delivers what is waiting, and gives what is left at the timeout to the fallback. A wait
    /// between attempts is cut short once; a wait that would outlast the timeout is not begun.
    ///
    /// Every call returns the same report, that of the first one, whose timeout counts. It may come up to 5 s after
    /// the timeout when the fallback takes that long to write. Dropping the future does not stop the shutdown.
    pub(crate) async fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        if self.is_noop() {
            return ShutdownReport::default();
        }
        let mut report = self.report.subscribe();
        self.begin_shutdown(timeout);
        match report.wait_for(Option::is_some).await {
            Ok(report) => report.clone().unwrap_or_default(),
            Err(_) => ShutdownReport::default(),
        }
    }

    fn begin_shutdown(&self, timeout: Duration) {
        let deadline = later(Instant::now(), timeout).unwrap_or_else(Instant::now);
        if !self.ledger.begin_closing(deadline) {
            if let Way::Broken = self.way {
                self.report.send_replace(Some(ShutdownReport::default()));
            }
            return;
        }
        let (ledger, report) = (self.ledger.clone(), self.report.clone());
        let closer = thread::Builder::new().name("ftn-audit-shutdown".to_owned()).spawn(move || {
            let closed = ledger.close(deadline);
            ledger.fallback.wait_idle(Instant::now() + FALLBACK_GRACE);
            report.send_replace(Some(closed));
        });
        if closer.is_err() {
            self.report.send_replace(Some(self.ledger.close(Instant::now())));
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if !self.is_noop() {
            self.begin_shutdown(DROP_GRACE);
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Noop => "noop",
            Way::Direct(_) => "sync",
            Way::Queue => "queue",
            Way::Outbox(_) => "outbox",
            Way::Broken => "broken",
        };
        f.debug_struct("Dispatcher").field("way", &way).finish_non_exhaustive()
    }
}
