//! What capture asks of a handle whose records are stored in the transaction of their change.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{Audit, AuditRecord, OutboxSettings, delivery::OutboxStore, metrics::Reason};

/// The outbox of a handle: its settings, and the signal that something was committed to it.
pub(crate) struct Outbox {
    settings: OutboxSettings,
    signal: Arc<Notify>,
}

impl Outbox {
    pub(crate) fn new(settings: OutboxSettings) -> Self {
        Self { settings, signal: Arc::default() }
    }

    pub(crate) fn settings(&self) -> &OutboxSettings {
        &self.settings
    }
}

impl Audit {
    /// For capture: the settings of outbox delivery, where that is the way.
    pub fn outbox_settings(&self) -> Option<&OutboxSettings> {
        Some(self.outbox()?.0.settings())
    }

    /// For capture: makes a table the one for records that belong to no transaction, if it is the first.
    pub fn register_outbox(&self, outbox: impl OutboxStore) {
        if let Some((_, dispatcher, _)) = self.outbox() {
            dispatcher.register(|| Arc::new(outbox));
        }
    }

    /// For capture: records were committed with their changes. Wakes the relays of this process.
    pub fn stored(&self, records: usize) {
        if let Some((outbox, _, metrics)) = self.outbox() {
            metrics.count_stored(records as u64);
            outbox.signal.notify_waiters();
        }
    }

    /// For capture: records whose changes stand although the outbox did not take them. They go to the fallback, counted
    /// as `outbox_failed`, or as `outbox_full`.
    pub fn not_stored(&self, records: Vec<AuditRecord>, full: bool) {
        if let Some((_, dispatcher, _)) = self.outbox() {
            dispatcher.give_up(records, if full { Reason::OutboxFull } else { Reason::OutboxFailed });
        }
    }

    /// For relays: told when records were committed in this process. A permit is not kept: enable the future before
    /// looking.
    pub fn outbox_signal(&self) -> Option<Arc<Notify>> {
        Some(self.outbox()?.0.signal.clone())
    }
}
