use super::*;
use crate::sink::Sink;

fn read_all(variables: &[(&str, &str)]) -> Result<OtlpBuilder, OtlpError> {
    read(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

fn shown(variables: &[(&str, &str)]) -> String {
    format!("{:?}", read_all(variables).unwrap().build().unwrap())
}

fn error(variables: &[(&str, &str)]) -> String {
    read_all(variables).and_then(OtlpBuilder::build).unwrap_err().to_string()
}

#[cfg(feature = "otlp-http")]
#[test]
fn defaults_are_those_of_the_specification() {
    let sink = shown(&[]);
    assert!(sink.contains("http/protobuf") && sink.contains("http://localhost:4318/v1/logs"), "{sink}");
    assert!(sink.contains("10s") && sink.contains("gzip: false"), "{sink}");
}

#[cfg(feature = "otlp-grpc")]
#[test]
fn grpc_has_its_own_port() {
    let sink = shown(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(sink.contains("http://localhost:4317/"), "{sink}");
}

#[cfg(feature = "otlp-http")]
#[test]
fn the_variable_of_the_signal_wins() {
    let sink = shown(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "nonsense"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:1/in"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "nonsense"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", " 1500 "),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "nonsense"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
    ]);
    for part in ["http://logs:1/in", "1.5s", "gzip: true"] {
        assert!(sink.contains(part), "{sink}");
    }
    let sink = shown(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:1/otlp"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", ""),
    ]);
    assert!(sink.contains("http://all:1/otlp/v1/logs"), "{sink}");
}

#[test]
fn errors_name_the_variable_and_what_is_accepted() {
    let all: &[(&str, &str, &str)] = &[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "accepted are grpc and http/protobuf"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "GRPC", "accepted are grpc and http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http://collector:431"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "ftp://x", "http://"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "1 ms"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "600001", "600s"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip and none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=hunter2", "not the name of a header"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x=1,y=hunter2%ff", "entry 2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=hunter2%0a", "\"x\""),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,hunter2", "entry 2"),
        #[cfg(feature = "tls")]
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent.pem", "/nonexistent.pem"),
        #[cfg(feature = "tls")]
        ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "/dev/null", "PEM"),
    ];
    for (variable, value, part) in all {
        let message = error(&[(variable, value)]);
        assert!(message.contains(variable) && message.contains(part), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[cfg(not(all(feature = "otlp-grpc", feature = "otlp-http")))]
#[test]
fn a_protocol_that_is_not_built_in_names_its_feature() {
    let (protocol, feature) =
        if cfg!(feature = "otlp-http") { ("grpc", "otlp-grpc") } else { ("http/protobuf", "otlp-http") };
    let message = error(&[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)]);
    assert!(message.contains("OTEL_EXPORTER_OTLP_PROTOCOL") && message.contains(feature), "{message}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn https_names_its_feature() {
    let message = error(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:1")]);
    assert!(message.contains("`tls`"), "{message}");
}

#[test]
fn headers_are_decoded_and_hidden() {
    let builder =
        read_all(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20aHVu==, x-tenant = a%2Cb,")])
            .unwrap();
    assert!(!format!("{builder:?}").contains("aHVu"));
    let sink = builder.build().unwrap();
    assert!(!format!("{sink:?}").contains("aHVu"));
    assert_eq!(sink.inner.headers["authorization"], "Basic aHVu==");
    assert_eq!(sink.inner.headers["x-tenant"], "a,b");
}

fn service_name(sink: &crate::sink::OtlpSink) -> String {
    let names: Vec<_> =
        sink.inner.resource().attributes.iter().filter(|pair| pair.key == "service.name").collect();
    assert_eq!(names.len(), 1);
    format!("{:?}", names[0].value)
}

#[test]
fn the_name_of_the_service_has_an_order() {
    let environment =
        [("OTEL_RESOURCE_ATTRIBUTES", "service.name=third,team=b%20c"), ("OTEL_SERVICE_NAME", "second")];
    let sink = read_all(&environment).unwrap().build().unwrap();
    assert!(service_name(&sink).contains("second"));
    sink.set_service(&crate::sink::ServiceInfo { name: "first".into(), ..Default::default() });
    assert!(service_name(&sink).contains("first"));
    assert!(format!("{:?}", sink.inner.resource()).contains("b c"));
    assert!(service_name(&read_all(&environment[..1]).unwrap().build().unwrap()).contains("third"));
    let nameless = read_all(&[]).unwrap().build().unwrap();
    nameless.set_service(&Default::default());
    assert!(service_name(&nameless).contains("unknown_service"));
}
