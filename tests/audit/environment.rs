//! What holds for every setting: the environment wins over the builder, the longer name over the shorter one, and what
//! is not understood is refused with what is.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use ftn_audit_sea::{
    AuditBuilder, Encoding,
    formatter::{FormatterRegistration, Rule},
    prelude::*,
    sink::{Outcome, Sink},
};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    database::{Kind, count},
    entities::*,
    log::Log,
    samples::new_item,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn builder(variables: &[(&str, &str)]) -> AuditBuilder {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Audit::builder().sink(MemorySink::new()).environment(move |name| variables.get(name).cloned())
}

fn refusal(builder: AuditBuilder) -> Option<String> {
    builder.build().err().map(|error| error.to_string())
}

struct Setting {
    name: &'static str,
    /// The delivery that has it.
    delivery: fn() -> Delivery,
    good: &'static str,
    bad: &'static [&'static str],
    /// What a refusal names.
    accepted: &'static str,
}

const FLAG: &str = "accepted are true, 1, yes, on, false, 0, no, off";
const NUMBER: &str = "accepted are whole numbers from 1";

const fn flag(name: &'static str) -> Setting {
    Setting { name, delivery: Delivery::sync, good: "Yes", bad: &["perhaps", "2"], accepted: FLAG }
}

const fn number(name: &'static str, delivery: fn() -> Delivery, good: &'static str) -> Setting {
    Setting { name, delivery, good, bad: &["many", "0", "-1", "1.5"], accepted: NUMBER }
}

const fn words(name: &'static str, good: &'static str, accepted: &'static str) -> Setting {
    Setting { name, delivery: Delivery::sync, good, bad: &["other", "true"], accepted }
}

const SETTINGS: [Setting; 32] = [
    flag("ENABLED"),
    flag("HOOKS"),
    flag("AUTO_CONNECT_SIGNALS"),
    flag("STRICT_FORMATTER_VALIDATION"),
    flag("AUTO_DISCOVER_FORMATTERS"),
    flag("CHANGESET_CHECK_RELATIONSHIP"),
    words("DELIVERY_MODE", "sync", "accepted are noop, sync, queue, outbox"),
    words("OTLP_FALLBACK", "drop", "accepted are structured_log, drop"),
    words("ENCODING", "json", "accepted are flat, nested, json, seed"),
    words("ACTOR_FIELDS", "id, name", "accepted are id, email, name, separated by commas, and none"),
    Setting { delivery: Delivery::outbox, ..words("OUTBOX_FULL", "stop", "accepted are block, stop") },
    Setting {
        bad: &["no-colon", "k:short", "k:0123456789abcdef,k:0123456789abcdef"],
        ..words("HASH_KEY", "k:0123456789abcdef", "HASH_KEY")
    },
    number("MAX_ATTRIBUTES", Delivery::sync, "8"),
    number("RECORD_BYTES", Delivery::sync, "900"),
    number("BULK_ROWS", Delivery::sync, "9"),
    number("LATE_ACTOR_TIMEOUT_MS", Delivery::sync, "9"),
    number("SYNC_TIMEOUT_MS", Delivery::sync, "900"),
    number("QUEUE_CAPACITY", Delivery::queue, "900"),
    number("QUEUE_CAPACITY_BYTES", Delivery::queue, "9000"),
    number("QUEUE_BATCH", Delivery::queue, "9"),
    number("QUEUE_LINGER_MS", Delivery::queue, "9"),
    number("RETRY_MAX_ATTEMPTS", Delivery::queue, "9"),
    number("RETRY_MAX_AGE_SECONDS", Delivery::queue, "9"),
    number("RETRY_INITIAL_MS", Delivery::queue, "9"),
    number("RETRY_MAX_MS", Delivery::queue, "9000"),
    number("OUTBOX_SCOPE_BYTES", Delivery::outbox, "900"),
    number("OUTBOX_MAX_ROWS", Delivery::outbox, "9"),
    number("OUTBOX_BATCH", Delivery::outbox, "9"),
    number("OUTBOX_LEASE_SECONDS", Delivery::outbox, "9"),
    number("OUTBOX_MAX_AGE_SECONDS", Delivery::outbox, "9"),
    number("OUTBOX_KEEP_SENT_SECONDS", Delivery::outbox, "9"),
    number("OUTBOX_KEEP_DEAD_SECONDS", Delivery::outbox, "9"),
];

/// Who adds a setting to the table of [`AuditBuilder`] finds here what has to hold for it.
#[test]
fn every_setting_of_the_documentation_is_tested() {
    let documentation = include_str!("../../ftn-audit/src/builder.rs");
    let rows = documentation.lines().filter_map(|line| line.strip_prefix("/// | `")?.split(" | ").next());
    let documented: BTreeSet<_> = rows
        .flat_map(|names| names.split('`'))
        .filter(|name| {
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
        })
        .collect();
    assert_eq!(documented, SETTINGS.iter().map(|setting| setting.name).collect());
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_what_is() {
    for Setting { name, delivery, good, bad, accepted } in &SETTINGS {
        let with = |variables: &[(&str, &str)]| refusal(builder(variables).delivery(delivery()));
        for prefix in ["AUDIT", "FTN_AUDIT"] {
            let variable = format!("{prefix}_{name}");
            assert_eq!(with(&[(&variable, good)]), None);
            assert_eq!(with(&[(&variable, " ")]), None, "an empty variable is none");
            for bad in *bad {
                let refusal = with(&[(&variable, bad)]).expect(name);
                assert!(refusal.contains("1 problem(s)"), "{refusal}");
                assert!(refusal.contains(&variable) && refusal.contains(accepted), "{refusal}");
                let shown = refusal.contains(&format!("{variable}={bad} is not understood"));
                assert_eq!(shown, *name != "HASH_KEY", "{refusal}");
            }
        }
    }
}

#[tokio::test]
async fn the_longer_name_goes_first() {
    for Setting { name, delivery, good, bad, .. } in &SETTINGS {
        let (long, short) = (format!("FTN_AUDIT_{name}"), format!("AUDIT_{name}"));
        let with = |variables: &[(&str, &str)]| refusal(builder(variables).delivery(delivery()));
        assert_eq!(with(&[(&long, good), (&short, bad[0])]), None, "{name}");
        let refusal = with(&[(&long, bad[0]), (&short, good)]).expect(name);
        assert!(refusal.contains(&long), "{refusal}");
        assert_eq!(with(&[(&long, ""), (&short, good)]), None, "{name}");
    }
}

/// A builder that says one thing, in an environment that says another.
fn contradicted(variable: &str, value: &str) -> AuditBuilder {
    builder(&[(variable, value)])
        .delivery(Delivery::sync().attempt_timeout(PATIENCE))
        .fallback(Fallback::structured_log())
        .hooks(false)
        .changeset_relationships(false)
        .bulk_rows(5)
        .encoding(Encoding::Json)
        .max_attributes(6)
        .record_bytes(7000)
        .actor_fields([])
        .late_actor_timeout(PATIENCE)
}

#[tokio::test]
async fn the_environment_wins_over_the_builder() {
    let audit = |variable, value| contradicted(variable, value).build().unwrap();
    let built = audit("AUDIT_OF_SOMEBODY_ELSE", "1");
    assert!(
        built.describe().contains("delivery sync") && built.describe().contains("fallback structured_log")
    );
    assert!(!built.records_hooks() && !built.records_relationships() && built.bulk_rows() == 5);

    assert!(audit("AUDIT_DELIVERY_MODE", "queue").describe().contains("delivery queue"));
    assert!(audit("AUDIT_OTLP_FALLBACK", "drop").describe().contains("fallback drop"));
    assert!(audit("AUDIT_HOOKS", "true").records_hooks());
    assert!(audit("AUDIT_CHANGESET_CHECK_RELATIONSHIP", "true").records_relationships());
    assert_eq!(audit("AUDIT_BULK_ROWS", "9").bulk_rows(), 9);

    struct Nowhere;
    impl AuditFormatter for Nowhere {
        type Subject = tag::Model;
    }
    let misspelt = |variable, value, strict: bool| {
        let rule = Rule { route: None, event: Some("updated"), priority: 0, file: "formatters.rs", line: 1 };
        contradicted(variable, value)
            .registration(FormatterRegistration::with(rule, Nowhere))
            .strict_formatter_validation(strict)
            .build()
            .is_ok()
    };
    assert!(misspelt("AUDIT_STRICT_FORMATTER_VALIDATION", "false", true));
    assert!(!misspelt("AUDIT_STRICT_FORMATTER_VALIDATION", "true", false));
    let discovered = |value, discover| {
        let audit = contradicted("AUDIT_AUTO_DISCOVER_FORMATTERS", value).auto_discover_formatters(discover);
        audit.build().unwrap().describe().contains("note_taken")
    };
    assert!(discovered("true", false) && !discovered("false", true));
}

/// A record as it leaves.
async fn recorded(builder: AuditBuilder) -> AuditRecord {
    let sink = MemorySink::new();
    let audit = builder.sink(sink.clone()).build().unwrap();
    let context = AuditContext::builder().actor(Actor::user(42)).build();
    let event = audit.event("probe").attr("audit.changeset.title.new", "Tea").attr("text", "x".repeat(9000));
    context.scope(event.record(&audit)).await;
    sink.records().remove(0)
}

#[tokio::test]
async fn the_environment_wins_over_the_builder_in_what_leaves() {
    let with = |variable, value| recorded(contradicted(variable, value));
    let built = with("AUDIT_OF_SOMEBODY_ELSE", "1").await;
    assert_eq!(built.encoded_attributes().len(), 6);
    assert!(built.attribute("user.id").is_none());
    let length = |record: &AuditRecord| record.attribute("text").unwrap().to_string().len();
    assert!((6000..7000).contains(&length(&built)), "{}", length(&built));
    assert_eq!(built.attribute("audit.truncated").unwrap(), r#"["text"]"#);

    let nested = recorded(contradicted("AUDIT_ENCODING", "nested").max_attributes(100)).await;
    let changeset = nested.encoded_attributes().get("audit.changeset").unwrap().to_json();
    assert_eq!(changeset, serde_json::json!({"title": {"new": "Tea"}}));
    assert_eq!(with("AUDIT_MAX_ATTRIBUTES", "7").await.encoded_attributes().len(), 7);
    let short = with("AUDIT_RECORD_BYTES", "900").await;
    assert!((500..900).contains(&length(&short)), "{}", length(&short));
    assert_eq!(with("AUDIT_ACTOR_FIELDS", "id").await.attribute("user.id").unwrap(), "42");
}

#[tokio::test]
async fn the_environment_says_how_long_an_event_waits_for_its_actor() {
    let sink = MemorySink::new();
    let audit = contradicted("AUDIT_LATE_ACTOR_TIMEOUT_MS", "20").sink(sink.clone()).build().unwrap();
    let question = std::future::pending::<Result<Option<Actor>, Infallible>>();
    let context = AuditContext::builder().late_actor(question).build();
    let started = Instant::now();
    context.scope(audit.event("probe").record(&audit)).await;
    assert!(started.elapsed() < PATIENCE / 2);
    assert_eq!((sink.records().len(), audit.stats().late_actor_timeouts), (1, 1));
}

/// Tells how many records each batch had.
struct Batches(mpsc::UnboundedSender<usize>);

#[async_trait]
impl Sink for Batches {
    fn name(&self) -> &str {
        "batches"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        self.0.send(batch.len()).expect("the test listens");
        Outcome::Delivered
    }
}

#[tokio::test]
async fn a_batch_is_as_large_as_the_environment_says() {
    let (sizes, mut batches) = mpsc::unbounded_channel();
    let audit = builder(&[("AUDIT_QUEUE_BATCH", "2"), ("AUDIT_QUEUE_LINGER_MS", "600000")])
        .sink(Batches(sizes))
        .delivery(Delivery::queue().batch(100))
        .build()
        .unwrap();
    for _ in 0..4 {
        audit.event("probe").record(&audit).await;
    }
    for _ in 0..2 {
        assert_eq!(timeout(PATIENCE, batches.recv()).await.expect("a full batch does not linger"), Some(2));
    }
}

#[tokio::test]
async fn a_record_lingers_as_long_as_the_environment_says() {
    let lingering = |value, built| {
        let (sizes, batches) = mpsc::unbounded_channel();
        let delivery = Delivery::queue().linger(built);
        let audit = builder(&[("AUDIT_QUEUE_LINGER_MS", value)]).sink(Batches(sizes)).delivery(delivery);
        (audit.build().unwrap(), batches)
    };
    let (audit, mut batches) = lingering("1", PATIENCE * 10);
    audit.event("probe").record(&audit).await;
    assert_eq!(timeout(PATIENCE, batches.recv()).await, Ok(Some(1)));
    let (audit, mut batches) = lingering("600000", Duration::ZERO);
    audit.event("probe").record(&audit).await;
    assert!(timeout(Duration::from_millis(500), batches.recv()).await.is_err());
}

/// A sink that always wants to be asked again.
struct Unwilling;

#[async_trait]
impl Sink for Unwilling {
    fn name(&self) -> &str {
        "unwilling"
    }

    async fn deliver(&self, _batch: &[AuditRecord]) -> Outcome {
        Outcome::retry(None, "not now")
    }
}

/// The builder's waits would take minutes.
#[tokio::test]
async fn the_waits_between_attempts_are_those_of_the_environment() {
    for variables in [
        // Doubled nine times, from a millisecond.
        &[("AUDIT_RETRY_INITIAL_MS", "1"), ("AUDIT_RETRY_MAX_ATTEMPTS", "10")][..],
        // Forty times the maximum.
        &[("AUDIT_RETRY_INITIAL_MS", "1"), ("AUDIT_RETRY_MAX_MS", "2"), ("AUDIT_RETRY_MAX_ATTEMPTS", "40")],
    ] {
        let minute = Duration::from_secs(60);
        let delivery = Delivery::queue().linger(Duration::ZERO).backoff(minute, 10 * minute);
        let audit =
            builder(variables).sink(Unwilling).delivery(delivery).fallback(Fallback::drop()).build().unwrap();
        audit.event("probe").record(&audit).await;
        assert!(audit.flush(PATIENCE).await, "{variables:?}: {:?}", audit.stats());
        assert_eq!(audit.stats().failed("retries_exhausted"), 1);
    }
    let refusal = refusal(builder(&[("AUDIT_RETRY_MAX_MS", "2")]).delivery(Delivery::queue())).unwrap();
    assert!(refusal.contains("must not begin above its own maximum"), "{refusal}");
}

#[tokio::test]
async fn the_fallback_is_the_environments() {
    for (value, kept) in [("structured_log", true), ("drop", false)] {
        let (log, _guard) = Log::listen();
        let delivery = Delivery::queue().linger(Duration::ZERO).max_attempts(1);
        let audit = builder(&[("AUDIT_OTLP_FALLBACK", value)]).sink(Unwilling).delivery(delivery);
        let audit = audit.build().unwrap();
        audit.event("probe").subject("Report", "kept-7").record(&audit).await;
        audit.shutdown(PATIENCE).await;
        let log = log.text();
        assert_eq!(log.contains("ftn_audit::fallback") && log.contains("kept-7"), kept, "{log}");
    }
}

#[tokio::test]
async fn an_outbox_is_chosen_and_bounded_by_the_environment() {
    let database = Kind::Sqlite.database().await.expect("SQLite is always there");
    let variables =
        [("AUDIT_DELIVERY_MODE", "outbox"), ("AUDIT_OUTBOX_MAX_ROWS", "1"), ("AUDIT_OUTBOX_FULL", "stop")];
    let audit = builder(&variables).delivery(Delivery::queue()).fallback(Fallback::drop()).build().unwrap();
    assert!(audit.describe().contains("delivery outbox"));
    audit.install(&database.bare).await.unwrap();
    let db = audit.connect(database.bare.clone()).await.unwrap();
    crate::database::until("the outbox is full", async || {
        new_item("Tea").insert(&db).await.expect("writes go on");
        audit.stats().failed("outbox_full") > 0
    })
    .await;
    let stored = count(&database.bare, ftn_audit_sea::outbox::Entity).await;
    assert!(stored >= 1 && stored == audit.stats().stored);
}

#[tokio::test]
async fn what_is_locked_stays_on() {
    for (name, value) in
        [("ENABLED", "off"), ("DELIVERY_MODE", "noop"), ("HOOKS", "0"), ("AUTO_CONNECT_SIGNALS", "no")]
    {
        for prefix in ["AUDIT", "FTN_AUDIT"] {
            let variable = format!("{prefix}_{name}");
            let audit = |locked: bool| {
                let builder = builder(&[(&variable, value)]).delivery(Delivery::sync());
                let builder = if locked { builder.locked() } else { builder };
                builder.build().unwrap()
            };
            let (log, guard) = Log::listen();
            let locked = audit(true);
            drop(guard);
            let open = audit(false);
            let log = log.text();
            assert!(log.contains(&format!("the environment would switch audit off by {name};")), "{log}");
            assert!(locked.is_recording() && locked.records_hooks(), "{variable}");
            assert!(!open.is_recording() || !open.records_hooks(), "{variable}");
        }
    }
    // What is no switch is the operator's as ever, and the application itself may say no.
    let locked = || builder(&[("AUDIT_DELIVERY_MODE", "queue")]).delivery(Delivery::sync()).locked();
    assert!(locked().build().unwrap().describe().contains("delivery queue"));
    assert!(!locked().enabled(false).build().unwrap().is_recording());
    assert!(builder(&[("AUDIT_ENABLED", "of")]).locked().build().is_err(), "also what is not followed");
}
