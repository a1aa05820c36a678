//! INSERT.

use std::sync::Arc;

use sqlparser::ast::{
    self, AssignmentTarget, Expr, Insert, OnConflictAction, OnInsert, SetExpr, SqliteOnConflict, TableObject,
};

use super::{Entity, Returning, audited, column, column_name, returning};
use crate::capture::{clauses::Clauses, fragment::Fragment, send::Call, text::SqlText};

pub(crate) struct InsertPlan {
    pub(crate) entity: Entity,
    /// The table as the statement names it.
    pub(crate) table: String,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) returning: Returning,
    /// For each row, which parameters are its key; `None` where the key is not among the parameters.
    pub(crate) keys: Option<Vec<Vec<usize>>>,
    /// How many rows; `None` for those of a query.
    pub(crate) rows: Option<usize>,
    /// Whether no row says its key.
    pub(crate) generates_keys: bool,
    pub(crate) conflict: Conflict,
    /// Whether a row that is there already is deleted first, with all that hangs on it.
    pub(crate) replaces: bool,
    /// The columns of VALUES, by their positions in the entity.
    pub(crate) columns: Vec<Option<usize>>,
    /// What VALUES says, where rows have to be found by it.
    pub(crate) cells: Option<Vec<Vec<Option<Fragment>>>>,
    /// The text up to its end, for more columns to be returned; `None` where it returns none, or not by name.
    pub(crate) extensible: Option<String>,
}

/// What becomes of a row that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The statement fails.
    Error,
    /// It is left alone.
    Nothing,
    /// It is updated, or replaced.
    Write,
}

impl InsertPlan {
    /// Whether a method's answer has every row that the statement returns: one that is asked for a count has none, one that is
    /// asked for a row has one.
    pub(crate) fn answers(&self, call: Call) -> bool {
        call == Call::QueryAll || (call == Call::QueryOne && self.rows == Some(1))
    }

    pub(super) fn new(insert: &Insert, text: &SqlText) -> Option<Self> {
        let TableObject::TableName(name) = &insert.table else { return None };
        let entity = audited(name)?;
        if insert.table_alias.is_some() || !insert.assignments.is_empty() || insert.partitioned.is_some() {
            return None;
        }
        let conflict = conflict(insert)?;
        let query = insert.source.as_deref();
        if query.is_some_and(|query| query.with.is_some()) {
            return None;
        }
        let values = match query.map(|query| query.body.as_ref()) {
            Some(SetExpr::Values(values)) => Some(&values.rows),
            None => None,
            Some(SetExpr::Select(_)) if conflict == Conflict::Error => {
                let returning = returning(entity, insert.returning.as_deref());
                // Nothing but its answer says which rows they are.
                if returning == Returning::Nothing {
                    return None;
                }
                return Some(Self::of(insert, entity, text, conflict, returning));
            }
            Some(_) => return None,
        };
        let returning = returning(entity, insert.returning.as_deref());
        let mut plan = Self::of(insert, entity, text, conflict, returning);
        let Some(values) = values else {
            // DEFAULT VALUES
            return (conflict == Conflict::Error).then_some(Self {
                rows: Some(1),
                generates_keys: true,
                ..plan
            });
        };
        let names: Vec<_> = insert.columns.iter().filter_map(column_name).collect();
        let key = |row: &[Expr]| {
            entity
                .key_names()
                .map(|key| text.parameter(row.get(names.iter().position(|name| *name == key)?)?))
                .collect::<Option<Vec<_>>>()
        };
        plan.rows = Some(values.len());
        plan.keys = values.iter().map(|row| key(&row.content)).collect();
        plan.generates_keys = !names.is_empty() && !entity.key_names().any(|key| names.contains(&key));
        plan.columns = names.iter().map(|name| entity.position(name)).collect();
        if conflict != Conflict::Error || (plan.keys.is_none() && !plan.generates_keys) {
            let clauses = Clauses::of(text)?;
            if clauses.rows.len() != values.len() {
                return None;
            }
            let cells = clauses.rows.iter().zip(values).map(|(cells, row)| {
                let cells: Vec<_> = cells
                    .iter()
                    .zip(&row.content)
                    .map(|(cell, value)| {
                        // DEFAULT is a value in VALUES only.
                        let default = column(value).is_some_and(|word| word.eq_ignore_ascii_case("default"));
                        (!default).then(|| Fragment::of(text, cell.clone())).flatten()
                    })
                    .collect();
                (cells.len() == row.content.len()).then_some(cells)
            });
            plan.cells = Some(cells.collect::<Option<_>>()?);
        }
        Some(plan)
    }

    fn of(insert: &Insert, entity: Entity, text: &SqlText, conflict: Conflict, returning: Returning) -> Self {
        let by_name = insert.returning.iter().flatten().all(|item| {
            matches!(item, ast::SelectItem::UnnamedExpr(_) | ast::SelectItem::ExprWithAlias { .. })
        });
        let extensible = (returning == Returning::Something && by_name)
            .then(|| Clauses::of(text))
            .flatten()
            .filter(|clauses| !clauses.commented)
            .and_then(|clauses| text.sql().get(..text.start_of(clauses.end)).map(str::to_owned));
        Self {
            entity,
            table: insert.table.to_string(),
            fingerprint: text.fingerprint().into(),
            returning,
            keys: None,
            rows: None,
            generates_keys: false,
            conflict,
            replaces: insert.replace_into || insert.or == Some(SqliteOnConflict::Replace),
            columns: Vec::new(),
            cells: None,
            extensible,
        }
    }
}

fn conflict(insert: &Insert) -> Option<Conflict> {
    match (&insert.or, insert.replace_into, insert.ignore, &insert.on) {
        (None, false, false, None) => Some(Conflict::Error),
        (None, false, false, Some(OnInsert::OnConflict(conflict))) => Some(match conflict.action {
            OnConflictAction::DoNothing => Conflict::Nothing,
            OnConflictAction::DoUpdate(_) => Conflict::Write,
        }),
        (None, false, false, Some(OnInsert::DuplicateKeyUpdate(assignments))) => {
            Some(match assignments.iter().all(assigns_itself) {
                true => Conflict::Nothing,
                false => Conflict::Write,
            })
        }
        (None, true, false, None) | (Some(SqliteOnConflict::Replace), false, false, None) => {
            Some(Conflict::Write)
        }
        (None, false, true, None) | (Some(SqliteOnConflict::Ignore), false, false, None) => {
            Some(Conflict::Nothing)
        }
        (Some(SqliteOnConflict::Abort), false, false, None) => Some(Conflict::Error),
        _ => None,
    }
}

/// MySQL's way to leave a row alone: `ON DUPLICATE KEY UPDATE id = id`.
fn assigns_itself(assignment: &ast::Assignment) -> bool {
    let AssignmentTarget::ColumnName(name) = &assignment.target else { return false };
    column(&assignment.value).is_some_and(|value| column_name(name) == Some(value))
}
