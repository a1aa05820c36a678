//! Links that were there before somebody added them: on MySQL, SeaORM runs `after_save` for them, too.
//!
//! `before_save` looks and notes what it saw for this task, entity and key; `after_save` takes the note. A note is
//! written anew by every `before_save` of the same link, so one that a failed insert left behind is never believed.

use std::{
    any::TypeId,
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use sea_orm::Value;
use tokio::task::Id;

use crate::auditable::AnyEntity;

type Note = (Option<Id>, TypeId, Vec<Value>);

/// Notes that failed inserts left behind are forgotten beyond this many.
const MAX_NOTES: usize = 1024;

static NOTES: Mutex<VecDeque<Note>> = Mutex::new(VecDeque::new());

fn note_of(entity: &'static dyn AnyEntity, key: &[Value]) -> Note {
    (tokio::task::try_id(), entity.model().row, key.to_vec())
}

/// Notes whether the link was there.
pub(super) fn note(entity: &'static dyn AnyEntity, key: &[Value], present: bool) {
    let note = note_of(entity, key);
    let mut notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    notes.retain(|known| *known != note);
    if present {
        if notes.len() >= MAX_NOTES {
            notes.pop_front();
        }
        notes.push_back(note);
    }
}

/// Whether the link was there.
pub(super) fn take(entity: &'static dyn AnyEntity, key: &[Value]) -> bool {
    let note = note_of(entity, key);
    let mut notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    match notes.iter().position(|known| *known == note) {
        Some(position) => notes.remove(position).is_some(),
        None => false,
    }
}
