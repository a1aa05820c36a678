//! What a collector warns of is logged, once, and without data.

use std::sync::{Arc, Mutex};

use ftn_audit::sink::{OtlpSink, Outcome, Sink};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    collector::{grpc, partial_success},
    records,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ftn_audit")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_warning_is_a_delivery_and_one_line() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let message = format!("secret-value is deprecated {}", "x".repeat(1000));
    let collector = grpc(move |_| Ok(partial_success(0, &message))).await;
    let sink = OtlpSink::grpc(collector.url()).header("authorization", "hunter2").build().unwrap();
    for _ in 0..3 {
        assert_eq!(sink.deliver(&records(2)).await, Outcome::Delivered);
    }
    let lines = log.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (level, line) = &lines[0];
    assert_eq!(*level, Level::WARN);
    assert!(line.contains("records=2") && line.contains("*** is deprecated"), "{line}");
    assert!(line.chars().count() < 300 && !line.contains("secret-") && !line.contains("hunter2"), "{line}");
}
