//! Collectors for tests: gRPC by tonic, HTTP by hand, so that it can answer anything.

use std::{
    future::Future,
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    logs::v1::LogRecord,
};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::{
    Response, Status,
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Server, ServerTlsConfig, server::TcpIncoming},
};

pub struct Collector<R> {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<R>>>,
}

impl<R: Clone> Collector<R> {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<R> {
        self.requests.lock().unwrap().clone()
    }
}

#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn records(&self) -> Vec<LogRecord> {
        let mut body = Vec::new();
        if self.header("content-encoding") == Some("gzip") {
            flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut body).unwrap();
        } else {
            body.clone_from(&self.body);
        }
        log_records(&ExportLogsServiceRequest::decode(&*body).unwrap())
    }
}

pub fn log_records(request: &ExportLogsServiceRequest) -> Vec<LogRecord> {
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    scopes.flat_map(|scope| scope.log_records.clone()).collect()
}

/// Bytes on the wire; `None` says nothing and keeps the connection open.
pub type HttpAnswer = Option<Vec<u8>>;

pub fn answer(status: &str, headers: &str, body: &[u8]) -> HttpAnswer {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Some([head.as_bytes(), body].concat())
}

pub fn protobuf(status: &str, headers: &str, body: &impl Message) -> HttpAnswer {
    answer(status, &format!("content-type: application/x-protobuf\r\n{headers}"), &body.encode_to_vec())
}

pub fn ok() -> HttpAnswer {
    protobuf("200 OK", "", &ExportLogsServiceResponse::default())
}

pub fn partial_success(rejected: i64, message: &str) -> ExportLogsServiceResponse {
    ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: rejected,
            error_message: message.into(),
        }),
    }
}

pub async fn http(
    answer: impl Fn(&HttpRequest) -> HttpAnswer + Send + Sync + 'static,
) -> Collector<HttpRequest> {
    http_over(answer, |stream| async { Some(stream) }).await
}

pub async fn http_over<S, F>(
    answer: impl Fn(&HttpRequest) -> HttpAnswer + Send + Sync + 'static,
    secure: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> Collector<HttpRequest>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Option<S>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (stream, seen, answer) = (secure(stream), Arc::clone(&seen), Arc::clone(&answer));
            tokio::spawn(async move {
                let Some(mut stream) = stream.await else { return };
                while let Some(request) = read(&mut stream).await {
                    let answer = answer(&request);
                    seen.lock().unwrap().push(request);
                    match answer {
                        Some(bytes) => stream.write_all(&bytes).await.unwrap(),
                        None => std::future::pending().await,
                    }
                }
            });
        }
    });
    Collector { address, requests }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<HttpRequest> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(HttpRequest { path, headers, body })
}

#[derive(Clone, Debug)]
pub struct GrpcRequest {
    pub metadata: MetadataMap,
    pub message: ExportLogsServiceRequest,
}

type GrpcAnswer = Result<ExportLogsServiceResponse, Status>;

struct Logs {
    answer: Box<dyn Fn(&GrpcRequest) -> GrpcAnswer + Send + Sync>,
    requests: Arc<Mutex<Vec<GrpcRequest>>>,
}

#[tonic::async_trait]
impl LogsService for Logs {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let request = GrpcRequest { metadata, message };
        let answer = (self.answer)(&request);
        self.requests.lock().unwrap().push(request);
        if answer.as_ref().is_err_and(|status| status.message() == HANG) {
            std::future::pending::<()>().await;
        }
        answer.map(Response::new)
    }
}

/// The message of a status that is never sent.
pub const HANG: &str = "hang";

#[derive(Default)]
pub struct GrpcOptions {
    /// 0: any that is free.
    pub port: u16,
    pub tls: Option<ServerTlsConfig>,
    pub max_bytes: Option<usize>,
    pub refuses_gzip: bool,
}

pub async fn grpc(
    answer: impl Fn(&GrpcRequest) -> GrpcAnswer + Send + Sync + 'static,
) -> Collector<GrpcRequest> {
    grpc_with(GrpcOptions::default(), answer).await
}

pub async fn grpc_with(
    options: GrpcOptions,
    answer: impl Fn(&GrpcRequest) -> GrpcAnswer + Send + Sync + 'static,
) -> Collector<GrpcRequest> {
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let mut service =
        LogsServiceServer::new(Logs { answer: Box::new(answer), requests: Arc::clone(&requests) });
    if !options.refuses_gzip {
        service = service.accept_compressed(CompressionEncoding::Gzip);
    }
    if let Some(bytes) = options.max_bytes {
        service = service.max_decoding_message_size(bytes);
    }
    let mut server = Server::builder();
    if let Some(tls) = options.tls {
        server = server.tls_config(tls).unwrap();
    }
    tokio::spawn(server.add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    Collector { address, requests }
}

/// A port on which nobody listens.
pub fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
