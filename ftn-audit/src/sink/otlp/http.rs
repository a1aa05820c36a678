//! OTLP over HTTP, as binary protobuf.

use std::io::Write;

use ::http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use prost::Message;
use reqwest::{Client, Response, Url, redirect};

use super::{
    answer::{self, Batch},
    endpoint::Endpoint,
    per_runtime::PerRuntime,
};
use crate::sink::Outcome;

const PROTOBUF: &str = "application/x-protobuf";
/// An answer is a few bytes; what is longer is no answer of a collector.
const ANSWER_BYTES: usize = 64 * 1024;

pub(super) struct HttpTransport {
    url: String,
    headers: HeaderMap,
    gzip: bool,
    #[cfg(feature = "tls")]
    tls: rustls::ClientConfig,
    client: PerRuntime<(Client, Url)>,
}

impl HttpTransport {
    pub(super) fn new(
        endpoint: &Endpoint,
        mut headers: HeaderMap,
        gzip: bool,
        #[cfg(feature = "tls")] tls: rustls::ClientConfig,
    ) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(super::USER_AGENT));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Self {
            url: endpoint.uri().to_string(),
            headers,
            gzip,
            #[cfg(feature = "tls")]
            tls,
            client: PerRuntime::new(),
        }
    }

    pub(super) fn reconnect(&self) {
        self.client.forget();
    }

    pub(super) async fn send(
        &self,
        request: ExportLogsServiceRequest,
        batch: &Batch<'_>,
    ) -> Result<ExportLogsServiceResponse, Outcome> {
        let (client, url) = self.client.get(|| self.connect())?;
        let mut body = request.encode_to_vec();
        if self.gzip {
            body = compressed(body).await?;
        }
        let sent = client.post(url).headers(self.headers.clone()).body(body).send().await;
        // An address may carry a key in its query.
        let response = sent.map_err(|error| answer::no_answer(&error.without_url(), batch))?;
        read(response, batch).await
    }

    fn connect(&self) -> Result<(Client, Url), Outcome> {
        let client = Client::builder().redirect(redirect::Policy::none()).no_gzip();
        #[cfg(feature = "tls")]
        let client = client.tls_backend_preconfigured(self.tls.clone());
        let client = client
            .build()
            .map_err(|error| Outcome::operator(format!("the HTTP client cannot be built: {error}")))?;
        let url = Url::parse(&self.url)
            .map_err(|error| Outcome::operator(format!("the endpoint is no URL: {error}")))?;
        Ok((client, url))
    }
}

/// On a thread that may block: 3 MiB take a tenth of a second.
async fn compressed(body: Vec<u8>) -> Result<Vec<u8>, Outcome> {
    let compress = move || {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
        encoder.write_all(&body)?;
        encoder.finish()
    };
    match tokio::task::spawn_blocking(compress).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(Outcome::retry(None, format!("gzip failed: {error}"))),
        Err(_) => Err(Outcome::retry(None, "gzip was interrupted")),
    }
}

/// Only 200 with a body that is the answer of a collector counts: anybody says 200.
async fn read(response: Response, batch: &Batch<'_>) -> Result<ExportLogsServiceResponse, Outcome> {
    let status = response.status().as_u16();
    let after = answer::retry_after(response.headers());
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("no content type").to_owned();
    let protobuf =
        content_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(PROTOBUF));
    if status != 200 {
        let message = if protobuf { message(response).await } else { String::new() };
        return Err(batch.http_status(status, after, &batch.quote(&message)));
    }
    if !protobuf {
        return Err(Outcome::operator(format!(
            "the endpoint answered HTTP 200 with {}: is it that of a collector?",
            batch.quote(&content_type).trim_start_matches(": ")
        )));
    }
    let body = body(response).await.map_err(|error| match error {
        Unread::Broken(error) => answer::no_answer(&error.without_url(), batch),
        Unread::Bytes => Outcome::operator(format!(
            "the endpoint answered HTTP 200 with more than {ANSWER_BYTES} bytes: is it that of a collector?"
        )),
    })?;
    ExportLogsServiceResponse::decode(&*body).map_err(|error| {
        Outcome::operator(format!(
            "the endpoint answered HTTP 200 with a body that is not OTLP ({error}): is it that of a collector?"
        ))
    })
}

enum Unread {
    Bytes,
    Broken(reqwest::Error),
}

async fn body(mut response: Response) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(Unread::Bytes);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a collector says beside a status: a `google.rpc.Status`.
async fn message(response: Response) -> String {
    let Ok(body) = body(response).await else { return String::new() };
    tonic_types::Status::decode(&*body).map(|status| status.message).unwrap_or_default()
}
