//! The task-local of one call of an inherent method: what its `before_*` hook puts there, its `after_*` finds.

use std::{any::TypeId, cell::RefCell};

use sea_orm::Value;

use crate::auditable::{AnyEntity, Row};

tokio::task_local! {
    static CELL: Cell;
}

#[derive(Default)]
pub(super) struct Cell(RefCell<Vec<Slot>>);

struct Slot {
    row: TypeId,
    key: Vec<Value>,
    old: Option<Row>,
}

impl Cell {
    /// Runs one call with a cell of its own. The cell goes with the future, also when that is dropped.
    pub(super) fn open<F: Future>(future: F) -> impl Future<Output = F::Output> {
        CELL.scope(Self::default(), future)
    }

    pub(super) fn is_open() -> bool {
        CELL.try_with(|_| ()).is_ok()
    }

    /// Puts the row before a write aside; `None` where there is none.
    pub(super) fn put(entity: &'static dyn AnyEntity, key: Vec<Value>, old: Option<Row>) {
        let _ = CELL.try_with(|cell| {
            let mut slots = cell.0.borrow_mut();
            let row = entity.model().row;
            slots.retain(|slot| slot.row != row || slot.key != key);
            slots.push(Slot { row, key, old });
        });
    }

    pub(super) fn take(entity: &'static dyn AnyEntity, key: &[Value]) -> Option<Row> {
        let row = entity.model().row;
        Self::take_slot(|slot| slot.row == row && slot.key == key)?.old
    }

    /// The one row of an entity that the call is about.
    pub(super) fn take_any(entity: &'static dyn AnyEntity) -> Option<(Vec<Value>, Option<Row>)> {
        let row = entity.model().row;
        Self::take_slot(|slot| slot.row == row).map(|slot| (slot.key, slot.old))
    }

    fn take_slot(wanted: impl Fn(&Slot) -> bool) -> Option<Slot> {
        CELL.try_with(|cell| {
            let mut slots = cell.0.borrow_mut();
            let position = slots.iter().position(&wanted)?;
            Some(slots.remove(position))
        })
        .ok()
        .flatten()
    }
}
