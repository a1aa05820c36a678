//! How a sink or broker has been doing, for all lanes of a relay or worker.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Verdict;

/// How often a line says that it still refuses.
const QUIET: Duration = Duration::from_secs(30);

/// After a refusal, all lanes wait: other records would meet the same answer.
#[derive(Debug, Default)]
pub struct Pace(Mutex<State>);

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

    /// When it may be asked, if that is not now.
    pub fn not_before(&self) -> Option<Instant> {
        self.state().not_before.filter(|moment| *moment > Instant::now())
    }

    /// Lets all lanes go by what was answered to a batch, and says in the log what an operator should know. `taker` is the
    /// name of the sink or broker, `keeper` where the records wait meanwhile; `backoff` is asked with the number of
    /// refusals in a row.
    pub fn heed(&self, verdicts: &[Verdict], taker: &str, keeper: &str, backoff: impl Fn(u32) -> Duration) {
        let hopeless = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Hopeless { .. })).count();
        if hopeless > 0 {
            tracing::error!(
                target: "ftn_audit::relay",
                taker, records = hopeless,
                "audit records were refused for good: they are dead letters now"
            );
        }
        let refusal = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Again { after, operator, why } => Some((*after, *operator, why)),
            _ => None,
        });
        let Some((after, operator, why)) = refusal else {
            if verdicts.contains(&Verdict::Delivered) {
                let failures = self.accepted();
                if failures > 0 {
                    tracing::info!(target: "ftn_audit::relay", taker, failures, "audit records are taken again");
                }
            }
            return;
        };
        let (failures, due) = self.refused(|failures| backoff(failures).max(after.unwrap_or_default()));
        match (due, operator) {
            (false, _) => {}
            (true, true) => tracing::error!(
                target: "ftn_audit::relay",
                taker, keeper, failures, why,
                "audit records cannot be delivered until an operator mends this; they wait"
            ),
            (true, false) => tracing::warn!(
                target: "ftn_audit::relay",
                taker, keeper, failures, why,
                "audit records are not taken now; they wait"
            ),
        }
    }

    /// A refusal: says how many times in a row, and whether a line about it is due.
    fn refused(&self, wait: impl FnOnce(u32) -> Duration) -> (u32, bool) {
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

    /// Records were taken: says how often they had been refused before.
    fn accepted(&self) -> u32 {
        let mut state = self.state();
        state.not_before = None;
        state.spoken = None;
        std::mem::take(&mut state.failures)
    }
}
