//! Records as OTLP log records, as their encoding lays them out.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource,
};
use prost::{Message, length_delimiter_len};

use crate::{AttributeValue, AuditRecord};

/// Decoders bound how deep messages nest (protobuf's default is 100, and a list takes two levels); one list below
/// that would make a collector refuse the whole batch. What lies deeper is sent as JSON text.
const LIST_DEPTH: usize = 16;

/// One request with the records in their order.
pub(super) fn request(resource: &Resource, batch: &[AuditRecord]) -> ExportLogsServiceRequest {
    let observed = nanoseconds(SystemTime::now());
    envelope(resource, batch.iter().map(|record| log_record(record, observed)).collect())
}

fn envelope(resource: &Resource, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope = InstrumentationScope {
        name: "ftn_audit".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_logs = ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.clone()),
            scope_logs: vec![scope_logs],
            ..ResourceLogs::default()
        }],
    }
}

/// The bytes of a request around its records: never less than they really are.
pub(super) fn envelope_bytes(resource: &Resource) -> usize {
    // The lengths of the two enclosing messages are written in more bytes once records are in them: up to 10 each.
    envelope(resource, Vec::new()).encoded_len() + 2 * 10
}

/// The bytes that a record adds to a request.
pub(super) fn record_bytes(record: &AuditRecord) -> usize {
    const TAG: usize = 1;
    // Any moment but zero, which protobuf leaves out.
    let length = log_record(record, 1).encoded_len();
    TAG + length_delimiter_len(length) + length
}

pub(super) fn log_record(record: &AuditRecord, observed: u64) -> LogRecord {
    let attributes = record
        .encoded_attributes()
        .into_iter()
        .map(|(key, value)| KeyValue {
            key: key.into_owned(),
            value: Some(any_value(value)),
            ..KeyValue::default()
        })
        .collect();
    LogRecord {
        time_unix_nano: nanoseconds(record.occurred_at()),
        observed_time_unix_nano: observed,
        severity_number: SeverityNumber::Info.into(),
        severity_text: "INFO".to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(record.description().to_owned())) }),
        attributes,
        dropped_attributes_count: 0,
        flags: record.trace_flags().map_or(0, u32::from),
        trace_id: record.trace_id().map(Vec::from).unwrap_or_default(),
        span_id: record.span_id().map(Vec::from).unwrap_or_default(),
        event_name: record.event_name(),
    }
}

pub(super) fn any_value(value: AttributeValue) -> AnyValue {
    nested(value, LIST_DEPTH)
}

fn nested(value: AttributeValue, depth: usize) -> AnyValue {
    let value = match value {
        AttributeValue::Null => None,
        AttributeValue::Bool(value) => Some(Value::BoolValue(value)),
        AttributeValue::Int(number) => Some(Value::IntValue(number)),
        AttributeValue::Float(number) => Some(Value::DoubleValue(number)),
        AttributeValue::Text(text) => Some(Value::StringValue(text.into_owned())),
        AttributeValue::List(values) if depth > 0 => Some(Value::ArrayValue(ArrayValue {
            values: values.into_iter().map(|value| nested(value, depth - 1)).collect(),
        })),
        AttributeValue::Json(json) => return json_value(json, depth),
        value @ AttributeValue::List(_) => Some(Value::StringValue(value.to_string())),
    };
    AnyValue { value }
}

fn json_value(json: serde_json::Value, depth: usize) -> AnyValue {
    use serde_json::Value as Json;
    let value = match json {
        Json::Null => None,
        Json::Bool(value) => Some(Value::BoolValue(value)),
        Json::String(text) => Some(Value::StringValue(text)),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Some(Value::IntValue(number)),
            (None, Some(number)) => Some(Value::DoubleValue(number)),
            (None, None) => Some(Value::StringValue(number.to_string())),
        },
        Json::Array(values) if depth > 0 => Some(Value::ArrayValue(ArrayValue {
            values: values.into_iter().map(|value| json_value(value, depth - 1)).collect(),
        })),
        Json::Object(map) if depth > 0 => {
            let pair = |(key, value)| KeyValue {
                key,
                value: Some(json_value(value, depth - 1)),
                ..KeyValue::default()
            };
            Some(Value::KvlistValue(KeyValueList { values: map.into_iter().map(pair).collect() }))
        }
        json => Some(Value::StringValue(json.to_string())),
    };
    AnyValue { value }
}

/// Before 1970 there is no time in OTLP: 0 says that it is not known.
fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
