//! From the outbox to the sink, whatever the sink answers and whoever dies on the way.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use ftn_audit_sea::{
    outbox::{self, State},
    prelude::*,
    sink::{Outcome, Sink},
};
use sea_orm::{
    DatabaseConnection, EntityTrait, ExprTrait, QueryFilter, TransactionTrait, prelude::*, sea_query::Expr,
};
use tokio::sync::Semaphore;

use super::setup::{connected, rows};
use crate::{
    database::{TestDatabase, on, until},
    samples::{brief, new_item},
};

on! { Sqlite Postgres MariaDb:
    everything_that_is_committed
    a_transaction_written_ahead
    a_sink_that_refuses_for_a_while
    a_sink_that_asks_to_wait
    a_record_that_the_sink_never_takes
    a_record_refused_among_others
    a_relay_that_dies
    a_lease_that_was_lost
    rows_of_a_later_version
    a_damaged_row
    a_commit_wakes_the_relay
    many_relays_at_once
    old_rows
    what_waits_too_long
    two_databases
}

type Answer = dyn Fn(&[AuditRecord]) -> Outcome + Send + Sync;

/// Answers by a function, and keeps what it took.
#[derive(Clone)]
struct Scripted {
    taken: MemorySink,
    answer: Arc<Answer>,
    asked: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Scripted {
    fn new(answer: impl Fn(&[AuditRecord]) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            taken: MemorySink::new(),
            answer: Arc::new(answer),
            asked: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }
}

#[async_trait]
impl Sink for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.acquire().await;
        match (self.answer)(batch) {
            Outcome::Delivered => self.taken.deliver(batch).await,
            refusal => refusal,
        }
    }
}

/// A handle as another process would have it: it relays to a sink of its own.
fn relaying(sink: impl Sink, delivery: Delivery) -> Audit {
    Audit::builder().service_name("relay").sink(sink).delivery(delivery).build().unwrap()
}

fn patient() -> Delivery {
    Delivery::outbox().backoff(Duration::from_millis(20), Duration::from_millis(100))
}

async fn states(db: &DatabaseConnection) -> HashMap<String, usize> {
    let mut states = HashMap::new();
    for row in rows(db).await {
        *states.entry(row.state).or_default() += 1;
    }
    states
}

async fn all(db: &DatabaseConnection, state: &str) -> bool {
    rows(db).await.iter().all(|row| row.state == state)
}

async fn everything_that_is_committed(database: &TestDatabase) {
    let (audit, db, sink) = connected(database, Delivery::outbox()).await;
    let txn = db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    new_item("two").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let report = audit.relay([database.bare.clone()]).drain().await.unwrap();
    assert_eq!((report.claimed, report.sent, report.again, report.dead), (2, 2, 0, 0));
    let records = sink.records();
    assert_eq!(brief(&records), ["creation Item 1", "creation Item 2"]);
    assert_eq!(records[1].sequence(), Some(2));
    assert_eq!(records[1].transaction_count(), Some(2));
    let sent = rows(&database.bare).await;
    assert!(sent.iter().all(|row| row.state == "sent" && row.lease_owner.is_none() && row.attempts == 1));
    assert_eq!(sent[0].id, records[0].id().to_string());
    assert_eq!(audit.relay([database.bare.clone()]).drain().await.unwrap().claimed, 0);
    let stats = audit.stats();
    assert_eq!((stats.stored, stats.delivered, stats.exports), (2, 2, 1));
}

async fn a_transaction_written_ahead(database: &TestDatabase) {
    let (audit, db, sink) = connected(database, Delivery::outbox().scope_bytes(2048).batch(3)).await;
    let txn = db.begin().await.unwrap();
    for _ in 0..20 {
        new_item("Tea").insert(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
    audit.relay([db.clone()]).drain().await.unwrap();
    let records = sink.records();
    let places: BTreeSet<_> =
        records.iter().map(|record| (record.sequence().unwrap(), record.transaction_count())).collect();
    assert_eq!(places, (1..=20).map(|sequence| (sequence, Some(20))).collect());
}

async fn a_sink_that_refuses_for_a_while(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    let up = Arc::new(AtomicUsize::new(0));
    let sink = {
        let up = up.clone();
        Scripted::new(move |_| match up.load(Ordering::SeqCst) {
            0 => Outcome::operator("401"),
            _ => Outcome::Delivered,
        })
    };
    let audit = relaying(sink.clone(), patient());
    new_item("Tea").insert(&db).await.unwrap();
    let report = audit.relay([database.bare.clone()]).drain().await.unwrap();
    assert_eq!((report.claimed, report.again), (1, 1));
    let row = rows(&database.bare).await.remove(0);
    assert_eq!((row.state.as_str(), row.attempts, row.last_error.as_deref()), ("waiting", 1, Some("401")));
    let relay = audit.relay([database.bare.clone()]).spawn();
    until("it is tried again and again", async || sink.asked.load(Ordering::SeqCst) > 4).await;
    up.store(1, Ordering::SeqCst);
    until("it is sent", async || all(&database.bare, "sent").await).await;
    relay.stop().await;
    assert_eq!(brief(&sink.taken.records()), ["creation Item 1"]);
    let row = rows(&database.bare).await.remove(0);
    assert_eq!(row.last_error, None);
    assert!(row.attempts > 4 && audit.stats().retried > 4);
}

async fn a_sink_that_asks_to_wait(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    let sink = Scripted::new(|_| Outcome::retry(Some(Duration::from_secs(3600)), "busy"));
    let audit = relaying(sink.clone(), patient());
    new_item("Tea").insert(&db).await.unwrap();
    audit.relay([database.bare.clone()]).drain().await.unwrap();
    let row = rows(&database.bare).await.remove(0);
    let wait = row.due_at - row.recorded_at;
    assert!(wait >= 3_600_000_000, "{wait}");
}

async fn a_record_that_the_sink_never_takes(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    let audit = relaying(Scripted::new(|_| Outcome::permanent("no such thing")), patient());
    new_item("Tea").insert(&db).await.unwrap();
    let report = audit.relay([database.bare.clone()]).drain().await.unwrap();
    assert_eq!(report.dead, 1);
    let row = rows(&database.bare).await.remove(0);
    assert_eq!((row.state.as_str(), row.last_error.as_deref()), ("dead", Some("no such thing")));
    let stats = audit.stats();
    assert_eq!((stats.dead, stats.failed("permanent")), (1, 1));
}

async fn a_record_refused_among_others(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    let sink = Scripted::new(|batch| match batch.iter().any(|record| record.pk() == "5") {
        true => Outcome::Partial { rejected: 1, message: String::new() },
        false => Outcome::Delivered,
    });
    let audit = relaying(sink.clone(), patient());
    for _ in 0..9 {
        new_item("Tea").insert(&db).await.unwrap();
    }
    audit.relay([database.bare.clone()]).drain().await.unwrap();
    let mut taken: Vec<_> = sink.taken.records().iter().map(|record| record.pk().to_owned()).collect();
    taken.sort();
    assert_eq!(taken, ["1", "2", "3", "4", "6", "7", "8", "9"]);
    let dead: Vec<_> = rows(&database.bare)
        .await
        .into_iter()
        .filter(|row| row.state == "dead")
        .map(|row| row.model_pk)
        .collect();
    assert_eq!(dead, ["5"]);
}

/// It has claimed, and maybe sent, when its process ends.
async fn a_relay_that_dies(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    new_item("Tea").insert(&db).await.unwrap();
    let dying = Scripted::new(|_| Outcome::Delivered);
    dying.gate.forget_permits(Semaphore::MAX_PERMITS);
    let relay = relaying(dying.clone(), patient().lease(Duration::from_secs(1)));
    let bare = database.bare.clone();
    let task = tokio::spawn(async move { relay.relay([bare]).drain().await });
    until("it has claimed", async || dying.asked.load(Ordering::SeqCst) == 1).await;
    task.abort();
    let heir = Scripted::new(|_| Outcome::Delivered);
    let audit = relaying(heir.clone(), patient());
    assert_eq!(
        audit.relay([database.bare.clone()]).drain().await.unwrap().claimed,
        0,
        "the lease is not over"
    );
    let relay = audit.relay([database.bare.clone()]).spawn();
    until("the lease is over", async || all(&database.bare, "sent").await).await;
    relay.stop().await;
    assert_eq!(heir.taken.records().len(), 1);
    assert_eq!(rows(&database.bare).await[0].attempts, 2);
}

/// Somebody else has claimed the row by the time the sink answers.
async fn a_lease_that_was_lost(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    new_item("Tea").insert(&db).await.unwrap();
    let slow = Scripted::new(|_| Outcome::permanent("too late to matter"));
    slow.gate.forget_permits(Semaphore::MAX_PERMITS);
    let audit = relaying(slow.clone(), patient());
    let bare = database.bare.clone();
    let task = tokio::spawn(async move { audit.relay([bare]).drain().await });
    until("it has claimed", async || slow.asked.load(Ordering::SeqCst) == 1).await;
    let steal = outbox::Entity::update_many().col_expr(outbox::Column::LeaseOwner, Expr::value("another"));
    steal.exec(&database.bare).await.unwrap();
    slow.gate.add_permits(1);
    task.await.unwrap().unwrap();
    let row = rows(&database.bare).await.remove(0);
    assert_eq!((row.state.as_str(), row.lease_owner.as_deref()), ("waiting", Some("another")));
}

async fn set_format(database: &TestDatabase, format: i32) {
    let set = outbox::Entity::update_many().col_expr(outbox::Column::Format, Expr::value(format));
    set.filter(outbox::Column::ModelPk.eq("1")).exec(&database.bare).await.unwrap();
}

async fn rows_of_a_later_version(database: &TestDatabase) {
    let (audit, db, sink) = connected(database, patient().max_age(Duration::from_millis(1))).await;
    new_item("one").insert(&db).await.unwrap();
    new_item("two").insert(&db).await.unwrap();
    set_format(database, 99).await;
    audit.relay([database.bare.clone()]).drain().await.unwrap();
    assert_eq!(brief(&sink.records()), ["creation Item 2"]);
    let stats = audit.stats();
    assert_eq!((stats.outbox_waiting, stats.dead), (1, 0));
    assert!(stats.outbox_oldest > Duration::ZERO);
    assert_eq!(states(&database.bare).await["waiting"], 1, "held, however old");
    set_format(database, 1).await;
    audit.relay([database.bare.clone()]).drain().await.unwrap();
    assert_eq!(brief(&sink.records()), ["creation Item 2", "creation Item 1"]);
}

async fn a_damaged_row(database: &TestDatabase) {
    let (audit, db, sink) = connected(database, Delivery::outbox()).await;
    new_item("one").insert(&db).await.unwrap();
    new_item("two").insert(&db).await.unwrap();
    let damage = outbox::Entity::update_many().col_expr(outbox::Column::Payload, Expr::value("{\"id\": 7"));
    damage.filter(outbox::Column::ModelPk.eq("1")).exec(&database.bare).await.unwrap();
    audit.relay([database.bare.clone()]).drain().await.unwrap();
    assert_eq!(brief(&sink.records()), ["creation Item 2"]);
    let dead = rows(&database.bare).await.into_iter().find(|row| row.state == "dead").unwrap();
    assert!(dead.last_error.unwrap().contains("damaged"));
    assert_eq!(audit.stats().failed("unreadable"), 1);
}

async fn a_commit_wakes_the_relay(database: &TestDatabase) {
    let (audit, db, sink) = connected(database, Delivery::outbox()).await;
    let far = Duration::from_secs(3600);
    let relay = audit.relay([database.bare.clone()]).poll(far, far).spawn();
    until("the relay has looked", async || audit.stats().exports == 0).await;
    for count in 1..=5 {
        new_item("Tea").insert(&db).await.unwrap();
        until("it arrives", async || sink.records().len() == count).await;
    }
    relay.stop().await;
}

async fn many_relays_at_once(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    let sink = MemorySink::new();
    let mut relays = Vec::new();
    for _ in 0..3 {
        let audit = relaying(sink.clone(), patient().batch(20));
        relays.push(
            audit
                .relay([database.bare.clone()])
                .poll(Duration::from_millis(5), Duration::from_millis(20))
                .spawn(),
        );
    }
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let db = db.clone();
        writers.spawn(async move {
            for _ in 0..20 {
                let txn = db.begin().await.unwrap();
                for _ in 0..5 {
                    new_item("Tea").insert(&txn).await.unwrap();
                }
                txn.commit().await.expect("relays are not in the way of writes");
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    until("everything is sent", async || states(&database.bare).await.get("sent") == Some(&300)).await;
    for relay in relays {
        relay.stop().await;
    }
    let ids: BTreeSet<_> = sink.records().iter().map(AuditRecord::id).collect();
    assert_eq!((ids.len(), sink.records().len()), (300, 300), "each arrives, and none twice");
}

async fn old_rows(database: &TestDatabase) {
    let keep = Duration::from_secs(3600);
    let (audit, db, _) = connected(database, Delivery::outbox().keep_sent(keep).keep_dead(keep)).await;
    for _ in 0..3 {
        new_item("Tea").insert(&db).await.unwrap();
    }
    let relay = audit.relay([database.bare.clone()]);
    relay.drain().await.unwrap();
    assert_eq!(states(&database.bare).await["sent"], 3, "an operator may still repeat them");
    let two_hours_ago = Expr::col(outbox::Column::DueAt).sub(7_200_000_000_i64);
    let age = outbox::Entity::update_many().col_expr(outbox::Column::DueAt, two_hours_ago);
    age.filter(outbox::Column::ModelPk.ne("3")).exec(&database.bare).await.unwrap();
    new_item("Tea").insert(&db).await.unwrap();
    relay.drain().await.unwrap();
    let left: BTreeSet<_> = rows(&database.bare).await.into_iter().map(|row| row.model_pk).collect();
    assert_eq!(left, BTreeSet::from(["3".to_owned(), "4".to_owned()]));
    assert_eq!(outbox::prune(&database.bare, State::Dead, Duration::ZERO).await.unwrap(), 0);
    assert_eq!(outbox::prune(&database.bare, State::Sent, Duration::ZERO).await.unwrap(), 2);
}

async fn what_waits_too_long(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    new_item("Tea").insert(&db).await.unwrap();
    let sink = Scripted::new(|_| Outcome::retry(None, "down"));
    let audit = relaying(sink, patient().max_age(Duration::from_millis(1)));
    until("patience ends", async || {
        audit.relay([database.bare.clone()]).drain().await.unwrap();
        all(&database.bare, "dead").await
    })
    .await;
    let row = rows(&database.bare).await.remove(0);
    assert!(row.last_error.unwrap().contains("max_age"));
    assert_eq!(audit.stats().failed("too_old"), 1);
}

async fn two_databases(database: &TestDatabase) {
    let Some(other) = database.kind.database().await else { return };
    let (_, one, _) = connected(database, Delivery::outbox()).await;
    let (_, two, _) = connected(&other, Delivery::outbox()).await;
    new_item("one").insert(&one).await.unwrap();
    new_item("two").insert(&two).await.unwrap();
    let sink = MemorySink::new();
    let audit = relaying(sink.clone(), patient());
    let report = audit.relay([database.bare.clone(), other.bare.clone()]).drain().await.unwrap();
    assert_eq!((report.sent, sink.records().len()), (2, 2));
}
