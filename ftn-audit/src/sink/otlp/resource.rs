//! Where records say they come from.

use opentelemetry_proto::tonic::{common::v1::KeyValue, resource::v1::Resource};

use super::encode::any_value;
use crate::{AttributeValue, Attributes, sink::ServiceInfo};

pub(super) const SERVICE_NAME: &str = "service.name";
const SERVICE_VERSION: &str = "service.version";

/// The handle's word wins over the builder's, which wins over the environment's.
///
/// `telemetry.sdk.*` is not claimed: no OpenTelemetry SDK is at work.
pub(super) fn resource(service: &ServiceInfo, builder: &Attributes, environment: &Attributes) -> Resource {
    let mut attributes = environment.clone();
    for (key, value) in builder.iter().chain(service.attributes.iter()) {
        attributes.set(key.to_owned(), value.clone());
    }
    if !service.name.is_empty() {
        attributes.set(SERVICE_NAME, service.name.as_str());
    }
    if let Some(version) = &service.version {
        attributes.set(SERVICE_VERSION, version.as_str());
    }
    if attributes.get(SERVICE_NAME).is_none_or(AttributeValue::is_null) {
        attributes.set(SERVICE_NAME, "unknown_service");
    }
    let attributes = attributes
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| KeyValue {
            key: key.to_owned(),
            value: Some(any_value(value.clone())),
            ..KeyValue::default()
        })
        .collect();
    Resource { attributes, ..Resource::default() }
}
