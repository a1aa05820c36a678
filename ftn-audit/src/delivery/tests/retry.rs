use super::*;
use crate::delivery::send::Backoff;

#[tokio::test]
async fn the_wait_that_a_sink_asks_for_is_kept() {
    let wait = Duration::from_millis(60);
    let bench = Bench::new(
        queue(),
        Script::new([Play::Say(Outcome::retry(Some(wait), "busy"))], |_| Play::Say(Outcome::Delivered)),
    );
    bench.give(0..3).await;
    bench.flush().await;
    let times = bench.sink.times();
    assert_eq!(times.len(), 2);
    assert!(times[1] - times[0] >= wait, "{:?}", times[1] - times[0]);
    assert_eq!((bench.stats().retried, bench.stats().delivered), (3, 3));
}

#[tokio::test]
async fn patience_ends_after_so_many_attempts() {
    let bench = Bench::new(queue().max_attempts(3), Script::new([], refuse));
    bench.give(0..5).await;
    bench.flush().await;
    assert_eq!(bench.sink.sizes(), [5, 5, 5]);
    let stats = bench.stats();
    assert_eq!((stats.retried, stats.dropped, stats.failed("retries_exhausted")), (10, 5, 5));
}

#[tokio::test]
async fn patience_ends_with_the_age_of_a_record() {
    let age = Duration::from_millis(80);
    let bench = Bench::new(queue().max_age(age).max_attempts(u32::MAX), Script::new([], refuse));
    let start = Instant::now();
    bench.give(0..2).await;
    bench.flush().await;
    assert!(start.elapsed() >= age);
    assert_eq!(bench.stats().failed("too_old"), 2);
}

#[tokio::test]
async fn a_record_does_not_wait_beyond_its_age_for_a_sink_that_asks_for_more() {
    let hour = Outcome::retry(Some(Duration::from_secs(3600)), "busy");
    let bench = Bench::new(
        queue().max_age(Duration::from_millis(50)),
        Script::new([Play::Say(hour)], |_| Play::Say(Outcome::Delivered)),
    );
    bench.give(0..2).await;
    bench.flush().await;
    assert_eq!((bench.sink.sizes(), bench.stats().failed("too_old")), (vec![2], 2));
}

#[tokio::test]
async fn an_attempt_without_end_is_given_up() {
    let bench = Bench::new(
        queue().max_age(Duration::from_millis(50)),
        Script::new([Play::Hang], |_| Play::Say(Outcome::Delivered)),
    );
    bench.give(0..1).await;
    bench.flush().await;
    bench.give(1..2).await;
    bench.flush().await;
    assert_eq!(bench.stats().failed("too_old"), 1);
    assert_eq!(bench.sink.delivered(), [1]);
}

#[tokio::test]
async fn new_records_are_taken_during_a_wait_and_keep_their_order() {
    let busy = || Play::Say(Outcome::retry(Some(Duration::from_millis(30)), "busy"));
    let bench = Bench::new(queue(), Script::new([busy(), busy()], |_| Play::Say(Outcome::Delivered)));
    bench.give(0..3).await;
    bench.sink.wait_for_requests(1);
    bench.give(3..6).await;
    bench.flush().await;
    assert_eq!(bench.sink.delivered(), (0..6).collect::<Vec<_>>());
    assert_eq!(bench.sink.sizes(), [3, 3, 3, 3]);
}

#[tokio::test]
async fn the_one_bad_record_of_a_hundred_is_found() {
    let bench = Bench::new(queue(), Script::new([], dislikes_37));
    bench.give(0..100).await;
    bench.flush().await;
    let expected: Vec<usize> = (0..100).filter(|number| *number != 37).collect();
    assert_eq!(bench.sink.delivered(), expected);
    assert!(bench.sink.sizes().len() <= 15, "{} requests", bench.sink.sizes().len());
    assert_eq!((bench.stats().delivered, bench.stats().failed("rejected")), (99, 1));
}

#[tokio::test]
async fn a_hundred_bad_records_take_two_hundred_requests_at_most() {
    let partial =
        |_: &[AuditRecord]| Play::Say(Outcome::Partial { rejected: 0, message: "too large".to_owned() });
    let bench = Bench::new(queue(), Script::new([], partial));
    bench.give(0..100).await;
    bench.flush().await;
    assert_eq!(bench.sink.sizes().len(), 199);
    assert_eq!(bench.stats().failed("rejected"), 100);
}

#[tokio::test]
async fn a_failure_in_the_middle_of_halving_is_repeated_where_it_happened() {
    let part = || Play::Say(Outcome::Partial { rejected: 1, message: String::new() });
    let bench = Bench::new(
        queue(),
        Script::new([part(), Play::Say(Outcome::Delivered), Play::Say(Outcome::retry(None, "down"))], |_| {
            Play::Say(Outcome::Delivered)
        }),
    );
    bench.give(0..8).await;
    bench.flush().await;
    assert_eq!(bench.sink.sizes(), [8, 4, 4, 4]);
    assert_eq!(bench.sink.delivered(), (0..8).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_will_never_work_is_not_repeated() {
    let bench = Bench::new(queue(), Script::new([], |_| Play::Say(Outcome::permanent("no such tenant"))));
    bench.give(0..4).await;
    bench.flush().await;
    assert_eq!((bench.sink.sizes(), bench.stats().failed("permanent")), (vec![4], 4));
}

#[tokio::test]
async fn a_panic_of_the_sink_is_a_failed_attempt() {
    let bench = Bench::new(
        queue().max_attempts(2),
        Script::new([Play::Panic, Play::Say(Outcome::Delivered), Play::Panic, Play::Panic], |_| {
            Play::Say(Outcome::Delivered)
        }),
    );
    for number in 0..3 {
        bench.give(number..number + 1).await;
        bench.flush().await;
    }
    assert_eq!(bench.sink.delivered(), [0, 2]);
    assert_eq!((bench.stats().failed("sink_panic"), bench.stats().retried), (1, 2));
}

#[tokio::test]
async fn a_sink_that_panics_outside_of_its_future_ends_nothing() {
    struct Clumsy;
    impl Sink for Clumsy {
        fn name(&self) -> &str {
            "clumsy"
        }

        fn deliver<'a: 'f, 'b: 'f, 'f>(
            &'a self,
            _: &'b [AuditRecord],
        ) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send + 'f>> {
            panic!("scripted")
        }

        fn encoded_bytes(&self, _: &AuditRecord) -> usize {
            panic!("scripted")
        }

        fn max_batch_bytes(&self) -> usize {
            10_000
        }
    }
    let metrics = Arc::new(Metrics::default());
    let delivery = queue().max_attempts(1);
    let dispatcher = Dispatcher::start(delivery, Arc::new(Clumsy), Fallback::drop(), metrics.clone());
    dispatcher.hand_over(records(0..2)).await;
    assert!(dispatcher.flush(PATIENCE).await);
    assert_eq!(metrics.snapshot().failed("sink_panic"), 2);
}

#[tokio::test]
async fn waits_without_end_can_be_asked_for() {
    let forever = Outcome::retry(Some(Duration::MAX), "busy");
    let delivery =
        Delivery::queue().linger(Duration::MAX).max_age(Duration::MAX).backoff(Duration::MAX, Duration::MAX);
    let bench = Bench::new(delivery, Script::new([Play::Say(forever)], |_| Play::Say(Outcome::Delivered)));
    bench.give(0..3).await;
    assert!(!bench.dispatcher.flush(Duration::from_millis(10)).await);
    bench.sink.wait_for_requests(1);
    assert_eq!(bench.dispatcher.shutdown(Duration::MAX).await.drained, 3);
}

#[test]
fn waits_are_jittered_under_a_ceiling_that_doubles() {
    let ms = Duration::from_millis;
    let backoff = Backoff { initial: ms(100), max: ms(1000) };
    for (failures, ceiling) in [(1, 100), (2, 200), (4, 800), (5, 1000), (u32::MAX, 1000)] {
        let waits: Vec<Duration> = (0..200).map(|_| backoff.wait(failures)).collect();
        assert!(waits.iter().all(|wait| *wait <= ms(ceiling)));
        assert!(waits.iter().any(|wait| *wait > ms(ceiling / 2)));
        assert!(waits.iter().any(|wait| *wait < ms(ceiling / 2)));
    }
}
