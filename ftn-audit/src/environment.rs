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
