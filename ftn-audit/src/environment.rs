//! Settings from the environment: over the builder's, so that an operator can change them without a build.

use std::{str::FromStr, time::Duration};

use crate::{
    Delivery, Fallback,
    layout::{ActorField, Encoding, Layout},
};

/// Looks settings up, `FTN_AUDIT_*` before `AUDIT_*`, and gathers what is wrong with them.
pub(crate) struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl<'a> Environment<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    pub(crate) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    /// The value of a setting and the variable it stands in. An empty variable is none.
    pub(crate) fn find(&self, setting: &str) -> Option<(String, String)> {
        [format!("FTN_AUDIT_{setting}"), format!("AUDIT_{setting}")].into_iter().find_map(|variable| {
            let value = (self.lookup)(&variable)?;
            let value = value.trim();
            (!value.is_empty()).then(|| (variable, value.to_owned()))
        })
    }

    fn refuse(&mut self, variable: &str, value: &str, accepted: &str) {
        self.problems.push(format!("{variable}={value} is not understood: accepted are {accepted}"));
    }

    pub(crate) fn flag(&mut self, setting: &str) -> Option<bool> {
        let (variable, value) = self.find(setting)?;
        match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => {
                self.refuse(&variable, &value, "true, 1, yes, on, false, 0, no, off");
                None
            }
        }
    }

    /// A whole number of at least 1.
    pub(crate) fn number<N: FromStr + PartialOrd + From<u8>>(&mut self, setting: &str) -> Option<N> {
        let (variable, value) = self.find(setting)?;
        match value.parse::<N>() {
            Ok(number) if number >= N::from(1) => Some(number),
            _ => {
                self.refuse(&variable, &value, "whole numbers from 1");
                None
            }
        }
    }

    pub(crate) fn milliseconds(&mut self, setting: &str) -> Option<Duration> {
        self.number::<u64>(setting).map(Duration::from_millis)
    }

    fn seconds(&mut self, setting: &str) -> Option<Duration> {
        self.number::<u64>(setting).map(Duration::from_secs)
    }

    /// The delivery that the environment asks for, made of the builder's where the mode is the same.
    pub(crate) fn delivery(&mut self, built: Delivery) -> Delivery {
        let mut delivery = match self.find("DELIVERY_MODE") {
            None => built,
            Some((variable, value)) => match value.to_ascii_lowercase().as_str() {
                mode if mode == built.name() => built,
                "noop" => Delivery::noop(),
                "sync" => Delivery::sync(),
                "queue" => Delivery::queue(),
                "outbox" => Delivery::outbox(),
                "celery" => {
                    self.problems.push(format!(
                        "{variable}=celery is the Python library's: its successors here are outbox (a table in the \
                         same transaction, and a relay), queue (in this process, after commit) and sync; noop records \
                         nothing"
                    ));
                    built
                }
                _ => {
                    self.refuse(&variable, &value, "noop, sync, queue, outbox");
                    built
                }
            },
        };
        match delivery.name() {
            "queue" => {
                if let Some(records) = self.number("QUEUE_CAPACITY") {
                    delivery = delivery.capacity(records);
                }
                if let Some(bytes) = self.number("QUEUE_CAPACITY_BYTES") {
                    delivery = delivery.capacity_bytes(bytes);
                }
                if let Some(records) = self.number("QUEUE_BATCH") {
                    delivery = delivery.batch(records);
                }
                if let Some(wait) = self.milliseconds("QUEUE_LINGER_MS") {
                    delivery = delivery.linger(wait);
                }
                if let Some(attempts) = self.number("RETRY_MAX_ATTEMPTS") {
                    delivery = delivery.max_attempts(attempts);
                }
                if let Some(age) = self.seconds("RETRY_MAX_AGE_SECONDS") {
                    delivery = delivery.max_age(age);
                }
                delivery = self.backoff(delivery);
            }
            "outbox" => delivery = self.outbox(delivery),
            "sync" => {
                if let Some(timeout) = self.milliseconds("SYNC_TIMEOUT_MS") {
                    delivery = delivery.attempt_timeout(timeout);
                }
            }
            _ => {}
        }
        delivery
    }

    fn backoff(&mut self, delivery: Delivery) -> Delivery {
        let (initial, max) = (self.milliseconds("RETRY_INITIAL_MS"), self.milliseconds("RETRY_MAX_MS"));
        if initial.is_none() && max.is_none() {
            return delivery;
        }
        let (built_initial, built_max) = delivery.backoff_bounds();
        delivery.backoff(initial.unwrap_or(built_initial), max.unwrap_or(built_max))
    }

    fn outbox(&mut self, mut delivery: Delivery) -> Delivery {
        if let Some(bytes) = self.number("OUTBOX_SCOPE_BYTES") {
            delivery = delivery.scope_bytes(bytes);
        }
        if let Some(rows) = self.number("OUTBOX_MAX_ROWS") {
            delivery = delivery.outbox_max_rows(rows);
        }
        if let Some((variable, value)) = self.find("OUTBOX_FULL") {
            match value.parse() {
                Ok(full) => delivery = delivery.outbox_full(full),
                Err(_) => self.refuse(&variable, &value, "block, stop"),
            }
        }
        if let Some(records) = self.number("OUTBOX_BATCH") {
            delivery = delivery.batch(records);
        }
        if let Some(lease) = self.seconds("OUTBOX_LEASE_SECONDS") {
            delivery = delivery.lease(lease);
        }
        if let Some(age) = self.seconds("OUTBOX_MAX_AGE_SECONDS") {
            delivery = delivery.max_age(age);
        }
        if let Some(keep) = self.seconds("OUTBOX_KEEP_SENT_SECONDS") {
            delivery = delivery.keep_sent(keep);
        }
        if let Some(keep) = self.seconds("OUTBOX_KEEP_DEAD_SECONDS") {
            delivery = delivery.keep_dead(keep);
        }
        self.backoff(delivery)
    }

    pub(crate) fn layout(&mut self, layout: &mut Layout) {
        if let Some((variable, value)) = self.find("ENCODING") {
            match value.parse::<Encoding>() {
                Ok(encoding) => layout.encoding = encoding,
                Err(_) => self.refuse(&variable, &value, "flat, nested, json, seed"),
            }
        }
        if let Some(most) = self.number("MAX_ATTRIBUTES") {
            layout.max_attributes = most;
        }
        if let Some((variable, value)) = self.find("ACTOR_FIELDS") {
            let names = value.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "none");
            match names.map(str::parse::<ActorField>).collect() {
                Ok(fields) => layout.actor_fields = fields,
                Err(_) => self.refuse(&variable, &value, "id, email, name, separated by commas, and none"),
            }
        }
    }

    pub(crate) fn fallback(&mut self, built: Fallback) -> Fallback {
        let Some((variable, value)) = self.find("OTLP_FALLBACK") else { return built };
        match value.to_ascii_lowercase().as_str() {
            "structured_log" => Fallback::structured_log(),
            "drop" => Fallback::drop(),
            _ => {
                self.refuse(&variable, &value, "structured_log, drop");
                built
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::OutboxFull;

    /// What the environment makes of a delivery, in full.
    fn delivery(built: Delivery, variables: &[(&str, &str)]) -> (String, Vec<String>) {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| name.strip_prefix("AUDIT_") == Some(*known));
            found.map(|(_, value)| (*value).to_owned())
        };
        let mut environment = Environment::new(&lookup);
        let delivery = environment.delivery(built);
        (format!("{delivery:?}"), environment.into_problems())
    }

    #[test]
    fn a_queue_is_as_the_builder_would_have_it() {
        let second = Duration::from_secs(1);
        let expected = Delivery::queue()
            .capacity(31)
            .capacity_bytes(32)
            .batch(3)
            .linger(Duration::from_millis(34))
            .max_attempts(35)
            .max_age(36 * second)
            .backoff(Duration::from_millis(37), Duration::from_millis(38));
        let variables = [
            ("QUEUE_CAPACITY", "31"),
            ("QUEUE_CAPACITY_BYTES", "32"),
            ("QUEUE_BATCH", "3"),
            ("QUEUE_LINGER_MS", "34"),
            ("RETRY_MAX_ATTEMPTS", "35"),
            ("RETRY_MAX_AGE_SECONDS", "36"),
            ("RETRY_INITIAL_MS", "37"),
            ("RETRY_MAX_MS", "38"),
        ];
        let built = Delivery::queue().capacity(1).batch(1).max_attempts(1);
        assert_eq!(delivery(built, &variables), (format!("{expected:?}"), vec![]));
    }

    #[test]
    fn an_outbox_is_as_the_builder_would_have_it() {
        let second = Duration::from_secs(1);
        let expected = Delivery::outbox()
            .scope_bytes(41)
            .outbox_max_rows(42)
            .outbox_full(OutboxFull::StopRecording)
            .batch(43)
            .lease(44 * second)
            .max_age(45 * second)
            .keep_sent(46 * second)
            .keep_dead(47 * second)
            .backoff(Duration::from_millis(48), Duration::from_millis(49));
        let variables = [
            ("OUTBOX_SCOPE_BYTES", "41"),
            ("OUTBOX_MAX_ROWS", "42"),
            ("OUTBOX_FULL", "stop"),
            ("OUTBOX_BATCH", "43"),
            ("OUTBOX_LEASE_SECONDS", "44"),
            ("OUTBOX_MAX_AGE_SECONDS", "45"),
            ("OUTBOX_KEEP_SENT_SECONDS", "46"),
            ("OUTBOX_KEEP_DEAD_SECONDS", "47"),
            ("RETRY_INITIAL_MS", "48"),
            ("RETRY_MAX_MS", "49"),
        ];
        let built = Delivery::outbox().scope_bytes(1).outbox_max_rows(1).keep_sent(second);
        assert_eq!(delivery(built, &variables), (format!("{expected:?}"), vec![]));
    }

    #[test]
    fn what_the_environment_does_not_say_stays_as_built() {
        let built = || Delivery::queue().capacity(31).linger(Duration::from_millis(34));
        let same = format!("{:?}", built());
        assert_eq!(delivery(built(), &[("DELIVERY_MODE", "queue")]), (same.clone(), vec![]));
        assert_eq!(delivery(built(), &[("QUEUE_CAPACITY", " ")]), (same.clone(), vec![]));
        // Of another mode's numbers there is nothing to keep.
        let outbox = format!("{:?}", Delivery::outbox());
        assert_eq!(delivery(built(), &[("DELIVERY_MODE", "Outbox")]), (outbox, vec![]));
        let (kept, problems) = delivery(built(), &[("DELIVERY_MODE", "kafka"), ("QUEUE_CAPACITY", "0")]);
        assert_eq!((kept, problems.len()), (same, 2), "{problems:?}");
    }
}
