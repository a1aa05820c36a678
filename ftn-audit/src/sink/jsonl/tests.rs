use std::sync::{Mutex as StdMutex, mpsc};

use super::*;

/// Takes `budget` bytes, then fails once.
#[derive(Clone)]
struct Breaking {
    taken: Arc<StdMutex<Vec<u8>>>,
    budget: Arc<StdMutex<Option<usize>>>,
}

impl Write for Breaking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut budget = self.budget.lock().unwrap();
        let count = match *budget {
            Some(0) => {
                *budget = None;
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Some(left) => left.min(bytes.len()),
            None => bytes.len(),
        };
        *budget = budget.map(|left| left - count);
        self.taken.lock().unwrap().extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn records(count: usize) -> Vec<AuditRecord> {
    (0..count)
        .map(|number| AuditRecord::event("export", "Item", number).with_description("two\nlines"))
        .collect()
}

#[tokio::test]
async fn a_torn_batch_never_joins_a_later_one() {
    for budget in 0..700 {
        let writer = Breaking { taken: Arc::default(), budget: Arc::new(StdMutex::new(Some(budget))) };
        let sink = JsonlSink::writer(writer.clone());
        let batch = records(1);
        let first = sink.deliver(&batch).await;
        let outcomes = [first, sink.deliver(&batch).await, sink.deliver(&batch).await];
        assert_eq!(outcomes[2], Outcome::Delivered);
        let text = String::from_utf8(writer.taken.lock().unwrap().clone()).unwrap();
        let whole = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|json| json["id"] == batch[0].id().to_string())
            .count();
        let delivered = outcomes.iter().filter(|outcome| **outcome == Outcome::Delivered).count();
        assert!(whole >= delivered, "{budget}: {text}");
        assert!(text.ends_with('\n'));
    }
}

#[tokio::test]
async fn a_file_is_private_and_appended_to() {
    let path = std::env::temp_dir().join(format!("ftn-audit-{}.jsonl", uuid::Uuid::now_v7()));
    JsonlSink::file(&path).unwrap().deliver(&records(2)).await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"half").unwrap();
    assert_eq!(JsonlSink::file(&path).unwrap().deliver(&records(1)).await, Outcome::Delivered);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines: Vec<_> = text.lines().map(serde_json::from_str::<serde_json::Value>).collect();
    assert_eq!(lines.iter().filter(|line| line.is_ok()).count(), 3);
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0].as_ref().unwrap()["description"], "two\nlines");
}

#[tokio::test]
async fn a_missing_directory_is_told_at_once() {
    assert!(JsonlSink::file("/nonexistent-directory/audit.jsonl").is_err());
}

/// Writes when it is told to.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_stuck_writer_blocks_no_worker_and_has_an_end() {
    let (release, stuck) = mpsc::channel();
    let mut sink = JsonlSink::writer(Stuck(stuck));
    sink.patience = Duration::from_millis(100);
    let batch = records(1);
    let mut delivery = Box::pin(sink.deliver(&batch));
    // The only worker of this runtime stays free while the write is stuck.
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut delivery).await.is_err());
    assert!(matches!(delivery.await, Outcome::Retry { .. }));
    assert!(matches!(sink.deliver(&batch).await, Outcome::Retry { .. }));
    drop(release);
    sink.patience = PATIENCE;
    assert_eq!(sink.deliver(&batch).await, Outcome::Delivered);
}

struct Panicking(bool);

impl Write for Panicking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(std::mem::replace(&mut self.0, true), "the first write panics");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panicking_writer_is_a_fault_like_others() {
    let sink = JsonlSink::writer(Panicking(false));
    assert!(matches!(sink.deliver(&records(1)).await, Outcome::Retry { .. }));
    assert_eq!(sink.deliver(&records(1)).await, Outcome::Delivered);
}

#[test]
fn without_a_runtime_nothing_panics() {
    let sink = JsonlSink::stderr();
    let batch = records(1);
    let mut delivery = sink.deliver(&batch);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(delivery.as_mut().poll(&mut context), std::task::Poll::Ready(Outcome::Retry { .. })));
}
