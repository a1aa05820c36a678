use std::time::Duration;

use thiserror::Error;

use super::builder::{MAX_REQUEST_BYTES, MAX_TIMEOUT, MIN_REQUEST_BYTES};

/// Why an [`OtlpSink`](super::OtlpSink) could not be built.
///
/// No variant carries the value of a header or of an endpoint's query: these may be credentials.
///
/// ```
/// use ftn_audit::sink::{OtlpBuilder, OtlpError};
///
/// let wrong = |variable: &str| (variable == "OTEL_EXPORTER_OTLP_TIMEOUT").then(|| "soon".to_owned());
/// let error = OtlpBuilder::from_variables(wrong).err().unwrap();
/// assert!(matches!(error, OtlpError::Variable { .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// An environment variable has a value that cannot be used.
    #[error("{variable} cannot be used: {reason}")]
    Variable {
        /// The variable.
        variable: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// The endpoint is no address of a collector.
    #[error("the OTLP endpoint cannot be used: {reason}")]
    Endpoint {
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// A header cannot be sent.
    #[error("the OTLP header {name:?} cannot be sent: {reason}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The timeout is out of bounds.
    #[error("an OTLP timeout of {given:?} is out of bounds: choose one from 1 ms to {MAX_TIMEOUT:?}")]
    Timeout {
        /// The refused timeout.
        given: Duration,
    },
    /// The size of a request is out of bounds.
    #[error(
        "{given} bytes for an OTLP request are out of bounds: choose {MIN_REQUEST_BYTES} to {MAX_REQUEST_BYTES} \
         (collectors refuse larger ones)"
    )]
    RequestBytes {
        /// The refused size, in bytes.
        given: usize,
    },
    /// The certificate cannot be read.
    #[error("the OTLP certificate cannot be used: {reason}")]
    Certificate {
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// The cargo feature that this needs is off.
    #[error(
        "{what} needs the cargo feature `{feature}` of ftn-audit: switch it on, or choose another endpoint or protocol"
    )]
    Feature {
        /// What needs it.
        what: String,
        /// The feature.
        feature: &'static str,
    },
}

impl OtlpError {
    pub(super) fn endpoint(reason: impl Into<String>) -> Self {
        Self::Endpoint { reason: reason.into() }
    }
}
