//! `otlp_*`: what leaves over the wire, and what becomes of a failed export.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use ftn_audit_sea::{
    AttributeValue, Encoding,
    formatter::{FormatterRegistration, Rule},
    prelude::*,
    sink::{Outcome, Sink, otlp::OtlpBuilder},
};
use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    common::v1::{AnyValue, any_value::Value as Any},
};
use sea_orm::{ActiveValue::Set, prelude::*};
use serde_json::{Value as Json, json};
use tonic::transport::{Server, server::TcpIncoming};

use crate::{connection::database, entities::item, scenario::Scenario, verdict::Verdict};

pub async fn judge(scenario: &Scenario) -> Verdict {
    let Some(result) = scenario.result() else {
        return Verdict::Wrong(vec!["a result is missing".to_owned()]);
    };
    if scenario.name().contains("_raises") {
        return failing(result).await;
    }
    match (scenario.setup("payload"), &result["ExportLogsServiceRequest"]) {
        (Json::Object(_), request @ Json::Object(_)) => wire(scenario, request).await,
        _ => Verdict::NotApplicable("the workings of Celery and of Python's OpenTelemetry SDK"),
    }
}

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Refuses everything, and counts.
struct Failing(Arc<AtomicU64>);

#[async_trait]
impl Sink for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    async fn deliver(&self, _batch: &[AuditRecord]) -> Outcome {
        self.0.fetch_add(1, Relaxed);
        Outcome::retry(None, "the exporter raises")
    }
}

/// As many attempts as there, and then the fallback.
async fn failing(result: &Json) -> Verdict {
    let most = result["attempts"].as_u64().unwrap_or(3);
    let attempts = Arc::new(AtomicU64::new(0));
    let delivery = Delivery::queue()
        .linger(Duration::ZERO)
        .max_attempts(u32::try_from(most).expect("few attempts"))
        .backoff(Duration::from_millis(1), Duration::from_millis(2));
    let audit = Audit::builder()
        .sink(Failing(attempts.clone()))
        .delivery(delivery)
        .fallback(Fallback::drop())
        .environment(|_| None)
        .build()
        .expect("the settings are good");
    audit.event("probe").record(&audit).await;
    let settled = audit.flush(PATIENCE).await;
    let (attempts, stats) = (attempts.load(Relaxed), audit.stats());
    match settled && attempts == most && stats.failed("retries_exhausted") == 1 && stats.delivered == 0 {
        true => Verdict::Different(vec!["failed export"]),
        false => Verdict::Wrong(vec![format!("{attempts} attempts, not {most}: {stats:?}")]),
    }
}

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportLogsServiceRequest>>>);

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        self.0.lock().expect("no panic").push(request.into_inner());
        Ok(tonic::Response::new(ExportLogsServiceResponse::default()))
    }
}

/// Says what the payload says.
struct Said(String, Attributes);

impl AuditFormatter for Said {
    type Subject = item::Model;

    fn description(&self, _: &Change<item::Model>) -> String {
        self.0.clone()
    }

    fn attributes(&self, _: &Change<item::Model>) -> Attributes {
        self.1.clone()
    }
}

fn value(json: &Json) -> AttributeValue {
    match json {
        Json::String(text) => text.as_str().into(),
        Json::Null => AttributeValue::Null,
        Json::Number(number) if number.is_i64() => number.as_i64().into(),
        Json::Number(number) => number.as_f64().into(),
        other => other.clone().into(),
    }
}

/// The payload's attributes in the order of the file; the sides of a changeset in that library's, old and then new.
fn said(scenario: &Scenario) -> Attributes {
    let payload = &scenario.setup("payload")["attributes"];
    let mut attributes = Attributes::new();
    for key in scenario.ordered().get("setup").get("payload").get("attributes").keys() {
        let json = &payload[key];
        match json.as_object().filter(|_| key == "audit.changeset") {
            Some(columns) => {
                for (column, sides) in columns {
                    attributes.set(format!("{key}.{column}.old"), value(&sides["old"]));
                    attributes.set(format!("{key}.{column}.new"), value(&sides["new"]));
                }
            }
            None => attributes.set(key.to_owned(), value(json)),
        }
    }
    attributes
}

async fn wire(scenario: &Scenario, file: &Json) -> Verdict {
    let payload = scenario.setup("payload");
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let service = LogsServiceServer::new(collector.clone());
    let service = service.accept_compressed(tonic::codec::CompressionEncoding::Gzip);
    let server = Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
    let server = tokio::spawn(server);

    let description = payload["description"].as_str().unwrap_or_default().to_owned();
    let rule = Rule { route: None, event: None, priority: 0, file: file!(), line: line!() };
    let sink = OtlpBuilder::from_variables(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("grpc".to_owned()),
        _ => None,
    });
    let audit = Audit::builder()
        .service_name("orders")
        .sink(sink.expect("the variables are good").build().expect("a sink"))
        .delivery(Delivery::queue().linger(Duration::ZERO))
        .encoding(Encoding::Seed)
        .auto_discover_formatters(false)
        .registration(FormatterRegistration::with(rule, Said(description, said(scenario))))
        .environment(|_| None)
        .build()
        .expect("the settings are good");
    let event = write(payload, &audit).await;
    audit.flush(PATIENCE).await;
    server.abort();
    let requests = collector.0.lock().expect("no panic").clone();
    compare(payload, &event, &requests, file)
}

/// Does what the payload tells of, and gives the event's name.
async fn write(payload: &Json, audit: &Audit) -> String {
    let db = audit.connect(database().await).await.expect("the database answers");
    let now = "2026-01-01T00:00:00Z".parse().expect("a moment");
    let item = item::ActiveModel {
        name: Set("A".to_owned()),
        price: Set(Decimal::ONE),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let text = |key: &str| payload["attributes"][key].as_str().unwrap_or_default().to_owned();
    let event = text("audit.event_type");
    let writing = async {
        if event == "creation" {
            return item.insert(&db).await;
        }
        let mut item: item::ActiveModel = item.insert(db.inner()).await?.into();
        item.price = Set(Decimal::TWO);
        item.update(&db).await
    };
    let context = AuditContext::builder().raw_route(text("audit.raw_route")).build();
    context.scope(writing).await.expect("the item is stored");
    format!("audit.item.{event}")
}

fn compare(payload: &Json, event: &str, requests: &[ExportLogsServiceRequest], file: &Json) -> Verdict {
    let Some(resource) = requests.first().and_then(|request| request.resource_logs.first()) else {
        return Verdict::Wrong(vec!["nothing arrived".to_owned()]);
    };
    let (scope, log) = (&resource.scope_logs[0], &resource.scope_logs[0].log_records[0]);
    let file = &file["resourceLogs"][0]["scopeLogs"][0];
    let (file_scope, file) = (&file["scope"], &file["logRecords"][0]);
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Any::StringValue(text)) => json!({"stringValue": text}),
        other => json!(format!("{other:?}")),
    };
    let null = json!({"stringValue": "null"});
    let said = |key: &str| !key.starts_with("user_") || payload["attributes"].get(key).is_some();
    let (said, unsaid): (Vec<_>, Vec<_>) = log.attributes.iter().partition(|pair| said(&pair.key));
    let said: Json = said.iter().map(|pair| json!({"key": pair.key, "value": text(&pair.value)})).collect();
    let service = resource.resource.iter().flat_map(|resource| &resource.attributes);
    let service = service.into_iter().find(|pair| pair.key == "service.name").map(|pair| text(&pair.value));
    let name = scope.scope.as_ref().map(|scope| scope.name.as_str());
    let mut wrong = Vec::new();
    for (what, here, expected) in [
        ("scope", json!(name), file_scope["name"].clone()),
        ("body", text(&log.body), file["body"].clone()),
        ("severity", json!(log.severity_text), file["severityText"].clone()),
        ("attributes", said, file["attributes"].clone()),
        ("whole user", json!(unsaid.iter().all(|pair| text(&pair.value) == null)), json!(true)),
        ("service name", json!(service), json!({"stringValue": "orders"})),
        ("event name", json!(log.event_name), json!(event)),
    ] {
        if here != expected {
            wrong.push(format!("{what}: {here} is not {expected}"));
        }
    }
    match wrong.is_empty() {
        true => Verdict::Different(vec!["service name", "event name", "whole user"]),
        false => Verdict::Wrong(wrong),
    }
}
