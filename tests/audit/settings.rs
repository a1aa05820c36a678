//! What settings do. What holds for all of them is in [`crate::environment`].

use std::{collections::HashMap, time::Duration};

use ftn_audit_sea::{AuditBuilder, StartupError, prelude::*};
use sea_orm::{ActiveValue::Set, prelude::*};

use crate::{
    database::{Kind, TestDatabase},
    entities::*,
};

fn builder(sink: &MemorySink, variables: &[(&str, &str)]) -> AuditBuilder {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Audit::builder()
        .service_name("test")
        .sink(sink.clone())
        .delivery(Delivery::sync())
        .environment(move |name| variables.get(name).cloned())
}

fn refusal(variables: &[(&str, &str)]) -> String {
    let refused: Result<Audit, StartupError> = builder(&MemorySink::new(), variables).build();
    refused.map(|audit| audit.describe()).expect_err("the value is refused").to_string()
}

async fn database() -> TestDatabase {
    Kind::Sqlite.database().await.expect("SQLite is always there")
}

async fn create(db: &impl ConnectionTrait) -> owner::Model {
    let owner = owner::ActiveModel { name: Set("Ann".to_owned()), ..Default::default() };
    owner.insert(db).await.expect("an owner can be stored")
}

/// How many records one creation makes under these variables.
async fn records(variables: &[(&str, &str)]) -> usize {
    let (sink, database) = (MemorySink::new(), database().await);
    let audit = builder(&sink, variables).build().expect("the settings are good");
    let db = audit.connect(database.bare.clone()).await.expect("the database answers");
    create(&db).await;
    assert!(audit.shutdown(Duration::from_secs(5)).await.left == 0);
    sink.records().len()
}

#[tokio::test]
async fn enabled() {
    assert_eq!(records(&[]).await, 1);
    assert_eq!(records(&[("AUDIT_ENABLED", "false")]).await, 0);
    assert_eq!(records(&[("AUDIT_ENABLED", "off"), ("FTN_AUDIT_ENABLED", "on")]).await, 1);
    let refusal = refusal(&[("AUDIT_ENABLED", "perhaps")]);
    assert!(refusal.contains("AUDIT_ENABLED=perhaps") && refusal.contains("true, 1, yes, on"), "{refusal}");
}

#[tokio::test]
async fn the_builder_disables_and_the_environment_enables() {
    let sink = MemorySink::new();
    assert!(!builder(&sink, &[]).enabled(false).build().unwrap().is_recording());
    assert!(builder(&sink, &[("AUDIT_ENABLED", "1")]).enabled(false).build().unwrap().is_recording());
}

#[tokio::test]
async fn delivery_mode() {
    assert_eq!(records(&[("AUDIT_DELIVERY_MODE", "noop")]).await, 0);
    assert_eq!(records(&[("AUDIT_DELIVERY_MODE", "queue")]).await, 1);
    assert_eq!(records(&[("AUDIT_DELIVERY_MODE", "sync")]).await, 1);
    let queue = builder(&MemorySink::new(), &[("AUDIT_DELIVERY_MODE", "queue")]).build().unwrap();
    assert!(queue.describe().contains("delivery queue"));
    assert!(refusal(&[("AUDIT_DELIVERY_MODE", "kafka")]).contains("noop, sync, queue, outbox"));
    let celery = refusal(&[("AUDIT_DELIVERY_MODE", "celery")]);
    assert!(["outbox", "queue", "sync", "noop"].iter().all(|mode| celery.contains(mode)), "{celery}");
}

/// A sink that takes nothing until it is let.
struct Blocked(tokio::sync::watch::Receiver<bool>);

#[async_trait::async_trait]
impl ftn_audit_sea::sink::Sink for Blocked {
    fn name(&self) -> &str {
        "blocked"
    }

    async fn deliver(&self, _batch: &[AuditRecord]) -> ftn_audit_sea::sink::Outcome {
        let mut open = self.0.clone();
        let _ = open.wait_for(|open| *open).await;
        ftn_audit_sea::sink::Outcome::Delivered
    }
}

#[tokio::test]
async fn queue_capacity_in_records_and_bytes() {
    for (variable, value) in [("AUDIT_QUEUE_CAPACITY", "3"), ("AUDIT_QUEUE_CAPACITY_BYTES", "2000")] {
        let (open, blocked) = tokio::sync::watch::channel(false);
        let audit = Audit::builder()
            .sink(Blocked(blocked))
            .fallback(Fallback::drop())
            .environment(move |name| match name {
                "AUDIT_QUEUE_BATCH" => Some("1".to_owned()),
                name => (name == variable).then(|| value.to_owned()),
            })
            .build()
            .unwrap();
        for _ in 0..20 {
            audit.event("probe").record(&audit).await;
        }
        let stats = audit.stats();
        assert!(stats.failed("queue_full") + stats.failed("queue_bytes_full") >= 10, "{variable}: {stats:?}");
        open.send(true).unwrap();
        audit.shutdown(Duration::from_secs(5)).await;
        let zero = refusal(&[("AUDIT_DELIVERY_MODE", "queue"), (variable, "0")]);
        assert!(zero.contains(variable) && zero.contains("whole numbers from 1"), "{zero}");
    }
}

/// A sink that always wants to be asked again.
struct Unwilling;

#[async_trait::async_trait]
impl ftn_audit_sea::sink::Sink for Unwilling {
    fn name(&self) -> &str {
        "unwilling"
    }

    async fn deliver(&self, _batch: &[AuditRecord]) -> ftn_audit_sea::sink::Outcome {
        ftn_audit_sea::sink::Outcome::retry(None, "not now")
    }
}

#[tokio::test]
async fn retries_are_bounded_by_attempts_and_age() {
    let settle = |variables: &'static [(&'static str, &'static str)]| async move {
        let audit = Audit::builder()
            .sink(Unwilling)
            .fallback(Fallback::drop())
            .environment(move |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
            .build()
            .unwrap();
        audit.event("probe").record(&audit).await;
        assert!(audit.flush(Duration::from_secs(20)).await);
        audit.stats()
    };
    let attempts = settle(&[
        ("AUDIT_RETRY_MAX_ATTEMPTS", "2"),
        ("AUDIT_RETRY_INITIAL_MS", "1"),
        ("AUDIT_RETRY_MAX_MS", "2"),
        ("AUDIT_QUEUE_LINGER_MS", "1"),
    ])
    .await;
    assert_eq!((attempts.failed("retries_exhausted"), attempts.retried), (1, 1), "{attempts:?}");
    let age = settle(&[("AUDIT_RETRY_MAX_AGE_SECONDS", "1"), ("AUDIT_RETRY_MAX_ATTEMPTS", "1000000")]).await;
    assert_eq!(age.failed("too_old"), 1, "{age:?}");
    for variable in [
        "AUDIT_RETRY_MAX_ATTEMPTS",
        "AUDIT_RETRY_MAX_AGE_SECONDS",
        "AUDIT_RETRY_INITIAL_MS",
        "AUDIT_RETRY_MAX_MS",
        "AUDIT_QUEUE_LINGER_MS",
        "AUDIT_QUEUE_BATCH",
    ] {
        let refusal = refusal(&[("AUDIT_DELIVERY_MODE", "queue"), (variable, "many")]);
        assert!(refusal.contains(variable) && refusal.contains("whole numbers"), "{refusal}");
    }
    assert!(refusal(&[("AUDIT_SYNC_TIMEOUT_MS", "soon")]).contains("AUDIT_SYNC_TIMEOUT_MS"));
}

#[tokio::test]
async fn sync_timeout() {
    let (_closed, blocked) = tokio::sync::watch::channel(false);
    let audit = Audit::builder()
        .sink(Blocked(blocked))
        .delivery(Delivery::sync())
        .fallback(Fallback::drop())
        .environment(|name| (name == "AUDIT_SYNC_TIMEOUT_MS").then(|| "20".to_owned()))
        .build()
        .unwrap();
    let started = std::time::Instant::now();
    audit.event("probe").record(&audit).await;
    assert!(started.elapsed() < Duration::from_millis(900), "the default of a second was not waited for");
}

#[tokio::test]
async fn fallback() {
    let described =
        |value| builder(&MemorySink::new(), &[("AUDIT_OTLP_FALLBACK", value)]).build().unwrap().describe();
    assert!(described("drop").contains("fallback drop"));
    assert!(described("structured_log").contains("fallback structured_log"));
    assert!(refusal(&[("AUDIT_OTLP_FALLBACK", "mail")]).contains("structured_log, drop"));
}

#[tokio::test]
async fn hooks_on_plain_connections() {
    for (variables, expected) in [
        (vec![], 1),
        (vec![("AUDIT_HOOKS", "false")], 0),
        (vec![("AUDIT_AUTO_CONNECT_SIGNALS", "false")], 0),
        (vec![("AUDIT_AUTO_CONNECT_SIGNALS", "false"), ("AUDIT_HOOKS", "true")], 1),
    ] {
        let (sink, database) = (MemorySink::new(), database().await);
        let audit = builder(&sink, &variables).build().unwrap();
        audit.scope(create(&database.bare.clone())).await;
        assert_eq!(sink.records().len(), expected, "{variables:?}");
    }
    assert!(refusal(&[("AUDIT_HOOKS", "no way")]).contains("true, 1, yes, on"));
}

#[tokio::test]
async fn relationships_in_changesets() {
    for (value, only_owner, both) in [("true", 1, "title, owner_id"), ("false", 0, "title")] {
        let (sink, database) = (MemorySink::new(), database().await);
        let audit = builder(&sink, &[("AUDIT_CHANGESET_CHECK_RELATIONSHIP", value)]).build().unwrap();
        let db = audit.connect(database.bare.clone()).await.unwrap();
        let owner = create(&db).await;
        let item =
            item::ActiveModel { name: Set("Tea".into()), price: Set(Decimal::ONE), ..Default::default() };
        let item = item.insert(&db).await.unwrap();
        sink.clear();
        let mut owned: item::ActiveModel = item.clone().into();
        owned.owner_id = Set(Some(owner.id));
        let owned = owned.update(&db).await.unwrap();
        assert_eq!(sink.records().len(), only_owner, "{value}");
        sink.clear();
        let mut freed: item::ActiveModel = owned.into();
        freed.owner_id = Set(None);
        freed.name = Set("Coffee".into());
        freed.update(&db).await.unwrap();
        assert_eq!(sink.records()[0].description(), format!("Updated Item #{} ({both})", item.id));
    }
    assert!(refusal(&[("AUDIT_CHANGESET_CHECK_RELATIONSHIP", "?")]).contains("true, 1, yes, on"));
}

#[tokio::test]
async fn strict_validation_refuses_what_lenient_only_logs() {
    let routes = ["GET|/nothing/here"];
    let sink = MemorySink::new();
    let strict = builder(&sink, &[]).routes(routes).build();
    let problems = strict.map(|audit| audit.describe()).expect_err("a formatter's route is not in the table");
    assert!(problems.to_string().contains("is not in the route table; the nearest there is"), "{problems}");
    assert!(problems.to_string().contains("settings.rs:"), "{problems}");
    builder(&sink, &[("AUDIT_STRICT_FORMATTER_VALIDATION", "false")]).routes(routes).build().unwrap();
    builder(&sink, &[]).routes(routes).strict_formatter_validation(false).build().unwrap();
    assert!(refusal(&[("AUDIT_STRICT_FORMATTER_VALIDATION", "very")]).contains("true, 1, yes, on"));
}

#[derive(Default)]
struct OwnerGreeted;

#[audit_formatter(route = "POST|/settings/owners", event = "creation")]
impl AuditFormatter for OwnerGreeted {
    type Subject = owner::Model;

    fn description(&self, change: &Change<owner::Model>) -> String {
        format!("Hello {}", change.subject().name)
    }
}

#[tokio::test]
async fn formatters_are_discovered_or_named() {
    let describe = async |value: &str| {
        let (sink, database) = (MemorySink::new(), database().await);
        let audit = match value {
            "named" => {
                builder(&sink, &[("AUDIT_AUTO_DISCOVER_FORMATTERS", "false")]).formatter::<OwnerGreeted>()
            }
            value => builder(&sink, &[("AUDIT_AUTO_DISCOVER_FORMATTERS", value)]),
        };
        let db = audit.build().unwrap().connect(database.bare.clone()).await.unwrap();
        AuditContext::builder().raw_route("POST /settings/owners").build().scope(create(&db)).await;
        sink.records()[0].description().to_owned()
    };
    assert_eq!(describe("true").await, "Hello Ann");
    assert_eq!(describe("false").await, "Created Owner #1");
    assert_eq!(describe("named").await, "Hello Ann");
    assert!(refusal(&[("AUDIT_AUTO_DISCOVER_FORMATTERS", "some")]).contains("true, 1, yes, on"));
}

#[tokio::test]
async fn no_sink_is_refused_unless_nothing_is_recorded() {
    let none = || Audit::builder().environment(|_| None);
    assert!(none().build().map(|audit| audit.describe()).unwrap_err().to_string().contains("no sink"));
    none().delivery(Delivery::noop()).build().unwrap();
}
