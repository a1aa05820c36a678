//! What only a broker over a network can do.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use super::{
    super::{Engine, EngineError, Published, RabbitMq, Settlement},
    Bench, PATIENCE, ids, messages,
    proxy::Proxy,
    publish, receive,
    sinks::{Scripted, impatient, working},
    tickets, until,
};
use crate::relay::Verdict;

/// Queues of a test's own, behind a wire of its own.
pub(super) struct TestQueues {
    url: String,
    proxy: Proxy,
    engine: RabbitMq,
}

/// Long enough for that order can be seen, and short enough to wait for.
const WAITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(700)];

fn server() -> Option<String> {
    let server = std::env::var("FTN_AUDIT_TEST_RABBITMQ").ok();
    let required = std::env::var("FTN_AUDIT_TEST_REQUIRE").is_ok_and(|value| value == "1");
    assert!(
        server.is_some() || !required,
        "FTN_AUDIT_TEST_RABBITMQ is not set, and FTN_AUDIT_TEST_REQUIRE is"
    );
    server
}

impl TestQueues {
    /// `None` where there is no broker and none is demanded.
    pub(super) async fn new() -> Option<Self> {
        let url = server()?;
        let authority = url.strip_prefix("amqp://").expect("an amqp:// URL").split('/').next().unwrap();
        let (user, host) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let target = if host.contains(':') { host.to_owned() } else { format!("{host}:5672") };
        let proxy = Proxy::new(target).await;
        let through = format!("amqp://{user}@{}", proxy.address());
        let name = format!("ftn-audit.test.{}", uuid::Uuid::now_v7().simple());
        let engine = RabbitMq::new(&through).unwrap().queue(name).unwrap().with_waits(&WAITS);
        Some(Self { url, proxy, engine })
    }

    async fn direct(&self) -> Connection {
        Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap()
    }

    pub(super) async fn delete(&self) {
        let connection = self.direct().await;
        let channel = connection.create_channel().await.unwrap();
        for queue in self.engine.queue_names() {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
    }

    async fn delete_main(&self) {
        let channel = self.direct().await.create_channel().await.unwrap();
        let main = self.engine.queue_names().remove(0);
        channel.queue_delete(main.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    }
}

impl Drop for TestQueues {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // A runtime cannot be waited for inside another, so it is another thread's.
        let (url, queues) = (self.url.clone(), self.engine.queue_names());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
                let channel = connection.create_channel().await?;
                for queue in queues {
                    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
                }
                Ok::<_, lapin::Error>(())
            })
        });
        if let Ok(Err(error)) = deleting.join() {
            eprintln!("queues are left behind: {error}");
        }
    }
}

#[async_trait]
impl Bench for TestQueues {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.engine.clone())
    }

    async fn cut(&self) {
        self.proxy.cut();
    }
}

macro_rules! on_rabbitmq {
    ($($test:ident)+) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn rabbitmq() {
                if let Some(bench) = super::TestQueues::new().await {
                    super::$test(&bench).await;
                    bench.delete().await;
                }
            }
        }
    )+};
}

on_rabbitmq! {
    a_message_that_is_not_ours
    queues_that_others_declared
    a_user_that_is_refused
    a_broker_that_is_not_there_and_comes_back
    a_wire_that_is_blocked
    a_queue_that_is_deleted
    carried_while_the_wire_is_cut
    what_is_written_survives_the_session
}

async fn a_message_that_is_not_ours(bench: &TestQueues) {
    let engine = bench.engine();
    publish(&*engine, &messages(2)).await;
    let channel = bench.direct().await.create_channel().await.unwrap();
    let main = bench.engine.queue_names().remove(0);
    let properties =
        BasicProperties::default().with_user_id("guest".into()).with_expiration("86400000".into());
    let published = channel.basic_publish(
        "".into(),
        main.as_str().into(),
        BasicPublishOptions::default(),
        b"\xff\xfe what is this",
        properties,
    );
    published.await.unwrap().await.unwrap();
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    until("all are dealt with", async || sink.counts().len() == 2 && audit.stats().dead == 1).await;
    worker.stop().await;
    let letters = engine.dead_letters().await.unwrap().take(10).await.unwrap();
    assert_eq!((letters[0].id.as_ref(), letters[0].why.as_str()), (None, "it is no message of ftn-audit"));
}

async fn queues_that_others_declared(bench: &TestQueues) {
    let channel = bench.direct().await.create_channel().await.unwrap();
    let main = bench.engine.queue_names().remove(0);
    let classic =
        channel.queue_declare(main.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default());
    classic.await.unwrap();
    let error = bench.engine().publisher().await.err().unwrap();
    assert!(matches!(&error, EngineError::OtherArguments { queue, .. } if *queue == main), "{error}");
    assert!(error.needs_operator());
}

async fn a_user_that_is_refused(bench: &TestQueues) {
    for (user, vhost) in [("guest:s3cret", "%2f"), ("guest:guest", "no-such-host")] {
        let url = format!("amqp://{user}@{}/{vhost}", bench.proxy.address());
        let engine = RabbitMq::new(&url).unwrap();
        let error = engine.consumer().await.err().unwrap();
        assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    // For that there is something to delete.
    publish(&*bench.engine(), &[]).await;
}

async fn a_broker_that_is_not_there_and_comes_back(bench: &TestQueues) {
    let (engine, sent) = (bench.engine(), messages(10));
    bench.proxy.go_away().await;
    let start = Instant::now();
    let error = engine.publisher().await.err().unwrap();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(11), "{:?}", start.elapsed());
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    let carrier = audit.carrier(engine).unwrap();
    let refused = carrier.carry(&sent, Instant::now() + PATIENCE).await;
    assert!(
        refused.iter().all(|verdict| matches!(verdict, Verdict::Again { operator: false, .. })),
        "{refused:?}"
    );
    bench.proxy.come_back().await;
    let carried = carrier.carry(&sent, Instant::now() + PATIENCE).await;
    assert_eq!(carried, vec![Verdict::Delivered; 10]);
    until("all arrive", async || sink.counts().len() == 10).await;
    worker.stop().await;
    let stats = audit.stats();
    assert_eq!((stats.published, stats.delivered), (10, 10));
}

async fn a_wire_that_is_blocked(bench: &TestQueues) {
    let (engine, sent) = (bench.engine(), messages(10));
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let carrier = audit.carrier(engine).unwrap();
    assert_eq!(carrier.carry(&sent[..1], Instant::now() + PATIENCE).await, [Verdict::Delivered]);
    bench.proxy.block(true);
    let start = Instant::now();
    let stalled = carrier.carry(&sent[1..], start + Duration::from_millis(300)).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(stalled.iter().all(|verdict| matches!(verdict, Verdict::Again { .. })), "{stalled:?}");
    // Nor is a session had over it for ever.
    let opened = carrier.carry(&sent[1..], Instant::now() + PATIENCE).await;
    assert!(opened.iter().all(|verdict| matches!(verdict, Verdict::Again { .. })), "{opened:?}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    bench.proxy.block(false);
    let carried = carrier.carry(&sent[1..], Instant::now() + PATIENCE).await;
    assert_eq!(carried, vec![Verdict::Delivered; 9]);
}

async fn a_queue_that_is_deleted(bench: &TestQueues) {
    let (engine, sent) = (bench.engine(), messages(10));
    let sink = Scripted::willing();
    let audit = working(&sink, impatient());
    let worker = audit.worker(engine.clone()).spawn();
    let carrier = audit.carrier(engine.clone()).unwrap();
    let mut publisher = engine.publisher().await.unwrap();
    carrier.carry(&sent[..5], Instant::now() + PATIENCE).await;
    until("the first arrive", async || sink.counts().len() == 5).await;
    worker.stop().await;
    bench.delete_main().await;
    // Returned as unroutable, which a broker confirms, too.
    let published = publisher.publish(&sent[5..]).await.unwrap();
    assert!(
        published.iter().all(|published| matches!(published, Published::NotTaken { .. })),
        "{published:?}"
    );
    let refused = carrier.carry(&sent[5..], Instant::now() + PATIENCE).await;
    assert!(refused.iter().all(|verdict| matches!(verdict, Verdict::Again { .. })), "{refused:?}");
    let carried = carrier.carry(&sent[5..], Instant::now() + PATIENCE).await;
    assert_eq!(carried, vec![Verdict::Delivered; 5]);
    let worker = audit.worker(engine).spawn();
    until("the others arrive", async || sink.counts().len() == 10).await;
    // A worker that is at it makes the queue anew, too.
    bench.delete_main().await;
    let more = messages(5);
    until("it is there again", async || {
        let carried = carrier.carry(&more, Instant::now() + PATIENCE).await;
        carried == vec![Verdict::Delivered; 5]
    })
    .await;
    until("all arrive", async || sink.counts().len() == 15).await;
    worker.stop().await;
}

/// Whatever was confirmed is there.
async fn carried_while_the_wire_is_cut(bench: &TestQueues) {
    let engine = bench.engine();
    let audit = working(&Scripted::willing(), impatient());
    let carrier = audit.carrier(engine.clone()).unwrap();
    let mut confirmed = HashSet::new();
    for round in 0..10 {
        let sent = messages(300);
        let deadline = Instant::now() + PATIENCE;
        let (verdicts, ()) = tokio::join!(carrier.carry(&sent, deadline), async {
            tokio::time::sleep(Duration::from_millis(7 * round)).await;
            bench.proxy.cut();
        });
        let sent = ids(&sent).into_iter().zip(verdicts);
        confirmed.extend(sent.filter(|(_, verdict)| *verdict == Verdict::Delivered).map(|(id, _)| id));
    }
    publish(&*engine, &messages(1)).await;
    let sink = Scripted::willing();
    let worker = working(&sink, impatient()).worker(engine).spawn();
    until("all that was confirmed arrives", async || {
        let arrived = sink.counts();
        confirmed.iter().all(|id| arrived.contains_key(id))
    })
    .await;
    worker.stop().await;
}

async fn what_is_written_survives_the_session(bench: &TestQueues) {
    let engine = bench.engine();
    publish(&*engine, &messages(3)).await;
    bench.proxy.cut();
    let mut consumer = engine.consumer().await.unwrap();
    let arrived = receive(&mut *consumer, 3).await;
    let settled = tickets(&arrived).into_iter().map(|ticket| (ticket, Settlement::Done)).collect();
    consumer.settle(settled).await.unwrap();
}
