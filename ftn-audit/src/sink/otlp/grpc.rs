//! OTLP over gRPC.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::http::{HeaderMap, header::CONTENT_TYPE, header::USER_AGENT};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse, logs_service_client::LogsServiceClient,
};
use thiserror::Error;
use tonic::{
    Code, Request, Status,
    body::Body,
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Channel, Endpoint as ChannelEndpoint},
};
use tonic_types::StatusExt;
use tower_service::Service;

use super::{
    OtlpError,
    answer::{self, Batch},
    endpoint::Endpoint,
    per_runtime::PerRuntime,
};
use crate::sink::Outcome;

type Client = LogsServiceClient<OnlyGrpc>;

pub(super) struct GrpcTransport {
    endpoint: ChannelEndpoint,
    metadata: MetadataMap,
    timeout: Duration,
    gzip: bool,
    client: PerRuntime<Client>,
}

impl GrpcTransport {
    pub(super) fn new(
        endpoint: &Endpoint,
        mut headers: HeaderMap,
        timeout: Duration,
        gzip: bool,
        #[cfg(feature = "tls")] certificate: Option<Vec<u8>>,
    ) -> Result<Self, OtlpError> {
        let user_agent = headers.remove(USER_AGENT);
        let agent = user_agent.as_ref().and_then(|value| value.to_str().ok()).unwrap_or(super::USER_AGENT);
        let refused = |error: tonic::transport::Error| OtlpError::endpoint(error.to_string());
        let channel = ChannelEndpoint::from(endpoint.uri().clone())
            .connect_timeout(timeout)
            .user_agent(agent.to_owned())
            .map_err(refused)?;
        #[cfg(feature = "tls")]
        let channel = if endpoint.is_https() {
            use tonic::transport::{Certificate, ClientTlsConfig};

            let tls = match certificate {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            channel.tls_config(tls).map_err(|_| super::tls::no_authorities())?
        } else {
            channel
        };
        Ok(Self {
            endpoint: channel,
            metadata: MetadataMap::from_headers(headers),
            timeout,
            gzip,
            client: PerRuntime::new(),
        })
    }

    pub(super) fn reconnect(&self) {
        self.client.forget();
    }

    pub(super) async fn send(
        &self,
        request: ExportLogsServiceRequest,
        batch: &Batch<'_>,
    ) -> Result<ExportLogsServiceResponse, Outcome> {
        let mut client = self.client.get(|| Ok(self.connect()))?;
        let mut request = Request::new(request);
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(self.timeout);
        match client.export(request).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(self.failed(&status, batch)),
        }
    }

    fn connect(&self) -> Client {
        let client = LogsServiceClient::new(OnlyGrpc(self.endpoint.connect_lazy()));
        if self.gzip { client.send_compressed(CompressionEncoding::Gzip) } else { client }
    }

    fn failed(&self, status: &Status, batch: &Batch<'_>) -> Outcome {
        if let Some(source) = status.source() {
            if let Some(NotGrpc { status, content_type, after }) = source.downcast_ref() {
                let why = format!(" with {}", batch.quote(content_type).trim_start_matches(": "));
                return batch.http_status(*status, *after, &why);
            }
            self.reconnect();
            return answer::no_answer(source, batch);
        }
        if status.code() == Code::Unknown && status.message().starts_with("Service was not ready") {
            self.reconnect();
        }
        outcome(status, batch)
    }
}

/// What a status that the collector sent means.
fn outcome(status: &Status, batch: &Batch<'_>) -> Outcome {
    let quote = batch.quote(status.message());
    let why = format!("the collector answered {:?}{quote}", status.code());
    let retry_info = status.get_details_retry_info();
    let after = retry_info.as_ref().and_then(|info| info.retry_delay).map(answer::bounded_wait);
    match status.code() {
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::DataLoss => {
            Outcome::retry(after, why)
        }
        Code::ResourceExhausted if retry_info.is_some() => Outcome::retry(after, why),
        // Without RetryInfo this is the answer of gRPC's C core to a request that is too large.
        Code::ResourceExhausted => batch.refused(why),
        // And this that of tonic.
        Code::OutOfRange if speaks_of_size(status.message()) => batch.refused(why),
        Code::OutOfRange => Outcome::retry(after, why),
        Code::Unauthenticated | Code::PermissionDenied => {
            Outcome::operator(format!("{why}: look at the headers, they carry the credentials"))
        }
        Code::Unimplemented | Code::NotFound => Outcome::operator(format!(
            "{why}: is the endpoint that of a collector, its port the one for gRPC?"
        )),
        Code::Unknown if status.message().starts_with("Service was not ready") => Outcome::retry(None, why),
        _ => batch.refused(why),
    }
}

fn speaks_of_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["large", "size", "length", "bytes", "exceed"].iter().any(|word| message.contains(word))
}

/// A channel that lets only gRPC answers through: tonic reads whatever comes with 200 as a message, and tells of a
/// web page by its first bytes.
#[derive(Clone)]
struct OnlyGrpc(Channel);

#[derive(Debug, Error)]
#[error("HTTP {status} with {content_type} is no gRPC answer")]
struct NotGrpc {
    status: u16,
    content_type: String,
    after: Option<Duration>,
}

impl Service<::http::Request<Body>> for OnlyGrpc {
    type Response = ::http::Response<Body>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: ::http::Request<Body>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move {
            let response = response.await?;
            let headers = response.headers();
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let content_type = content_type.unwrap_or("no content type");
            if content_type.starts_with("application/grpc") || headers.contains_key("grpc-status") {
                return Ok(response);
            }
            let status = response.status().as_u16();
            let (content_type, after) = (content_type.to_owned(), answer::retry_after(headers));
            Err(NotGrpc { status, content_type, after }.into())
        })
    }
}

#[cfg(test)]
mod tests;
