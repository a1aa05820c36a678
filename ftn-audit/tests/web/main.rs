//! Requests over real sockets, the same cases through axum and through actix-web: what a context says of a request,
//! and where it is current.

#![allow(clippy::unwrap_used)]

mod actix_server;
mod address;
mod axum_server;
mod carried;
mod framework;
mod headers;
mod late;
mod lifetime;
mod log;
mod request;
mod socket;
mod tower;
mod trace;
mod wire;

use ftn_audit::{Actor, Audit, AuditContext, Delivery, sink::MemorySink};

/// A handle of a test's own, and where its records end.
fn recording() -> (Audit, MemorySink) {
    let sink = MemorySink::new();
    let audit = Audit::builder()
        .service_name("web-test")
        .sink(sink.clone())
        .delivery(Delivery::sync().attempt_timeout(std::time::Duration::from_secs(60)))
        .environment(|_| None)
        .build()
        .unwrap();
    (audit, sink)
}

/// What the current context says, a field a line.
fn told() -> String {
    let context = AuditContext::current().expect("a context is current");
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    [
        ("method", context.http_method()),
        ("path", context.path()),
        ("route", context.http_route()),
        ("raw", context.raw_route()),
        ("id", context.request_id()),
        ("trace", context.trace_id().map(|id| hexadecimal(&id)).as_deref()),
        ("span", context.span_id().map(|id| hexadecimal(&id)).as_deref()),
        ("peer", context.client_address().map(|peer| peer.to_string()).as_deref()),
        ("agent", context.user_agent()),
        ("app", context.ui_app()),
        ("flow", context.ui_flow()),
        ("tenant", context.tenant()),
        ("reason", context.reason()),
        ("actor", context.actor().and_then(Actor::id)),
    ]
    .map(|(name, value)| format!("{name}={}\n", value.unwrap_or("-")))
    .concat()
}

#[track_caller]
fn field<'a>(body: &'a str, name: &str) -> &'a str {
    body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_else(|| {
        panic!("no {name} in {body:?}");
    })
}

/// Waits until something is so.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed().as_secs() < 20, "waited in vain: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
