//! The records of one handle.

use std::time::Duration;

use super::Snapshot;
use crate::{Audit, AuditBuilder, AuditRecord, Delivery, sink::MemorySink};

/// Keeps what its handle records. Every recorder has a handle of its own, so tests run in parallel in one process.
///
/// A record is there when the call that committed its change has returned.
///
/// ```
/// use ftn_audit::testing::Recorder;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let recorder = Recorder::new();
/// let audit = recorder.audit();
/// audit.event("export.downloaded").subject("Report", "7").record(audit).await;
/// assert_eq!(recorder.records()[0].event_type(), "export.downloaded");
/// # });
/// ```
#[derive(Clone)]
pub struct Recorder {
    audit: Audit,
    sink: MemorySink,
}

/// A machine under load is no reason for a record to be late.
const PATIENCE: Duration = Duration::from_secs(60);

impl Recorder {
    /// A recorder with the settings that an [`AuditBuilder`] has from the start, a key for hashed columns, and nothing of
    /// the environment.
    ///
    /// # Panics
    ///
    /// When the start-up check refuses what the linked crates declare; the text lists every problem.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        let outbox = Delivery::outbox();
        Self::with(
            Audit::builder()
                .service_name("test")
                .delivery(outbox)
                .environment(|_| None)
                .hash_key("test", "a secret of tests alone"),
        )
    }

    /// A recorder with an application's own settings, so that routes, encoding and the like are those of production. Two
    /// things are the recorder's: records end in it, and they come after the commit and before the call returns. An
    /// outbox needs no table here, and nothing switches the recorder off.
    ///
    /// ```
    /// use ftn_audit::{Audit, testing::Recorder};
    ///
    /// let recorder = Recorder::with(Audit::builder().service_name("shop").changeset_relationships(false));
    /// assert!(recorder.audit().is_recording());
    /// ```
    ///
    /// # Panics
    ///
    /// When the builder is refused; the text lists every problem.
    #[must_use]
    #[track_caller]
    pub fn with(builder: AuditBuilder) -> Self {
        let sink = MemorySink::new();
        match builder.recording(sink.clone(), Delivery::sync().attempt_timeout(PATIENCE)) {
            Ok(audit) => Self { audit, sink },
            Err(error) => panic!("{error}"),
        }
    }

    /// The handle: to connect with, for the layer of a router, for `scope`.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The sink in which the records end.
    pub fn sink(&self) -> &MemorySink {
        &self.sink
    }

    /// The records so far, in the order of the commits, where these did not run side by side.
    pub fn records(&self) -> Vec<AuditRecord> {
        self.sink.records()
    }

    /// The records so far, which are then forgotten.
    pub fn take(&self) -> Vec<AuditRecord> {
        self.sink.take()
    }

    /// Forgets the records so far: behind the part of a test that only prepares.
    pub fn clear(&self) {
        self.sink.clear();
    }

    /// The records so far as text or data in which nothing changes from run to run.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.records())
    }
}

impl Default for Recorder {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
