//! The rules of an engine.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use super::{
    super::{Content, Engine, PREFETCH, Settlement},
    Bench, PATIENCE, ids, message, messages, newer, on_each_engine, place, publish, receive, tickets,
};

on_each_engine! {
    what_is_published_arrives
    what_is_not_settled_comes_again
    what_is_returned_comes_again
    later
    dead_with_a_reason
    dead_letters_that_were_only_looked_at
    replayed_as_if_for_the_first_time
    nothing_new_after_a_cancel
    a_later_format_goes_through_unharmed
    not_more_than_was_asked_for
    a_session_that_is_cut
}

async fn done(engine: &dyn Engine, count: usize) {
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, count).await;
    let settled = tickets(&arrived).into_iter().map(|ticket| (ticket, Settlement::Done)).collect();
    consumer.settle(settled).await.unwrap();
}

/// The main queue holds nothing: what is published now is what arrives next.
async fn empty(engine: &dyn Engine) {
    let marker = messages(1);
    publish(engine, &marker).await;
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, 1).await;
    assert_eq!(message(&arrived[0]).id, marker[0].id);
    consumer.settle(vec![(arrived[0].ticket, Settlement::Done)]).await.unwrap();
}

/// Makes dead letters of messages.
async fn bury(engine: &dyn Engine, count: u32) -> Vec<String> {
    let sent = messages(count);
    publish(engine, &sent).await;
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, sent.len()).await;
    let dead = |ticket| (ticket, Settlement::Dead { why: "no such tenant".to_owned() });
    consumer.settle(tickets(&arrived).into_iter().map(dead).collect()).await.unwrap();
    ids(&sent)
}

async fn what_is_published_arrives(bench: &dyn Bench) {
    let engine = &*bench.engine();
    let sent = messages(30);
    publish(engine, &sent).await;
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, 30).await;
    for (arrived, sent) in arrived.iter().zip(&sent) {
        let got = message(arrived);
        assert_eq!((&got.id, got.format, &got.payload), (&sent.id, sent.format, &sent.payload));
        assert_eq!(place(got), place(sent));
        assert_eq!((arrived.deliveries, got.attempts, got.not_before), (0, 0, None));
        let age = SystemTime::now().duration_since(got.since).unwrap();
        assert!(age < PATIENCE, "{age:?}");
    }
    let settled = tickets(&arrived).into_iter().map(|ticket| (ticket, Settlement::Done)).collect();
    consumer.settle(settled).await.unwrap();
    drop(consumer);
    empty(engine).await;
}

async fn what_is_not_settled_comes_again(bench: &dyn Bench) {
    let engine = &*bench.engine();
    let sent = messages(5);
    publish(engine, &sent).await;
    for deliveries in 0..3 {
        let mut consumer = engine.consumer().await.unwrap();
        let arrived = receive(&mut *consumer, 5).await;
        assert!(arrived.iter().all(|arrived| arrived.deliveries == deliveries), "{arrived:?}");
        let got: BTreeSet<_> = arrived.iter().map(|arrived| message(arrived).id.clone()).collect();
        assert_eq!(got, ids(&sent).into_iter().collect());
    }
    done(engine, 5).await;
    empty(engine).await;
}

async fn what_is_returned_comes_again(bench: &dyn Bench) {
    let engine = &*bench.engine();
    publish(engine, &messages(1)).await;
    let mut consumer = engine.consumer().await.unwrap();
    for deliveries in 0..3 {
        let arrived = receive(&mut *consumer, 1).await;
        assert_eq!(arrived[0].deliveries, deliveries);
        consumer.settle(vec![(arrived[0].ticket, Settlement::Return)]).await.unwrap();
    }
}

async fn later(bench: &dyn Bench) {
    let engine = &*bench.engine();
    let sent = messages(2);
    publish(engine, &sent).await;
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, 2).await;
    let until = SystemTime::now() + Duration::from_millis(150);
    let start = Instant::now();
    let later = Settlement::Later { until, attempts: 7 };
    consumer.settle(vec![(arrived[0].ticket, later), (arrived[1].ticket, Settlement::Done)]).await.unwrap();
    let again = receive(&mut *consumer, 1).await;
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    let got = message(&again[0]);
    assert_eq!((&got.id, got.attempts, &got.payload), (&sent[0].id, 7, &sent[0].payload));
    assert_eq!(place(got), place(&sent[0]));
    let moment = got.not_before.unwrap();
    let off = moment.max(until).duration_since(moment.min(until)).unwrap();
    assert!(off <= Duration::from_millis(1), "{off:?}");
    // A wait is no delivery that somebody did not answer.
    assert_eq!(again[0].deliveries, 0);
    let since = got.since;
    consumer.settle(vec![(again[0].ticket, Settlement::Done)]).await.unwrap();
    let first = message(&arrived[0]).since;
    assert_eq!(since, first);
}

async fn dead_with_a_reason(bench: &dyn Bench) {
    let engine = &*bench.engine();
    let buried = bury(engine, 3).await;
    let mut letters = engine.dead_letters().await.unwrap();
    let taken = letters.take(10).await.unwrap();
    let got: Vec<_> = taken.iter().map(|letter| letter.id.clone().unwrap()).collect();
    assert_eq!(got, buried);
    assert!(taken.iter().all(|letter| letter.why == "no such tenant"), "{taken:?}");
    assert!(letters.take(10).await.unwrap().is_empty());
    empty(engine).await;
}

async fn dead_letters_that_were_only_looked_at(bench: &dyn Bench) {
    let engine = bench.engine();
    bury(&*engine, 3).await;
    assert_eq!(engine.dead_letters().await.unwrap().take(2).await.unwrap().len(), 2);
    super::until("they are back", async || {
        engine.dead_letters().await.unwrap().take(10).await.unwrap().len() == 3
    })
    .await;
    super::until("they are counted", async || {
        engine.dead_letters().await.unwrap().count().await.unwrap() == 3
    })
    .await;
}

async fn replayed_as_if_for_the_first_time(bench: &dyn Bench) {
    let engine = &*bench.engine();
    let buried = bury(engine, 3).await;
    let told = messages(1).remove(0);
    let mut letters = engine.dead_letters().await.unwrap();
    let chosen = tickets_of(&letters.take(2).await.unwrap());
    letters.replay(chosen, told.clone()).await.unwrap();
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, 3).await;
    let got: Vec<_> = arrived.iter().map(|arrived| message(arrived).id.clone()).collect();
    assert_eq!(got, [&buried[..2], &[told.id]].concat());
    assert!(arrived.iter().all(|arrived| arrived.deliveries == 0 && message(arrived).attempts == 0));
    let left = letters.take(10).await.unwrap();
    assert_eq!(left[0].id.as_ref(), Some(&buried[2]));
}

fn tickets_of(letters: &[super::super::DeadLetter]) -> Vec<super::super::Ticket> {
    letters.iter().map(|letter| letter.ticket).collect()
}

async fn nothing_new_after_a_cancel(bench: &dyn Bench) {
    let engine = &*bench.engine();
    let sent = messages(20);
    publish(engine, &sent).await;
    let mut consumer = engine.consumer().await.unwrap();
    let mut got = receive(&mut *consumer, 1).await;
    consumer.cancel().await.unwrap();
    publish(engine, &messages(1)).await;
    loop {
        let rest = tokio::time::timeout(PATIENCE, consumer.receive(7)).await.unwrap().unwrap();
        if rest.is_empty() {
            break;
        }
        got.extend(rest);
    }
    // The end is the end, however often it is asked.
    assert!(consumer.receive(7).await.unwrap().is_empty());
    assert!(got.len() <= 20, "{}", got.len());
    let settled = tickets(&got).into_iter().map(|ticket| (ticket, Settlement::Done)).collect();
    consumer.settle(settled).await.unwrap();
    done(engine, 21 - got.len()).await;
    empty(engine).await;
}

async fn a_later_format_goes_through_unharmed(bench: &dyn Bench) {
    let engine = &*bench.engine();
    publish(engine, &[newer()]).await;
    let mut consumer = engine.consumer().await.unwrap();
    for _ in 0..2 {
        let arrived = receive(&mut *consumer, 1).await;
        assert!(matches!(arrived[0].content, Content::Newer { format, .. } if format == newer().format));
        let until = SystemTime::now() + Duration::from_millis(50);
        consumer.settle(vec![(arrived[0].ticket, Settlement::Later { until, attempts: 0 })]).await.unwrap();
    }
}

async fn not_more_than_was_asked_for(bench: &dyn Bench) {
    let engine = &*bench.engine();
    publish(engine, &messages(150)).await;
    let mut consumer = engine.consumer().await.unwrap();
    let most = usize::from(PREFETCH);
    let mut arrived = receive(&mut *consumer, most).await;
    assert_eq!(arrived.len(), most);
    // Nothing more comes before something is settled.
    let more = tokio::time::timeout(Duration::from_millis(300), consumer.receive(most)).await;
    assert!(more.is_err(), "{more:?}");
    let settled =
        tickets(&arrived.split_off(50)).into_iter().map(|ticket| (ticket, Settlement::Done)).collect();
    consumer.settle(settled).await.unwrap();
    assert_eq!(receive(&mut *consumer, 50).await.len(), 50);
}

async fn a_session_that_is_cut(bench: &dyn Bench) {
    let engine = &*bench.engine();
    let sent = messages(3);
    publish(engine, &sent).await;
    let mut publisher = engine.publisher().await.unwrap();
    let mut consumer = engine.consumer().await.unwrap();
    let mut letters = engine.dead_letters().await.unwrap();
    let arrived = receive(&mut *consumer, 3).await;
    bench.cut().await;
    let received = tokio::time::timeout(PATIENCE, consumer.receive(3)).await.unwrap();
    assert!(received.is_err(), "{received:?}");
    let settle = consumer.settle(vec![(arrived[0].ticket, Settlement::Done)]);
    let settled = tokio::time::timeout(PATIENCE, settle).await.unwrap();
    assert!(settled.is_err());
    assert!(tokio::time::timeout(PATIENCE, publisher.publish(&messages(1))).await.unwrap().is_err());
    assert!(tokio::time::timeout(PATIENCE, letters.count()).await.unwrap().is_err());
    drop((publisher, consumer, letters));
    let mut consumer = engine.consumer().await.unwrap();
    let again = receive(&mut *consumer, 3).await;
    let got: BTreeSet<_> = again.iter().map(|arrived| message(arrived).id.clone()).collect();
    assert_eq!(got, ids(&sent).into_iter().collect());
    assert!(again.iter().all(|arrived| arrived.deliveries == 1), "{again:?}");
}
