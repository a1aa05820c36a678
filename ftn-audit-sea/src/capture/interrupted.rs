//! Statements whose caller gave them up: a dropped future says nothing of what the database did.

use std::sync::Arc;

use ftn_audit::{AuditContext, EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, Value};

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
        fingerprint: &Arc<str>,
        before: Vec<(Vec<Value>, Row)>,
    ) -> Self {
        let context = site.context.as_ref().map(AuditContext::as_of_now);
        let (fingerprint, occurred_at) = (fingerprint.clone(), site.occurred_at);
        let interrupted = Some(Interrupted { entity, operation, fingerprint, occurred_at, before, context });
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

/// Finds out, inside the transaction, what statements that were given up have changed: the rows they could have
/// touched are read again. Done before the next captured statement, which may write the same rows, and before the
/// commit. What an insert did cannot be found out, nor anything where the read fails; that is told as an
/// `unparsed_write`.
pub(crate) async fn resolve<C: ConnectionTrait>(connection: &C, scope: &Scope, site: &Site) {
    if !scope.has_interrupted() {
        return;
    }
    for frame in 0..scope.depth() {
        // Until it is known, nothing is lost: this future, too, may be dropped.
        let rest = scope.take_entries(frame).into_iter();
        let mut progress = Progress { scope, frame, resolved: Vec::new(), rest };
        while let Some(entry) = progress.rest.as_slice().first() {
            let findings = match entry {
                Entry::Interrupted(interrupted) => find_out(connection, scope, site, interrupted).await,
                _ => Vec::new(),
            };
            match progress.rest.next() {
                Some(Entry::Interrupted(interrupted)) => {
                    progress.resolved.extend(told(site, interrupted, findings));
                }
                entry => progress.resolved.extend(entry),
            }
        }
    }
}

/// The entries of a frame while they are looked through; puts them back in their order.
struct Progress<'a> {
    scope: &'a Scope,
    frame: usize,
    resolved: Vec<Entry>,
    rest: std::vec::IntoIter<Entry>,
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        let mut entries = std::mem::take(&mut self.resolved);
        entries.extend(self.rest.by_ref());
        self.scope.put_back(self.frame, entries);
    }
}

/// What became of one row.
enum Finding {
    Row(Option<Row>),
    Links(Vec<Entry>),
    /// The links that a junction's row left and came to, and the row.
    Moved(Vec<Entry>, Row),
    Unknown,
}

fn site_of(site: &Site, interrupted: &Interrupted) -> Site {
    Site {
        audit: site.audit.clone(),
        backend: site.backend,
        database: site.database.clone(),
        context: interrupted.context.clone(),
        occurred_at: interrupted.occurred_at,
    }
}

fn marks() -> Marks {
    Marks { interrupted: true, ..Marks::default() }
}

async fn find_out<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    site: &Site,
    interrupted: &Interrupted,
) -> Vec<Finding> {
    let Interrupted { entity, operation, before, .. } = interrupted;
    let site = site_of(site, interrupted);
    let mut findings = Vec::with_capacity(before.len());
    for (key, old) in before {
        findings.push(match site.read_back(connection, *entity, key).await {
            Err(error) => {
                // Most likely the statement itself failed, and Postgres answers nothing more.
                scope.statement_failed(&error);
                Finding::Unknown
            }
            Ok(None) if entity.model().junction => {
                let (rows, removed, marks) = ([old], LinkAction::Remove, marks());
                Finding::Links(
                    site.link_entries(connection, *entity, &rows, removed, operation, &marks).await,
                )
            }
            Ok(Some(new)) if entity.model().junction => {
                let rows = (old, &new);
                Finding::Moved(site.moved_links(connection, *entity, rows, operation, &marks()).await, new)
            }
            Ok(new) => Finding::Row(new),
        });
    }
    findings
}

fn told(site: &Site, interrupted: Interrupted, findings: Vec<Finding>) -> Vec<Entry> {
    let site = site_of(site, &interrupted);
    let Interrupted { entity, operation, fingerprint, before, .. } = interrupted;
    let unknown = || site.unparsed_entry(entity, operation, &fingerprint, marks());
    if before.is_empty() {
        return unknown().into_iter().collect();
    }
    let mut entries = Vec::new();
    for ((_, old), finding) in before.into_iter().zip(findings) {
        match finding {
            Finding::Moved(links, new) => {
                entries.extend(links);
                let event = EventType::Update;
                let change = RowChange { event, old: Some(old), new: Some(new), marks: marks() };
                entries.extend(site.row_entry(entity, operation, change));
            }
            Finding::Row(new) => {
                let event = if new.is_some() { EventType::Update } else { EventType::Deletion };
                let change = RowChange { event, old: Some(old), new, marks: marks() };
                entries.extend(site.row_entry(entity, operation, change));
            }
            Finding::Links(links) => entries.extend(links),
            Finding::Unknown => entries.extend(unknown()),
        }
    }
    entries
}
