//! Whether records get through, for a readiness probe or an alarm.

use std::time::Duration;

use crate::Audit;

/// How delivery does right now, from [`Audit::health`].
///
/// A service goes on writing when this is bad, so it should not be taken out of traffic for it: raise an alarm.
///
/// ```
/// use ftn_audit::Audit;
///
/// assert!(Audit::disabled().health().is_healthy());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// For how long the sink has taken nothing that it was asked to.
    pub refusing_for: Option<Duration>,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

impl Health {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Shorter refusals are what retries are for.
const REFUSING: Duration = Duration::from_secs(60);
const WAITING: Duration = Duration::from_secs(5 * 60);

impl Audit {
    /// How delivery does right now. Not healthy: a sink that has refused for a minute, a queue that is nearly full, a
    /// record that has waited in the outbox for five minutes, as relays of this handle saw it. Costs a few reads of
    /// counters.
    pub fn health(&self) -> Health {
        let stats = self.stats();
        let mut health = Health { refusing_for: self.refusing_for(), problems: Vec::new() };
        if let Some(time) = health.refusing_for.filter(|time| *time >= REFUSING) {
            health.problems.push(format!("the sink has taken no audit record for {} s", time.as_secs()));
        }
        if let Some(records) = self.queue_capacity().filter(|most| stats.queue_records >= most / 5 * 4) {
            health
                .problems
                .push(format!("{} audit records wait, of {records} that can", stats.queue_records));
        }
        if stats.outbox_oldest >= WAITING {
            let (waiting, age) = (stats.outbox_waiting, stats.outbox_oldest.as_secs());
            health
                .problems
                .push(format!("{waiting} audit records wait in the outbox, the oldest for {age} s"));
        }
        health
    }
}
