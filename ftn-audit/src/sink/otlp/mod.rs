//! Records as OTLP log records, to a collector, over gRPC or HTTP.
//!
//! The protocol is spoken here and not through an OpenTelemetry SDK, because only so the fate of each batch is known:
//! an exporter that reports success for a rejected batch has no place under an audit trail.
//!
//! An acknowledgement is that of the next hop: a collector may still lose what it took.

mod answer;
mod builder;
mod encode;
mod endpoint;
mod environment;
mod error;
#[cfg(feature = "otlp-grpc")]
mod grpc;
mod headers;
#[cfg(feature = "otlp-http")]
mod http;
mod per_runtime;
mod resource;
#[cfg(feature = "tls")]
mod tls;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use ::http::HeaderMap;
use async_trait::async_trait;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    resource::v1::Resource,
};
use prost::Message;
use tokio::runtime::Handle;

use self::{
    answer::Batch,
    endpoint::{Endpoint, Path, Protocol},
};
pub use self::{builder::OtlpBuilder, error::OtlpError};
use super::{Outcome, ServiceInfo, Sink};
use crate::{Attributes, AuditRecord};

/// Sends records to an OpenTelemetry collector, or to any store that understands OTLP, over gRPC or HTTP/protobuf.
///
/// Each [`deliver`](Sink::deliver) is one request and tells what became of it:
///
/// | the collector | outcome |
/// | --- | --- |
/// | took everything | [`Delivered`](Outcome::Delivered); a warning of the collector is logged |
/// | rejected some (partial success), or found the batch too large or invalid | [`Partial`](Outcome::Partial), or [`Permanent`](Outcome::Permanent) for a single record |
/// | is overloaded, restarting, unreachable, silent: gRPC `UNAVAILABLE`, `CANCELLED`, `DEADLINE_EXCEEDED`, `ABORTED`, `OUT_OF_RANGE`, `DATA_LOSS`, `RESOURCE_EXHAUSTED` with `RetryInfo`; HTTP 408, 429, 502, 503, 504 | [`Retry`](Outcome::Retry), after what `RetryInfo` or `Retry-After` asks, one hour at most |
/// | refuses credentials, certificate, address or protocol: gRPC `UNAUTHENTICATED`, `PERMISSION_DENIED`, `UNIMPLEMENTED`, `NOT_FOUND`; HTTP redirects (never followed), 401, 402, 403, 404, 405, 407, 410, 415, 501; an answer that is not OTLP | [`Retry`](Outcome::Retry) with `operator` |
///
/// Words of the collector are quoted with 200 characters at most, without header values, and without what the
/// records of the batch say.
///
/// Clones share connection and settings. The sink may be made before a tokio runtime runs; batches are delivered
/// inside one. Dropping it sends nothing. HTTP honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
///
/// ```no_run
/// use ftn_audit::sink::OtlpSink;
///
/// let sink = OtlpSink::from_env()?;
/// # Ok::<(), ftn_audit::sink::OtlpError>(())
/// ```
#[derive(Clone)]
pub struct OtlpSink {
    inner: Arc<Inner>,
}

struct Inner {
    protocol: Protocol,
    endpoint: Endpoint,
    headers: HeaderMap,
    timeout: Duration,
    gzip: bool,
    max_request_bytes: usize,
    resource: Attributes,
    environment_resource: Attributes,
    /// Used until a service is set.
    unnamed: Resource,
    named: OnceLock<Resource>,
    last_warning: Mutex<String>,
    transport: Transport,
}

const USER_AGENT: &str = concat!("ftn-audit/", env!("CARGO_PKG_VERSION"));

#[allow(clippy::large_enum_variant, reason = "one a sink, behind an `Arc`")]
enum Transport {
    #[cfg(feature = "otlp-grpc")]
    Grpc(grpc::GrpcTransport),
    #[cfg(feature = "otlp-http")]
    Http(http::HttpTransport),
}

impl OtlpSink {
    /// Reads the variables of the OpenTelemetry specification; those with `LOGS_` win over those without.
    ///
    /// | variable | meaning | default |
    /// | --- | --- | --- |
    /// | `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT` | where the logs go, used as it is | |
    /// | `OTEL_EXPORTER_OTLP_ENDPOINT` | where everything goes; HTTP appends `/v1/logs` | `http://localhost:4318`, gRPC 4317 |
    /// | `OTEL_EXPORTER_OTLP_[LOGS_]PROTOCOL` | `grpc` or `http/protobuf` | `http/protobuf`, if that feature is on |
    /// | `OTEL_EXPORTER_OTLP_[LOGS_]HEADERS` | `key=value,key=value`, percent-encoded | none |
    /// | `OTEL_EXPORTER_OTLP_[LOGS_]TIMEOUT` | milliseconds of a request, 1 to 600000 | 10000 |
    /// | `OTEL_EXPORTER_OTLP_[LOGS_]COMPRESSION` | `gzip` or `none` | `none` |
    /// | `OTEL_EXPORTER_OTLP_[LOGS_]CERTIFICATE` | a PEM file (feature `tls`) | the system's authorities |
    /// | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | where records come from | `unknown_service` |
    ///
    /// # Errors
    ///
    /// [`OtlpError::Variable`] names a variable whose value cannot be used; [`OtlpError::Feature`] a cargo feature
    /// that is needed and off.
    pub fn from_env() -> Result<Self, OtlpError> {
        OtlpBuilder::from_env()?.build()
    }

    /// Describes a sink that speaks gRPC, such as `http://collector:4317`. Reads no environment variables.
    #[cfg(feature = "otlp-grpc")]
    pub fn grpc(endpoint: impl AsRef<str>) -> OtlpBuilder {
        let endpoint = Endpoint::parse(endpoint.as_ref(), Protocol::Grpc, Path::Guess);
        OtlpBuilder::new(Protocol::Grpc, endpoint)
    }

    /// Describes a sink that speaks HTTP/protobuf, such as `http://collector:4318`. Reads no environment variables.
    /// An address without a path gets `/v1/logs`; one with a path is used as it is.
    #[cfg(feature = "otlp-http")]
    pub fn http(endpoint: impl AsRef<str>) -> OtlpBuilder {
        let endpoint = Endpoint::parse(endpoint.as_ref(), Protocol::Http, Path::Guess);
        OtlpBuilder::new(Protocol::Http, endpoint)
    }

    fn accepted(&self, response: ExportLogsServiceResponse, batch: &Batch<'_>) -> Outcome {
        let Some(partial) = response.partial_success else { return Outcome::Delivered };
        let message = batch.quote(&partial.error_message);
        if let Ok(rejected @ 1..) = u64::try_from(partial.rejected_log_records) {
            let rejected = rejected.min(batch.len() as u64);
            return Outcome::Partial {
                rejected,
                message: format!("the collector rejected records{message}"),
            };
        }
        if !message.is_empty() {
            self.warn(batch.len(), message);
        }
        Outcome::Delivered
    }

    /// A collector may send the same warning with every answer; each new one is logged once.
    fn warn(&self, records: usize, message: String) {
        let mut last = self.inner.last_warning.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != message {
            tracing::warn!(target: "ftn_audit::otlp", records, "the collector took the records with a warning{message}");
            *last = message;
        }
    }
}

impl Inner {
    fn resource(&self) -> &Resource {
        self.named.get().unwrap_or(&self.unnamed)
    }
}

impl Transport {
    async fn send(
        &self,
        request: ExportLogsServiceRequest,
        batch: &Batch<'_>,
    ) -> Result<ExportLogsServiceResponse, Outcome> {
        match self {
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.send(request, batch).await,
            #[cfg(feature = "otlp-http")]
            Self::Http(http) => http.send(request, batch).await,
        }
    }

    /// The next request opens a connection of its own: one that is silent may be dead, and TCP notices late.
    fn reconnect(&self) {
        match self {
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.reconnect(),
            #[cfg(feature = "otlp-http")]
            Self::Http(http) => http.reconnect(),
        }
    }
}

#[async_trait]
impl Sink for OtlpSink {
    fn name(&self) -> &str {
        match self.inner.protocol {
            Protocol::Grpc => "otlp-grpc",
            Protocol::Http => "otlp-http",
        }
    }

    fn set_service(&self, service: &ServiceInfo) {
        let inner = &self.inner;
        inner.named.get_or_init(|| resource::resource(service, &inner.resource, &inner.environment_resource));
    }

    async fn deliver(&self, records: &[AuditRecord]) -> Outcome {
        if records.is_empty() {
            return Outcome::Delivered;
        }
        if Handle::try_current().is_err() {
            return Outcome::operator("no tokio runtime is running: deliver inside one");
        }
        let inner = &self.inner;
        let batch = Batch::new(records, &inner.headers);
        let request = encode::request(inner.resource(), records);
        let bytes = request.encoded_len();
        if bytes > inner.max_request_bytes && records.len() > 1 {
            return batch.refused(format!(
                "{bytes} bytes are above max_request_bytes, {}: nothing was sent",
                inner.max_request_bytes
            ));
        }
        match tokio::time::timeout(inner.timeout, inner.transport.send(request, &batch)).await {
            Ok(Ok(response)) => self.accepted(response, &batch),
            Ok(Err(outcome)) => outcome,
            Err(_) => {
                inner.transport.reconnect();
                Outcome::retry(None, format!("no answer from {} within {:?}", inner.endpoint, inner.timeout))
            }
        }
    }

    fn encoded_bytes(&self, record: &AuditRecord) -> usize {
        encode::record_bytes(record)
    }

    fn max_batch_bytes(&self) -> usize {
        let inner = &self.inner;
        inner.max_request_bytes.saturating_sub(encode::envelope_bytes(inner.resource())).max(1)
    }
}

/// Shows no headers: they may be credentials.
impl fmt::Debug for OtlpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpSink")
            .field("protocol", &self.inner.protocol.as_str())
            .field("endpoint", &self.inner.endpoint.to_string())
            .field("timeout", &self.inner.timeout)
            .field("gzip", &self.inner.gzip)
            .field("max_request_bytes", &self.inner.max_request_bytes)
            .finish_non_exhaustive()
    }
}
