//! The thread that writes to the fallback, and the line of records before it.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    super::log::{LogGate, Voice},
    Fallback, Kind,
};
use crate::{
    AuditRecord,
    metrics::{Metrics, Reason},
};

/// How long others wait for a fallback that does not get on.
pub(in super::super) const FALLBACK_GRACE: Duration = Duration::from_secs(5);

const MOST_RECORDS: usize = 4096;
const MOST_BYTES: usize = 2 << 20;

/// Records on their way to the fallback.
pub(in super::super) struct Load {
    pub(in super::super) records: Arc<Vec<AuditRecord>>,
    pub(in super::super) range: Range<usize>,
    pub(in super::super) bytes: usize,
    pub(in super::super) reason: Reason,
}

impl Load {
    pub(in super::super) fn whole(records: Vec<AuditRecord>, bytes: usize, reason: Reason) -> Self {
        Self { range: 0..records.len(), records: Arc::new(records), bytes, reason }
    }

    fn records(&self) -> &[AuditRecord] {
        &self.records[self.range.clone()]
    }
}

/// Gives records to the fallback's thread. The thread starts with the first record, and ends, with everything
/// written, after this is dropped.
pub(in super::super) struct FallbackWriter(Arc<Shared>);

struct Shared {
    kind: Kind,
    metrics: Arc<Metrics>,
    gate: LogGate,
    voice: Voice,
    line: Mutex<Line>,
    work: Condvar,
    written: Condvar,
    room: Notify,
}

#[derive(Default)]
struct Line {
    loads: VecDeque<Load>,
    /// Of the loads, and of the one that is being written.
    records: usize,
    bytes: usize,
    /// Loads taken and loads written since the start.
    taken: u64,
    done: u64,
    started: bool,
    closed: bool,
    /// Someone waited in vain, and nothing was written since.
    stuck: bool,
    /// Dropped for want of room, not yet mentioned.
    overflow: Option<Load>,
    overflowed: usize,
}

impl FallbackWriter {
    pub(in super::super) fn new(fallback: Fallback, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            kind: fallback.0,
            metrics,
            gate: LogGate::default(),
            voice: Voice::of_caller(),
            line: Mutex::default(),
            work: Condvar::new(),
            written: Condvar::new(),
            room: Notify::new(),
        }))
    }

    /// Never blocks. Without room the load is dropped and counted, unless it is `firm`: then it is taken all the
    /// same. A load is taken whole as long as there is any room at all, so that a large transaction does not lose its
    /// tail to an idle fallback: its memory is there already.
    ///
    /// Writes no log line, as it is called under a mutex; [`report`](Self::report) does.
    pub(in super::super) fn push(&self, load: Load, firm: bool) {
        let shared = &self.0;
        let mut line = shared.lock();
        if !(firm || line.has_room()) || !self.ensure_thread(&mut line) {
            let count = load.range.len();
            shared.metrics.dropped.add(count as u64);
            shared.metrics.fail(Reason::FallbackFull, count);
            line.overflowed += count;
            line.overflow = Some(load);
            return;
        }
        line.records += load.range.len();
        line.bytes += load.bytes;
        line.taken += 1;
        line.loads.push_back(load);
        drop(line);
        shared.work.notify_one();
    }

    fn ensure_thread(&self, line: &mut Line) -> bool {
        if !line.started {
            let shared = self.0.clone();
            line.started = thread::Builder::new()
                .name("ftn-audit-fallback".to_owned())
                .spawn(move || {
                    let _voice = shared.voice.take_over();
                    shared.run();
                })
                .is_ok();
        }
        line.started
    }

    /// Says what `push` had to drop. Not to be called under a mutex: a subscriber is someone else's code, and may
    /// itself lead to audit records.
    pub(in super::super) fn report(&self) {
        let mut line = self.0.lock();
        let Some(load) = line.overflow.take() else { return };
        let count = std::mem::take(&mut line.overflowed);
        drop(line);
        if let Some(record) = load.records().first() {
            self.0.dropped(record, count, Reason::FallbackFull, load.reason.as_str());
        }
    }

    /// Waits for room, but only so long, and only once as long as nothing moves: deliveries must not stand still
    /// behind a dead disk. Whether there was room.
    pub(in super::super) async fn room(&self) -> bool {
        let waiting = async {
            loop {
                let room = self.0.room.notified();
                let (has_room, stuck) = self.0.lock().prospects();
                if has_room || stuck {
                    return has_room;
                }
                room.await;
            }
        };
        let room = tokio::time::timeout(FALLBACK_GRACE, waiting).await;
        room.unwrap_or_else(|_| {
            self.0.lock().stuck = true;
            false
        })
    }

    /// Blocks until everything that was given before is written; false at the deadline.
    pub(in super::super) fn wait_idle(&self, deadline: Instant) -> bool {
        let mut line = self.0.lock();
        let target = line.taken;
        while line.done < target {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return false;
            };
            line = self.0.written.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for FallbackWriter {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_one();
    }
}

impl Line {
    fn has_room(&self) -> bool {
        self.records < MOST_RECORDS && self.bytes < MOST_BYTES
    }

    fn prospects(&self) -> (bool, bool) {
        (self.has_room(), self.stuck)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(load) = self.next() {
            let written = catch_unwind(AssertUnwindSafe(|| self.write(&load)));
            if written.is_err() {
                // A subscriber panicked in the middle; which records it had is not known, so none is called written.
                self.metrics.dropped.add(load.range.len() as u64);
                self.metrics.fail(Reason::FallbackMuted, load.range.len());
            }
            let mut line = self.lock();
            line.records -= load.range.len();
            line.bytes -= load.bytes;
            line.done += 1;
            line.stuck = false;
            drop(line);
            self.written.notify_all();
            self.room.notify_waiters();
        }
        let _ = catch_unwind(AssertUnwindSafe(|| self.mention_suppressed(true)));
    }

    fn next(&self) -> Option<Load> {
        let mut line = self.lock();
        loop {
            if let Some(load) = line.loads.pop_front() {
                return Some(load);
            }
            if line.closed {
                return None;
            }
            if self.gate.owes() {
                let tick = Duration::from_secs(1);
                line = self.work.wait_timeout(line, tick).unwrap_or_else(PoisonError::into_inner).0;
                drop(line);
                let _ = catch_unwind(AssertUnwindSafe(|| self.mention_suppressed(false)));
                line = self.lock();
            } else {
                line = self.work.wait(line).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn write(&self, load: &Load) {
        match &self.kind {
            Kind::StructuredLog => self.write_log(load),
            Kind::File(path) => self.write_file(path, load),
            Kind::Drop => {
                for record in load.records() {
                    self.metrics.dropped.add(1);
                    self.dropped(record, 1, load.reason, "the fallback is `drop`");
                }
            }
        }
    }

    fn write_log(&self, load: &Load) {
        let count = load.range.len() as u64;
        if !tracing::enabled!(target: "ftn_audit::fallback", tracing::Level::WARN) {
            self.metrics.dropped.add(count);
            self.metrics.fail(Reason::FallbackMuted, load.range.len());
            return;
        }
        for record in load.records() {
            tracing::warn!(
                target: "ftn_audit::fallback",
                id = %record.id(),
                table = record.table(),
                event = record.event_type().as_str(),
                reason = load.reason.as_str(),
                record = %record.to_json(),
                "audit record not delivered"
            );
        }
        self.metrics.fallback.add(count);
    }

    fn write_file(&self, path: &Path, load: &Load) {
        let mut file = open(path);
        let mut torn = false;
        let mut kept = 0;
        for record in load.records() {
            let written = match &mut file {
                Ok(file) => append(file, record, torn).map_err(|error| error.kind()),
                Err(error) => Err(error.kind()),
            };
            match written {
                Ok(()) => {
                    torn = false;
                    kept += 1;
                    self.metrics.fallback.add(1);
                }
                Err(kind) => {
                    torn = true;
                    self.metrics.dropped.add(1);
                    self.metrics.fail(Reason::FallbackFile, 1);
                    self.dropped(record, 1, Reason::FallbackFile, &kind.to_string());
                }
            }
        }
        if let Some(record) = load.records().first().filter(|_| kept > 0)
            && let Some(suppressed) = self.gate.pass(load.reason, kept, Instant::now())
        {
            tracing::warn!(
                target: "ftn_audit::delivery",
                id = %record.id(),
                table = record.table(),
                event = record.event_type().as_str(),
                reason = load.reason.as_str(),
                records = kept,
                suppressed,
                "audit records went to the fallback file"
            );
        }
    }

    fn dropped(&self, record: &AuditRecord, records: usize, reason: Reason, why: &str) {
        if let Some(suppressed) = self.gate.pass(reason, records, Instant::now()) {
            tracing::warn!(
                target: "ftn_audit::delivery",
                id = %record.id(),
                table = record.table(),
                event = record.event_type().as_str(),
                reason = reason.as_str(),
                why,
                records,
                suppressed,
                "audit records dropped"
            );
        }
    }

    fn mention_suppressed(&self, all: bool) {
        for (reason, suppressed) in self.gate.settle(Instant::now(), all) {
            tracing::warn!(
                target: "ftn_audit::delivery",
                reason = reason.as_str(),
                suppressed,
                "more audit records had the same fate"
            );
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// One write for a line, so that lines of several processes do not mix. After a write that failed half-way the next
/// one begins a line of its own.
fn append(file: &mut File, record: &AuditRecord, torn: bool) -> io::Result<()> {
    let mut line = if torn { vec![b'\n'] } else { Vec::new() };
    serde_json::to_writer(&mut line, &record.to_json())?;
    line.push(b'\n');
    file.write_all(&line)
}
