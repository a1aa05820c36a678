//! What is logged of requests.

use std::sync::{Arc, Mutex};

use axum::{body::Body, extract::Request};

use ftn_audit::web::AuditLayer;

use crate::{recording, tower::items};

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut log = self.0.lock().unwrap();
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            log.push_str(&format!("{value:?}\n"));
        });
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn missing_peer_is_said_once_and_no_header_is_logged() {
    use tower::ServiceExt;

    let log = Log::default();
    // With one subscriber only, `tracing` asks the thread that comes by a log line first whether anybody listens, and
    // believes it for good: that may be another test's thread.
    let _second = tracing::Dispatch::new(Log::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    let app = items().layer(AuditLayer::new(&recording().0));
    for _ in 0..3 {
        let request = Request::builder()
            .uri("/items/1")
            .header("x-request-id", "secret-id with blank")
            .header("traceparent", "secret-trace")
            .header("user-agent", "secret-agent")
            .body(Body::empty())
            .unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 200);
    }
    let log = log.0.lock().unwrap();
    assert_eq!(log.matches("into_make_service_with_connect_info").count(), 1, "{log}");
    assert!(!log.contains("secret"), "{log}");
}
