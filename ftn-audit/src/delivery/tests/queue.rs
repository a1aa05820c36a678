use super::*;

#[tokio::test]
async fn order_is_kept_in_bounded_batches() {
    let bench = Bench::new(queue().batch(50), Script::gated());
    bench.give(0..1).await;
    bench.sink.wait_for_requests(1);
    for start in (1..301).step_by(3) {
        bench.give(start..start + 3).await;
    }
    bench.sink.release();
    bench.flush().await;
    assert_eq!(bench.sink.sizes(), [1, 50, 50, 50, 50, 50, 50]);
    assert_eq!(bench.sink.delivered(), (0..301).collect::<Vec<_>>());
    assert_eq!(bench.stats().delivered, 301);
    assert_eq!((bench.stats().queue_records, bench.stats().queue_bytes), (0, 0));
}

#[tokio::test]
async fn records_linger_for_company() {
    let bench = Bench::new(queue().linger(Duration::from_millis(40)), Script::good());
    let start = Instant::now();
    bench.give(0..1).await;
    bench.give(1..2).await;
    bench.sink.wait_for_requests(1);
    assert!(bench.sink.times()[0] - start >= Duration::from_millis(40));
    bench.flush().await;
    assert_eq!(bench.sink.delivered(), [0, 1]);
}

#[tokio::test]
async fn a_full_batch_and_a_flush_end_the_lingering() {
    let bench = Bench::new(queue().batch(10).linger(Duration::from_secs(3600)), Script::good());
    for number in 0..10 {
        bench.give(number..number + 1).await;
    }
    bench.sink.wait_for_requests(1);
    bench.give(10..13).await;
    bench.flush().await;
    assert_eq!(bench.sink.sizes(), [10, 3]);
}

#[tokio::test]
async fn bytes_end_the_lingering_before_the_queue_is_full() {
    let bench = Bench::new(queue().capacity_bytes(20_000).linger(Duration::from_secs(3600)), Script::good());
    for number in 0..200 {
        bench.give(number..number + 1).await;
        if bench.stats().queue_bytes >= 10_000 {
            break;
        }
    }
    bench.sink.wait_for_requests(1);
    bench.flush().await;
    assert_eq!(bench.stats().failures.len(), 0);
}

#[tokio::test]
async fn a_queue_full_of_records_sends_new_ones_to_the_fallback() {
    let bench = Bench::new(queue().capacity(10).batch(5), Script::gated());
    bench.give(0..8).await;
    bench.give(8..12).await;
    assert_eq!(bench.stats().queue_records, 10);
    assert_eq!(bench.stats().failed("queue_full"), 2);
    bench.sink.release();
    bench.flush().await;
    bench.give(12..13).await;
    bench.flush().await;
    assert_eq!(bench.sink.delivered(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12]);
    assert_eq!((bench.stats().delivered, bench.stats().dropped), (11, 2));
}

#[tokio::test]
async fn a_queue_full_of_bytes_sends_new_ones_to_the_fallback() {
    let bench = Bench::new(queue().capacity_bytes(8 << 10), Script::gated());
    bench.give(0..100).await;
    let stats = bench.stats();
    assert!(stats.queue_bytes <= 8 << 10, "{stats:?}");
    assert!(stats.queue_records >= 8, "{stats:?}");
    assert_eq!(stats.failed("queue_bytes_full"), 100 - stats.queue_records);
    bench.sink.release();
    bench.flush().await;
    assert_eq!(bench.sink.delivered(), (0..stats.queue_records as usize).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_records_share_is_counted_once_in_a_hand_over() {
    let bench = Bench::new(queue(), Script::gated());
    bench.give(0..1).await;
    let alone = bench.stats().queue_bytes;
    let shared = Arc::new(Attributes::new().with("user_agent.original", "x".repeat(1000)));
    let with_context = |count: usize| {
        records(1..count + 1)
            .into_iter()
            .map(|record| AuditRecord { context: shared.clone(), ..record })
            .collect()
    };
    bench.dispatcher.hand_over(with_context(1)).await;
    let one = bench.stats().queue_bytes - alone;
    assert!(one > alone + 1000, "{one} against {alone}");
    bench.dispatcher.hand_over(with_context(3)).await;
    let three = bench.stats().queue_bytes - alone - one;
    assert_eq!(three, one + 2 * alone);
    bench.sink.release();
    bench.flush().await;
    assert_eq!(bench.stats().queue_bytes, 0);
}

#[tokio::test]
async fn a_sink_without_answer_does_not_slow_hand_over() {
    for stuck in [hang as fn(&[AuditRecord]) -> Play, block] {
        let bench = Bench::new(queue(), Script::new([], stuck));
        bench.give(0..1).await;
        bench.sink.wait_for_requests(1);
        let start = Instant::now();
        for number in 1..20_000 {
            bench.give(number..number + 1).await;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(bench.stats().queue_records, 10_000);
        assert_eq!(bench.stats().failed("queue_full"), 10_000);
        bench.sink.release();
    }
}

#[tokio::test]
async fn batches_fit_the_sink() {
    let bench = Bench::new(queue(), Script { max_bytes: 750, ..Script::good() });
    bench.give(0..16).await;
    bench.flush().await;
    assert_eq!(bench.sink.sizes(), [7, 7, 2]);
    let small = Bench::new(queue(), Script { max_bytes: 50, ..Script::good() });
    small.give(0..3).await;
    small.flush().await;
    assert_eq!(small.sink.sizes(), [1, 1, 1]);
}

#[tokio::test]
async fn a_hand_over_that_is_never_polled_loses_nothing() {
    let bench = Bench::new(queue(), Script::good());
    drop(bench.dispatcher.hand_over(records(0..3)));
    bench.flush().await;
    assert_eq!(bench.sink.delivered(), [0, 1, 2]);
}

#[tokio::test]
async fn a_full_queue_of_small_records_stays_within_its_memory() {
    let bench = Bench::new(queue(), Script::gated());
    bench.give(0..10_000).await;
    assert_eq!(bench.stats().queue_records, 10_000);
    assert!(bench.stats().queue_bytes < 16 << 20, "{}", bench.stats().queue_bytes);
    bench.sink.release();
    bench.flush().await;
}
