//! Sinks that play a script, records to send through them, and a subscriber that listens.

#![allow(clippy::unwrap_used, reason = "a test that fails is meant to stop there")]

mod direct;
mod ending;
mod fallback;
mod health;
mod queue;
mod retry;

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Condvar, Mutex, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{Delivery, Dispatcher, Fallback};
use crate::{
    Attributes, AuditRecord, EventType,
    metrics::{Metrics, Stats},
    sink::{Outcome, Sink},
};

/// Far longer than anything here takes: its end is a failed test, never the usual way.
const PATIENCE: Duration = Duration::from_secs(20);

fn record(number: usize) -> AuditRecord {
    AuditRecord {
        id: Uuid::now_v7(),
        event: EventType::Update,
        model: "Item".into(),
        table: "item".into(),
        pk: format!("pk-{number}"),
        description: format!("described {number}"),
        occurred_at: SystemTime::now(),
        own: Attributes::new().with("audit.changeset.title.new", format!("confidential {number}")),
        formatted: 1,
        layout: Arc::default(),
        context: Arc::default(),
        database: Arc::default(),
        actor: None,
        trace: None,
        place: None,
        best_effort: false,
    }
}

fn records(numbers: std::ops::Range<usize>) -> Vec<AuditRecord> {
    numbers.map(record).collect()
}

fn number(record: &AuditRecord) -> usize {
    record.pk[3..].parse().unwrap()
}

enum Play {
    Say(Outcome),
    Panic,
    /// Never answers.
    Hang,
    /// Blocks its thread until the sink is released.
    Block,
}

struct Request {
    numbers: Vec<usize>,
    at: Instant,
}

/// Plays `script`, then `after` for ever.
struct Script {
    script: Mutex<VecDeque<Play>>,
    after: fn(&[AuditRecord]) -> Play,
    /// A permit is needed for each request, unless there are plenty.
    permits: Semaphore,
    max_bytes: usize,
    requests: Mutex<Vec<Request>>,
    delivered: Mutex<Vec<usize>>,
    released: Mutex<bool>,
    changed: Condvar,
}

const PLENTY: usize = 1 << 20;

impl Script {
    fn new(script: impl IntoIterator<Item = Play>, after: fn(&[AuditRecord]) -> Play) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
            after,
            permits: Semaphore::new(PLENTY),
            max_bytes: usize::MAX,
            requests: Mutex::default(),
            delivered: Mutex::default(),
            released: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    fn good() -> Self {
        Self::new([], |_| Play::Say(Outcome::Delivered))
    }

    fn gated() -> Self {
        Self { permits: Semaphore::new(0), ..Self::good() }
    }

    fn release(&self) {
        *self.released.lock().unwrap() = true;
        self.permits.add_permits(PLENTY);
        self.changed.notify_all();
    }

    fn wait_for_requests(&self, count: usize) {
        let requests = self.requests.lock().unwrap();
        let (requests, timeout) =
            self.changed.wait_timeout_while(requests, PATIENCE, |requests| requests.len() < count).unwrap();
        assert!(!timeout.timed_out(), "{} of {count} requests", requests.len());
    }

    fn sizes(&self) -> Vec<usize> {
        self.requests.lock().unwrap().iter().map(|request| request.numbers.len()).collect()
    }

    fn times(&self) -> Vec<Instant> {
        self.requests.lock().unwrap().iter().map(|request| request.at).collect()
    }

    fn delivered(&self) -> Vec<usize> {
        self.delivered.lock().unwrap().clone()
    }
}

#[async_trait]
impl Sink for Script {
    fn name(&self) -> &str {
        "script"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        let numbers: Vec<usize> = batch.iter().map(number).collect();
        self.requests.lock().unwrap().push(Request { numbers: numbers.clone(), at: Instant::now() });
        self.changed.notify_all();
        self.permits.acquire().await.unwrap().forget();
        let play = self.script.lock().unwrap().pop_front().unwrap_or_else(|| (self.after)(batch));
        match play {
            Play::Say(outcome) => {
                if outcome == Outcome::Delivered {
                    self.delivered.lock().unwrap().extend(numbers);
                }
                outcome
            }
            Play::Panic => panic!("scripted"),
            Play::Hang => std::future::pending().await,
            Play::Block => {
                let released = self.released.lock().unwrap();
                drop(self.changed.wait_while(released, |released| !*released).unwrap());
                Outcome::Delivered
            }
        }
    }

    fn encoded_bytes(&self, _: &AuditRecord) -> usize {
        100
    }

    fn max_batch_bytes(&self) -> usize {
        self.max_bytes
    }
}

fn refuse(_: &[AuditRecord]) -> Play {
    Play::Say(Outcome::retry(None, "down"))
}

fn hang(_: &[AuditRecord]) -> Play {
    Play::Hang
}

fn block(_: &[AuditRecord]) -> Play {
    Play::Block
}

/// Refuses whatever holds number 37, as a collector does: without saying which.
fn dislikes_37(batch: &[AuditRecord]) -> Play {
    Play::Say(match batch.iter().any(|record| number(record) == 37) {
        true => Outcome::Partial { rejected: 1, message: "confidential 37".to_owned() },
        false => Outcome::Delivered,
    })
}

/// A queue without patience, for tests.
fn queue() -> Delivery {
    Delivery::queue()
        .linger(Duration::ZERO)
        .backoff(Duration::from_millis(1), Duration::from_millis(4))
        .max_age(Duration::from_secs(60))
}

/// Waits for its sink, for tests that are not about the timeout.
fn sync() -> Delivery {
    Delivery::sync().attempt_timeout(PATIENCE)
}

struct Bench {
    dispatcher: Dispatcher,
    sink: Arc<Script>,
    metrics: Arc<Metrics>,
}

impl Bench {
    fn new(delivery: Delivery, sink: Script) -> Self {
        Self::with(delivery, sink, Fallback::drop())
    }

    fn with(delivery: Delivery, sink: Script, fallback: Fallback) -> Self {
        assert_eq!(delivery.problems(), Vec::<String>::new());
        let (sink, metrics) = (Arc::new(sink), Arc::new(Metrics::default()));
        let dispatcher = Dispatcher::start(delivery, sink.clone(), fallback, metrics.clone());
        Self { dispatcher, sink, metrics }
    }

    async fn give(&self, numbers: std::ops::Range<usize>) {
        self.dispatcher.hand_over(records(numbers)).await;
    }

    async fn flush(&self) {
        assert!(self.dispatcher.flush(PATIENCE).await, "still waiting: {:?}", self.stats());
    }

    fn stats(&self) -> Stats {
        self.metrics.snapshot()
    }
}

/// As long as there is one subscriber alone, `tracing` takes it for the global one, and remembers for good that a line
/// is of no interest when a thread without that subscriber comes by first. So here there are always more.
fn listen(subscriber: impl tracing::Subscriber + Send + Sync) -> tracing::subscriber::DefaultGuard {
    static COMPANY: OnceLock<[tracing::Dispatch; 2]> = OnceLock::new();
    COMPANY.get_or_init(|| [Listener::default().into(), Listener::default().into()]);
    tracing::subscriber::set_default(subscriber)
}

/// Keeps every event as one line: target, level, fields.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

impl Listener {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        listen(self.clone())
    }

    fn lines(&self, target: &str) -> Vec<String> {
        let start = format!("{target} ");
        self.0.lock().unwrap().iter().filter(|line| line.starts_with(&start)).cloned().collect()
    }
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                write!(self.0, " {}={value:?}", field.name()).unwrap();
            }
        }
        let metadata = event.metadata();
        let mut line = Fields(format!("{} {}", metadata.target(), metadata.level()));
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for good in [Delivery::noop(), Delivery::sync(), Delivery::queue()] {
        assert!(good.problems().is_empty());
    }
    let zero = Duration::ZERO;
    let bad = Delivery::queue().capacity(0).capacity_bytes(0).batch(0).max_attempts(0).max_age(zero);
    assert_eq!(bad.problems().len(), 5, "{:?}", bad.problems());
    assert!(Delivery::queue().capacity(10).problems()[0].contains("`batch`"));
    assert!(Delivery::queue().backoff(zero, zero).problems()[0].contains("`backoff`"));
    assert_eq!(Delivery::queue().backoff(Duration::from_secs(2), Duration::from_secs(1)).problems().len(), 1);
    assert!(Delivery::sync().attempt_timeout(zero).problems()[0].contains("`attempt_timeout`"));
    let misplaced = Delivery::sync().capacity(5).problems();
    assert!(misplaced[0].contains("`capacity` means nothing for Delivery::sync()"), "{misplaced:?}");

    assert!(Delivery::outbox().problems().is_empty());
    let bad = Delivery::outbox().scope_bytes(0).outbox_max_rows(0).batch(0).max_age(zero).backoff(zero, zero);
    assert_eq!(bad.problems().len(), 5, "{:?}", bad.problems());
    assert!(Delivery::outbox().batch(10_001).problems()[0].contains("at most 10,000"));
    assert!(Delivery::outbox().lease(Duration::from_millis(999)).problems()[0].contains("`lease`"));
    for (misplaced, setter) in [
        (Delivery::queue().scope_bytes(1), "scope_bytes"),
        (Delivery::queue().outbox_max_rows(1), "outbox_max_rows"),
        (Delivery::queue().outbox_full(Default::default()), "outbox_full"),
        (Delivery::queue().lease(PATIENCE), "lease"),
        (Delivery::queue().keep_sent(PATIENCE), "keep_sent"),
        (Delivery::queue().keep_dead(PATIENCE), "keep_dead"),
        (Delivery::outbox().linger(PATIENCE), "linger"),
        (Delivery::outbox().max_attempts(1), "max_attempts"),
        (Delivery::noop().attempt_timeout(PATIENCE), "attempt_timeout"),
    ] {
        let problems = misplaced.problems();
        assert!(problems[0].contains(&format!("`{setter}` means nothing for")), "{problems:?}");
    }
}

#[tokio::test]
async fn noop_does_nothing() {
    let bench = Bench::new(Delivery::noop(), Script::good());
    bench.give(0..3).await;
    assert!(bench.dispatcher.is_noop());
    bench.flush().await;
    assert_eq!(bench.dispatcher.shutdown(PATIENCE).await, Default::default());
    assert!(bench.sink.sizes().is_empty());
    assert_eq!(bench.stats(), Stats::default());
}
