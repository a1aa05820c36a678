//! Where records end.

mod jsonl;
#[cfg(feature = "otel")]
mod logger_provider;
mod memory;
#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
pub mod otlp;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

#[cfg(feature = "otel")]
pub use self::logger_provider::LoggerProviderSink;
#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
pub use self::otlp::{OtlpBuilder, OtlpError, OtlpSink};
pub use self::{jsonl::JsonlSink, memory::MemorySink};
use crate::{Attributes, AuditRecord};

/// Which service the records come from; given to every sink when `Audit` is built.
///
/// ```
/// use ftn_audit::{Attributes, sink::ServiceInfo};
///
/// let shop = ServiceInfo {
///     name: "shop".into(),
///     version: Some("1.4.0".into()),
///     attributes: Attributes::new().with("deployment.environment.name", "production"),
/// };
/// assert_eq!(shop.name, "shop");
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServiceInfo {
    /// The name of the service, sent as `service.name`. Empty: nobody gave one.
    pub name: String,
    /// Its version, sent as `service.version`.
    pub version: Option<String>,
    /// What else is true of every record of this process, under the names of OpenTelemetry's resource conventions.
    pub attributes: Attributes,
}

/// What became of a batch that was given to a [`Sink`].
///
/// Delivery acts on it: [`Retry`](Self::Retry) is tried again until patience ends, a batch that was
/// [`Partial`](Self::Partial) is split and sent again until the fate of each record is known (every record
/// has its own id, so a repeat is harmless), [`Permanent`](Self::Permanent) goes to the fallback.
///
/// ```
/// use ftn_audit::sink::Outcome;
///
/// let busy = Outcome::retry(None, "the store answered 503");
/// assert!(matches!(busy, Outcome::Retry { operator: false, .. }));
/// assert!(matches!(Outcome::operator("the token is refused"), Outcome::Retry { operator: true, .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The sink has every record.
    Delivered,
    /// The sink refused some records of the batch, or found it too large, and does not say which.
    Partial {
        /// How many were refused.
        rejected: u64,
        /// What the sink said of it.
        message: String,
    },
    /// Nothing was stored, as far as is known; it may work later.
    Retry {
        /// How long the sink asks to wait at least.
        after: Option<Duration>,
        /// Whether an operator has to mend something first (credentials, address).
        operator: bool,
        /// What went wrong, without any data of a record.
        why: String,
    },
    /// It will never work.
    Permanent {
        /// What went wrong, without any data of a record.
        why: String,
    },
}

impl Outcome {
    /// A passing fault: try again, after `after` if the sink said so.
    pub fn retry(after: Option<Duration>, why: impl Into<String>) -> Self {
        Self::Retry { after, operator: false, why: why.into() }
    }

    /// A fault that lasts until an operator mends it.
    pub fn operator(why: impl Into<String>) -> Self {
        Self::Retry { after: None, operator: true, why: why.into() }
    }

    /// A fault that no repeat will mend.
    pub fn permanent(why: impl Into<String>) -> Self {
        Self::Permanent { why: why.into() }
    }
}

/// A place where records end. Implement it for a store that is not among the sinks of this crate.
///
/// ```
/// use ftn_audit::{AuditRecord, sink::{Outcome, Sink}};
///
/// struct Stderr;
///
/// #[async_trait::async_trait]
/// impl Sink for Stderr {
///     fn name(&self) -> &str {
///         "stderr"
///     }
///
///     async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
///         for record in batch {
///             eprintln!("{}", record.to_json());
///         }
///         Outcome::Delivered
///     }
/// }
/// ```
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// A short name for logs and [`describe()`](crate::Audit::describe).
    fn name(&self) -> &str;

    /// Tells which service the records come from. Called once, before the first batch; a sink that does not say
    /// where a record comes from need not care.
    fn set_service(&self, _service: &ServiceInfo) {}

    /// Takes a batch. An implementation bounds its own time; a future that is dropped may or may not
    /// have stored the batch.
    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome;

    /// What a record is counted as against [`max_batch_bytes`](Self::max_batch_bytes).
    fn encoded_bytes(&self, record: &AuditRecord) -> usize {
        record.estimated_bytes()
    }

    /// The most bytes of one batch; delivery splits by it.
    fn max_batch_bytes(&self) -> usize {
        usize::MAX
    }
}

#[async_trait]
impl<S: Sink + ?Sized> Sink for Arc<S> {
    fn name(&self) -> &str {
        S::name(self)
    }

    fn set_service(&self, service: &ServiceInfo) {
        S::set_service(self, service);
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        S::deliver(self, batch).await
    }

    fn encoded_bytes(&self, record: &AuditRecord) -> usize {
        S::encoded_bytes(self, record)
    }

    fn max_batch_bytes(&self) -> usize {
        S::max_batch_bytes(self)
    }
}
