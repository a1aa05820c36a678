//! An OTLP receiver that fails as scripted, and now and then is not there at all.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    common::v1::any_value::Value,
    logs::v1::LogRecord,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::truth::{Arrival, line};

pub struct Receiver {
    address: SocketAddr,
    service: Service,
    listening: tokio::sync::Mutex<Option<Listening>>,
}

struct Listening {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

#[derive(Clone)]
struct Service(Arc<State>);

struct State {
    arrivals: Mutex<Vec<Arrival>>,
    random: Mutex<fastrand::Rng>,
    behaves: AtomicBool,
    refused: AtomicU32,
}

impl Receiver {
    pub async fn start(seed: u64) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let service = Service(Arc::new(State {
            arrivals: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            behaves: AtomicBool::new(false),
            refused: AtomicU32::new(0),
        }));
        let address = listener.local_addr()?;
        let listening = tokio::sync::Mutex::new(Some(service.listen(listener)));
        Ok(Self { address, service, listening })
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes every connection, and takes none for a while.
    pub async fn go_away(&self, pause: Duration) -> Result<(), Box<dyn Error>> {
        let mut listening = self.listening.lock().await;
        if let Some(Listening { stop, ended }) = listening.take() {
            let _ = stop.send(());
            ended.abort();
            let _ = ended.await;
        }
        tokio::time::sleep(pause).await;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        *listening = Some(self.service.listen(listener));
        Ok(())
    }

    /// From now on it takes everything.
    pub fn behave(&self) {
        self.service.0.behaves.store(true, Ordering::SeqCst);
    }

    /// How many records have arrived, repeats aside.
    pub fn distinct(&self) -> usize {
        self.service.arrivals().iter().map(|arrival| arrival.id.as_str()).collect::<HashSet<_>>().len()
    }

    pub fn received(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.service.arrivals())
    }

    pub fn refused(&self) -> u32 {
        self.service.0.refused.load(Ordering::SeqCst)
    }
}

impl Service {
    fn listen(&self, listener: TcpListener) -> Listening {
        let (stop, stopped) = oneshot::channel();
        let server = Server::builder().add_service(LogsServiceServer::new(self.clone()));
        let ended = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let _ = server.serve_with_incoming_shutdown(TcpIncoming::from(listener), stopped).await;
        });
        Listening { stop, ended }
    }

    fn arrivals(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.0.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, records: &[&LogRecord]) {
        self.arrivals().extend(records.iter().map(|record| arrival(record)));
    }

    fn roll(&self) -> u8 {
        if self.0.behaves.load(Ordering::SeqCst) {
            return u8::MAX;
        }
        self.0.random.lock().unwrap_or_else(PoisonError::into_inner).u8(0..100)
    }

    fn refuse(&self, code: Code) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.0.refused.fetch_add(1, Ordering::SeqCst);
        Err(Status::new(code, "as scripted"))
    }
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let request = request.into_inner();
        let records: Vec<&LogRecord> = request
            .resource_logs
            .iter()
            .flat_map(|resource| &resource.scope_logs)
            .flat_map(|scope| &scope.log_records)
            .collect();
        match self.roll() {
            0..8 => return self.refuse(Code::Unavailable),
            8..12 => return self.refuse(Code::Unauthenticated),
            // It has them, and nobody hears of it.
            12..18 => {
                self.keep(&records);
                return self.refuse(Code::Unavailable);
            }
            18..20 => {
                self.keep(&records);
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            // A part is taken, and which is not said.
            20..25 if records.len() > 1 => {
                let (kept, rejected) = records.split_at(records.len() / 2);
                self.keep(kept);
                return Ok(Response::new(ExportLogsServiceResponse {
                    partial_success: Some(ExportLogsPartialSuccess {
                        rejected_log_records: i64::try_from(rejected.len()).unwrap_or(i64::MAX),
                        error_message: "as scripted".to_owned(),
                    }),
                }));
            }
            _ => self.keep(&records),
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

fn arrival(record: &LogRecord) -> Arrival {
    let attributes: HashMap<&str, &str> = record
        .attributes
        .iter()
        .filter_map(|attribute| match attribute.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some((attribute.key.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    let get = |key: &str| attributes.get(key).copied().unwrap_or_default();
    // Where the label is as it was, it is the amount that changed.
    let side = |side: &str| match get(&format!("audit.changeset.label.{side}")) {
        "" if get("audit.event_type") == "update" => get(&format!("audit.changeset.amount.{side}")),
        label => label,
    };
    Arrival {
        id: get("log.record.uid").to_owned(),
        line: line(
            get("audit.event_type"),
            get("audit.model"),
            get("audit.model_pk"),
            side("old"),
            side("new"),
        ),
    }
}
