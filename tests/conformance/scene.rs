//! One scenario on one kind of connection.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use ftn_audit_sea::{
    AuditBuilder, Encoding,
    prelude::*,
    sink::{Outcome, Sink},
};
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    connection::{Db, database},
    formatters::{Registered, payload},
    interpreter::{Dbs, Interpreter, Report, Root, Stop},
    prediction::Event,
    scenario::Scenario,
    truth::Snapshot,
    web::{self, Answer, Asked, Framework},
};

/// What was seen.
pub struct Seen {
    pub events: Vec<Event>,
    pub report: Report,
    /// The answer's status, where there was a request.
    pub status: Option<u16>,
    pub after: Snapshot,
    /// What start-up had against it.
    pub problems: Vec<String>,
    /// How often a formatter ran.
    pub ran: usize,
    /// What went to the fallback: descriptions.
    pub fallback: Vec<String>,
    /// How many records went there.
    pub failed: u64,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Capture {
    Audited(Framework),
    Hooks,
}

/// Where the hand-over of a scenario fails.
struct Unreachable;

#[async_trait]
impl Sink for Unreachable {
    fn name(&self) -> &str {
        "unreachable"
    }

    async fn deliver(&self, _batch: &[AuditRecord]) -> Outcome {
        Outcome::retry(None, "connection refused")
    }
}

/// A record as it leaves.
fn event(record: &AuditRecord) -> Event {
    let attributes = record.encoded_attributes();
    let attributes = attributes.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
    Event { description: record.description().to_owned(), attributes }
}

/// An attempt to deliver is given up later than any machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

fn builder(scenario: &Scenario, ran: &Arc<AtomicUsize>, fallback: &Path, lenient: bool) -> AuditBuilder {
    let settings = scenario.setup("settings").as_object().cloned().unwrap_or_default();
    let mut settings: HashMap<_, _> =
        settings.keys().filter_map(|name| Some((name.clone(), scenario.setting(name)?))).collect();
    if lenient {
        settings.insert("AUDIT_STRICT_FORMATTER_VALIDATION".to_owned(), "false".to_owned());
    }
    let mut builder = Audit::builder()
        .service_name("conformance")
        .delivery(Delivery::sync().attempt_timeout(PATIENCE))
        .fallback(Fallback::file(fallback))
        .encoding(Encoding::Seed)
        .auto_discover_formatters(false)
        .environment(move |name| settings.get(name).cloned());
    let payload = payload(scenario).unwrap_or_default();
    for (number, formatter) in Registered::all(scenario).iter().enumerate() {
        if let Some(registration) = formatter.registration(number, &payload, ran) {
            builder = builder.registration(registration);
        }
    }
    builder
}

/// Builds the handle; what strict validation refuses is noted, and then only warned of.
fn build(
    scenario: &Scenario,
    sink: &MemorySink,
    ran: &Arc<AtomicUsize>,
    fallback: &Path,
) -> (Option<Audit>, Vec<String>) {
    let fails = !scenario.setup("enqueue").is_null();
    let attempt = |lenient: bool| {
        let builder = builder(scenario, ran, fallback, lenient);
        if fails { builder.sink(Unreachable) } else { builder.sink(sink.clone()) }.build()
    };
    match attempt(false) {
        Ok(audit) => (Some(audit), Vec::new()),
        Err(error) => (attempt(true).ok(), error.problems().to_vec()),
    }
}

/// Runs a scenario, as far as start-up lets it.
pub async fn play(scenario: &Scenario, capture: Capture) -> Seen {
    let (sink, ran) = (MemorySink::new(), Arc::new(AtomicUsize::new(0)));
    let fallback = std::env::temp_dir().join(format!("ftn-audit-conformance-{}", uuid::Uuid::new_v4()));
    let (audit, problems) = build(scenario, &sink, &ran, &fallback);
    let report = Arc::new(Mutex::new(Report::default()));
    let (bare, bare_other) = (database().await, database().await);

    let aside = Arc::new(Mutex::new(Report::default()));
    let mut preload = Interpreter::new(scenario.list("collections"), MemorySink::new(), aside);
    let plain = Dbs(Db::Plain(&bare), Db::Plain(&bare_other));
    match preload.run(scenario.list("preload"), plain, "").await {
        Ok(()) => {}
        Err(Stop::Unknown(name)) => report.lock().expect("no panic").unknown = Some(name),
        Err(Stop::Db(error)) => panic!("the rows to start from cannot be stored: {error}"),
        Err(Stop::Raised) => panic!("the rows to start from cannot be stored"),
    }

    let mut answer = None;
    if let Some(audit) = &audit {
        let roots = match capture {
            Capture::Hooks => (Root::Plain(bare.clone()), Root::Plain(bare_other)),
            Capture::Audited(_) => {
                let other = audit.connect_named("other", bare_other).await.expect("the database answers");
                let db = audit.connect(bare.clone()).await.expect("the database answers");
                (Root::Audited(db), Root::Audited(other))
            }
        };
        let framework = match capture {
            Capture::Audited(framework) => framework,
            Capture::Hooks => Framework::Axum,
        };
        answer = act(scenario, framework, audit, roots, &sink, &report).await;
        audit.flush(PATIENCE).await;
    }
    let events = sink.records().iter().map(event).collect();
    let failed = audit.as_ref().map(|audit| audit.stats().failures.values().sum()).unwrap_or_default();
    let after = Snapshot::take(Db::Plain(&bare)).await;
    let status = answer.as_ref().map(|answer| answer.status);
    if let Some(answer) = answer {
        answer.end().await;
    }
    if let Some(audit) = audit {
        audit.shutdown(PATIENCE).await;
    }
    let lines = std::fs::read_to_string(&fallback).unwrap_or_default();
    let _ = std::fs::remove_file(&fallback);
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let lines = lines.filter_map(|line| Some(line["description"].as_str()?.to_owned())).collect();
    let report = std::mem::take(&mut *report.lock().expect("no panic"));
    Seen { events, report, status, after, problems, ran: ran.load(Relaxed), fallback: lines, failed }
}

async fn act(
    scenario: &Scenario,
    framework: Framework,
    audit: &Audit,
    roots: (Root, Root),
    sink: &MemorySink,
    report: &Arc<Mutex<Report>>,
) -> Option<Answer> {
    let interpreter = Interpreter::new(scenario.list("collections"), sink.clone(), report.clone());
    let interpreter = Arc::new(AsyncMutex::new(interpreter));
    let operations = |key: &str| {
        let (interpreter, roots, report) = (interpreter.clone(), roots.clone(), report.clone());
        let operations = scenario.list(key).to_vec();
        async move {
            let mut interpreter = interpreter.lock().await;
            let dbs = Dbs(roots.0.db(), roots.1.db());
            let result = interpreter.run(&operations, dbs, "").await;
            let mut report = report.lock().expect("no panic");
            match &result {
                Ok(()) => {}
                Err(Stop::Db(error)) => report.failed = Some(error.to_string()),
                Err(Stop::Raised) => report.failed = Some("raised".to_owned()),
                Err(Stop::Unknown(name)) => report.unknown = Some(name.clone()),
            }
            result.is_ok()
        }
    };
    if !scenario.is_in_request() {
        audit.scope(operations("ops")).await;
        return None;
    }
    let drf = scenario.setup("drf_auth").clone();
    let handler = {
        let operations = Mutex::new(Some(operations("ops")));
        move || {
            let operations = operations.lock().expect("no panic").take().expect("one request");
            let drf = drf.clone();
            async move {
                // The view's own authentication.
                if let Some(actor) = web::actor(&drf["auth"], &drf["user"]) {
                    AuditContext::set_actor(actor).expect("nobody said it before");
                }
                operations.await
            }
        }
    };
    let answer = Asked::of(scenario).send(framework, audit, handler).await;
    if !scenario.list("post_ops_outside_request").is_empty() {
        audit.scope(operations("post_ops_outside_request")).await;
    }
    Some(answer)
}
