//! A receiver that decodes and counts.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
    logs_service_server::{LogsService, LogsServiceServer},
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

#[tonic::async_trait]
impl LogsService for Counting {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let logs = request.into_inner().resource_logs;
        let records =
            logs.iter().flat_map(|resource| &resource.scope_logs).map(|scope| scope.log_records.len());
        self.0.fetch_add(records.sum::<usize>() as u64, Ordering::Relaxed);
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

/// Starts one: its address, and how many records it has.
pub async fn start() -> Result<(String, Arc<AtomicU64>), Box<dyn Error>> {
    let counting = Counting::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let server = Server::builder().add_service(LogsServiceServer::new(counting.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Ok((endpoint, counting.0))
}
