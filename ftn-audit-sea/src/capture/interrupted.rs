//! Statements whose caller gave them up: a dropped future says nothing of what the database did.

use std::time::SystemTime;

use ftn_audit::{EventType, change::Marks};
use sea_orm::{ConnectionTrait, DbErr, Value};

use super::site::{RowChange, Site};
use crate::{
    auditable::{AnyEntity, Row},
    scope::{Entry, Interrupted, Scope},
};

/// Puts an [`Interrupted`] entry into the scope, unless the statement's end is seen.
pub(super) struct Watch<'a> {
    scope: &'a Scope,
    interrupted: Option<Interrupted>,
}

impl<'a> Watch<'a> {
    /// Starts before the statement is sent. `before` are the rows that it may change.
    pub(super) fn new(
        scope: &'a Scope,
        site: &Site,
        entity: &'static dyn AnyEntity,
        operation: &'static str,
        before: Vec<(Vec<Value>, Row)>,
    ) -> Self {
        let context = site.context.clone();
        let occurred_at: SystemTime = site.occurred_at;
        let interrupted = Some(Interrupted { entity, operation, occurred_at, before, context });
        Self { scope, interrupted }
    }

    /// The rows before the statement.
    pub(super) fn before(&self) -> &[(Vec<Value>, Row)] {
        self.interrupted.as_ref().map_or(&[], |interrupted| &interrupted.before)
    }

    /// The statement's end was seen, and what it changed is known: gives the rows before it back.
    pub(super) fn end(mut self) -> Vec<(Vec<Value>, Row)> {
        self.interrupted.take().map(|interrupted| interrupted.before).unwrap_or_default()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(interrupted) = self.interrupted.take() {
            self.scope.push([Entry::Interrupted(interrupted)]);
        }
    }
}

/// Finds out, before the commit and inside the transaction, what statements that were given up have changed: the
/// rows they could have touched are read again. What an insert did cannot be found out; it is told as an
/// `unparsed_write`.
pub(crate) async fn resolve<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    site: &Site,
) -> Result<(), DbErr> {
    let Some(entries) = scope.take_interrupted() else { return Ok(()) };
    let mut resolved = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Entry::Interrupted(interrupted) => {
                let result = resolve_one(connection, site, interrupted, &mut resolved).await;
                if let Err(error) = result {
                    scope.push(resolved);
                    return Err(error);
                }
            }
            entry => resolved.push(entry),
        }
    }
    scope.push(resolved);
    Ok(())
}

async fn resolve_one<C: ConnectionTrait>(
    connection: &C,
    site: &Site,
    interrupted: Interrupted,
    entries: &mut Vec<Entry>,
) -> Result<(), DbErr> {
    let Interrupted { entity, operation, occurred_at, before, context } = interrupted;
    let site = Site {
        audit: site.audit.clone(),
        backend: site.backend,
        database: site.database.clone(),
        context,
        occurred_at,
    };
    let marks = || Marks { interrupted: true, ..Marks::default() };
    if before.is_empty() {
        entries.extend(site.unparsed_entry(entity, operation, marks()));
    }
    for (key, old) in before {
        let new = site.read_key(connection, entity, &key, None).await?;
        let junction = entity.model().junction;
        if junction && new.is_none() {
            let removed = ftn_audit::LinkAction::Remove;
            entries
                .extend(site.link_entries(connection, entity, &[&old], removed, operation, &marks()).await);
            continue;
        }
        if let (Some(new), true) = (&new, junction) {
            entries.extend(site.moved_links(connection, entity, (&old, new), operation, &marks()).await);
        }
        let event = if new.is_some() { EventType::Update } else { EventType::Deletion };
        let change = RowChange { event, old: Some(old), new, marks: marks() };
        entries.extend(site.row_entry(entity, operation, change));
    }
    Ok(())
}
