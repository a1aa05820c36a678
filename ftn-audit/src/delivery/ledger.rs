//! What delivery was given and has not settled yet.
//!
//! One mutex guards it, held for moves only. Whoever wants a record out of it (the worker by its fate, shutdown and
//! timeouts by seizing) does so under that mutex, so a record meets exactly one fate, even when a sink never comes
//! back.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use super::{
    ShutdownReport,
    fallback::{FallbackWriter, Load},
    send::Fate,
    worker::later,
};
use crate::{
    Actor, AuditRecord,
    metrics::{Metrics, Reason},
};

/// How much may wait, and when a batch is ready.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) records: usize,
    pub(super) bytes: usize,
    pub(super) batch: usize,
    pub(super) linger: Duration,
}

struct Parcel {
    record: AuditRecord,
    accepted: Instant,
    weight: usize,
}

/// Records that are with the sink.
struct Flight {
    records: Arc<Vec<AuditRecord>>,
    weights: Vec<usize>,
    /// Records are settled in order; this many are.
    settled: usize,
    /// Dropped with the flight, which tells everyone who holds a receiver that it is over.
    _landed: watch::Sender<()>,
}

/// A flight as its pilot sees it.
pub(super) struct Taken {
    id: u64,
    pub(super) records: Arc<Vec<AuditRecord>>,
    pub(super) accepted: Vec<Instant>,
    pub(super) landed: watch::Receiver<()>,
}

pub(super) enum Next {
    Batch(Taken),
    /// Nothing to do until the signal, or until then.
    Wait(Option<Instant>),
    End,
}

enum Phase {
    Open,
    /// Takes nothing new, delivers what is there.
    Closing {
        deadline: Instant,
    },
    Closed(Reason),
}

struct State {
    waiting: VecDeque<Parcel>,
    /// By the number of their first record, so that the oldest comes first.
    flights: BTreeMap<u64, Flight>,
    records: usize,
    bytes: usize,
    /// How many records were taken in so far: the number of the next one.
    accepted: u64,
    /// Records with smaller numbers do not linger.
    hurry: u64,
    /// How many waiting records are worth waking the worker for. A wake-up costs more than everything else at
    /// hand-over, so a worker that is busy or lingers is not woken.
    wake_at: usize,
    phase: Phase,
    /// The worker sees no use in waiting for the deadline.
    hopeless: bool,
    tally: ShutdownReport,
}

pub(super) struct Ledger {
    limits: Limits,
    state: Mutex<State>,
    /// Something was settled, or the phase changed.
    progress: Condvar,
    /// For the one worker of a queue.
    pub(super) signal: Notify,
    pub(super) metrics: Arc<Metrics>,
    pub(super) fallback: FallbackWriter,
}

impl Ledger {
    pub(super) fn new(limits: Limits, metrics: Arc<Metrics>, fallback: FallbackWriter) -> Self {
        Self {
            limits,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                flights: BTreeMap::new(),
                records: 0,
                bytes: 0,
                accepted: 0,
                hurry: 0,
                wake_at: 1,
                phase: Phase::Open,
                hopeless: false,
                tally: ShutdownReport::default(),
            }),
            progress: Condvar::new(),
            signal: Notify::new(),
            metrics,
            fallback,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes records into the queue; those that do not fit go to the fallback. Once one does not fit, no later one
    /// of the same call is taken, so that the queue keeps the order without holes.
    pub(super) fn enqueue(&self, records: Vec<AuditRecord>) {
        let accepted = Instant::now();
        let weights = weights(&records);
        let mut state = self.lock();
        let refused = if let Phase::Open = state.phase {
            self.reserve(&mut state, records.len());
            let mut pairs = records.into_iter().zip(weights);
            let mut refused = None;
            for (record, weight) in pairs.by_ref() {
                if let Some(reason) = self.full(&state, weight) {
                    let rest: Vec<_> = std::iter::once((record, weight)).chain(pairs).collect();
                    refused = Some((rest, reason));
                    break;
                }
                state.records += 1;
                state.bytes += weight;
                state.accepted += 1;
                state.waiting.push_back(Parcel { record, accepted, weight });
            }
            self.gauge(&state);
            if state.waiting.len() >= state.wake_at || (state.wake_at != usize::MAX && self.half_full(&state))
            {
                state.wake_at = usize::MAX;
                self.signal.notify_one();
            }
            refused
        } else {
            Some((records.into_iter().zip(weights).collect(), state.phase.closed_reason()))
        };
        drop(state);
        if let Some((rest, reason)) = refused {
            let (records, weights): (Vec<_>, Vec<usize>) = rest.into_iter().unzip();
            self.refuse(records, weights.iter().sum(), reason);
        }
    }

    /// Takes records straight to a sink, without a queue; `None` when they went to the fallback.
    pub(super) fn launch(&self, records: Vec<AuditRecord>) -> Option<Launch> {
        let weights = weights(&records);
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) {
            let reason = state.phase.closed_reason();
            drop(state);
            self.refuse(records, weights.iter().sum(), reason);
            return None;
        }
        let (id, count) = (state.accepted, records.len());
        state.accepted += count as u64;
        state.records += count;
        state.bytes += weights.iter().sum::<usize>();
        let (sender, landed) = watch::channel(());
        let flight = Flight { records: Arc::new(records), weights, settled: 0, _landed: sender };
        state.flights.insert(id, flight);
        self.gauge(&state);
        Some(Launch { id, landed })
    }

    /// The records of a launch, for the one who flies them; `None` when it is over already.
    pub(super) fn board(&self, launch: &Launch) -> Option<Taken> {
        let records = self.lock().flights.get(&launch.id)?.records.clone();
        Some(Taken { id: launch.id, records, accepted: Vec::new(), landed: launch.landed.clone() })
    }

    /// The next batch of the queue.
    pub(super) fn next(&self) -> Next {
        let mut state = self.lock();
        let closing = match state.phase {
            Phase::Open => false,
            Phase::Closing { .. } => true,
            Phase::Closed(_) => return Next::End,
        };
        let Some(oldest) = state.waiting.front() else {
            state.wake_at = 1;
            return if closing { Next::End } else { Next::Wait(None) };
        };
        let ready_at = later(oldest.accepted, self.limits.linger);
        let number = state.accepted - state.waiting.len() as u64;
        let ready = closing
            || state.waiting.len() >= self.limits.batch
            || number < state.hurry
            || self.half_full(&state)
            || ready_at.is_some_and(|ready_at| ready_at <= Instant::now());
        if !ready {
            state.wake_at = self.limits.batch;
            return Next::Wait(ready_at);
        }
        state.wake_at = usize::MAX;
        let count = state.waiting.len().min(self.limits.batch);
        let mut records = Vec::with_capacity(count);
        let mut accepted = Vec::with_capacity(count);
        let mut weights = Vec::with_capacity(count);
        for parcel in state.waiting.drain(..count) {
            records.push(parcel.record);
            accepted.push(parcel.accepted);
            weights.push(parcel.weight);
        }
        let records = Arc::new(records);
        let (sender, landed) = watch::channel(());
        let flight = Flight { records: records.clone(), weights, settled: 0, _landed: sender };
        state.flights.insert(number, flight);
        Next::Batch(Taken { id: number, records, accepted, landed })
    }

    /// Records of a flight have met their fate; those that failed are with the fallback when this returns. False
    /// when the flight was seized: then nothing of it is the caller's business any more. `firm`: the fallback takes
    /// them whatever its bounds.
    pub(super) fn settle(&self, taken: &Taken, range: Range<usize>, fate: Fate, firm: bool) -> bool {
        let mut state = self.lock();
        let Some(flight) = state.flights.get_mut(&taken.id) else {
            return false;
        };
        flight.settled = range.end;
        let freed = flight.weights[range.clone()].iter().sum::<usize>();
        let count = range.len();
        // The end of a flight is news for the one who waits for it, and must not come before the counts are right.
        let landed = (flight.settled == flight.records.len()).then(|| state.flights.remove(&taken.id));
        match fate {
            Fate::Delivered => {
                self.metrics.delivered.add(count as u64);
                state.count_closing(|tally| tally.drained += count as u64);
            }
            Fate::Stored => {
                self.metrics.count_unattached(count as u64);
                state.count_closing(|tally| tally.drained += count as u64);
            }
            Fate::Failed(reason) => {
                self.metrics.fail(reason, count);
                state.count_closing(|tally| tally.failed += count as u64);
                self.fallback
                    .push(Load { records: taken.records.clone(), range, bytes: freed, reason }, firm);
            }
        }
        state.release(count, freed);
        self.gauge(&state);
        drop(state);
        drop(landed);
        self.progress.notify_all();
        self.fallback.report();
        true
    }

    /// Takes one flight from its pilot, and gives what is unsettled to the fallback.
    pub(super) fn expire(&self, launch: u64, reason: Reason) {
        let mut state = self.lock();
        if let Some(flight) = state.flights.remove(&launch) {
            state.count_closing(|tally| tally.failed += (flight.records.len() - flight.settled) as u64);
            self.abandon(&mut state, flight, reason, false);
        }
        drop(state);
        self.progress.notify_all();
        self.fallback.report();
    }

    /// Takes all flights from a worker that failed.
    pub(super) fn expire_all(&self, reason: Reason) {
        let flights: Vec<u64> = self.lock().flights.keys().copied().collect();
        for flight in flights {
            self.expire(flight, reason);
        }
    }

    /// Nothing is taken from now on, and nothing lingers. False when that had begun before.
    pub(super) fn begin_closing(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) {
            return false;
        }
        state.phase = Phase::Closing { deadline };
        drop(state);
        self.signal.notify_one();
        true
    }

    /// Until when a shutdown that has begun will wait.
    pub(super) fn closing(&self) -> Option<Instant> {
        match self.lock().phase {
            Phase::Closing { deadline } => Some(deadline),
            _ => None,
        }
    }

    /// The worker says that nothing more can happen before the deadline.
    pub(super) fn give_up(&self) {
        self.lock().hopeless = true;
        self.progress.notify_all();
    }

    /// Blocks until all is settled or the deadline is there, then gives the rest to the fallback.
    pub(super) fn close(&self, deadline: Instant) -> ShutdownReport {
        let mut state = self.lock();
        while state.records > 0 && !state.hopeless {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                break;
            };
            state = self.progress.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let report = self.seize(&mut state, Reason::Shutdown);
        drop(state);
        self.signal.notify_one();
        self.progress.notify_all();
        self.fallback.report();
        report
    }

    /// There is no one to deliver: all that is there, and all that comes, goes to the fallback.
    pub(super) fn abort(&self, reason: Reason) {
        self.seize(&mut self.lock(), reason);
        self.fallback.report();
    }

    /// These records leave the bounded queue and the worker's hands but no memory, so the fallback takes them
    /// whatever its own bounds.
    fn seize(&self, state: &mut State, reason: Reason) -> ShutdownReport {
        state.phase = Phase::Closed(reason);
        state.tally.left += state.records as u64;
        for flight in std::mem::take(&mut state.flights).into_values() {
            self.abandon(state, flight, reason, true);
        }
        let (records, bytes) = (state.records, state.bytes);
        let rest: Vec<_> = std::mem::take(&mut state.waiting).into_iter().map(|it| it.record).collect();
        if !rest.is_empty() {
            self.metrics.fail(reason, rest.len());
            self.fallback.push(Load::whole(rest, bytes, reason), true);
        }
        state.release(records, bytes);
        self.gauge(state);
        state.tally.clone()
    }

    fn abandon(&self, state: &mut State, flight: Flight, reason: Reason, firm: bool) {
        let range = flight.settled..flight.records.len();
        let bytes = flight.weights[range.clone()].iter().sum::<usize>();
        state.release(range.len(), bytes);
        self.gauge(state);
        self.metrics.fail(reason, range.len());
        self.fallback.push(Load { records: flight.records, range, bytes, reason }, firm);
    }

    /// Blocks until everything that was accepted before is settled; false at the deadline.
    pub(super) fn flush(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        let target = state.accepted;
        state.hurry = state.hurry.max(target);
        self.signal.notify_one();
        while state.oldest() < target {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return false;
            };
            state = self.progress.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn refuse(&self, records: Vec<AuditRecord>, bytes: usize, reason: Reason) {
        self.metrics.fail(reason, records.len());
        self.fallback.push(Load::whole(records, bytes, reason), false);
        self.fallback.report();
    }

    fn full(&self, state: &State, weight: usize) -> Option<Reason> {
        if state.records >= self.limits.records {
            Some(Reason::QueueFull)
        } else if state.bytes.saturating_add(weight) > self.limits.bytes {
            Some(Reason::QueueBytesFull)
        } else {
            None
        }
    }

    /// Large records can fill the queue before they fill a batch.
    fn half_full(&self, state: &State) -> bool {
        state.bytes >= self.limits.bytes / 2
    }

    /// Grows as a vector would, but never beyond the bound: doubling could hold twice the memory that is needed.
    fn reserve(&self, state: &mut State, more: usize) {
        let waiting = &mut state.waiting;
        let wanted = (waiting.len() + more).min(self.limits.records);
        if wanted > waiting.capacity() {
            let target = wanted.max(waiting.capacity() * 2).max(64).min(self.limits.records);
            waiting.reserve_exact(target - waiting.len());
        }
    }

    fn gauge(&self, state: &State) {
        self.metrics.queue_records.set(state.records as u64);
        self.metrics.queue_bytes.set(state.bytes as u64);
    }
}

/// A flight without its records: what can lie about without holding memory.
pub(super) struct Launch {
    pub(super) id: u64,
    pub(super) landed: watch::Receiver<()>,
}

impl State {
    fn release(&mut self, records: usize, bytes: usize) {
        self.records -= records;
        self.bytes -= bytes;
    }

    fn count_closing(&mut self, count: impl FnOnce(&mut ShutdownReport)) {
        if let Phase::Closing { .. } = self.phase {
            count(&mut self.tally);
        }
    }

    /// The number of the oldest record without a fate.
    fn oldest(&self) -> u64 {
        match self.flights.first_key_value() {
            Some((number, flight)) => number + flight.settled as u64,
            None => self.accepted - self.waiting.len() as u64,
        }
    }
}

impl Phase {
    fn closed_reason(&self) -> Reason {
        match self {
            Self::Closed(reason) => *reason,
            _ => Reason::Shutdown,
        }
    }
}

/// What each record holds. What records of one hand-over share is counted with the last that shares it, as that is
/// the one which sets it free; what the whole process shares is not counted.
fn weights(records: &[AuditRecord]) -> Vec<usize> {
    let shared = |index: usize| {
        let record = &records[index];
        match records.get(index + 1) {
            Some(next) if Arc::ptr_eq(&next.context, &record.context) => 0,
            _ => record.context.heap_bytes() + record.actor.as_ref().map_or(0, |_| 2 * size_of::<Actor>()),
        }
    };
    (0..records.len())
        .map(|index| {
            let beside = size_of::<Parcel>() - size_of::<AuditRecord>();
            records[index].estimated_bytes() + beside + shared(index)
        })
        .collect()
}
