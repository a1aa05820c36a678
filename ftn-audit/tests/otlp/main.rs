//! The OTLP sink against collectors on real sockets, good ones and bad ones.

#![allow(clippy::unwrap_used, reason = "tests")]

mod collector;
mod environment;
mod grpc;
mod http;
mod size;
mod tls;
mod warning;

use std::time::Duration;

use ftn_audit::{
    AuditRecord,
    sink::{Outcome, Sink},
};

/// Records whose data is easy to find where it must not be.
fn records(count: usize) -> Vec<AuditRecord> {
    (0..count)
        .map(|number| {
            AuditRecord::event("export", "Item", format!("row-{number}"))
                .with_description("The secret-description list was exported")
                .with_attribute("audit.changeset.title.new", "secret-value")
        })
        .collect()
}

/// Whether delivery is to try again: how long the sink asks to wait, and why.
#[track_caller]
fn retry(outcome: Outcome) -> (Option<Duration>, String) {
    match outcome {
        Outcome::Retry { after, operator: false, why } => (after, shown(why)),
        other => panic!("{other:?}"),
    }
}

/// Whether an operator has to act, and why.
#[track_caller]
fn operator(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry { after: None, operator: true, why } => shown(why),
        other => panic!("{other:?}"),
    }
}

/// How many records were refused, and why.
#[track_caller]
fn partial(outcome: Outcome) -> (u64, String) {
    match outcome {
        Outcome::Partial { rejected, message } => (rejected, shown(message)),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn permanent(outcome: Outcome) -> String {
    match outcome {
        Outcome::Permanent { why } => shown(why),
        other => panic!("{other:?}"),
    }
}

/// Reasons end in logs.
#[track_caller]
fn shown(why: String) -> String {
    assert!(!why.contains("secret-") && !why.contains("hunter2"), "{why}");
    assert!(why.chars().count() < 500 && !why.contains('\n'), "{why}");
    why
}

#[test]
fn a_sink_is_made_before_a_runtime_and_outlives_several() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let http = servers.block_on(collector::http(|_| collector::ok()));
    let grpc = servers.block_on(collector::grpc(|_| Ok(Default::default())));
    for sink in [
        ftn_audit::sink::OtlpSink::http(http.url()).build().unwrap(),
        ftn_audit::sink::OtlpSink::grpc(grpc.url()).build().unwrap(),
    ] {
        for _ in 0..3 {
            assert_eq!(runtime().block_on(sink.deliver(&records(1))), Outcome::Delivered);
        }
        // Outside a runtime there is an outcome, not a panic.
        let batch = records(1);
        let mut delivery = sink.deliver(&batch);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(matches!(
            delivery.as_mut().poll(&mut context),
            std::task::Poll::Ready(Outcome::Retry { operator: true, .. })
        ));
    }
    assert_eq!((http.requests().len(), grpc.requests().len()), (3, 3));
}
