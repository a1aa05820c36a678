//! The open transaction that owns records until it commits: a stack of frames, one a savepoint.
//!
//! sqlx names savepoints by their depth and not by object, so committing or rolling back *any* transaction object
//! acts on the innermost savepoint of the connection. The frames follow the database, not the objects.

use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use ftn_audit::{Audit, AuditRecord};
use sea_orm::{DbBackend, DbErr, Value};

use crate::{
    auditable::{AnyEntity, Row},
    capture::LinkEvent,
    error::sql_state,
};

type Callback = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a scope holds until the commit.
pub(crate) enum Entry {
    Record(Box<AuditRecord>),
    /// Kept apart until hand-over, where adjacent ones become one record.
    Link(LinkEvent),
    /// A statement whose caller gave it up before its end was seen.
    Interrupted(Interrupted),
}

/// What has to be found out before the commit about a statement that was given up.
pub(crate) struct Interrupted {
    pub(crate) entity: &'static dyn AnyEntity,
    pub(crate) operation: &'static str,
    pub(crate) occurred_at: SystemTime,
    /// The rows before the statement, by key; none for an insert, whose rows nobody can name.
    pub(crate) before: Vec<(Vec<Value>, Row)>,
    pub(crate) context: Option<ftn_audit::AuditContext>,
}

#[derive(Default)]
struct Frame {
    entries: Vec<Entry>,
    callbacks: Vec<Callback>,
}

pub(crate) struct Scope {
    audit: Audit,
    backend: DbBackend,
    state: Mutex<State>,
}

struct State {
    frames: Vec<Frame>,
    /// Whether a statement failed: then Postgres has aborted the transaction, and COMMIT will be a rollback that
    /// reports success.
    failed: bool,
}

/// What a committed transaction leaves behind.
pub(crate) struct Committed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) callbacks: Vec<Callback>,
}

impl Scope {
    pub(crate) fn new(audit: Audit, backend: DbBackend) -> Self {
        let state = State { frames: vec![Frame::default()], failed: false };
        Self { audit, backend, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, entries: impl IntoIterator<Item = Entry>) {
        if let Some(frame) = self.state().frames.last_mut() {
            frame.entries.extend(entries);
        }
    }

    pub(crate) fn on_commit(&self, callback: Callback) {
        if let Some(frame) = self.state().frames.last_mut() {
            frame.callbacks.push(callback);
        }
    }

    /// A savepoint was set.
    pub(crate) fn begin(&self) {
        self.state().frames.push(Frame::default());
    }

    /// Whether the next commit releases a savepoint instead of ending the transaction.
    pub(crate) fn is_nested(&self) -> bool {
        self.state().frames.len() > 1
    }

    /// The innermost savepoint was released.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        if let Some(frame) = state.frames.pop()
            && let Some(outer) = state.frames.last_mut()
        {
            outer.entries.extend(frame.entries);
            outer.callbacks.extend(frame.callbacks);
        }
    }

    /// The innermost savepoint, or the whole transaction, was rolled back.
    pub(crate) fn roll_back(&self) {
        let frame = self.state().frames.pop();
        if let Some(frame) = frame {
            self.audit.discard(frame.entries.len());
        }
    }

    /// The transaction ended: takes what it owned.
    pub(crate) fn take(&self) -> Committed {
        let mut committed = Committed { entries: Vec::new(), callbacks: Vec::new() };
        for frame in self.state().frames.drain(..) {
            committed.entries.extend(frame.entries);
            committed.callbacks.extend(frame.callbacks);
        }
        committed
    }

    /// Takes the statements that were given up, in order with what they stand among.
    pub(crate) fn take_interrupted(&self) -> Option<Vec<Entry>> {
        let mut state = self.state();
        let frame = state.frames.last_mut()?;
        let interrupted = frame.entries.iter().any(|entry| matches!(entry, Entry::Interrupted(_)));
        interrupted.then(|| std::mem::take(&mut frame.entries))
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// A statement failed. Where that made the database roll back everything, so does the scope.
    pub(crate) fn statement_failed(&self, error: &DbErr) {
        let mut state = self.state();
        state.failed = true;
        // MySQL ends the whole transaction on a deadlock; what is sent afterwards runs in autocommit.
        if self.backend == DbBackend::MySql && sql_state(error).as_deref() == Some("40001") {
            for frame in &mut state.frames {
                self.audit.discard(frame.entries.len());
                frame.entries.clear();
                frame.callbacks.clear();
            }
        }
    }
}
