//! UPDATE.

use std::sync::{Arc, OnceLock};

use sea_orm::DbBackend;
use sqlparser::ast::{AssignmentTarget, Update};

use super::{Named, Returning, column_name, condition::key_parameters, returning};
use crate::capture::{
    clauses::{Clauses, Rows},
    fragment::Fragment,
    text::SqlText,
};

pub(crate) struct UpdatePlan {
    pub(crate) named: Named,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) returning: Returning,
    /// The parameters of the key, where the condition is equality with a whole one.
    pub(crate) key: Option<Vec<usize>>,
    /// Which rows it takes; `None` where that cannot be asked without harm.
    pub(crate) rows: Option<Rows>,
    /// What becomes of each column of the key; `None` where that cannot be foretold.
    pub(crate) new_key: Option<Vec<NewKey>>,
    /// The columns that it assigns.
    pub(crate) assigned: Vec<String>,
    /// How the statement gives the old row, too; `None` where it cannot.
    pub(crate) in_one: Option<InOne>,
}

/// What an UPDATE makes of a column of the key.
#[derive(Debug)]
pub(crate) enum NewKey {
    Same,
    Parameter(usize),
    /// Of the old row.
    Expression(Fragment),
}

/// Where a statement's text is cut to make it give the old row.
#[derive(Debug)]
pub(crate) struct InOne {
    pub(crate) head: String,
    /// With its word.
    pub(crate) condition: String,
    /// RETURNING and all behind it.
    pub(crate) returning: String,
    /// The statement that gives the old row, too: the same for every table that allows it.
    pub(crate) text: OnceLock<String>,
}

impl UpdatePlan {
    pub(super) fn new(backend: DbBackend, update: &Update, text: &SqlText) -> Option<Self> {
        if update.from.is_some() || update.or.is_some() || update.output.is_some() {
            return None;
        }
        let named = Named::of(backend, &update.table)?;
        let entity = named.entity;
        let clauses = Clauses::of(text)?;
        let assigned: Option<Vec<_>> = update
            .assignments
            .iter()
            .map(|assignment| match &assignment.target {
                AssignmentTarget::ColumnName(name) => column_name(name).map(str::to_owned),
                AssignmentTarget::Tuple(_) => None,
            })
            .collect();
        let assigned = assigned?;
        let same = |left: &str, right: &str| match backend {
            DbBackend::Postgres => left == right,
            _ => left.eq_ignore_ascii_case(right),
        };
        let target = |key: &str| assigned.iter().position(|column| same(column, key));
        let new_key = (clauses.assigned.len() == assigned.len()).then_some(()).and_then(|()| {
            let new = |key| match target(key) {
                None => Some(NewKey::Same),
                Some(target) => {
                    let fragment = Fragment::of(text, clauses.assigned[target].clone())?;
                    Some(match fragment.parameter() {
                        Some(parameter) => NewKey::Parameter(parameter),
                        // MySQL's assignments see what those before them have made of the row.
                        None if backend == DbBackend::MySql && target > 0 => return None,
                        None => NewKey::Expression(fragment),
                    })
                }
            };
            entity.key_names().map(new).collect::<Option<Vec<_>>>()
        });
        let rows = match clauses.condition.is_some() == update.selection.is_some() {
            true => clauses.rows_taken(text, entity),
            false => None,
        };
        let key = update.selection.as_ref().and_then(|condition| key_parameters(entity, condition, text));
        let moves = entity.key_names().any(|key| target(key).is_some());
        let in_one = (key.is_some() && !moves).then(|| InOne::of(text, &clauses)).flatten();
        let returning = returning(entity, update.returning.as_deref());
        let fingerprint = text.fingerprint().into();
        Some(Self { named, fingerprint, returning, key, rows, new_key, assigned, in_one })
    }

    /// Whether rows keep their key.
    pub(crate) fn keeps_keys(&self) -> bool {
        self.new_key.as_ref().is_some_and(|columns| columns.iter().all(|new| matches!(new, NewKey::Same)))
    }
}

impl InOne {
    fn of(text: &SqlText, clauses: &Clauses) -> Option<Self> {
        if clauses.commented || clauses.order.is_some() {
            return None;
        }
        let condition = text.start_of(clauses.condition.as_ref()?.start.checked_sub(1)?);
        let returning = text.start_of(clauses.returning?);
        let sql = text.sql();
        Some(Self {
            head: sql.get(..condition)?.to_owned(),
            condition: sql.get(condition..returning)?.to_owned(),
            returning: sql.get(returning..text.start_of(clauses.end))?.to_owned(),
            text: OnceLock::new(),
        })
    }
}
