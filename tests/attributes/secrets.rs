//! Values of masked and hashed columns, planted everywhere, and looked for in everything that leaves.

use std::{
    fmt::Debug,
    io::Write,
    sync::{Mutex, OnceLock},
};

use ftn_audit_sea::{
    Attributes, Audit, outbox,
    prelude::*,
    sink::{Outcome, Sink},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, ModelTrait, TransactionTrait,
};

use crate::{
    database::{Kind, SECRET, TestDatabase, builder, on_every_database},
    entities::*,
};

on_every_database! {
    nothing_planted_is_found
    nothing_planted_is_stored
    statements_are_told_without_their_literals
    what_is_plain_stays
}

/// Every planted value has one of these in it, in every form in which it could be written.
const PLANTED: [&str; 9] = [
    "PLANTED",
    "4711004",
    "4711005",
    "880055",
    "66.125",
    "1999-12-31",
    "504c414e544544",
    SECRET,
    "[80, 76, 65, 78, 84, 69, 68",
];

fn planted() -> account::Model {
    account::Model {
        login: "login-PLANTED-1/ü".to_owned(),
        title: "Ms".to_owned(),
        email: Some("ann.PLANTED-2@example.org".to_owned()),
        notes: Some("a \"PLANTED-3\"\n\\ and so on".to_owned()),
        balance: 4_711_004,
        profile: serde_json::json!({"iban": "PLANTED-5", "deep": [{"n": 880_055}, "PLANTED-5b"]}),
        photo: b"PLANTED-6".to_vec(),
        rate: 66.125,
        seen_at: Some("1999-12-31T23:59:59Z".parse().unwrap()),
        password_hash: "PLANTED-8".to_owned(),
        api_token: Some("PLANTED-9".to_owned()),
        token_count: 3,
    }
}

/// Writes all it has, as a careless formatter would.
#[derive(Default)]
struct Careless;

fn write_all(account: &account::Model) -> Attributes {
    let json = serde_json::json!({
        "login": account.login,
        "profile": account.profile,
        "balance": account.balance,
        account.password_hash.clone(): [account.rate, account.notes],
    });
    Attributes::new()
        .with("shop.login", account.login.as_str())
        .with("shop.balance", account.balance)
        .with("shop.rate", account.rate)
        .with("shop.profile", account.profile.clone())
        .with("shop.json", json.clone())
        .with("shop.text", json.to_string())
        .with("shop.list", vec![account.email.clone(), account.api_token.clone()])
        .with("shop.seen", account.seen_at.map(|seen| seen.to_string()))
        .with("shop.seen.rfc", account.seen_at.map(|seen| seen.to_rfc3339()))
        .with("shop.photo", String::from_utf8_lossy(&account.photo).into_owned())
        .with("shop.photo.hex", account.photo.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        .with(format!("shop.{}", account.password_hash), 1)
}

#[audit_formatter]
impl AuditFormatter for Careless {
    type Subject = account::Model;

    fn description(&self, change: &Change<account::Model>) -> String {
        let account = change.subject();
        if account.title == "Panic" {
            panic!("{}", account.password_hash);
        }
        leave(change.changeset());
        leave(change.default_attributes());
        let account::Model { login, email, notes, balance, profile, .. } = account;
        format!(
            "{}: <{login}> {email:?} {notes:?} {} {balance} {profile} {:?} {:?}",
            change.pk(),
            notes.as_deref().unwrap_or_default(),
            change.old().map(|old| &old.password_hash),
            account.seen_at,
        )
    }

    fn attributes(&self, change: &Change<account::Model>) -> Attributes {
        let mut attributes = change.default_attributes();
        for row in change.old().into_iter().chain([change.subject()]) {
            attributes.extend(write_all(row));
        }
        attributes
    }
}

/// What was written that is neither record nor log: `Debug` of what a formatter and an application can hold.
static LEFT: Mutex<String> = Mutex::new(String::new());

fn leave(value: impl Debug) {
    LEFT.lock().unwrap().push_str(&format!("{value:?}\n{value:#?}\n"));
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn keep_log() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_env_filter("ftn_audit=trace,ftn_audit_sea=trace")
            .with_writer(|| LogWriter)
            .init();
    });
}

#[track_caller]
fn find_nothing(place: &str, text: &str) {
    for planted in PLANTED {
        if let Some(position) = text.find(planted) {
            let start = text[..position].char_indices().rev().nth(80).map_or(0, |(start, _)| start);
            panic!("{planted} in {place}: ..{}..", text[start..].chars().take(200).collect::<String>());
        }
    }
}

#[track_caller]
fn find_nothing_in(records: &[AuditRecord]) {
    for record in records {
        find_nothing("a record's JSON", &record.to_json().to_string());
        find_nothing("a record's Debug", &format!("{record:?} {record:#?}"));
        let texts =
            record.attributes().iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>();
        find_nothing("a record's attributes", &texts);
    }
}

/// Does not take anything, so that records go to the fallback.
struct Broken;

#[async_trait::async_trait]
impl Sink for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    async fn deliver(&self, _: &[AuditRecord]) -> Outcome {
        Outcome::permanent("broken")
    }
}

async fn write<C>(db: &C)
where
    C: ConnectionTrait + TransactionTrait,
{
    let context = AuditContext::builder()
        .actor(Actor::user("1"))
        .http_method("PATCH")
        .path("/accounts/login-PLANTED-1%2F%C3%BC/notes")
        .build();
    context
        .scope(async {
            let new: account::ActiveModel = planted().into();
            let stored = new.reset_all().insert(db).await.unwrap();

            let mut change: account::ActiveModel = stored.clone().into();
            change.notes = Set(Some("PLANTED-3c".to_owned()));
            change.balance = Set(4_711_005);
            change.email = Set(None);
            let stored = change.update(db).await.unwrap();

            let mut change: account::ActiveModel = stored.into();
            change.title = Set("Panic".to_owned());
            let stored = change.update(db).await.unwrap();

            // The database's own error is the caller's, as without an audit; what we say of it is not.
            let twice: account::ActiveModel = planted().into();
            twice.reset_all().insert(db).await.unwrap_err();
            stored.delete(db).await.unwrap();
        })
        .await;
}

async fn nothing_planted_is_found(test: &TestDatabase) {
    keep_log();
    write(&test.db).await;
    let records = test.take();
    assert_eq!(records.len(), 4, "{records:#?}");
    find_nothing_in(&records);
    let description = records[0].description();
    assert!(description.matches("***").count() >= 5, "{description}");
    let pk = test.audit.hashes_of(planted().login).remove(0);
    assert!(description.starts_with(&format!("{pk}: <***>")), "{description}");
    assert!(records.iter().all(|record| record.pk() == pk));
    assert_eq!(records[0].attribute("url.path").unwrap(), "/accounts/***/notes");
    assert_eq!(records[0].attribute("shop.balance").unwrap(), "***");
    assert_eq!(
        records[0].attribute("audit.changeset.email.new").unwrap(),
        test.audit.hashes_of("ann.PLANTED-2@example.org")[0]
    );
    assert_eq!(records[2].attribute("audit.formatter_failed").unwrap(), true);

    test.hooked(write(&test.plain)).await;
    let records = test.take();
    assert_eq!(records.len(), 4, "{records:#?}");
    find_nothing_in(&records);

    let sink = MemorySink::new();
    let audit = builder(&sink).sink(Broken).build().unwrap();
    let db = audit.connect(test.plain.clone()).await.unwrap();
    write(&db).await;
    let txn = db.begin().await.unwrap();
    leave((&db, &txn, audit.stats()));
    leave(audit.describe());
    txn.rollback().await.unwrap();
    if test.kind == Kind::Sqlite {
        let error = Audit::builder().hash_key("k", "PLANTED-short").build().err().unwrap();
        leave((error.to_string(), error));
    }
    find_nothing("Debug", &LEFT.lock().unwrap());
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    assert!(log.contains("ftn_audit::fallback") && log.contains("a formatter panicked"), "{log}");
    find_nothing("the log", &log);
}

async fn nothing_planted_is_stored(test: &TestDatabase) {
    let audit = builder(&MemorySink::new()).delivery(Delivery::outbox()).build().unwrap();
    audit.install(&test.plain).await.unwrap();
    let db = audit.connect(test.plain.clone()).await.unwrap();
    write(&db).await;
    let rows = outbox::Entity::find().all(&test.plain).await.unwrap();
    assert_eq!(rows.len(), 4, "{rows:#?}");
    for row in rows {
        assert!(row.payload.contains("audit.changeset."), "{row:#?}");
        find_nothing("the payload of a row", &row.payload);
        find_nothing("the other columns of a row", &format!("{row:?}"));
    }
}

async fn statements_are_told_without_their_literals(test: &TestDatabase) {
    let new: account::ActiveModel = planted().into();
    new.reset_all().insert(&test.db).await.unwrap();
    test.take();
    let quote = if test.kind == Kind::Postgres { '\'' } else { '"' };
    for sql in [
        format!("UPDATE account SET notes = {quote}PLANTED-7{quote}, balance = 4711004"),
        "UPDATE account SET notes = 'it''s PLANTED', title = 'x' WHERE email = 'ann.PLANTED-2@example.org'"
            .to_owned(),
        "DELETE FROM account /* PLANTED */ WHERE balance = 4711004 -- PLANTED".to_owned(),
    ] {
        test.db.execute_unprepared(&sql).await.unwrap();
        let records = test.take();
        assert_eq!(records.len(), 1, "{records:#?}");
        find_nothing_in(&records);
    }
}

/// Blanking leaves alone what records show on purpose.
async fn what_is_plain_stays(test: &TestDatabase) {
    let new = account::ActiveModel {
        login: Set("abc".into()),
        title: Set("Ms".into()),
        notes: Set(Some("Ms".into())),
        ..account::ActiveModel::from(planted()).reset_all()
    };
    new.insert(&test.db).await.unwrap();
    let record = test.one();
    assert_eq!(record.attribute("audit.changeset.title.new").unwrap(), "Ms");
    assert_eq!(record.attribute("audit.changeset.token_count.new").unwrap(), "3");
    assert_eq!(record.attribute("audit.model").unwrap(), "Account");
    assert_eq!(account::Entity::find().all(&test.plain).await.unwrap()[0].notes.as_deref(), Some("Ms"));
}
