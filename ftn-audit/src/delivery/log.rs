//! Log lines about delivery: few, and without data.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Dispatch, dispatcher, subscriber::NoSubscriber};

use crate::metrics::Reason;

const QUIET: Duration = Duration::from_secs(1);

/// Lets one line a second and reason pass, and remembers how many records went unmentioned.
#[derive(Debug, Default)]
pub(super) struct LogGate(Mutex<[Entry; Reason::ALL.len()]>);

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    spoken: Option<Instant>,
    suppressed: u64,
}

impl LogGate {
    /// Whether a line about `records` records may be written: `Some` with the number that earlier lines left out.
    pub(super) fn pass(&self, reason: Reason, records: usize, now: Instant) -> Option<u64> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut entries[reason as usize];
        if entry.spoken.is_some_and(|spoken| now.duration_since(spoken) < QUIET) {
            entry.suppressed += records as u64;
            return None;
        }
        entry.spoken = Some(now);
        Some(std::mem::take(&mut entry.suppressed))
    }

    /// Whether something was left out that no line has mentioned yet.
    pub(super) fn owes(&self) -> bool {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().any(|entry| entry.suppressed > 0)
    }

    /// What was left out, once its second is over (or `all` of it): the number by reason, which is then forgotten.
    pub(super) fn settle(&self, now: Instant, all: bool) -> Vec<(Reason, u64)> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Reason::ALL
            .into_iter()
            .zip(entries.iter_mut())
            .filter(|(_, entry)| entry.suppressed > 0)
            .filter(|(_, entry)| all || entry.spoken.is_none_or(|spoken| now.duration_since(spoken) >= QUIET))
            .map(|(reason, entry)| {
                entry.spoken = Some(now);
                (reason, std::mem::take(&mut entry.suppressed))
            })
            .collect()
    }
}

/// The subscriber of the code that started delivery. Our threads write to it, so that a subscriber which is set for
/// a scope only (a test, a command) hears them too.
#[derive(Clone)]
pub(super) struct Voice(Option<Dispatch>);

impl Voice {
    pub(super) fn of_caller() -> Self {
        // A global subscriber may be set later than this; then there must be nothing in its way.
        Self(dispatcher::get_default(|current| (!current.is::<NoSubscriber>()).then(|| current.clone())))
    }

    /// Makes it the subscriber of this thread for as long as the guard lives.
    pub(super) fn take_over(&self) -> Option<dispatcher::DefaultGuard> {
        self.0.as_ref().map(dispatcher::set_default)
    }
}
