//! The environment variables of the OpenTelemetry specification.

use std::{collections::BTreeMap, env, time::Duration};

use percent_encoding::percent_decode_str;

use super::{
    OtlpBuilder, OtlpError, builder,
    endpoint::{Endpoint, Path, Protocol},
    headers, resource,
};
use crate::Attributes;

const PREFIX: &str = "OTEL_EXPORTER_OTLP_";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that is set.
struct Setting {
    variable: String,
    value: String,
}

impl Setting {
    fn refused(&self, reason: impl Into<String>) -> OtlpError {
        OtlpError::Variable { variable: self.variable.clone(), reason: reason.into() }
    }

    fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, OtlpError>) -> Result<T, OtlpError> {
        parse(&self.value).map_err(|error| match error {
            OtlpError::Endpoint { reason } | OtlpError::Certificate { reason } => self.refused(reason),
            other => self.refused(other.to_string()),
        })
    }
}

/// The process's own variables.
pub(super) fn of_process() -> Result<OtlpBuilder, OtlpError> {
    let mut variables = BTreeMap::new();
    for (name, value) in env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("OTEL_")) else { continue };
        let value = value.into_string().map_err(|_| OtlpError::Variable {
            variable: name.to_owned(),
            reason: "it is not valid UTF-8".to_owned(),
        })?;
        variables.insert(name.to_owned(), value);
    }
    read(&|name| variables.get(name).cloned())
}

/// A builder as the variables describe it; what is not set has the specification's default.
pub(super) fn read(lookup: Lookup<'_>) -> Result<OtlpBuilder, OtlpError> {
    let protocol = match setting(lookup, "PROTOCOL") {
        Some(setting) => protocol(&setting)?,
        None if cfg!(feature = "otlp-http") => Protocol::Http,
        None => Protocol::Grpc,
    };
    let mut builder = OtlpBuilder::new(protocol, Ok(endpoint(lookup, protocol)?));
    if let Some(setting) = setting(lookup, "HEADERS") {
        for (name, value) in pairs(&setting)? {
            setting.parse(|_| headers::checked(&name, &value))?;
            builder = builder.header(name, value);
        }
    }
    if let Some(setting) = setting(lookup, "TIMEOUT") {
        let milliseconds = setting.value.parse().map_err(|_| {
            setting.refused(format!("{:?} is not a whole number of milliseconds, like 10000", setting.value))
        })?;
        let timeout = Duration::from_millis(milliseconds);
        setting.parse(|_| builder::check_timeout(timeout))?;
        builder = builder.timeout(timeout);
    }
    if let Some(setting) = setting(lookup, "COMPRESSION") {
        builder = match setting.value.as_str() {
            "gzip" => builder.gzip(true),
            "none" => builder.gzip(false),
            other => {
                return Err(setting.refused(format!("{other:?} is not known; accepted are gzip and none")));
            }
        };
    }
    #[cfg(feature = "tls")]
    if let Some(setting) = setting(lookup, "CERTIFICATE") {
        let pem = std::fs::read(&setting.value).map_err(|error| {
            setting.refused(format!(
                "{:?} cannot be read ({error}); name a file with PEM certificates",
                setting.value
            ))
        })?;
        setting.parse(|_| super::tls::certificates(&pem))?;
        builder = builder.certificate_pem(pem);
    }
    for suffix in ["CLIENT_KEY", "CLIENT_CERTIFICATE"] {
        if let Some(Setting { variable, .. }) = setting(lookup, suffix) {
            tracing::warn!(
                target: "ftn_audit::otlp",
                variable,
                "client certificates are not supported: the variable has no effect"
            );
        }
    }
    Ok(builder.environment_resource(resource_attributes(lookup)?))
}

/// The specific variable before the general one.
fn setting(lookup: Lookup<'_>, suffix: &str) -> Option<Setting> {
    named(lookup, format!("{PREFIX}LOGS_{suffix}")).or_else(|| named(lookup, format!("{PREFIX}{suffix}")))
}

/// An empty value counts as not set, as the specification says.
fn named(lookup: Lookup<'_>, variable: String) -> Option<Setting> {
    let value = lookup(&variable)?.trim().to_owned();
    (!value.is_empty()).then_some(Setting { variable, value })
}

fn protocol(setting: &Setting) -> Result<Protocol, OtlpError> {
    let protocol = match setting.value.as_str() {
        "grpc" => Protocol::Grpc,
        "http/protobuf" => Protocol::Http,
        other => {
            return Err(setting.refused(format!(
                "the protocol {other:?} is not spoken here; accepted are grpc and http/protobuf"
            )));
        }
    };
    setting.parse(|_| builder::check_protocol(protocol))?;
    Ok(protocol)
}

fn endpoint(lookup: Lookup<'_>, protocol: Protocol) -> Result<Endpoint, OtlpError> {
    if let Some(setting) = named(lookup, format!("{PREFIX}LOGS_ENDPOINT")) {
        return setting.parse(|address| Endpoint::parse(address, protocol, Path::Exact));
    }
    match named(lookup, format!("{PREFIX}ENDPOINT")) {
        Some(setting) => setting.parse(|address| Endpoint::parse(address, protocol, Path::Base)),
        None => Endpoint::parse(&protocol.default_address(), protocol, Path::Base),
    }
}

fn resource_attributes(lookup: Lookup<'_>) -> Result<Attributes, OtlpError> {
    let mut attributes = Attributes::new();
    if let Some(setting) = named(lookup, RESOURCE_ATTRIBUTES.to_owned()) {
        attributes.extend(pairs(&setting)?);
    }
    if let Some(setting) = named(lookup, SERVICE_NAME.to_owned()) {
        attributes.set(resource::SERVICE_NAME, setting.value);
    }
    Ok(attributes)
}

/// `key=value,key=value`, both percent-decoded. An error tells the place and shows neither key nor value.
fn pairs(setting: &Setting) -> Result<Vec<(String, String)>, OtlpError> {
    let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().map(String::from).ok();
    setting
        .value
        .split(',')
        .enumerate()
        .filter(|(_, pair)| !pair.trim().is_empty())
        .map(|(place, pair)| {
            pair.split_once('=')
                .filter(|(key, _)| !key.trim().is_empty())
                .and_then(|(key, value)| Some((decoded(key)?, decoded(value)?)))
                .ok_or_else(|| {
                    setting.refused(format!(
                        "entry {} is not key=value with percent-encoded UTF-8; accepted is a list like \
                         key1=value1,key2=value%202",
                        place + 1
                    ))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests;
