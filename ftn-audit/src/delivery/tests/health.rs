//! What `health` says.

use super::*;
use crate::{Audit, Delivery};

#[test]
fn a_sink_that_refuses_is_seen_until_it_takes_records_again() {
    let metrics = Metrics::default();
    assert_eq!(metrics.refusing_for(), None);
    metrics.sink_answered(true);
    metrics.sink_answered(true);
    assert!(metrics.refusing_for().is_some());
    metrics.sink_answered(false);
    assert_eq!(metrics.refusing_for(), None);
}

#[tokio::test]
async fn a_queue_that_is_nearly_full_is_not_healthy() {
    let audit = Audit::builder()
        .sink(crate::sink::MemorySink::new())
        .delivery(Delivery::queue().capacity(10).batch(10).linger(Duration::from_secs(3600)))
        .build()
        .unwrap();
    assert!(audit.health().is_healthy());
    audit.hand_over(records(0..8)).await;
    let health = audit.health();
    assert!(!health.is_healthy() && health.problems[0].contains("8 audit records wait"), "{health:?}");
}
