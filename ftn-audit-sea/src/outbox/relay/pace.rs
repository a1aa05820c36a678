//! How the sink has been doing, for all lanes of a relay.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often a line says that a sink still refuses.
const QUIET: Duration = Duration::from_secs(30);

/// After a refusal, all lanes wait: other rows would meet the same answer.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    not_before: Option<Instant>,
    spoken: Option<Instant>,
}

impl Pace {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the sink may be asked, if that is not now.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.state().not_before.filter(|moment| *moment > Instant::now())
    }

    /// The sink refused: says how many times in a row, and whether a line about it is due.
    pub(super) fn refused(&self, wait: impl FnOnce(u32) -> Duration) -> (u32, bool) {
        let mut state = self.state();
        // Lanes that had asked at the same moment have not failed one after the other.
        if state.not_before.is_none_or(|moment| moment <= Instant::now()) {
            state.failures = state.failures.saturating_add(1);
            state.not_before = Instant::now().checked_add(wait(state.failures));
        }
        let due = state.spoken.is_none_or(|spoken| spoken.elapsed() >= QUIET);
        if due {
            state.spoken = Some(Instant::now());
        }
        (state.failures, due)
    }

    /// The sink took records: says how often it had refused before.
    pub(super) fn accepted(&self) -> u32 {
        let mut state = self.state();
        state.not_before = None;
        state.spoken = None;
        std::mem::take(&mut state.failures)
    }
}
