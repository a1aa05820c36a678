use std::{
    pin::pin,
    task::{Context, Poll, Wake, Waker},
};

use super::*;

#[tokio::test]
async fn records_are_delivered_when_hand_over_returns() {
    let bench = Bench::new(sync(), Script { max_bytes: 250, ..Script::good() });
    bench.give(0..5).await;
    assert_eq!(bench.sink.delivered(), [0, 1, 2, 3, 4]);
    assert_eq!(bench.sink.sizes(), [2, 2, 1]);
    assert_eq!((bench.stats().delivered, bench.stats().queue_records), (5, 0));
}

#[tokio::test]
async fn a_sink_without_answer_holds_up_no_longer_than_the_timeout() {
    for stuck in [hang as fn(&[AuditRecord]) -> Play, block] {
        let timeout = Duration::from_millis(60);
        let bench = Bench::new(Delivery::sync().attempt_timeout(timeout), Script::new([], stuck));
        let start = Instant::now();
        bench.give(0..2).await;
        assert!(start.elapsed() >= timeout && start.elapsed() < Duration::from_secs(5));
        bench.flush().await;
        assert_eq!((bench.stats().failed("timeout"), bench.stats().dropped), (2, 2));
        bench.sink.release();
    }
}

#[tokio::test]
async fn there_is_one_attempt() {
    let bench = Bench::new(sync(), Script { max_bytes: 250, ..Script::new([], refuse) });
    bench.give(0..5).await;
    assert_eq!(bench.sink.sizes(), [2]);
    bench.flush().await;
    assert_eq!((bench.stats().failed("retries_exhausted"), bench.stats().dropped), (5, 5));
    assert_eq!(bench.stats().retried, 0);
}

#[tokio::test]
async fn each_record_meets_its_own_fate() {
    let bench = Bench::new(sync(), Script::new([Play::Panic], dislikes_37));
    bench.give(0..1).await;
    bench.give(30..40).await;
    bench.flush().await;
    assert_eq!(bench.sink.delivered(), [30, 31, 32, 33, 34, 35, 36, 38, 39]);
    assert_eq!((bench.stats().failed("sink_panic"), bench.stats().failed("rejected")), (1, 1));
}

#[tokio::test]
async fn a_dropped_future_loses_nothing() {
    let bench = Bench::new(sync(), Script::gated());
    drop(bench.dispatcher.hand_over(records(0..2)));
    bench.sink.wait_for_requests(1);
    bench.sink.release();
    bench.flush().await;
    assert_eq!(bench.sink.delivered(), [0, 1]);
}

#[tokio::test]
async fn transactions_do_not_wait_for_each_other() {
    let bench = Bench::new(sync(), Script::new([Play::Hang], |_| Play::Say(Outcome::Delivered)));
    drop(bench.dispatcher.hand_over(records(0..1)));
    bench.sink.wait_for_requests(1);
    bench.give(1..2).await;
    assert_eq!(bench.sink.delivered(), [1]);
    assert_eq!(bench.dispatcher.shutdown(Duration::ZERO).await.left, 1);
}

/// As little of a runtime as there can be.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

#[test]
fn no_runtime_of_the_application_is_needed() {
    for delivery in [sync(), queue()] {
        let bench = Bench::new(delivery, Script::good());
        block_on(async {
            bench.give(0..3).await;
            bench.flush().await;
            bench.dispatcher.shutdown(PATIENCE).await;
        });
        assert_eq!(bench.sink.delivered(), [0, 1, 2]);
    }
}
