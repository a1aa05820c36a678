use super::*;
use crate::delivery::ShutdownReport;

fn report(drained: u64, failed: u64, left: u64) -> ShutdownReport {
    ShutdownReport { drained, failed, left }
}

#[tokio::test]
async fn shutdown_delivers_what_is_waiting() {
    let bench = Bench::new(queue().linger(Duration::from_secs(3600)), Script::good());
    bench.give(0..700).await;
    bench.flush().await;
    bench.give(700..720).await;
    assert_eq!(bench.dispatcher.shutdown(PATIENCE).await, report(20, 0, 0));
    assert_eq!(bench.sink.delivered().len(), 720);
}

#[tokio::test]
async fn shutdown_tells_refused_records_from_delivered_ones() {
    let bench = Bench::new(queue().linger(Duration::from_secs(3600)), Script::new([], dislikes_37));
    bench.give(0..100).await;
    assert_eq!(bench.dispatcher.shutdown(PATIENCE).await, report(99, 1, 0));
}

#[tokio::test]
async fn shutdown_ends_at_its_timeout_whatever_the_sink_does() {
    for stuck in [hang as fn(&[AuditRecord]) -> Play, block] {
        let bench = Bench::new(queue().batch(4), Script::new([Play::Say(Outcome::Delivered)], stuck));
        bench.give(0..10).await;
        bench.sink.wait_for_requests(2);
        let (start, timeout) = (Instant::now(), Duration::from_millis(50));
        assert_eq!(bench.dispatcher.shutdown(timeout).await, report(0, 0, 6));
        assert!(start.elapsed() >= timeout && start.elapsed() < Duration::from_secs(4));
        let stats = bench.stats();
        assert_eq!((stats.delivered, stats.dropped, stats.failed("shutdown")), (4, 6, 6));
        assert_eq!((stats.queue_records, stats.queue_bytes), (0, 0));
        bench.sink.release();
    }
}

#[tokio::test]
async fn an_answer_after_the_timeout_changes_nothing() {
    let bench = Bench::new(queue(), Script::new([], block));
    bench.give(0..3).await;
    bench.sink.wait_for_requests(1);
    assert_eq!(bench.dispatcher.shutdown(Duration::ZERO).await, report(0, 0, 3));
    bench.sink.release();
    let sink = Arc::downgrade(&bench.sink);
    drop(bench.sink);
    // The worker lets go of the sink when it ends, which is after it has heard the late answer.
    let start = Instant::now();
    while sink.strong_count() > 0 {
        assert!(start.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    assert_eq!((bench.metrics.snapshot().delivered, bench.metrics.snapshot().dropped), (0, 3));
}

#[tokio::test]
async fn no_thread_stays_behind_with_a_sink_that_hangs() {
    for delivery in [queue(), sync()] {
        let bench = Bench::new(delivery, Script::new([], hang));
        drop(bench.dispatcher.hand_over(records(0..3)));
        bench.sink.wait_for_requests(1);
        assert_eq!(bench.dispatcher.shutdown(Duration::ZERO).await, report(0, 0, 3));
        drop(bench.dispatcher);
        let start = Instant::now();
        while Arc::strong_count(&bench.sink) > 1 {
            assert!(start.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn shutdown_ends_a_wait_for_the_next_attempt() {
    let hour = Outcome::retry(Some(Duration::from_secs(3600)), "busy");
    let bench = Bench::new(
        queue().max_age(Duration::from_secs(7200)),
        Script::new([Play::Say(hour)], |_| Play::Say(Outcome::Delivered)),
    );
    bench.give(0..3).await;
    bench.sink.wait_for_requests(1);
    assert_eq!(bench.dispatcher.shutdown(PATIENCE).await, report(3, 0, 0));
}

#[tokio::test]
async fn shutdown_does_not_sit_out_a_wait_that_outlasts_it() {
    let busy = |_: &[AuditRecord]| Play::Say(Outcome::retry(Some(Duration::from_secs(3600)), "busy"));
    let bench = Bench::new(queue().max_age(Duration::from_secs(7200)), Script::new([], busy));
    bench.give(0..3).await;
    bench.sink.wait_for_requests(1);
    let start = Instant::now();
    assert_eq!(bench.dispatcher.shutdown(Duration::from_secs(600)).await, report(0, 0, 3));
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(bench.sink.sizes(), [3, 3]);
}

#[tokio::test]
async fn shutdown_goes_on_trying_until_attempts_are_used_up() {
    let bench = Bench::new(queue().max_attempts(5), Script::new([], refuse));
    bench.give(0..3).await;
    assert_eq!(bench.dispatcher.shutdown(PATIENCE).await, report(0, 3, 0));
    assert_eq!(bench.stats().failed("retries_exhausted"), 3);
}

#[tokio::test]
async fn records_after_shutdown_go_to_the_fallback() {
    for delivery in [queue(), sync()] {
        let bench = Bench::new(delivery, Script::good());
        assert_eq!(bench.dispatcher.shutdown(PATIENCE).await, report(0, 0, 0));
        bench.give(0..2).await;
        bench.flush().await;
        assert_eq!((bench.stats().failed("shutdown"), bench.stats().dropped), (2, 2));
        assert!(bench.sink.sizes().is_empty());
    }
}

#[tokio::test]
async fn shutdown_goes_on_when_its_future_is_dropped_and_reports_the_same_to_all() {
    let bench = Bench::new(queue(), Script::gated());
    bench.give(0..3).await;
    bench.sink.wait_for_requests(1);
    tokio::select! {
        biased;
        _ = bench.dispatcher.shutdown(PATIENCE) => panic!("the sink is still shut"),
        () = std::future::ready(()) => {}
    }
    bench.sink.release();
    let (first, second) =
        tokio::join!(bench.dispatcher.shutdown(PATIENCE), bench.dispatcher.shutdown(Duration::ZERO));
    assert_eq!((first, second), (report(3, 0, 0), report(3, 0, 0)));
    assert_eq!(bench.dispatcher.shutdown(PATIENCE).await, report(3, 0, 0));
}

#[tokio::test]
async fn a_dropped_handle_still_delivers() {
    let bench = Bench::new(queue().linger(Duration::from_secs(3600)), Script::gated());
    bench.give(0..20).await;
    drop(bench.dispatcher);
    bench.sink.wait_for_requests(1);
    bench.sink.release();
    let start = Instant::now();
    while bench.metrics.snapshot().delivered < 20 {
        assert!(start.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.sink.delivered(), (0..20).collect::<Vec<_>>());
    // All threads end and let go.
    while Arc::strong_count(&bench.metrics) > 1 {
        assert!(start.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn flush_says_when_it_was_not_enough() {
    let bench = Bench::new(queue(), Script::gated());
    assert!(bench.dispatcher.flush(Duration::ZERO).await);
    bench.give(0..1).await;
    assert!(!bench.dispatcher.flush(Duration::from_millis(10)).await);
    bench.sink.release();
    bench.flush().await;
}

#[tokio::test]
async fn shutdown_of_sync_waits_for_attempts_under_way() {
    let bench = Bench::new(sync(), Script::gated());
    drop(bench.dispatcher.hand_over(records(0..3)));
    bench.sink.wait_for_requests(1);
    let sink = bench.sink.clone();
    let (closed, ()) = tokio::join!(bench.dispatcher.shutdown(PATIENCE), async move { sink.release() });
    assert_eq!(closed, report(3, 0, 0));
}
