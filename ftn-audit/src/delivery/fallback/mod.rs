//! Where records go that the sink did not take.

mod writer;

use std::{fmt, path::PathBuf};

pub(super) use self::writer::{FALLBACK_GRACE, FallbackWriter, Load};

/// Where records go that the sink did not take: refused, too old, or in the way of a full queue.
///
/// Whichever it is, a thread of its own does the writing, so that a slow disk or log holds up neither writes nor
/// deliveries. What waits for that thread is bounded (4,096 records or 2 MiB); beyond that, records of a full queue
/// are dropped, counted as `dropped` and under the reason `fallback_full`, and leave a log line.
///
/// Log lines about what happened come at target `ftn_audit::delivery`, at most one a second and reason, without any
/// data of a record.
///
/// ```
/// use ftn_audit::delivery::Fallback;
///
/// let fallback = Fallback::file("/var/lib/shop/audit-fallback.jsonl");
/// ```
#[derive(Clone)]
pub struct Fallback(Kind);

#[derive(Clone)]
enum Kind {
    StructuredLog,
    File(PathBuf),
    Drop,
}

impl Fallback {
    /// One `tracing` event a record at target `ftn_audit::fallback`, level `WARN`, with the whole record as JSON in
    /// the field `record`, and `id`, `table`, `event` and `reason` beside it: fit for routing it to a file of its own,
    /// and for replay. The default.
    ///
    /// This is the one place where the data of a record goes to a log. Choose another fallback where that must not
    /// be. When no subscriber listens to the target, the record is lost, and counted as `dropped` under
    /// `fallback_muted`.
    pub fn structured_log() -> Self {
        Self(Kind::StructuredLog)
    }

    /// A file to which records are appended as JSON lines, each as
    /// [`AuditRecord::to_json`](crate::AuditRecord::to_json) gives it.
    ///
    /// It is opened when it is needed, and again for every batch, so it may be rotated. On Unix it is made with mode
    /// `0600`; the directory has to be there. Lines are written, not synced to the disk. When the file fails, the
    /// record is lost: counted as `dropped` under `fallback_file`, and named by id, table and event in a log line.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// Nothing is kept: records are counted as `dropped`, and a log line says id, table, event and reason, at most
    /// one a second and reason with the number of those it stands for.
    pub fn drop() -> Self {
        Self(Kind::Drop)
    }

    /// `structured_log`, `file` or `drop`.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Kind::StructuredLog => "structured_log",
            Kind::File(_) => "file",
            Kind::Drop => "drop",
        }
    }
}

impl Default for Fallback {
    fn default() -> Self {
        Self::structured_log()
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(path) => write!(f, "Fallback::file({path:?})"),
            other => write!(f, "Fallback::{}()", Self(other.clone()).name()),
        }
    }
}
