//! `AuditLayer` over real sockets: what a context says of a request, and where it is current.

#![allow(clippy::unwrap_used)]

mod lifetime;
mod log;
mod request;
mod wire;

use axum::{Router, routing::any};
use ftn_audit::{Actor, Audit, AuditContext, sink::MemorySink, web::AuditLayer};

fn audit() -> Audit {
    Audit::builder().service_name("layer-test").sink(MemorySink::new()).build().unwrap()
}

fn layer() -> AuditLayer {
    AuditLayer::new(&audit())
}

/// What the current context says, a field a line.
async fn told() -> String {
    let context = AuditContext::current().expect("a context is current");
    let trace = context.trace_id().map(|id| id.map(|byte| format!("{byte:02x}")).concat());
    [
        ("method", context.http_method()),
        ("path", context.path()),
        ("route", context.http_route()),
        ("raw", context.raw_route()),
        ("id", context.request_id()),
        ("trace", trace.as_deref()),
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

fn field<'a>(body: &'a str, name: &str) -> &'a str {
    body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_else(|| {
        panic!("no {name} in {body:?}");
    })
}

fn items() -> Router {
    Router::new().route("/items/{id}", any(told))
}
