use std::time::{Duration, Instant, SystemTime};

use ftn_audit::{
    Attributes,
    sink::{OtlpSink, Outcome, ServiceInfo, Sink},
};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;

use crate::{
    collector::{HttpAnswer, answer, closed_port, http, ok, partial_success, protobuf},
    operator, partial, permanent, records, retry,
};

async fn deliver(count: usize, reply: impl Fn() -> HttpAnswer + Send + Sync + 'static) -> Outcome {
    let collector = http(move |_| reply()).await;
    OtlpSink::http(collector.url()).build().unwrap().deliver(&records(count)).await
}

async fn status(status: &'static str, headers: &'static str, count: usize) -> Outcome {
    deliver(count, move || answer(status, headers, b"<html>")).await
}

#[tokio::test]
async fn records_arrive_with_headers_and_resource() {
    let collector = http(|_| ok()).await;
    let sink = OtlpSink::http(collector.url())
        .header("Authorization", "Bearer hunter2")
        .resource_attribute("service.name", "overruled")
        .resource_attribute("host.name", "overruled")
        .resource_attribute("team", "audit")
        .build()
        .unwrap();
    sink.set_service(&ServiceInfo {
        name: "shop".into(),
        version: Some("1.2".into()),
        attributes: Attributes::new().with("host.name", "h1"),
    });
    let batch = records(2);
    assert_eq!(sink.deliver(&batch).await, Outcome::Delivered);
    assert_eq!(sink.deliver(&[]).await, Outcome::Delivered);
    let requests = collector.requests();
    assert_eq!(requests.len(), 1, "an empty batch is no request");
    let request = &requests[0];
    assert_eq!(request.path, "/v1/logs");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("authorization"), Some("Bearer hunter2"));
    assert!(request.header("user-agent").unwrap().starts_with("ftn-audit/"));
    let logs = request.records();
    assert_eq!(logs.len(), 2);
    assert_eq!(logs[0].event_name, "audit.Item.export");
    assert!(format!("{:?}", logs[1]).contains(&batch[1].id().to_string()));
    let message = ExportLogsServiceRequest::decode(&*request.body).unwrap();
    let resource = format!("{:?}", message.resource_logs[0].resource);
    for part in ["\"shop\"", "\"1.2\"", "\"h1\"", "\"audit\""] {
        assert!(resource.contains(part), "{resource}");
    }
    assert!(!resource.contains("overruled") && !resource.contains("telemetry.sdk"));
    let scope = message.resource_logs[0].scope_logs[0].scope.clone().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("ftn_audit", env!("CARGO_PKG_VERSION")));
    assert!(!format!("{sink:?}").contains("hunter2"));
}

#[tokio::test]
async fn gzip_is_really_sent() {
    let collector = http(|_| ok()).await;
    let sink = OtlpSink::http(collector.url()).gzip(true).build().unwrap();
    assert_eq!(sink.deliver(&records(50)).await, Outcome::Delivered);
    let request = &collector.requests()[0];
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert_eq!(request.body[..2], [0x1f, 0x8b]);
    assert_eq!(request.records().len(), 50);
}

#[tokio::test]
async fn an_unreachable_port_is_retried() {
    let sink = OtlpSink::http(format!("http://{}", closed_port())).build().unwrap();
    let (after, why) = retry(sink.deliver(&records(1)).await);
    assert_eq!(after, None);
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn a_web_page_is_no_delivery() {
    let why = operator(status("200 OK", "content-type: text/html\r\n", 1).await);
    assert!(why.contains("text/html") && why.contains("collector?"), "{why}");
    operator(status("200 OK", "", 1).await);
    operator(status("200 OK", "content-type: application/json\r\n", 1).await);
    operator(deliver(1, || answer("204 No Content", "", b"")).await);
    operator(deliver(1, || answer("202 Accepted", "content-type: application/x-protobuf\r\n", b"")).await);
}

#[tokio::test]
async fn garbage_is_no_delivery() {
    let head = "content-type: application/x-protobuf\r\n";
    let why = operator(deliver(1, move || answer("200 OK", head, b"\xff\xff<html>")).await);
    assert!(why.contains("not OTLP"), "{why}");
    // A field that nobody knows, long but valid.
    let long = [&[0x7a, 0xa0, 0x8d, 0x06][..], &[0; 100_000]].concat();
    let why = operator(deliver(1, move || answer("200 OK", head, &long)).await);
    assert!(why.contains("more than 65536 bytes"), "{why}");
    // The connection breaks off inside the answer: whether it was stored is not known.
    let cut = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9\r\n\r\n";
    let collector = crate::collector::http_over(
        move |_| Some(cut.to_vec()),
        |stream| async {
            let stream = stream.into_std().unwrap();
            let closes = stream.try_clone().unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                closes.shutdown(std::net::Shutdown::Both)
            });
            tokio::net::TcpStream::from_std(stream).ok()
        },
    )
    .await;
    retry(OtlpSink::http(collector.url()).build().unwrap().deliver(&records(1)).await);
}

#[tokio::test]
async fn the_content_type_may_have_parameters() {
    let head = "content-type: Application/X-Protobuf; charset=utf-8\r\n";
    assert_eq!(deliver(1, move || answer("200 OK", head, b"")).await, Outcome::Delivered);
}

#[tokio::test]
async fn a_redirect_is_neither_followed_nor_a_delivery() {
    let login = http(|_| ok()).await;
    let target = login.url();
    for status in
        ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let location = format!("location: {target}/login\r\n");
        let why = operator(deliver(1, move || answer(status, &location, b"")).await);
        assert!(why.contains("redirects are not followed"), "{why}");
    }
    assert!(login.requests().is_empty());
}

#[tokio::test]
async fn what_an_operator_must_mend_is_held() {
    for code in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "405 Method Not Allowed"] {
        let why = operator(status(code, "", 2).await);
        assert!(why.contains(&code[..3]), "{why}");
    }
}

#[tokio::test]
async fn overload_is_retried_after_what_the_collector_asks() {
    for code in [
        "429 Too Many Requests",
        "503 Service Unavailable",
        "502 Bad Gateway",
        "504 Gateway Timeout",
        "408 Request Timeout",
    ] {
        assert_eq!(retry(status(code, "", 2).await).0, None);
        assert_eq!(retry(status(code, "retry-after: 7\r\n", 2).await).0, Some(Duration::from_secs(7)));
    }
    let date = move || {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        answer("503 Service Unavailable", &format!("retry-after: {date}\r\n"), b"")
    };
    let after = retry(deliver(1, date).await).0.unwrap();
    assert!(after > Duration::from_secs(50) && after <= Duration::from_secs(60), "{after:?}");
}

#[tokio::test]
async fn an_invalid_record_does_not_take_the_others_with_it() {
    let invalid = || {
        let status = tonic_types::Status {
            code: 3,
            message: "cannot index 'secret-value' of row-1".into(),
            details: Vec::new(),
        };
        protobuf("400 Bad Request", "", &status)
    };
    let (rejected, why) = partial(deliver(3, invalid).await);
    assert_eq!(rejected, 3);
    assert!(why.contains("cannot index '***'"), "{why}");
    assert!(permanent(deliver(1, || answer("400 Bad Request", "", b"")).await).contains("400"));
    assert_eq!(partial(status("413 Payload Too Large", "", 2).await).0, 2);
    assert!(permanent(status("413 Payload Too Large", "", 1).await).contains("too large"));
}

#[tokio::test]
async fn a_partial_success_is_told() {
    let reply = || protobuf("200 OK", "", &partial_success(2, "secret-value is too old"));
    let (rejected, why) = partial(deliver(3, reply).await);
    assert_eq!(rejected, 2);
    assert!(why.contains("*** is too old"), "{why}");
    let reply = || protobuf("200 OK", "", &partial_success(99, ""));
    assert_eq!(partial(deliver(3, reply).await).0, 3);
}

#[tokio::test]
async fn a_silent_collector_costs_the_timeout_and_no_more() {
    let collector = http(|_| None).await;
    let sink = OtlpSink::http(collector.url()).timeout(Duration::from_millis(200)).build().unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        retry(sink.deliver(&records(1)).await);
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(190) && took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn the_address_of_a_key_is_not_told() {
    let address = format!("http://{}/in?key=hunter2", closed_port());
    let sink = OtlpSink::http(&address).build().unwrap();
    retry(sink.deliver(&records(1)).await);
    assert!(!format!("{sink:?}").contains("hunter2"));
}

#[tokio::test]
async fn dropping_a_sink_sends_nothing() {
    let collector = http(|_| ok()).await;
    let sink = OtlpSink::http(collector.url()).build().unwrap();
    sink.deliver(&records(1)).await;
    drop(sink);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(collector.requests().len(), 1);
}
