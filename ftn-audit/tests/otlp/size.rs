//! Batches that are too large, and what delivery does about them.

use ftn_audit::{
    AuditRecord,
    sink::{OtlpError, OtlpSink, Outcome, Sink},
};
use tonic::Status;

use crate::{
    collector::{GrpcOptions, grpc, grpc_with, http, log_records, ok},
    partial, permanent, records,
};

#[tokio::test]
async fn a_tonic_collector_with_a_small_limit_is_understood() {
    let options = GrpcOptions { max_bytes: Some(2000), ..Default::default() };
    let collector = grpc_with(options, |_| Ok(Default::default())).await;
    let sink = OtlpSink::grpc(collector.url()).build().unwrap();
    let batch = records(50);
    assert_eq!(partial(sink.deliver(&batch).await).0, 50);
    // What delivery does with it: halves, down to what fits.
    let mut open = vec![&batch[..]];
    while let Some(part) = open.pop() {
        match sink.deliver(part).await {
            Outcome::Delivered => {}
            Outcome::Partial { .. } => open.extend(part.chunks(part.len().div_ceil(2)).rev()),
            other => panic!("{other:?}"),
        }
    }
    let arrived: Vec<_> =
        collector.requests().iter().flat_map(|request| log_records(&request.message)).collect();
    assert_eq!(arrived.len(), 50);
    let large = [AuditRecord::event("export", "Item", 1).with_attribute("shop.text", "x".repeat(3000))];
    permanent(sink.deliver(&large).await);
}

#[tokio::test]
async fn a_collector_on_grpc_core_is_understood() {
    let message = "SERVER: Received message larger than max (5242880 vs. 4194304)";
    let collector = grpc(move |_| Err(Status::resource_exhausted(message))).await;
    let sink = OtlpSink::grpc(collector.url()).build().unwrap();
    assert_eq!(partial(sink.deliver(&records(2)).await).0, 2);
    assert!(permanent(sink.deliver(&records(1)).await).contains("larger than max"));
}

#[tokio::test]
async fn no_request_is_larger_than_was_said() {
    let collector = http(|_| ok()).await;
    let sink = OtlpSink::http(collector.url()).max_request_bytes(20_000).build().unwrap();
    let batch = records(500);
    let (rejected, why) = partial(sink.deliver(&batch).await);
    assert!(rejected == 500 && why.contains("nothing was sent"), "{why}");
    assert!(collector.requests().is_empty());
    // As delivery cuts batches.
    let (mut begin, mut bytes) = (0, 0);
    for end in 0..=batch.len() {
        let next = batch.get(end).map_or(usize::MAX / 2, |record| sink.encoded_bytes(record));
        if bytes + next > sink.max_batch_bytes() {
            assert_eq!(sink.deliver(&batch[begin..end]).await, Outcome::Delivered);
            (begin, bytes) = (end, 0);
        }
        bytes += next;
    }
    let sizes: Vec<_> = collector.requests().iter().map(|request| request.body.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 20_000), "{sizes:?}");
    assert!(sizes[0] > 19_000, "{sizes:?}");
    assert_eq!(collector.requests().iter().map(|request| request.records().len()).sum::<usize>(), 500);
}

#[test]
fn bounds_are_enforced() {
    for bytes in [0, 1023, 4 * 1024 * 1024 + 1, usize::MAX] {
        let error = OtlpSink::http("http://c").max_request_bytes(bytes).build().unwrap_err();
        assert_eq!(error, OtlpError::RequestBytes { given: bytes });
        assert!(error.to_string().contains("4194304"));
    }
    for milliseconds in [0, 600_001] {
        let timeout = std::time::Duration::from_millis(milliseconds);
        let error = OtlpSink::grpc("http://c").timeout(timeout).build().unwrap_err();
        assert_eq!(error, OtlpError::Timeout { given: timeout });
    }
    assert!(matches!(OtlpSink::grpc("c:4317").build(), Err(OtlpError::Endpoint { .. })));
    assert!(matches!(OtlpSink::http("http://c").header("te", "x").build(), Err(OtlpError::Header { .. })));
}
