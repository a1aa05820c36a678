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
use uuid::Uuid;

use crate::{capture::LinkEvent, error::sql_state};

type Callback = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a scope holds until the commit.
pub(crate) enum Entry {
    Record(Box<AuditRecord>),
    /// Kept apart until hand-over, where adjacent ones become one record.
    Link(Box<LinkEvent>),
}

#[derive(Default)]
struct Frame {
    entries: Vec<Entry>,
    callbacks: Vec<Callback>,
    /// How many numbers the frames below had given when this one began to give its own.
    numbered_below: u32,
    /// Memory of the entries that can be written ahead of the commit, estimated.
    bytes: usize,
    /// Rows that were written ahead of the commit.
    spilled: usize,
}

pub(crate) struct Scope {
    audit: Audit,
    backend: DbBackend,
    state: Mutex<State>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    frames: Vec<Frame>,
    /// Whether SQLite keeps every other writer out until the transaction ends.
    write_lock: bool,
    /// Whether a statement failed, or its end was not seen: then Postgres may have aborted the transaction, and COMMIT
    /// will be a rollback that reports success.
    doubtful: bool,
    /// Whether the database ended the transaction by itself. What is sent afterwards stands alone, and no rollback
    /// undoes it.
    ended: bool,
    /// The transaction's id and how many numbers it has given, once one was needed before the hand-over.
    numbering: Option<(Uuid, u32)>,
    /// Rows in the outbox, to be counted when the commit is answered.
    stored: usize,
    /// Records that the outbox did not take although their changes stand.
    outside: Vec<AuditRecord>,
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
        if scope.is_nested() {
            scope.roll_back();
        } else {
            scope.end_by_itself(&mut scope.state());
        }
    }
}

/// Held by whoever uses the connection.
pub(crate) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedMutexGuard<()>);

/// What a committed transaction leaves behind.
pub(crate) struct Committed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) callbacks: Vec<Callback>,
    /// How many records are in the outbox.
    pub(crate) stored: usize,
    /// Records that the outbox did not take.
    pub(crate) outside: Vec<AuditRecord>,
}

impl Entry {
    /// Memory that a write ahead of the commit would free, estimated. What is best effort waits for the commit, and links
    /// are small until they are described.
    fn bytes(&self) -> usize {
        match self {
            Self::Record(record) if !record.is_best_effort() => record.estimated_bytes(),
            _ => 0,
        }
    }
}

impl Scope {
    pub(crate) fn new(audit: Audit, backend: DbBackend) -> Self {
        let state = State {
            frames: vec![Frame::default()],
            doubtful: false,
            ended: false,
            numbering: None,
            stored: 0,
            outside: Vec::new(),
            write_lock: false,
        };
        Self { audit, backend, state: Mutex::new(state), turn: Arc::default() }
    }

    /// Whether the transaction is known to keep every other writer of a SQLite database out.
    pub(crate) fn has_write_lock(&self) -> bool {
        self.state().write_lock
    }

    pub(crate) fn got_write_lock(&self) {
        self.state().write_lock = true;
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
            for entry in entries {
                frame.bytes += entry.bytes();
                frame.entries.push(entry);
            }
        }
    }

    pub(crate) fn on_commit(&self, callback: Callback) {
        if let Some(frame) = self.state().frames.last_mut() {
            frame.callbacks.push(callback);
        }
    }

    /// A savepoint was set.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        let numbered_below = state.numbering.map_or(0, |(_, given)| given);
        state.frames.push(Frame { numbered_below, ..Frame::default() });
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
            outer.bytes += frame.bytes;
            outer.spilled += frame.spilled;
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
                None => {
                    frame.callbacks.clear();
                    state.frames.push(frame);
                }
            }
            return;
        }
        // The rows that have these numbers are rolled back, too.
        if let Some((_, given)) = &mut state.numbering {
            *given = frame.numbered_below;
        }
        let mut discarded = frame.entries.len() + frame.spilled;
        if state.frames.is_empty() {
            discarded += std::mem::take(&mut state.stored) + std::mem::take(&mut state.outside).len();
        }
        drop(state);
        self.audit.discard(discarded);
    }

    /// Whether the outermost rollback left records of work that is stored all the same.
    pub(crate) fn has_survivors(&self) -> bool {
        let state = self.state();
        state.ended && state.frames.iter().any(|frame| !frame.entries.is_empty())
    }

    /// The transaction ended: takes what it owned.
    pub(crate) fn take(&self) -> Committed {
        let mut state = self.state();
        let mut committed = Committed {
            entries: Vec::new(),
            callbacks: Vec::new(),
            stored: std::mem::take(&mut state.stored),
            outside: std::mem::take(&mut state.outside),
        };
        for frame in state.frames.drain(..) {
            committed.entries.extend(frame.entries);
            committed.callbacks.extend(frame.callbacks);
            committed.stored += frame.spilled;
        }
        committed
    }

    /// A statement made the database commit what was done so far: takes that. Callbacks wait for the commit that the
    /// application asks for.
    pub(crate) fn committed_by_itself(&self) -> Committed {
        let mut state = self.state();
        state.ended = true;
        state.numbering = None;
        let mut committed = Committed {
            entries: Vec::new(),
            callbacks: Vec::new(),
            stored: std::mem::take(&mut state.stored),
            outside: std::mem::take(&mut state.outside),
        };
        for frame in &mut state.frames {
            let callbacks = std::mem::take(&mut frame.callbacks);
            let frame = std::mem::replace(frame, Frame { callbacks, ..Frame::default() });
            committed.entries.extend(frame.entries);
            committed.stored += frame.spilled;
        }
        committed
    }

    /// How many frames there are.
    pub(crate) fn depth(&self) -> usize {
        self.state().frames.len()
    }

    /// Takes the entries of a frame, counted from the outermost.
    pub(crate) fn take_entries(&self, frame: usize) -> Vec<Entry> {
        self.state().frames.get_mut(frame).map(|frame| std::mem::take(&mut frame.entries)).unwrap_or_default()
    }

    /// Puts entries back into the frame that they were taken from.
    pub(crate) fn put_back(&self, frame: usize, entries: Vec<Entry>) {
        if let Some(frame) = self.state().frames.get_mut(frame) {
            frame.entries.splice(..0, entries);
        }
    }

    /// Memory of the innermost frame's entries that can be written ahead of the commit, in bytes, estimated.
    pub(crate) fn bytes(&self) -> usize {
        self.state().frames.last().map_or(0, |frame| frame.bytes)
    }

    /// Gives numbers to those of a frame's records that have none, and says how many the transaction has given. The
    /// frames above have given none of their own yet, unless they are its caller's.
    pub(crate) fn number(&self, frame: usize, records: &mut [AuditRecord]) -> u32 {
        let mut state = self.state();
        let (transaction, before) = state.numbering.unwrap_or_else(|| (Uuid::now_v7(), 0));
        let mut given = before;
        for record in records.iter_mut().filter(|record| record.sequence().is_none()) {
            given += 1;
            record.set_place(transaction, given, None);
        }
        state.numbering = Some((transaction, given));
        if given > before {
            for above in state.frames.iter_mut().skip(frame + 1) {
                above.numbered_below = given;
            }
        }
        given
    }

    /// Records of a frame were written ahead of the commit.
    pub(crate) fn spilled(&self, frame: usize, records: usize) {
        if let Some(frame) = self.state().frames.get_mut(frame) {
            frame.spilled += records;
            frame.bytes = 0;
        }
    }

    /// Records are in the outbox, if the commit succeeds.
    pub(crate) fn count_stored(&self, records: usize) {
        self.state().stored += records;
    }

    /// Records go elsewhere, if the commit succeeds.
    pub(crate) fn outside(&self, records: Vec<AuditRecord>) {
        self.state().outside.extend(records);
    }

    /// Whether the database ended the transaction by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
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
        state.numbering = None;
        state.write_lock = false;
        for frame in &mut state.frames {
            self.audit.discard(frame.entries.len() + frame.spilled);
            *frame = Frame::default();
        }
    }
}
