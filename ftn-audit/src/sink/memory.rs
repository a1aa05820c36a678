//! Records kept in memory, for tests.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Outcome, Sink};
use crate::AuditRecord;

/// Keeps every record in memory: for tests. Clones share the same records.
///
/// ```
/// use ftn_audit::sink::MemorySink;
///
/// let sink = MemorySink::new();
/// assert!(sink.records().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    records: Arc<Mutex<Vec<AuditRecord>>>,
}

impl MemorySink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// The records so far, in the order of their arrival.
    pub fn records(&self) -> Vec<AuditRecord> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The records so far, which are then forgotten.
    pub fn take(&self) -> Vec<AuditRecord> {
        std::mem::take(&mut *self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets the records so far.
    pub fn clear(&self) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[async_trait]
impl Sink for MemorySink {
    fn name(&self) -> &str {
        "memory"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(batch);
        Outcome::Delivered
    }
}
