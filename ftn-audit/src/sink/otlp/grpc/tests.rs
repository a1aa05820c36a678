use tonic_types::ErrorDetails;

use super::*;
use crate::AuditRecord;

fn sorted(code: Code, message: &str, records: usize) -> Outcome {
    let records: Vec<_> = (0..records).map(|n| AuditRecord::event("export", "Item", n)).collect();
    outcome(&Status::new(code, message), &Batch::new(&records, &HeaderMap::new()))
}

#[test]
fn statuses_are_sorted() {
    for code in [
        Code::Unavailable,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::DataLoss,
    ] {
        assert!(
            matches!(sorted(code, "later", 2), Outcome::Retry { operator: false, after: None, .. }),
            "{code:?}"
        );
    }
    for code in [Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented, Code::NotFound] {
        assert!(matches!(sorted(code, "no", 2), Outcome::Retry { operator: true, .. }), "{code:?}");
    }
    for code in [
        Code::InvalidArgument,
        Code::Internal,
        Code::Unknown,
        Code::FailedPrecondition,
        Code::AlreadyExists,
        Code::ResourceExhausted,
    ] {
        assert!(matches!(sorted(code, "no", 2), Outcome::Partial { rejected: 2, .. }), "{code:?}");
        assert!(matches!(sorted(code, "no", 1), Outcome::Permanent { .. }), "{code:?}");
    }
    let too_large = "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes";
    assert!(matches!(sorted(Code::OutOfRange, too_large, 2), Outcome::Partial { .. }));
    assert!(matches!(sorted(Code::OutOfRange, too_large, 1), Outcome::Permanent { .. }));
}

#[test]
fn retry_info_is_honoured_within_bounds() {
    let records = [AuditRecord::event("export", "Item", 1)];
    let after = |code, delay| {
        let status = Status::with_error_details(code, "busy", ErrorDetails::with_retry_info(delay));
        match outcome(&status, &Batch::new(&records, &HeaderMap::new())) {
            Outcome::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        }
    };
    let seconds = Duration::from_secs;
    assert_eq!(after(Code::Unavailable, Some(seconds(7))), Some(seconds(7)));
    assert_eq!(after(Code::ResourceExhausted, Some(seconds(7))), Some(seconds(7)));
    assert_eq!(after(Code::ResourceExhausted, None), None);
    assert_eq!(after(Code::Unavailable, Some(seconds(1 << 40))), Some(seconds(3600)));
}

#[test]
fn details_that_do_not_decode_are_no_details() {
    let records = [AuditRecord::event("export", "Item", 1)];
    let status = Status::with_details(Code::Unavailable, "busy", vec![0xff; 9].into());
    let outcome = outcome(&status, &Batch::new(&records, &HeaderMap::new()));
    assert!(matches!(outcome, Outcome::Retry { after: None, .. }));
}
