use std::{fs, path::PathBuf};

use super::*;
use crate::{
    delivery::{
        fallback::{FALLBACK_GRACE, FallbackWriter, Load},
        log::LogGate,
    },
    metrics::Reason,
};

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ftn-audit-{name}-{}", Uuid::now_v7()))
}

fn never(_: &[AuditRecord]) -> Play {
    Play::Say(Outcome::permanent("never"))
}

#[tokio::test]
async fn the_file_holds_json_lines_for_its_owner_only() {
    let path = path("lines");
    let bench = Bench::with(queue(), Script::new([], never), Fallback::file(&path));
    bench.give(0..3).await;
    bench.flush().await;
    bench.give(3..5).await;
    bench.flush().await;
    let text = fs::read_to_string(&path).unwrap();
    let keys: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|json| {
            assert_eq!(json["event_name"], "audit.item.update");
            json["pk"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(keys, ["pk-0", "pk-1", "pk-2", "pk-3", "pk-4"]);
    assert_eq!((bench.stats().fallback, bench.stats().dropped), (5, 0));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_file_that_fails_is_counted_and_said() {
    let listener = Listener::default();
    let _guard = listener.listen();
    let missing = path("missing").join("fallback.jsonl");
    let bench = Bench::with(queue(), Script::new([], never), Fallback::file(missing));
    bench.give(0..3).await;
    bench.flush().await;
    let stats = bench.stats();
    assert_eq!((stats.fallback, stats.dropped), (0, 3));
    assert_eq!((stats.failed("permanent"), stats.failed("fallback_file")), (3, 3));
    let lines = listener.lines("ftn_audit::delivery");
    assert!(lines.iter().any(|line| line.contains(r#"reason="fallback_file""#)), "{lines:?}");
}

#[tokio::test]
async fn the_structured_log_holds_whole_records() {
    let listener = Listener::default();
    let _guard = listener.listen();
    let bench = Bench::with(queue(), Script::new([], never), Fallback::default());
    bench.give(0..20).await;
    bench.flush().await;
    let lines = listener.lines("ftn_audit::fallback");
    assert_eq!(lines.len(), 20);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.starts_with("ftn_audit::fallback WARN"), "{line}");
        assert!(line.contains(r#"reason="permanent""#) && line.contains(r#"table="item""#), "{line}");
        let json = line.split_once(" record=").unwrap().1;
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>();
        let json = values.next().unwrap().unwrap();
        assert_eq!(json["pk"], format!("pk-{number}"));
    }
    assert_eq!((bench.stats().fallback, bench.stats().dropped), (20, 0));
}

#[tokio::test]
async fn a_structured_log_that_nobody_reads_keeps_nothing() {
    let bench = Bench::with(queue(), Script::new([], never), Fallback::structured_log());
    bench.give(0..2).await;
    bench.flush().await;
    let stats = bench.stats();
    assert_eq!((stats.fallback, stats.dropped, stats.failed("fallback_muted")), (0, 2, 2));
}

#[tokio::test]
async fn log_lines_hold_no_data() {
    let listener = Listener::default();
    let _guard = listener.listen();
    let file = path("no-data");
    for fallback in [Fallback::drop(), Fallback::file(&file), Fallback::file(path("none").join("x"))] {
        let script =
            || [Play::Panic, Play::Say(Outcome::operator("log in")), Play::Say(Outcome::permanent("no"))];
        let bench =
            Bench::with(queue().max_attempts(2), Script::new(script(), dislikes_37), fallback.clone());
        for start in [0, 10, 30] {
            bench.give(start..start + 10).await;
            bench.flush().await;
        }
        let full = Bench::with(queue().capacity(1).batch(1), Script::gated(), fallback.clone());
        full.give(0..20).await;
        full.dispatcher.shutdown(Duration::ZERO).await;
        full.give(20..21).await;
        full.sink.release();
        full.flush().await;
        let sync = Bench::with(sync(), Script::new(script(), refuse), fallback);
        sync.give(0..2).await;
        sync.give(2..4).await;
        sync.give(4..6).await;
        sync.flush().await;
    }
    let lines = listener.0.lock().unwrap().clone();
    assert!(lines.len() > 10, "{lines:#?}");
    for line in &lines {
        assert!(line.starts_with("ftn_audit::delivery "), "{line}");
        for data in ["confidential", "described", "pk-", "title"] {
            assert!(!line.contains(data), "{data} in {line}");
        }
    }
    for reason in ["queue_full", "sink_panic", "rejected", "shutdown", "permanent", "fallback_file"] {
        let named = lines.iter().find(|line| line.contains(&format!(r#"reason="{reason}""#)));
        assert!(named.is_some(), "no line about {reason}: {lines:#?}");
    }
    fs::remove_file(file).unwrap();
}

/// Blocks whoever writes to it until it is released.
#[derive(Clone, Default)]
struct Stuck {
    released: Arc<(Mutex<bool>, Condvar)>,
    lines: Listener,
}

impl Stuck {
    fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }
}

impl tracing::Subscriber for Stuck {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target() == "ftn_audit::fallback" {
            let (released, changed) = &*self.released;
            drop(changed.wait_while(released.lock().unwrap(), |released| !*released).unwrap());
        }
        self.lines.event(event);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_fallback_that_is_stuck_stays_bounded_and_holds_nobody_up() {
    let stuck = Stuck::default();
    let _guard = listen(stuck.clone());
    let bench = Bench::with(queue().capacity(1).batch(1), Script::gated(), Fallback::structured_log());
    let start = Instant::now();
    for number in 0..10_000 {
        bench.give(number..number + 1).await;
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let stats = bench.stats();
    assert_eq!(stats.failed("queue_full"), 9_999);
    assert!(stats.failed("fallback_full") >= 5_000, "{stats:?}");
    assert_eq!(stats.dropped, stats.failed("fallback_full"));
    let lines = stuck.lines.lines("ftn_audit::delivery");
    assert!(!lines.is_empty() && lines.len() < 10, "{} lines", lines.len());
    assert!(lines[0].contains(r#"reason="fallback_full""#), "{}", lines[0]);
    stuck.release();
    bench.sink.release();
    bench.flush().await;
    let stats = bench.stats();
    assert_eq!(stats.delivered + stats.fallback + stats.dropped, 10_000);
}

#[tokio::test]
async fn a_fallback_that_is_stuck_stays_bounded_in_sync_too() {
    let stuck = Stuck::default();
    let _guard = listen(stuck.clone());
    let bench = Bench::with(sync(), Script::new([], refuse), Fallback::structured_log());
    for start in (0..10_000).step_by(100) {
        bench.give(start..start + 100).await;
    }
    let stats = bench.stats();
    assert_eq!(stats.failed("retries_exhausted"), 10_000);
    assert!(stats.failed("fallback_full") >= 5_000, "{stats:?}");
    stuck.release();
    bench.flush().await;
    assert_eq!(bench.stats().fallback + bench.stats().dropped, 10_000);
}

#[tokio::test(start_paused = true)]
async fn deliveries_wait_once_for_a_fallback_that_is_stuck() {
    let stuck = Stuck::default();
    let _guard = listen(stuck.clone());
    let writer = FallbackWriter::new(Fallback::structured_log(), Arc::default());
    assert!(writer.room().await);
    writer.push(Load::whole(records(0..5000), 0, Reason::Permanent), false);
    let start = tokio::time::Instant::now();
    assert!(!writer.room().await);
    assert_eq!(start.elapsed().as_secs(), FALLBACK_GRACE.as_secs());
    assert!(!writer.room().await);
    assert_eq!(start.elapsed().as_secs(), FALLBACK_GRACE.as_secs());
    stuck.release();
    assert!(writer.wait_idle(Instant::now() + PATIENCE));
    assert!(writer.room().await);
}

#[test]
fn a_reason_speaks_once_a_second_and_says_what_it_left_out() {
    let gate = LogGate::default();
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    assert_eq!(gate.pass(Reason::QueueFull, 1, now), Some(0));
    assert_eq!(gate.pass(Reason::QueueFull, 4, now), None);
    assert_eq!(gate.pass(Reason::TooOld, 1, now), Some(0));
    assert!(gate.owes());
    assert!(gate.settle(now, false).is_empty());
    assert_eq!(gate.pass(Reason::QueueFull, 1, later), Some(4));
    assert_eq!(gate.pass(Reason::QueueFull, 2, later), None);
    assert_eq!(gate.settle(later, true), [(Reason::QueueFull, 2)]);
    assert!(!gate.owes());
}
