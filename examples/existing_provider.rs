//! Records through the OpenTelemetry logger provider that a service already runs, exported by `opentelemetry-otlp`.
//!
//! One pipeline for all logs, and a weaker promise: what the SDK drops, nobody counts. Where it matters that records
//! arrive, use `OtlpSink`.
//!
//! ```text
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 cargo run --example existing_provider
//! ```

use std::time::Duration;

use ftn_audit_sea::{prelude::*, sink::LoggerProviderSink};
use opentelemetry_sdk::{Resource, logs::SdkLoggerProvider};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = opentelemetry_otlp::LogExporter::builder().with_tonic().build()?;
    let provider = SdkLoggerProvider::builder()
        .with_resource(Resource::builder().with_service_name("existing-provider").build())
        .with_batch_exporter(exporter)
        .build();

    let audit = Audit::builder().sink(LoggerProviderSink::new(&provider)).build()?;
    audit.event("export.downloaded").subject("Report", 7).attr("rows", 120).record(&audit).await;

    // First the audit queue into the provider, then the provider into the collector.
    let report = audit.shutdown(Duration::from_secs(5)).await;
    println!("emitted {}", report.drained);
    provider.shutdown()?;
    Ok(())
}
