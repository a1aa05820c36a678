//! A worker, whatever its sink answers and whatever becomes of its sessions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::Semaphore;

use super::{
    super::{DeadLetter, Engine, Replay, Settlement},
    Bench, ids, messages, newer, on_each_engine, publish, receive,
    sinks::{Scripted, impatient, working},
    until,
};
use crate::sink::Outcome;

on_each_engine! {
    everything_arrives_once
    a_sink_that_refuses_for_a_while
    a_sink_that_asks_to_wait
    a_record_that_the_sink_never_takes
    a_record_refused_among_others
    a_record_that_is_too_old
    a_damaged_record
    a_later_format_is_never_dead
    what_workers_die_of
    a_stop_loses_nothing_and_returns_nothing
    sessions_that_are_cut
    many_workers
    a_replay_is_on_record
}

async fn dead(engine: &dyn Engine) -> Vec<DeadLetter> {
    engine.dead_letters().await.unwrap().take(1000).await.unwrap()
}

async fn everything_arrives_once(bench: &dyn Bench) {
    let (engine, sent, sink) = (bench.engine(), messages(250), Scripted::willing());
    publish(&*engine, &sent).await;
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine).spawn();
    until("all arrive", async || sink.taken.records().len() >= 250).await;
    worker.stop().await;
    let counts = sink.counts();
    assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), ids(&sent));
    assert!(counts.values().all(|count| *count == 1));
    let record = sink.taken.records().into_iter().find(|record| record.sequence() == Some(7)).unwrap();
    assert_eq!(record.transaction_count(), Some(250));
    assert!(record.transaction_id().is_some());
    let stats = audit.stats();
    assert_eq!((stats.delivered, stats.retried, stats.dead), (250, 0, 0));
    assert!(stats.exports > 0);
}

async fn a_sink_that_refuses_for_a_while(bench: &dyn Bench) {
    let (engine, sent) = (bench.engine(), messages(20));
    let up = Arc::new(AtomicBool::new(false));
    let sink = {
        let up = up.clone();
        Scripted::new(move |_| match up.load(Ordering::SeqCst) {
            false => Outcome::operator("401"),
            true => Outcome::Delivered,
        })
    };
    publish(&*engine, &sent).await;
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("it is asked again and again", async || sink.asked() > 4).await;
    up.store(true, Ordering::SeqCst);
    until("all arrive", async || sink.counts().len() == 20).await;
    worker.stop().await;
    assert!(audit.stats().retried > 4);
    assert!(dead(&*engine).await.is_empty());
}

async fn a_sink_that_asks_to_wait(bench: &dyn Bench) {
    let engine = bench.engine();
    let sink = Scripted::new(|_| Outcome::retry(Some(Duration::from_secs(3600)), "busy"));
    publish(&*engine, &messages(150)).await;
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).lanes(1).spawn();
    until("it is asked", async || sink.asked() == 1).await;
    // It holds nothing for so long: what it had waits at the broker, what it had not is still in the queue.
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, 1).await;
    assert_eq!(arrived[0].deliveries, 0);
    worker.stop().await;
    assert_eq!(sink.asked(), 1);
}

async fn a_record_that_the_sink_never_takes(bench: &dyn Bench) {
    let (engine, sent) = (bench.engine(), messages(1));
    let sink = Scripted::new(|_| Outcome::permanent("no such thing"));
    publish(&*engine, &sent).await;
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("it is given up", async || audit.stats().dead == 1).await;
    worker.stop().await;
    let letters = dead(&*engine).await;
    assert_eq!((letters[0].id.as_ref(), letters[0].why.as_str()), (Some(&sent[0].id), "no such thing"));
    assert_eq!(audit.stats().failed("permanent"), 1);
}

async fn a_record_refused_among_others(bench: &dyn Bench) {
    let (engine, sent) = (bench.engine(), messages(30));
    let sink = Scripted::new(|batch| match batch.iter().any(|record| record.pk() == "17") {
        true => Outcome::Partial { rejected: 1, message: String::new() },
        false => Outcome::Delivered,
    });
    publish(&*engine, &sent).await;
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("the others arrive", async || sink.counts().len() == 29 && audit.stats().dead == 1).await;
    worker.stop().await;
    let letters = dead(&*engine).await;
    assert_eq!((letters[0].id.as_ref(), letters[0].why.as_str()), (Some(&sent[16].id), "rejected"));
    assert_eq!(audit.stats().failed("rejected"), 1);
}

async fn a_record_that_is_too_old(bench: &dyn Bench) {
    let engine = bench.engine();
    let mut old = messages(1);
    old[0].since = SystemTime::now() - Duration::from_secs(3600);
    let sink = Scripted::new(|_| Outcome::retry(None, "busy"));
    publish(&*engine, &old).await;
    let audit = working(&sink, impatient().max_age(Duration::from_secs(1800)));
    let worker = audit.worker(engine.clone()).spawn();
    until("it is given up", async || audit.stats().dead == 1).await;
    worker.stop().await;
    // However old, it is tried once.
    assert_eq!(sink.asked(), 1);
    assert_eq!(dead(&*engine).await[0].why, "too old to be tried again: busy");
    assert_eq!(audit.stats().failed("too_old"), 1);
}

async fn a_damaged_record(bench: &dyn Bench) {
    let engine = bench.engine();
    let mut sent = messages(3);
    sent[1].payload.truncate(20);
    publish(&*engine, &sent).await;
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("the others arrive", async || sink.counts().len() == 2 && audit.stats().dead == 1).await;
    worker.stop().await;
    let letters = dead(&*engine).await;
    assert_eq!(letters[0].id.as_ref(), Some(&sent[1].id));
    assert!(letters[0].why.contains("damaged"), "{letters:?}");
    assert_eq!(audit.stats().failed("unreadable"), 1);
}

async fn a_later_format_is_never_dead(bench: &dyn Bench) {
    let engine = bench.engine();
    let unknown = newer();
    publish(&*engine, &[vec![unknown.clone()], messages(3)].concat()).await;
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("the others arrive, and it is held", async || {
        sink.counts().len() == 3 && audit.stats().failed("newer_format") > 0
    })
    .await;
    worker.stop().await;
    assert_eq!((audit.stats().dead, dead(&*engine).await.len()), (0, 0));
}

async fn what_workers_die_of(bench: &dyn Bench) {
    let engine = bench.engine();
    let sent = messages(1);
    publish(&*engine, &sent).await;
    for _ in 0..20 {
        let mut consumer = engine.consumer().await.unwrap();
        receive(&mut *consumer, 1).await;
    }
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("it is given up", async || audit.stats().dead == 1).await;
    worker.stop().await;
    assert_eq!(sink.asked(), 0);
    let letters = dead(&*engine).await;
    assert_eq!(letters[0].why, "it was delivered 20 times, and no worker answered");
    assert_eq!(audit.stats().failed("delivery_limit"), 1);
}

async fn a_stop_loses_nothing_and_returns_nothing(bench: &dyn Bench) {
    let (engine, sent) = (bench.engine(), messages(250));
    publish(&*engine, &sent).await;
    let sink = Scripted::willing();
    // One batch is let through after the worker was told to stop.
    sink.gate.forget_permits(Semaphore::MAX_PERMITS);
    let worker = working(&sink, impatient()).worker(engine.clone()).lanes(1).spawn();
    until("a batch is on its way", async || sink.asked() == 1).await;
    let stopping = tokio::spawn(worker.stop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!stopping.is_finished());
    sink.gate.add_permits(1000);
    tokio::time::timeout(super::PATIENCE, stopping).await.unwrap().unwrap();
    let counts = sink.counts();
    assert!((1..250).contains(&counts.len()), "{}", counts.len());
    let mut consumer = engine.consumer().await.unwrap();
    let mut left = 0;
    while left < 250 - counts.len() {
        let arrived = receive(&mut *consumer, 1).await.remove(0);
        assert_eq!(arrived.deliveries, 0);
        consumer.settle(vec![(arrived.ticket, Settlement::Done)]).await.unwrap();
        left += 1;
    }
}

async fn sessions_that_are_cut(bench: &dyn Bench) {
    let (engine, sent) = (bench.engine(), messages(1000));
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    for part in sent.chunks(200) {
        let before = sink.counts().len();
        publish(&*engine, part).await;
        until("it works", async || sink.counts().len() > before).await;
        bench.cut().await;
    }
    until("all arrive", async || sink.counts().len() == 1000).await;
    worker.stop().await;
    let mut sorted = ids(&sent);
    sorted.sort();
    assert_eq!(sink.counts().into_keys().collect::<Vec<_>>(), sorted);
    assert!(dead(&*engine).await.is_empty());
}

async fn many_workers(bench: &dyn Bench) {
    let (engine, sent) = (bench.engine(), messages(1000));
    publish(&*engine, &sent).await;
    let sink = Scripted::willing();
    let workers: Vec<_> =
        (0..3).map(|_| working(&sink, impatient()).worker(engine.clone()).spawn()).collect();
    until("all arrive", async || sink.taken.records().len() >= 1000).await;
    for worker in workers {
        worker.stop().await;
    }
    assert!(sink.counts().values().all(|count| *count == 1));
}

async fn a_replay_is_on_record(bench: &dyn Bench) {
    let (engine, sent) = (bench.engine(), messages(5));
    publish(&*engine, &sent).await;
    let up = Arc::new(AtomicBool::new(false));
    let sink = {
        let up = up.clone();
        Scripted::new(move |_| match up.load(Ordering::SeqCst) {
            false => Outcome::permanent("no such tenant"),
            true => Outcome::Delivered,
        })
    };
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("all are given up", async || audit.stats().dead == 5).await;
    let replay = Replay::new(&audit, "ann");
    until("they are there", async || dead(&*engine).await.len() == 5).await;
    up.store(true, Ordering::SeqCst);
    let one: Vec<String> = vec![sent[2].id.clone(), "nobody's".to_owned()];
    assert_eq!(replay.some(&*engine, &one, "this one first").await.unwrap(), 1);
    until("they are counted", async || engine.dead_letters().await.unwrap().count().await.unwrap() == 4)
        .await;
    assert_eq!(replay.all(&*engine, "tenant made").await.unwrap(), 4);
    assert_eq!(replay.all(&*engine, "tenant made").await.unwrap(), 0);
    until("all arrive", async || sink.counts().len() == 7).await;
    worker.stop().await;
    assert!(dead(&*engine).await.is_empty());
    let told: Vec<_> = sink
        .taken
        .records()
        .into_iter()
        .filter(|record| record.event_type().as_str() == "dead_letters.replayed")
        .map(|record| {
            let said = |key: &str| record.attribute(key).map(|value| value.to_string()).unwrap_or_default();
            (said("user.id"), said("audit.reason"), said("audit.broker.messages"))
        })
        .collect();
    let said = |reason: &str, count: &str| ("ann".to_owned(), reason.to_owned(), count.to_owned());
    assert_eq!(told, [said("this one first", "1"), said("tenant made", "4")]);
}
