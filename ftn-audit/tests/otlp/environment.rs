//! Every variable, as far as the collector.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use ftn_audit::sink::{OtlpBuilder, OtlpSink, Outcome, Sink};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;

use crate::{
    collector::{answer, grpc, http, ok},
    records, retry, tls,
};

fn sink(variables: &[(&str, String)]) -> OtlpSink {
    let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    OtlpBuilder::from_variables(lookup).unwrap().build().unwrap()
}

#[tokio::test]
async fn general_variables_reach_an_http_collector() {
    let collector = http(|_| ok()).await;
    let sink = sink(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/otlp/", collector.url())),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20aHVudGVyMg==,x-tenant=a".into()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".into()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000".into()),
        ("OTEL_SERVICE_NAME", "shop".into()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=pre%2Dprod".into()),
    ]);
    assert_eq!(sink.deliver(&records(1)).await, Outcome::Delivered);
    let request = &collector.requests()[0];
    assert_eq!(request.path, "/otlp/v1/logs");
    assert_eq!(request.header("authorization"), Some("Basic aHVudGVyMg=="));
    assert_eq!(request.header("x-tenant"), Some("a"));
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&*request.body).read_to_end(&mut body).unwrap();
    let resource =
        format!("{:?}", ExportLogsServiceRequest::decode(&*body).unwrap().resource_logs[0].resource);
    assert!(resource.contains("\"shop\"") && resource.contains("\"pre-prod\""), "{resource}");
}

#[tokio::test]
async fn variables_of_the_signal_win() {
    let collector =
        http(|request| if request.path == "/in" { ok() } else { answer("404 Not Found", "", b"") }).await;
    let sink = sink(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".into()),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf".into()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1".into()),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", format!("{}/in", collector.url())),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-general=1".into()),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-logs=1".into()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".into()),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none".into()),
    ]);
    assert_eq!(sink.deliver(&records(1)).await, Outcome::Delivered);
    let request = &collector.requests()[0];
    assert_eq!((request.header("x-logs"), request.header("x-general")), (Some("1"), None));
    assert_eq!(request.header("content-encoding"), None);
}

#[tokio::test]
async fn grpc_is_chosen_by_its_variable() {
    let collector = grpc(|_| Ok(Default::default())).await;
    let sink = sink(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".into()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-tenant=a".into()),
    ]);
    assert_eq!(sink.deliver(&records(1)).await, Outcome::Delivered);
    assert_eq!(collector.requests()[0].metadata.get("x-tenant").unwrap(), "a");
}

#[tokio::test]
async fn the_timeout_is_in_milliseconds() {
    let collector = http(|_| None).await;
    for variable in ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"] {
        let sink = sink(&[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), (variable, "150".into())]);
        let begun = Instant::now();
        retry(sink.deliver(&records(1)).await);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn the_certificate_is_trusted() {
    let authority = tls::Authority::new();
    let collector = authority.http().await;
    let path = std::env::temp_dir().join(format!("ftn-audit-{}.pem", std::process::id()));
    std::fs::write(&path, &authority.pem).unwrap();
    for variable in ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE"] {
        let sink = sink(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{}", collector.address.port())),
            (variable, path.display().to_string()),
        ]);
        assert_eq!(sink.deliver(&records(1)).await, Outcome::Delivered);
    }
    std::fs::remove_file(&path).unwrap();
}
