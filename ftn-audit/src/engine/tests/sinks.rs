//! Sinks that do as a test says.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::{
    Audit, AuditRecord, Delivery,
    sink::{MemorySink, Outcome, Sink},
};

type Answer = dyn Fn(&[AuditRecord]) -> Outcome + Send + Sync;

/// Answers by a function, and keeps what it took.
#[derive(Clone)]
pub(super) struct Scripted {
    pub(super) taken: MemorySink,
    pub(super) asked: Arc<AtomicUsize>,
    /// Without a permit, it does not answer.
    pub(super) gate: Arc<Semaphore>,
    answer: Arc<Answer>,
}

impl Scripted {
    pub(super) fn new(answer: impl Fn(&[AuditRecord]) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            taken: MemorySink::new(),
            asked: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            answer: Arc::new(answer),
        }
    }

    pub(super) fn willing() -> Self {
        Self::new(|_| Outcome::Delivered)
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How often each record was taken.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.taken.records() {
            *counts.entry(record.id().to_string()).or_default() += 1;
        }
        counts
    }
}

#[async_trait]
impl Sink for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.acquire().await;
        match (self.answer)(batch) {
            Outcome::Delivered => self.taken.deliver(batch).await,
            refusal => refusal,
        }
    }
}

pub(super) fn impatient() -> Delivery {
    Delivery::outbox().backoff(Duration::from_millis(10), Duration::from_millis(100))
}

pub(super) fn working(sink: &Scripted, delivery: Delivery) -> Audit {
    Audit::builder().service_name("worker").sink(sink.clone()).delivery(delivery).build().unwrap()
}
