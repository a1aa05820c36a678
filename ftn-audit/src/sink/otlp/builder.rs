use std::{fmt, sync::Arc, time::Duration};

use super::{
    OtlpError, OtlpSink, Transport,
    endpoint::{Endpoint, Protocol},
    environment, headers,
    resource::resource,
};
use crate::{AttributeValue, Attributes, sink::ServiceInfo};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(600);
const DEFAULT_REQUEST_BYTES: usize = 3 * 1024 * 1024;
pub(super) const MIN_REQUEST_BYTES: usize = 1024;
pub(super) const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Describes an [`OtlpSink`], begun with [`OtlpSink::grpc`], [`OtlpSink::http`] or
/// [`OtlpBuilder::from_env`]. Nothing is connected before the first batch.
///
/// ```
/// # #[cfg(feature = "otlp-http")] {
/// use std::time::Duration;
/// use ftn_audit::sink::OtlpSink;
///
/// let sink = OtlpSink::http("http://collector:4318")
///     .header("authorization", "Bearer ...")
///     .timeout(Duration::from_secs(5))
///     .gzip(true)
///     .resource_attribute("deployment.environment.name", "production")
///     .build()?;
/// # }
/// # Ok::<(), ftn_audit::sink::OtlpError>(())
/// ```
#[derive(Clone)]
#[must_use = "call `build()` to get the sink"]
pub struct OtlpBuilder {
    protocol: Protocol,
    endpoint: Result<Endpoint, OtlpError>,
    headers: Vec<(String, String)>,
    timeout: Duration,
    gzip: bool,
    #[cfg(feature = "tls")]
    certificate: Option<Vec<u8>>,
    max_request_bytes: usize,
    resource: Attributes,
    environment_resource: Attributes,
}

impl OtlpBuilder {
    /// What is wrong with the endpoint is told by [`build`](Self::build).
    pub(super) fn new(protocol: Protocol, endpoint: Result<Endpoint, OtlpError>) -> Self {
        Self {
            protocol,
            endpoint,
            headers: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            gzip: false,
            #[cfg(feature = "tls")]
            certificate: None,
            max_request_bytes: DEFAULT_REQUEST_BYTES,
            resource: Attributes::new(),
            environment_resource: Attributes::new(),
        }
    }

    /// What the environment says, open to changes by code; see [`OtlpSink::from_env`].
    ///
    /// # Errors
    ///
    /// [`OtlpError::Variable`] for a value that cannot be used.
    pub fn from_env() -> Result<Self, OtlpError> {
        environment::of_process()
    }

    /// Like [`from_env`](Self::from_env), with variables of another origin: a settings file, a test.
    ///
    /// ```
    /// use ftn_audit::sink::{OtlpBuilder, OtlpError};
    ///
    /// let refused = OtlpBuilder::from_variables(|name| match name {
    ///     "OTEL_EXPORTER_OTLP_COMPRESSION" => Some("zip".to_owned()),
    ///     _ => None,
    /// });
    /// assert!(refused.unwrap_err().to_string().contains("accepted are gzip and none"));
    /// ```
    ///
    /// # Errors
    ///
    /// [`OtlpError::Variable`] for a value that cannot be used.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, OtlpError> {
        environment::read(&lookup)
    }

    /// Adds a header (gRPC: metadata) to every request, in place of one with the same name. Values are treated as
    /// credentials: neither logs nor `Debug` output show them.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long a request may take, connecting included: 1 ms to 10 minutes, 10 s unless told.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether requests are compressed; off unless told.
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// The certificates (PEM) of the authorities that may vouch for the collector, **in place of** the system's own.
    /// Without effect on an `http://` endpoint.
    #[cfg(feature = "tls")]
    pub fn certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificate = Some(pem.into());
        self
    }

    /// The most bytes of a request before compression: 1 KiB to 4 MiB, 3 MiB unless told.
    ///
    /// Above 4 MiB a gRPC collector refuses a request as it comes from the box, some of them in words that ask for
    /// endless repeats. A single record that is larger is sent alone, and the collector decides.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// Adds something that is true of every record of this process, under OpenTelemetry's names for resources. What
    /// [`ServiceInfo`] says wins over it; it wins over `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn resource_attribute(mut self, key: impl Into<String>, value: impl Into<AttributeValue>) -> Self {
        self.resource.set(key.into(), value);
        self
    }

    pub(super) fn environment_resource(mut self, attributes: Attributes) -> Self {
        self.environment_resource = attributes;
        self
    }

    /// Checks everything and builds the sink. Needs no tokio runtime, connects to nothing.
    ///
    /// # Errors
    ///
    /// Any [`OtlpError`] but [`Variable`](OtlpError::Variable).
    pub fn build(self) -> Result<OtlpSink, OtlpError> {
        let endpoint = self.endpoint?;
        check_protocol(self.protocol)?;
        check_timeout(self.timeout)?;
        if !(MIN_REQUEST_BYTES..=MAX_REQUEST_BYTES).contains(&self.max_request_bytes) {
            return Err(OtlpError::RequestBytes { given: self.max_request_bytes });
        }
        if endpoint.is_https() && !cfg!(feature = "tls") {
            return Err(OtlpError::Feature { what: format!("the endpoint {endpoint}"), feature: "tls" });
        }
        #[cfg(feature = "tls")]
        let certificates = self.certificate.as_deref().map(super::tls::certificates).transpose()?;
        let headers = headers::all(&self.headers)?;
        let transport = match self.protocol {
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => Transport::Grpc(super::grpc::GrpcTransport::new(
                &endpoint,
                headers.clone(),
                self.timeout,
                self.gzip,
                #[cfg(feature = "tls")]
                certificates.and(self.certificate),
            )?),
            #[cfg(feature = "otlp-http")]
            Protocol::Http => Transport::Http(super::http::HttpTransport::new(
                &endpoint,
                headers.clone(),
                self.gzip,
                #[cfg(feature = "tls")]
                super::tls::client_config(endpoint.is_https(), certificates)?,
            )),
            #[cfg(not(all(feature = "otlp-grpc", feature = "otlp-http")))]
            protocol => return Err(feature_of(protocol)),
        };
        let unnamed = resource(&ServiceInfo::default(), &self.resource, &self.environment_resource);
        Ok(OtlpSink {
            inner: Arc::new(super::Inner {
                protocol: self.protocol,
                endpoint,
                headers,
                timeout: self.timeout,
                gzip: self.gzip,
                max_request_bytes: self.max_request_bytes,
                resource: self.resource,
                environment_resource: self.environment_resource,
                unnamed,
                named: std::sync::OnceLock::new(),
                last_warning: std::sync::Mutex::default(),
                transport,
            }),
        })
    }
}

pub(super) fn check_timeout(timeout: Duration) -> Result<(), OtlpError> {
    if (Duration::from_millis(1)..=MAX_TIMEOUT).contains(&timeout) {
        return Ok(());
    }
    Err(OtlpError::Timeout { given: timeout })
}

pub(super) fn check_protocol(protocol: Protocol) -> Result<(), OtlpError> {
    let spoken = match protocol {
        Protocol::Grpc => cfg!(feature = "otlp-grpc"),
        Protocol::Http => cfg!(feature = "otlp-http"),
    };
    if spoken { Ok(()) } else { Err(feature_of(protocol)) }
}

fn feature_of(protocol: Protocol) -> OtlpError {
    let feature = match protocol {
        Protocol::Grpc => "otlp-grpc",
        Protocol::Http => "otlp-http",
    };
    OtlpError::Feature { what: format!("the protocol {}", protocol.as_str()), feature }
}

/// Shows neither headers nor certificates.
impl fmt::Debug for OtlpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpBuilder")
            .field("protocol", &self.protocol.as_str())
            .field("endpoint", &self.endpoint.as_ref().map(ToString::to_string))
            .field("timeout", &self.timeout)
            .field("gzip", &self.gzip)
            .field("max_request_bytes", &self.max_request_bytes)
            .finish_non_exhaustive()
    }
}
