//! The commands about a broker, on the one that `FTN_AUDIT_TEST_RABBITMQ` names.

use std::{
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use sea_orm::ConnectionTrait;

use super::{File, command, filled, in_state, refusal, terminate};

/// Queues of a test's own. Deleted by [`Queues::delete`].
struct Queues {
    url: String,
    name: String,
}

impl Queues {
    /// `None` where there is no broker and none is demanded.
    fn new() -> Option<Self> {
        let url = std::env::var("FTN_AUDIT_TEST_RABBITMQ").ok();
        let required = std::env::var("FTN_AUDIT_TEST_REQUIRE").is_ok_and(|value| value == "1");
        assert!(
            url.is_some() || !required,
            "FTN_AUDIT_TEST_RABBITMQ is not set, and FTN_AUDIT_TEST_REQUIRE is"
        );
        let name = format!("ftn-audit.test.{}", uuid::Uuid::now_v7().simple());
        Some(Self { url: url?, name })
    }

    async fn channel(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    async fn delete(&self) {
        let (_connection, channel) = self.channel().await;
        for suffix in ["", ".dead", ".wait.1s", ".wait.5s", ".wait.30s", ".wait.120s", ".wait.600s"] {
            let queue = format!("{}{suffix}", self.name);
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
    }

    fn run(&self, file: &File, arguments: &[&str]) -> Output {
        let broker = ["--broker", &self.url, "--queue", &self.name];
        file.run(&[arguments, &broker].concat())
    }

    #[track_caller]
    fn json(&self, file: &File, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(file, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn worker(&self, export: &str) -> Child {
        command(&["worker", "--to-file", export, "--json"])
            .env("FTN_AUDIT_BROKER", &self.url)
            .env("FTN_AUDIT_QUEUE", &self.name)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn lines(path: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Its last word.
fn stopped(worker: Child) -> serde_json::Value {
    terminate(&worker);
    let output = worker.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn from_the_outbox_over_the_broker_to_a_file() {
    let Some(queues) = Queues::new() else { return };
    let (file, db) = filled(5).await;
    let report = queues.json(&file, &["relay", "--once", "--engine", "rabbitmq"]);
    assert_eq!((report["sent"].as_u64(), report["dead"].as_u64()), (Some(5), Some(0)));
    assert_eq!(in_state(&db, "sent").await, 5);
    let export = format!("{}.jsonl", file.path.display());
    let worker = queues.worker(&export);
    until("all arrive", async || lines(&export).len() == 5).await;
    assert_eq!(stopped(worker)["delivered"], 5);
    assert!(file.json(&["verify", "--against", &export])["complete"].as_bool().unwrap());
    queues.delete().await;
}

#[tokio::test]
async fn dead_letters_are_shown_and_replayed_on_record() {
    let Some(queues) = Queues::new() else { return };
    let (file, db) = filled(3).await;
    db.execute_unprepared("UPDATE audit_outbox SET payload = '{' WHERE model_pk <> '1'").await.unwrap();
    assert_eq!(queues.json(&file, &["relay", "--once", "--engine", "rabbitmq"])["sent"], 3);
    let export = format!("{}.jsonl", file.path.display());
    let worker = queues.worker(&export);
    let dead = || queues.json(&file, &["replay", "--list"])["dead_letters"].as_array().unwrap().clone();
    until("the damaged ones are given up", async || dead().len() == 2).await;
    assert!(dead().iter().all(|letter| letter["why"] == "the record is damaged at byte 1"), "{:?}", dead());
    let text = String::from_utf8(queues.run(&file, &["replay", "--list"]).stdout).unwrap();
    assert!(text.contains(dead()[0]["id"].as_str().unwrap()), "{text}");

    let reasoned = ["--reason", "a look again", "--as", "bob"];
    until("a replay finds both", async || {
        let output = queues.run(&file, &[&["replay", "--all", "--json"][..], &reasoned].concat());
        // Letters that were looked at are on their way back.
        let replayed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        replayed["replayed"] == 2
    })
    .await;
    until("that is on record", async || {
        lines(&export).iter().any(|line| line["event_type"] == "dead_letters.replayed")
    })
    .await;
    until("they are given up again", async || dead().len() == 2).await;
    assert_eq!(stopped(worker)["dead"].as_u64(), Some(4));
    let told = lines(&export).into_iter().find(|line| line["event_type"] == "dead_letters.replayed").unwrap();
    let attributes = &told["attributes"];
    assert_eq!(
        (&attributes["user.id"], &attributes["audit.reason"]),
        (&"bob".into(), &"a look again".into())
    );
    assert_eq!(attributes["audit.broker.messages"], 2);
    queues.delete().await;
}

#[tokio::test]
async fn mistakes_about_a_broker_are_told_in_a_sentence() {
    let (file, _db) = filled(1).await;
    let told = |arguments: &[&str], part: &str| {
        let text = refusal(&file.run(arguments));
        assert!(text.contains(part), "{arguments:?}: {text}");
        assert!(!text.contains("s3cret"), "{arguments:?}: {text}");
    };
    for arguments in
        [&["relay", "--engine", "rabbitmq"][..], &["worker", "--to-file", "/dev/null"], &["replay", "--list"]]
    {
        told(arguments, "--broker");
        told(&[arguments, &["--broker", "redis://ann:s3cret@db/shop"]].concat(), "amqp://");
        told(
            &[arguments, &["--broker", "amqp://ann:s3cret@127.0.0.1:1"]].concat(),
            "127.0.0.1:1/ does not answer",
        );
        told(&[arguments, &["--broker", "amqp://127.0.0.1", "--queue", "amq.mine"]].concat(), "amq.mine");
    }
    told(&["replay", "--all"], "--reason");
    for arguments in [
        &["replay"][..],
        &["replay", "--all", "--list"],
        &["replay", "--all", "some-id", "--reason", "which?"],
        &["relay", "--engine", "kafka"],
        &["relay", "--engine", "rabbitmq", "--to-file", "/dev/null"],
    ] {
        assert_eq!(file.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let Some(queues) = Queues::new() else { return };
    let url = queues.url.replace("guest:guest", "guest:s3cret");
    told(&["replay", "--list", "--broker", &url], "refuses this user");
    let none =
        ["replay", "--all", "--reason", "just in case", "--broker", &queues.url, "--queue", &queues.name];
    told(&none, "no dead letter was replayed");
    queues.delete().await;
    let (_connection, channel) = queues.channel().await;
    let name = queues.name.as_str();
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let others = ["worker", "--to-file", "/dev/null", "--broker", &queues.url, "--queue", name];
    told(&others, &format!("`{name}` has other arguments"));
    queues.delete().await;
}

#[test]
fn help_about_a_broker_has_examples() {
    for name in ["worker", "replay"] {
        let help =
            command(&[name, "--help"]).env("FTN_AUDIT_BROKER", "amqp://ann:s3cret@b").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains("Example") && !help.contains("s3cret"), "{help}");
    }
}
