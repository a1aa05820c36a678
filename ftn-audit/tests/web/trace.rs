//! The trace of a request: that of the current span, else that of its `traceparent`.

use ftn_audit::{AuditContext, AuditRecord};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Dispatch, Instrument, dispatcher::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    field,
    framework::{Answer, App, Framework, handler, recorded},
    recording, told,
    wire::ask,
};

const PARENT: (&str, &[u8]) = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

/// Spans of this thread, and of servers that are started from it, become OpenTelemetry's.
fn traced() -> (DefaultGuard, Dispatch) {
    let tracer = SdkTracerProvider::builder().build().tracer("web-test");
    let subscriber =
        || tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer.clone()));
    // With one subscriber only, `tracing` asks the thread that comes by first whether anybody listens, and believes it
    // for good.
    let second = Dispatch::new(subscriber());
    (tracing::dispatcher::set_default(&Dispatch::new(subscriber())), second)
}

fn current_span() -> String {
    let context = opentelemetry::Context::current();
    let span = context.span().span_context().clone();
    format!("{} {}", span.trace_id(), span.span_id())
}

async fn the_current_span_is_the_requests(framework: Framework) {
    let _guard = traced();
    let comparing = handler(|| async { Answer::Text(format!("{}current={}\n", told(), current_span())) });
    let mut app = App::new().route("/", comparing);
    app.traced = true;
    let address = app.clone().serve(framework).await;
    for headers in [&[PARENT][..], &[]] {
        let (_, body) = ask(address, "GET /", headers).await;
        let trace = format!("{} {}", field(&body, "trace"), field(&body, "span"));
        assert_eq!(trace, field(&body, "current"));
        assert!(!trace.starts_with("000") && !trace.contains("0af7651916cd43dd"), "{trace}");
    }
    app.traced = false;
    let address = app.serve(framework).await;
    let (_, body) = ask(address, "GET /", &[PARENT]).await;
    assert_eq!(field(&body, "trace"), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(field(&body, "span"), "b7ad6b7169203331");
}

#[tokio::test]
async fn the_current_span_is_the_requests_in_axum() {
    the_current_span_is_the_requests(Framework::Axum).await;
}

#[tokio::test]
async fn the_current_span_is_the_requests_in_actix() {
    the_current_span_is_the_requests(Framework::Actix).await;
}

fn trace(record: &AuditRecord) -> String {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{} {}", hexadecimal(&record.trace_id().unwrap()), hexadecimal(&record.span_id().unwrap()))
}

/// A job that nobody asked for by a request has the span in which it runs.
#[tokio::test]
async fn without_a_request_the_current_span_is_the_records() {
    let _guard = traced();
    let (audit, sink) = recording();
    let job = async {
        audit.event("noted").record(&audit).await;
        AuditContext::builder().tenant("acme").build().scope(audit.event("noted").record(&audit)).await;
        current_span()
    };
    let span = job.instrument(tracing::info_span!("job")).await;
    audit.event("noted").record(&audit).await;
    let records = sink.records();
    assert_eq!([trace(&records[0]), trace(&records[1])], [span.clone(), span]);
    assert_eq!(records[2].trace_id(), None);
}

/// A record belongs to its request, however many spans are open below it.
#[tokio::test]
async fn a_span_below_the_request_is_not_the_records() {
    let _guard = traced();
    let (audit, sink) = recording();
    let inner = recorded(&audit);
    let below = handler(move || inner().instrument(tracing::info_span!("below")));
    let address = App::of(&audit).route("/", below).serve(Framework::Axum).await;
    ask(address, "GET /", &[PARENT]).await;
    assert_eq!(trace(&sink.records()[0]), "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331");
}
