//! DELETE.

use std::sync::Arc;

use sea_orm::DbBackend;
use sqlparser::ast::{Delete, FromTable};

use super::{Named, Returning, condition::key_parameters, returning};
use crate::capture::{
    clauses::{Clauses, Rows},
    text::SqlText,
};

pub(crate) struct DeletePlan {
    pub(crate) named: Named,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) returning: Returning,
    /// The parameters of the key, where the condition is equality with a whole one.
    pub(crate) key: Option<Vec<usize>>,
    /// Which rows it takes; `None` where that cannot be asked without harm.
    pub(crate) rows: Option<Rows>,
}

impl DeletePlan {
    pub(super) fn new(backend: DbBackend, delete: &Delete, text: &SqlText) -> Option<Self> {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let [table] = tables.as_slice() else { return None };
        if !delete.tables.is_empty() || delete.using.is_some() {
            return None;
        }
        let named = Named::of(backend, table)?;
        let entity = named.entity;
        let key = delete.selection.as_ref().and_then(|condition| key_parameters(entity, condition, text));
        let clauses = Clauses::of(text)?;
        let rows = match clauses.condition.is_some() == delete.selection.is_some() {
            true => clauses.rows_taken(text, entity),
            false => None,
        };
        let returning = returning(entity, delete.returning.as_deref());
        Some(Self { named, fingerprint: text.fingerprint().into(), returning, key, rows })
    }
}
