//! The open transaction that owns records until it commits: a stack of frames, one a savepoint.
//!
//! sqlx names savepoints by their depth and not by object, so committing or rolling back *any* transaction object
//! acts on the innermost savepoint of the connection. The frames follow the database, not the objects.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ftn_audit::{Audit, AuditRecord};
use sea_orm::{DbBackend, DbErr};
use tokio::sync::OwnedMutexGuard;

use crate::{capture::LinkEvent, error::sql_state};

type Callback = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a scope holds until the commit.
pub(crate) enum Entry {
    Record(Box<AuditRecord>),
    /// Kept apart until hand-over, where adjacent ones become one record.
    Link(LinkEvent),
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
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    frames: Vec<Frame>,
    /// Whether a statement failed, or its end was not seen: then Postgres may have aborted the transaction, and COMMIT
    /// will be a rollback that reports success.
    doubtful: bool,
    /// Whether the database ended the transaction by itself. What is sent afterwards stands alone, and no rollback
    /// undoes it.
    ended: bool,
}

/// A statement on its way that capture does not look into; its failure, or a future that was dropped, leaves a doubt.
pub(crate) struct Doubt<'a>(Option<&'a Scope>);

impl Doubt<'_> {
    /// The statement came to its end.
    pub(crate) fn dispel(mut self) {
        self.0 = None;
    }

    /// The statement failed.
    pub(crate) fn confirm(mut self, error: &DbErr) {
        if let Some(scope) = self.0.take() {
            scope.statement_failed(error);
        }
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(scope) = self.0 {
            scope.state().doubtful = true;
        }
    }
}

/// See [`Scope::setting_savepoint`].
pub(crate) struct SettingSavepoint<'a>(Option<&'a Scope>);

impl SettingSavepoint<'_> {
    /// It is set.
    pub(crate) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for SettingSavepoint<'_> {
    fn drop(&mut self) {
        let Some(scope) = self.0 else { return };
        let mut state = scope.state();
        if state.frames.len() > 1 {
            let frame = state.frames.pop();
            scope.audit.discard(frame.map_or(0, |frame| frame.entries.len()));
        } else {
            scope.end_by_itself(&mut state);
        }
    }
}

/// Held by whoever uses the connection.
pub(crate) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedMutexGuard<()>);

/// What a committed transaction leaves behind.
pub(crate) struct Committed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) callbacks: Vec<Callback>,
}

impl Scope {
    pub(crate) fn new(audit: Audit, backend: DbBackend) -> Self {
        let state = State { frames: vec![Frame::default()], doubtful: false, ended: false };
        Self { audit, backend, state: Mutex::new(state), turn: Arc::default() }
    }

    /// Waits for the connection's statements before this one. Held over a whole capture (old row, statement, new row)
    /// and over every savepoint, commit and rollback: the connection does one thing at a time anyway, and tasks that
    /// share a transaction must come neither between an old row and its statement nor between a statement and the
    /// frame that owns its record.
    pub(crate) async fn turn(&self) -> Turn {
        Turn(self.turn.clone().lock_owned().await)
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

    /// A savepoint that is being set. If it cannot be, sqlx's Postgres driver rolls the innermost one back, or the
    /// whole transaction, and says nothing of it.
    pub(crate) fn setting_savepoint(&self) -> SettingSavepoint<'_> {
        SettingSavepoint((self.backend == DbBackend::Postgres).then_some(self))
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

    /// The innermost savepoint, or the whole transaction, was rolled back. What was written after the database had
    /// ended the transaction stays, for there was nothing to roll back.
    pub(crate) fn roll_back(&self) {
        let mut state = self.state();
        let Some(mut frame) = state.frames.pop() else { return };
        if state.ended {
            match state.frames.last_mut() {
                Some(outer) => outer.entries.append(&mut frame.entries),
                None => state.frames.push(Frame { entries: frame.entries, callbacks: Vec::new() }),
            }
            return;
        }
        drop(state);
        self.audit.discard(frame.entries.len());
    }

    /// Whether the outermost rollback left records of work that is stored all the same.
    pub(crate) fn has_survivors(&self) -> bool {
        let state = self.state();
        state.ended && state.frames.iter().any(|frame| !frame.entries.is_empty())
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

    /// A statement begins that capture does not look into.
    pub(crate) fn doubt(&self) -> Doubt<'_> {
        Doubt(Some(self))
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.state().doubtful
    }

    /// A statement failed. Where that made the database roll back everything, so does the scope.
    pub(crate) fn statement_failed(&self, error: &DbErr) {
        let mut state = self.state();
        state.doubtful = true;
        // MySQL ends the whole transaction on a deadlock; what is sent afterwards runs in autocommit.
        if self.backend == DbBackend::MySql && sql_state(error).as_deref() == Some("40001") {
            self.end_by_itself(&mut state);
        }
    }

    /// The transaction is no more, and nobody asked for that.
    fn end_by_itself(&self, state: &mut State) {
        state.ended = true;
        for frame in &mut state.frames {
            self.audit.discard(frame.entries.len());
            frame.entries.clear();
            frame.callbacks.clear();
        }
    }
}
