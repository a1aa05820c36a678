//! Delivery through a table of the application's own database: its settings.

use std::{str::FromStr, time::Duration};

use super::{Delivery, Mode};
use crate::UnknownName;

/// What happens to audited writes while the outbox has [`outbox_max_rows`](Delivery::outbox_max_rows) waiting.
///
/// ```
/// use ftn_audit::delivery::OutboxFull;
///
/// assert_eq!("block".parse(), Ok(OutboxFull::Block));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxFull {
    /// They fail, and their transaction is rolled back: no row without its record. The default.
    #[default]
    Block,
    /// They stand, and their records go to the fallback, counted under `outbox_full`, with an error in the log.
    StopRecording,
}

impl OutboxFull {
    /// `block` or `stop`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::StopRecording => "stop",
        }
    }
}

impl FromStr for OutboxFull {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name.to_ascii_lowercase().as_str() {
            "block" => Ok(Self::Block),
            "stop" => Ok(Self::StopRecording),
            _ => Err(UnknownName::accepting("block, stop")),
        }
    }
}

/// The settings of [`Delivery::outbox`]: what its writer and its relay go by.
///
/// ```
/// use std::time::Duration;
/// use ftn_audit::OutboxSettings;
///
/// assert_eq!(OutboxSettings::default().lease, Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboxSettings {
    /// See [`Delivery::scope_bytes`].
    pub scope_bytes: usize,
    /// See [`Delivery::outbox_max_rows`].
    pub max_rows: Option<u64>,
    /// See [`Delivery::outbox_full`].
    pub full: OutboxFull,
    /// See [`Delivery::batch`].
    pub batch: usize,
    /// See [`Delivery::lease`].
    pub lease: Duration,
    /// See [`Delivery::backoff`].
    pub backoff_initial: Duration,
    /// See [`Delivery::backoff`].
    pub backoff_max: Duration,
    /// See [`Delivery::max_age`].
    pub max_age: Duration,
    /// See [`Delivery::keep_sent`].
    pub keep_sent: Duration,
    /// See [`Delivery::keep_dead`].
    pub keep_dead: Duration,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

impl Default for OutboxSettings {
    fn default() -> Self {
        Self {
            scope_bytes: 1 << 20,
            max_rows: None,
            full: OutboxFull::default(),
            batch: 512,
            lease: Duration::from_secs(60),
            backoff_initial: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            max_age: 30 * 24 * HOUR,
            keep_sent: 24 * HOUR,
            keep_dead: 90 * 24 * HOUR,
        }
    }
}

impl Delivery {
    /// In the same transaction as the change: the record is a row of a table beside the application's own, and a
    /// relay sends it. A change that is committed has its record, whatever dies afterwards.
    ///
    /// The table is made by the migration of `ftn-audit-sea`, or `audit.install(&db)`; a relay is `audit.relay([..])`
    /// in a process of the service, or the command line `ftn-audit relay`, any number at once. A record that cannot be
    /// stored fails the commit, and the work is rolled back, unless its entity says `on_failure = "best_effort"`.
    pub fn outbox() -> Self {
        Self::new(Mode::Outbox(OutboxSettings::default()))
    }

    fn in_outbox(mut self, setter: &'static str, set: impl FnOnce(&mut OutboxSettings)) -> Self {
        match &mut self.mode {
            Mode::Outbox(settings) => set(settings),
            _ => self.misplaced.push(setter),
        }
        self
    }

    /// How much memory the records of an open transaction may hold, in bytes, estimated, before they are written to
    /// the outbox ahead of its commit. 1 MiB unless set; at least 1. Records with `on_failure = "best_effort"` wait for
    /// the commit in any case.
    #[must_use]
    pub fn scope_bytes(self, bytes: usize) -> Self {
        self.in_outbox("scope_bytes", |outbox| outbox.scope_bytes = bytes)
    }

    /// How many rows may wait in the outbox before [`outbox_full`](Self::outbox_full) applies. Unbounded unless set;
    /// at least 1. Counted every few seconds at most, so that it may be overshot by what is written in between; the
    /// writer's role then needs to read the column `state`.
    #[must_use]
    pub fn outbox_max_rows(self, rows: u64) -> Self {
        self.in_outbox("outbox_max_rows", |outbox| outbox.max_rows = Some(rows))
    }

    /// What happens to audited writes beyond [`outbox_max_rows`](Self::outbox_max_rows):
    /// [`Block`](OutboxFull::Block) unless set.
    #[must_use]
    pub fn outbox_full(self, full: OutboxFull) -> Self {
        self.in_outbox("outbox_full", |outbox| outbox.full = full)
    }

    /// How long a relay has the rows that it claimed to itself. 60 s unless set; at least 1 s. Rows of a relay that died
    /// are sent by another when their lease ends.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.in_outbox("lease", |outbox| outbox.lease = lease)
    }

    /// How long rows stay in the outbox after they were sent: from these, an operator can repeat what a store lost.
    /// 24 hours unless set.
    #[must_use]
    pub fn keep_sent(self, keep: Duration) -> Self {
        self.in_outbox("keep_sent", |outbox| outbox.keep_sent = keep)
    }

    /// How long dead letters, and rows that an operator discarded, stay in the outbox. 90 days unless set.
    #[must_use]
    pub fn keep_dead(self, keep: Duration) -> Self {
        self.in_outbox("keep_dead", |outbox| outbox.keep_dead = keep)
    }

    /// For capture and relays: the settings of an outbox.
    pub(crate) fn outbox_settings(&self) -> Option<&OutboxSettings> {
        match &self.mode {
            Mode::Outbox(settings) => Some(settings),
            _ => None,
        }
    }
}

impl OutboxSettings {
    pub(super) fn refuse(&self, mut refuse: impl FnMut(bool, &str)) {
        refuse(self.scope_bytes == 0, "`scope_bytes` must be at least 1 byte");
        refuse(self.max_rows == Some(0), "`outbox_max_rows` must be at least 1 row");
        refuse(self.batch == 0, "`batch` must be at least 1 record");
        refuse(self.batch > 10_000, "`batch` of an outbox must be at most 10,000 records");
        refuse(self.lease < Duration::from_secs(1), "`lease` must be at least a second");
        refuse(self.max_age.is_zero(), "`max_age` must be more than zero");
        refuse(self.backoff_initial.is_zero(), "`backoff` must begin with more than zero");
        refuse(self.backoff_initial > self.backoff_max, "`backoff` must not begin above its own maximum");
    }
}
