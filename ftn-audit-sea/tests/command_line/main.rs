//! The command line as an operator meets it, on SQLite; what it does on every database is tested in the library.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[cfg(all(feature = "rabbitmq", unix))]
mod broker;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use ftn_audit_sea::{
    outbox::{self, Column},
    prelude::*,
};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    prelude::ColumnTrait, sea_query::Expr,
};

/// A database file, gone with this value.
struct File {
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let name = format!("ftn_audit_cli_{}.sqlite", uuid::Uuid::now_v7().simple());
        Self { path: std::env::temp_dir().join(name) }
    }

    fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path.display())
    }

    async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url());
        options.sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(arguments).env("DATABASE_URL", self.url()).output().unwrap()
    }

    /// A run that succeeds: its JSON.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", ".jsonl"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.path.display()));
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftn-audit"));
    command
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env_remove("FTN_AUDIT_BROKER")
        .env("USER", "ann")
        .stdin(Stdio::null());
    command
}

/// A run that fails: its one sentence.
#[track_caller]
fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    text
}

/// An outbox with so many events in one transaction each, none delivered.
async fn filled(events: usize) -> (File, DatabaseConnection) {
    let file = File::new();
    assert!(file.run(&["migrate"]).status.success());
    let db = file.connect().await;
    let audit = Audit::builder().sink(MemorySink::new()).delivery(Delivery::outbox()).build().unwrap();
    let audited = audit.connect(db.clone()).await.unwrap();
    for number in 1..=events {
        audit
            .event("exported")
            .subject("Report", number)
            .attr("shop.secret", "s3cret")
            .record(&audited)
            .await;
    }
    (file, db)
}

async fn set_state(db: &DatabaseConnection, state: &str) {
    let set = outbox::Entity::update_many().col_expr(Column::State, Expr::value(state));
    set.filter(Column::Event.eq("exported")).exec(db).await.unwrap();
}

async fn in_state(db: &DatabaseConnection, state: &str) -> u64 {
    outbox::Entity::find().filter(Column::State.eq(state)).count(db).await.unwrap()
}

#[tokio::test]
async fn mistakes_are_told_in_a_sentence() {
    let file = File::new();
    let told = |arguments: &[&str], part: &str| {
        let text = refusal(&file.run(arguments));
        assert!(text.contains(part), "{arguments:?}: {text}");
    };
    assert!(refusal(&command(&["status"]).output().unwrap()).contains("--database"));
    assert!(refusal(&command(&["migrate", "--sql"]).output().unwrap()).contains("--backend"));
    told(&["status"], "ftn-audit migrate");
    told(&["relay", "--once", "--to-file", "/dev/null"], "ftn-audit migrate");
    told(&["--database", "mongodb://ann:s3cret@db/shop", "status"], "postgres://");
    told(&["--database", "sqlite:///nowhere/at/all.db", "status"], "cannot connect");
    assert!(file.run(&["migrate"]).status.success());
    told(&["show", "nonsense"], "no row with the id nonsense");
    told(&["retry", "nonsense", "--reason", "why not"], "no row with the id nonsense");
    told(&["retry", "--state", "dead", "--reason", "why not"], "no row was retried");
    told(&["retry", "--state", "dead"], "--reason");
    told(&["discard", "--state", "dead", "--reason", "  "], "--reason");
    told(&["prune", "--state", "sent", "--older-than", "1h"], "--reason");
    told(&["verify", "--against", "/nowhere.jsonl"], "/nowhere.jsonl");
    for arguments in
        [&["retry", "--reason", "all of them?"][..], &["prune", "--state", "waiting"], &["destroy"]]
    {
        assert_eq!(file.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_password_is_shown_nowhere() {
    let url = "postgres://ann:s3cret@127.0.0.1:1/shop";
    let output = command(&["--database", url, "status"]).output().unwrap();
    assert!(!refusal(&output).contains("s3cret"));
    let help = command(&["--help"]).env("DATABASE_URL", url).output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("s3cret"));
}

#[test]
fn help_has_examples() {
    let command_help =
        |name: &str| String::from_utf8(command(&[name, "--help"]).output().unwrap().stdout).unwrap();
    for name in ["migrate", "relay", "list", "show", "retry", "discard", "prune", "verify"] {
        assert!(command_help(name).contains("Example"), "{name}");
    }
}

#[test]
fn sql_is_printed_without_a_database() {
    for (backend, grant) in [("postgres", true), ("mysql", true), ("sqlite", false)] {
        let output = command(&["migrate", "--sql", "--backend", backend]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("CREATE TABLE IF NOT EXISTS audit_outbox"), "{text}");
        assert_eq!(text.contains("GRANT INSERT ON audit_outbox"), grant, "{text}");
    }
}

#[tokio::test]
async fn what_it_shows() {
    let (file, db) = filled(3).await;
    assert_eq!(file.json(&["status"])["states"]["waiting"], 3);
    let rows = file.json(&["list", "--state", "waiting"]);
    assert_eq!(rows["rows"].as_array().unwrap().len(), 3);
    assert_eq!(file.json(&["list", "--model", "Item"])["rows"].as_array().unwrap().len(), 0);
    let id = rows["rows"][0]["id"].as_str().unwrap();
    let shown = file.json(&["show", id]);
    assert_eq!(shown["record"]["attributes"]["audit.model"], "Report");
    assert!(!shown.to_string().contains("s3cret"));
    assert!(file.json(&["show", id, "--reveal"]).to_string().contains("s3cret"));
    let text = String::from_utf8(file.run(&["list"]).stdout).unwrap();
    assert!(text.contains(id) && !text.contains("s3cret"), "{text}");
    drop(db);
}

#[tokio::test]
async fn it_delivers_and_what_is_done_by_hand_is_on_record() {
    let (file, db) = filled(5).await;
    let export = format!("{}.jsonl", file.path.display());
    assert_eq!(file.json(&["relay", "--once", "--to-file", &export])["sent"], 5);
    assert_eq!(in_state(&db, "sent").await, 5);
    assert!(file.json(&["verify", "--against", &export])["complete"].as_bool().unwrap());

    set_state(&db, "dead").await;
    assert_eq!(file.json(&["retry", "--state", "dead", "--reason", "token renewed"])["retried"], 5);
    set_state(&db, "dead").await;
    assert_eq!(
        file.json(&["discard", "--state", "dead", "--as", "bob", "--reason", "test data"])["discarded"],
        5
    );
    assert_eq!(
        file.json(&["prune", "--state", "discarded", "--older-than", "0s", "--reason", "full"])["pruned"],
        5
    );
    assert_eq!(file.json(&["relay", "--once", "--to-file", &export])["sent"], 3);
    let lines = std::fs::read_to_string(&export).unwrap();
    let told: Vec<serde_json::Value> =
        lines.lines().skip(5).map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |number: usize, key: &str| told[number]["attributes"][key].as_str().unwrap().to_owned();
    let events: Vec<_> = told.iter().map(|record| record["event_type"].as_str().unwrap()).collect();
    assert_eq!(events, ["outbox.retried", "outbox.discarded", "outbox.pruned"]);
    assert_eq!((said(0, "user.id"), said(0, "audit.reason")), ("ann".to_owned(), "token renewed".to_owned()));
    assert_eq!(said(1, "user.id"), "bob");
    assert_eq!(told[2]["attributes"]["audit.outbox.rows"], 5);
}

#[tokio::test]
async fn verify_finds_what_is_missing() {
    let (file, db) = filled(2).await;
    let export = format!("{}.jsonl", file.path.display());
    assert_eq!(file.json(&["relay", "--once", "--to-file", &export])["sent"], 2);
    // A transaction of three, of which the second is gone.
    db.execute_unprepared("UPDATE audit_outbox SET transaction_count = 3, sequence = 3 WHERE model_pk = '1'")
        .await
        .unwrap();
    let output = file.run(&["verify", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["gaps"][0]["missing"], serde_json::json!([1, 2]));
    // Rows that are older than what relays keep may have been sent and removed.
    let kept = file.json(&["verify", "--keep-sent", "0s"]);
    assert_eq!((kept["complete"].as_bool(), kept["unchecked_transactions"].as_u64()), (Some(true), Some(1)));
    // One that is marked as sent and never arrived.
    let lines = std::fs::read_to_string(&export).unwrap();
    std::fs::write(&export, lines.lines().next().unwrap()).unwrap();
    let found = file.run(&["verify", "--against", &export, "--json"]);
    assert_eq!(found.status.code(), Some(3));
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["not_arrived"].as_array().unwrap().len(), 1);
}

/// It runs until a service manager tells it to stop, and ends with what it has begun.
#[cfg(unix)]
#[tokio::test]
async fn a_relay_stops_when_told() {
    let (file, db) = filled(3).await;
    let export = format!("{}.jsonl", file.path.display());
    let mut relay = command(&["relay", "--to-file", &export, "--json"])
        .env("DATABASE_URL", file.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while in_state(&db, "sent").await < 3 {
        assert!(start.elapsed() < Duration::from_secs(20), "the relay does not deliver");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    terminate(&relay);
    let status = relay.wait().unwrap();
    assert!(status.success(), "{status:?}");
    assert_eq!(std::fs::read_to_string(Path::new(&export)).unwrap().lines().count(), 3);
}

#[cfg(unix)]
fn terminate(child: &Child) {
    let killed = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
}
