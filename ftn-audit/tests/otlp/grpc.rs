use std::time::{Duration, Instant};

use axum::{Router, http::StatusCode};
use ftn_audit::sink::{OtlpSink, Outcome, Sink};
use tonic::{
    Code, Status,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    collector::{
        GrpcOptions, HANG, answer, closed_port, grpc, grpc_with, http, log_records, partial_success,
    },
    operator, partial, permanent, records, retry,
};

async fn deliver(count: usize, reply: impl Fn() -> Status + Send + Sync + 'static) -> Outcome {
    let collector = grpc(move |_| Err(reply())).await;
    OtlpSink::grpc(collector.url()).build().unwrap().deliver(&records(count)).await
}

#[tokio::test]
async fn records_arrive_with_metadata() {
    let collector = grpc(|_| Ok(Default::default())).await;
    let sink =
        OtlpSink::grpc(collector.url()).header("X-Tenant", "a").header("x-tenant", "b").build().unwrap();
    assert_eq!(sink.deliver(&records(3)).await, Outcome::Delivered);
    assert_eq!(sink.clone().deliver(&records(1)).await, Outcome::Delivered);
    let requests = collector.requests();
    assert_eq!(log_records(&requests[0].message).len(), 3);
    let metadata = &requests[0].metadata;
    assert_eq!(metadata.get("x-tenant").unwrap(), "b");
    assert!(metadata.get("user-agent").unwrap().to_str().unwrap().starts_with("ftn-audit/"));
    assert!(metadata.get("grpc-encoding").is_none());
}

#[tokio::test]
async fn gzip_is_really_sent() {
    let collector = grpc(|_| Ok(Default::default())).await;
    let sink = OtlpSink::grpc(collector.url()).gzip(true).build().unwrap();
    assert_eq!(sink.deliver(&records(9)).await, Outcome::Delivered);
    assert_eq!(collector.requests()[0].metadata.get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(log_records(&collector.requests()[0].message).len(), 9);
    let without =
        grpc_with(GrpcOptions { refuses_gzip: true, ..Default::default() }, |_| Ok(Default::default())).await;
    let sink = OtlpSink::grpc(without.url()).gzip(true).build().unwrap();
    assert!(operator(sink.deliver(&records(1)).await).contains("gzip"));
}

#[tokio::test]
async fn an_unreachable_port_is_retried() {
    let sink = OtlpSink::grpc(format!("http://{}", closed_port())).build().unwrap();
    let why = retry(sink.deliver(&records(1)).await).1;
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn answers_of_something_else_are_no_delivery() {
    let old = http(|_| answer("200 OK", "content-type: text/html\r\n", b"<html>")).await;
    retry(OtlpSink::grpc(old.url()).build().unwrap().deliver(&records(1)).await);

    // HTTP/2 without gRPC: what a web server or a proxy in front of a collector says.
    let page = |status: u16| {
        move || async move {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("content-type", "text/html"), ("retry-after", "7")], "<html>")
        }
    };
    for (status, expected) in
        [(200, "operator"), (302, "operator"), (401, "operator"), (404, "operator"), (503, "retry")]
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Routes::from(Router::new().fallback(page(status)));
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(TcpIncoming::from(listener)));
        let outcome = OtlpSink::grpc(format!("http://{address}")).build().unwrap().deliver(&records(1)).await;
        if expected == "retry" {
            assert_eq!(retry(outcome).0, Some(Duration::from_secs(7)));
        } else {
            let why = operator(outcome);
            assert!(why.contains(&status.to_string()) && why.contains("text/html"), "{why}");
        }
    }
}

#[tokio::test]
async fn what_an_operator_must_mend_is_held() {
    for code in [Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented, Code::NotFound] {
        operator(deliver(2, move || Status::new(code, "no such thing")).await);
    }
}

#[tokio::test]
async fn a_collector_that_repeats_a_credential_is_not_quoted() {
    let collector = grpc(|_| Err(Status::unauthenticated("bad token hunter2"))).await;
    let sink = OtlpSink::grpc(collector.url()).header("authorization", "Bearer hunter2").build().unwrap();
    assert!(operator(sink.deliver(&records(1)).await).contains("bad token ***"));
}

#[tokio::test]
async fn overload_is_retried_after_what_the_collector_asks() {
    for code in [
        Code::Unavailable,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::DataLoss,
    ] {
        assert_eq!(retry(deliver(2, move || Status::new(code, "later")).await).0, None, "{code:?}");
    }
    for code in [Code::Unavailable, Code::ResourceExhausted] {
        let reply = move || {
            let wait = Duration::from_millis(2500);
            Status::with_error_details(code, "later", ErrorDetails::with_retry_info(Some(wait)))
        };
        assert_eq!(retry(deliver(2, reply).await).0, Some(Duration::from_millis(2500)));
    }
}

#[tokio::test]
async fn a_partial_success_is_told() {
    let collector = grpc(|_| Ok(partial_success(1, "row-1 is too old"))).await;
    let sink = OtlpSink::grpc(collector.url()).build().unwrap();
    let (rejected, why) = partial(sink.deliver(&records(3)).await);
    assert_eq!(rejected, 1);
    assert!(why.contains("*** is too old"), "{why}");
}

#[tokio::test]
async fn an_invalid_record_does_not_take_the_others_with_it() {
    assert_eq!(partial(deliver(4, || Status::invalid_argument("secret-value?")).await).0, 4);
    assert!(permanent(deliver(1, || Status::invalid_argument("secret-value?")).await).contains("***?"));
    assert_eq!(partial(deliver(4, || Status::internal("permanent error")).await).0, 4);
}

#[tokio::test]
async fn a_silent_collector_costs_the_timeout_and_no_more() {
    let collector = grpc(|_| Err(Status::unavailable(HANG))).await;
    let sink = OtlpSink::grpc(collector.url()).timeout(Duration::from_millis(200)).build().unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        retry(sink.deliver(&records(1)).await);
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(190) && took < Duration::from_secs(5), "{took:?}");
    }
    // Nobody answers the connection at all.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sink = OtlpSink::grpc(format!("http://{}", deaf.local_addr().unwrap()))
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let begun = Instant::now();
    retry(sink.deliver(&records(1)).await);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_restarted_collector_is_found_again() {
    let application = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = |port| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = GrpcOptions { port, ..Default::default() };
        let collector = runtime.block_on(grpc_with(options, |_| Ok(Default::default())));
        (runtime, collector)
    };
    let (runtime, collector) = start(0);
    let sink = OtlpSink::grpc(collector.url()).build().unwrap();
    let deliver = || application.block_on(sink.deliver(&records(1)));
    assert_eq!(deliver(), Outcome::Delivered);
    runtime.shutdown_timeout(Duration::from_secs(5));
    retry(deliver());
    let (_runtime, collector) = start(collector.address.port());
    // One attempt may still find the old connection.
    let outcomes = [deliver(), deliver()];
    assert!(outcomes.contains(&Outcome::Delivered), "{outcomes:?}");
    assert!(!collector.requests().is_empty());
}

#[tokio::test]
async fn a_connection_that_died_in_silence_is_left() {
    let collector = grpc(|_| Ok(Default::default())).await;
    let between = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = between.local_addr().unwrap();
    let (dies, death) = tokio::sync::watch::channel(false);
    let target = collector.address;
    tokio::spawn(async move {
        // Only the first connection dies, as with a router that forgot it.
        let mut deaths = Some(death);
        while let Ok((mut near, _)) = between.accept().await {
            let death = deaths.take();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
                let copied = tokio::io::copy_bidirectional(&mut near, &mut far);
                let Some(mut death) = death else { return drop(copied.await) };
                tokio::select! {
                    _ = copied => {}
                    Ok(()) = death.changed() => std::future::pending().await,
                }
            });
        }
    });
    let sink = OtlpSink::grpc(format!("http://{address}")).timeout(Duration::from_secs(1)).build().unwrap();
    assert_eq!(sink.deliver(&records(1)).await, Outcome::Delivered);
    dies.send(true).unwrap();
    retry(sink.deliver(&records(1)).await);
    assert_eq!(sink.deliver(&records(1)).await, Outcome::Delivered);
}
