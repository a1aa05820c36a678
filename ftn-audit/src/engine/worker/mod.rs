//! The worker: takes messages from the broker to the sink.

mod batch;
mod lane;

use std::sync::Arc;

use tokio::{sync::watch, task::JoinSet};

use self::{batch::Judge, lane::Lane};
use super::Engine;
use crate::{Audit, relay::Pace};

/// Takes messages of a broker to the sink of an [`Audit`] with outbox delivery, whose back-off, `lease` (the longest that
/// a batch may take) and `max_age` apply; made by [`Audit::worker`].
///
/// Any number may work at once, in any number of processes. What a worker had when it died is delivered again to
/// another, so a record can arrive twice, with the same id, and is never lost. What the sink refuses for now waits at the
/// broker; what it refuses for good is among the dead letters with the reason, and so is what was delivered 20 times
/// without an answer: it may be what the workers died of. Messages of a format that is newer than this version's are
/// made to wait for a newer worker.
///
/// ```no_run
/// use std::sync::Arc;
/// use ftn_audit::{Audit, Delivery, engine::Engine, sink::JsonlSink};
///
/// # async fn example(engine: Arc<dyn Engine>) -> Result<(), Box<dyn std::error::Error>> {
/// let audit = Audit::builder().sink(JsonlSink::stdout()).delivery(Delivery::outbox()).build()?;
/// let worker = audit.worker(engine).spawn();
/// // until told to stop ..
/// worker.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a worker does nothing until it is spawned"]
#[derive(Clone)]
pub struct Worker {
    audit: Audit,
    engine: Arc<dyn Engine>,
    lanes: usize,
}

impl Audit {
    /// A worker that takes the records of a broker to this handle's sink; [`spawn`](Worker::spawn) starts it.
    pub fn worker(&self, engine: Arc<dyn Engine>) -> Worker {
        Worker { audit: self.clone(), engine, lanes: 2 }
    }
}

impl Worker {
    /// How many batches are on their way to the sink at once, each with a connection of its own to the broker. 2 unless
    /// set; at least 1.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// Starts it as tasks of the running Tokio runtime. It runs until [`WorkerHandle::stop`]; dropping the handle leaves
    /// it running. A broker that is not there is waited for.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn spawn(self) -> WorkerHandle {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let Some(courier) = self.audit.courier() else {
            tracing::warn!(
                target: "ftn_audit::worker",
                "there is no work: audit is switched off, or its delivery is not `Delivery::outbox()`"
            );
            return WorkerHandle { stop, tasks: Some(tasks) };
        };
        let pace: Arc<Pace> = Arc::default();
        for _ in 0..self.lanes {
            let judge = Judge::new(self.audit.clone(), courier.clone(), pace.clone());
            tasks.spawn(Lane::new(self.engine.clone(), judge, pace.clone()).run(stopped.clone()));
        }
        WorkerHandle { stop, tasks: Some(tasks) }
    }
}

/// A running [`Worker`].
#[derive(Debug)]
pub struct WorkerHandle {
    stop: watch::Sender<bool>,
    /// `None` while it is being dropped.
    tasks: Option<JoinSet<()>>,
}

impl WorkerHandle {
    /// Asks the broker for no more, delivers and settles what is here already, and ends. At the longest that takes the
    /// time of a lease for each batch that is here.
    ///
    /// Dropping the future leaves it ending.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(mut tasks) = self.tasks.take() {
            while tasks.join_next().await.is_some() {}
        }
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        if let Some(mut tasks) = self.tasks.take() {
            // The sender goes with the handle; without it, nothing tells the tasks to end.
            tasks.detach_all();
        }
    }
}
