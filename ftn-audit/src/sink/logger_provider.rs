//! Records through a logger provider that the application already runs.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use opentelemetry::{
    InstrumentationScope, SpanId, TraceFlags, TraceId,
    logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity},
};

use super::{Outcome, Sink};
use crate::{AttributeValue, AuditRecord};

/// Emits records through the application's own OpenTelemetry logger provider, beside its other logs.
///
/// **A weaker promise than [`OtlpSink`](super::OtlpSink)'s.** The logs API does not say what becomes of a record: the
/// SDK's batch processor drops what does not fit its queue, reports success for a partial success that refused every
/// record, and for a redirect to a login page; `service.name` is the provider's. So every record counts as delivered
/// here once it was emitted. Use it where one export pipeline is worth more than knowing the outcome.
///
/// ```
/// use ftn_audit::{Audit, sink::LoggerProviderSink};
/// use opentelemetry_sdk::logs::SdkLoggerProvider;
///
/// let provider = SdkLoggerProvider::builder().build();
/// let audit = Audit::builder().sink(LoggerProviderSink::new(&provider)).build()?;
/// # Ok::<(), ftn_audit::StartupError>(())
/// ```
pub struct LoggerProviderSink<L> {
    logger: L,
}

impl<L: Logger> LoggerProviderSink<L> {
    /// A sink over one logger of the provider, with the instrumentation scope `ftn_audit`.
    pub fn new<P: LoggerProvider<Logger = L>>(provider: &P) -> Self {
        let scope =
            InstrumentationScope::builder("ftn_audit").with_version(env!("CARGO_PKG_VERSION")).build();
        Self { logger: provider.logger_with_scope(scope) }
    }

    fn emit(&self, record: &AuditRecord) {
        let mut log = self.logger.create_log_record();
        let name = record.event_name();
        match static_name(&name) {
            Some(name) => log.set_event_name(name),
            // Beyond the bound, the name is an attribute.
            None => log.add_attribute("audit.event_name", name),
        }
        log.set_timestamp(record.occurred_at());
        log.set_observed_timestamp(SystemTime::now());
        log.set_severity_number(Severity::Info);
        log.set_severity_text("INFO");
        log.set_body(record.description().to_owned().into());
        if let (Some(trace), Some(span)) = (record.trace_id(), record.span_id()) {
            let flags = record.trace_flags().map(TraceFlags::new);
            log.set_trace_context(TraceId::from_bytes(trace), SpanId::from_bytes(span), flags);
        }
        let attributes = record.encoded_attributes().into_iter();
        log.add_attributes(attributes.filter_map(|(key, value)| Some((key, any_value(value)?))));
        self.logger.emit(log);
    }
}

#[async_trait]
impl<L: Logger + Send + Sync + 'static> Sink for LoggerProviderSink<L> {
    fn name(&self) -> &str {
        "logger_provider"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        for record in batch {
            self.emit(record);
        }
        Outcome::Delivered
    }
}

/// The logs API takes event names that live for ever. There are as many as audited tables times events; beyond this
/// bound, names an application makes up are not kept.
const MAX_NAMES: usize = 4096;

static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

fn static_name(name: &str) -> Option<&'static str> {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MAX_NAMES {
        return None;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    Some(name)
}

fn any_value(value: AttributeValue) -> Option<AnyValue> {
    Some(match value {
        AttributeValue::Null => return None,
        AttributeValue::Bool(value) => AnyValue::Boolean(value),
        AttributeValue::Int(number) => AnyValue::Int(number),
        AttributeValue::Float(number) => AnyValue::Double(number),
        AttributeValue::Text(Cow::Borrowed(text)) => AnyValue::String(text.into()),
        AttributeValue::Text(Cow::Owned(text)) => AnyValue::String(text.into()),
        AttributeValue::List(values) => {
            AnyValue::ListAny(Box::new(values.into_iter().filter_map(any_value).collect()))
        }
        AttributeValue::Json(json) => json_value(json)?,
    })
}

fn json_value(json: serde_json::Value) -> Option<AnyValue> {
    use serde_json::Value as Json;
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => AnyValue::Boolean(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => AnyValue::Int(number),
            None => AnyValue::Double(number.as_f64()?),
        },
        Json::String(text) => AnyValue::String(text.into()),
        Json::Array(values) => {
            AnyValue::ListAny(Box::new(values.into_iter().filter_map(json_value).collect()))
        }
        Json::Object(map) => {
            map.into_iter().filter_map(|(key, value)| Some((key, json_value(value)?))).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider, SimpleLogProcessor};

    use super::*;
    use crate::{Audit, Delivery};

    #[tokio::test]
    async fn records_are_logs_of_the_applications_provider() {
        let exporter = InMemoryLogExporter::default();
        let provider = SdkLoggerProvider::builder()
            .with_log_processor(SimpleLogProcessor::new(exporter.clone()))
            .build();
        let audit = Audit::builder()
            .sink(LoggerProviderSink::new(&provider))
            .delivery(Delivery::sync())
            .environment(|_| None)
            .build()
            .unwrap();
        let context = crate::AuditContext::builder().trace([10; 16], [11; 8], 1).build();
        let event = audit.event("export.downloaded").subject("Report", 7).attr("rows", 120);
        let event =
            event.attr("format", "csv").attr("query", serde_json::json!({"year": 2026, "from": null}));
        let before = SystemTime::now();
        context.scope(event.record(&audit)).await;
        let logs = exporter.get_emitted_logs().unwrap();
        assert_eq!(logs.len(), 1);
        let log = &logs[0];
        assert_eq!(log.instrumentation.name(), "ftn_audit");
        assert_eq!(log.record.event_name(), Some("audit.Report.export.downloaded"));
        assert_eq!(log.record.body(), Some(&AnyValue::from("export.downloaded on Report #7")));
        assert_eq!(log.record.severity_number(), Some(Severity::Info));
        assert!(log.record.timestamp().is_some_and(|at| (before..=SystemTime::now()).contains(&at)));
        let trace = log.record.trace_context().unwrap();
        assert_eq!(trace.trace_id, TraceId::from_bytes([10; 16]));
        assert_eq!(trace.span_id, SpanId::from_bytes([11; 8]));
        let attribute = |name: &str| {
            log.record.attributes_iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value.clone())
        };
        assert_eq!(attribute("rows"), Some(AnyValue::Int(120)));
        assert_eq!(attribute("format"), Some(AnyValue::from("csv")));
        assert_eq!(attribute("query"), Some(AnyValue::from(r#"{"from":null,"year":2026}"#)));
        assert!(attribute("log.record.uid").is_some());

        let nested = Audit::builder()
            .sink(LoggerProviderSink::new(&provider))
            .delivery(Delivery::sync())
            .encoding(crate::Encoding::Nested)
            .environment(|_| None)
            .build()
            .unwrap();
        nested.event("moved").attr("audit.changeset.n.new", 7).record(&nested).await;
        let logs = exporter.get_emitted_logs().unwrap();
        let changeset = logs[1].record.attributes_iter().find(|(key, _)| key.as_str() == "audit.changeset");
        let sides: AnyValue = [("new", AnyValue::Int(7))].into_iter().collect();
        let columns: AnyValue = [("n", sides)].into_iter().collect();
        assert_eq!(changeset.map(|(_, value)| value), Some(&columns));
    }
}
