//! Where a statement was captured, and how its changes become entries of the scope.

use std::{sync::Arc, time::SystemTime};

use ftn_audit::{
    Attributes, Audit, AuditContext, AuditRecord, ChangeFacts, Changeset, EventType, LinkAction, LinkChange,
    Origin,
    change::{AnyChange, Marks},
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::{
    read::{Lock, Table},
    send::Call,
};
use crate::{
    auditable::{AnyEntity, Row, differs},
    backend::quoted,
    catalog::Catalog,
    error::{is_locked, is_unreadable_row},
    link::{Link, LinkedKeys},
    scope::Entry,
};

/// The connection, context and moment of one statement.
pub(crate) struct Site {
    pub(crate) audit: Audit,
    pub(crate) backend: DbBackend,
    pub(crate) database: Arc<Attributes>,
    pub(crate) context: Option<AuditContext>,
    pub(crate) occurred_at: SystemTime,
    /// `None` on plain connections.
    pub(crate) catalog: Option<Arc<Catalog>>,
}

/// A row's change before it is described.
pub(crate) struct RowChange {
    pub(crate) event: EventType,
    pub(crate) old: Option<Row>,
    pub(crate) new: Option<Row>,
    pub(crate) marks: Marks,
}

/// Links of one owner, kept apart until hand-over.
pub(crate) struct LinkEvent {
    linked: LinkedKeys,
    owner_row: Option<Row>,
    /// As it was when the statement ran: the record is composed later.
    context: Option<AuditContext>,
    origin: Origin,
    marks: Marks,
}

impl Site {
    pub(crate) fn origin(&self, operation: &'static str) -> Origin {
        Origin { database: self.database.clone(), operation, occurred_at: self.occurred_at }
    }

    fn facts(
        &self,
        entity: &'static dyn AnyEntity,
        event: EventType,
        key: &[Value],
        changeset: Changeset,
        marks: Marks,
    ) -> ChangeFacts {
        ChangeFacts {
            event,
            model: entity.model(),
            pk: entity.key_text(&self.audit, key),
            changeset,
            link: None,
            hidden_key: entity.hidden_key(key),
            marks,
            context: self.context.clone(),
        }
    }

    /// The entry of one row's change; `None` when nothing changed that makes an event.
    pub(crate) fn row_entry(
        &self,
        entity: &'static dyn AnyEntity,
        operation: &'static str,
        change: RowChange,
    ) -> Option<Entry> {
        self.row_record(entity, operation, change).map(Entry::of)
    }

    /// The record of one row's change; `None` when nothing changed that makes an event.
    pub(crate) fn row_record(
        &self,
        entity: &'static dyn AnyEntity,
        operation: &'static str,
        change: RowChange,
    ) -> Option<AuditRecord> {
        let RowChange { event, old, new, marks } = change;
        let changeset = entity.changeset(&self.audit, old.as_ref(), new.as_ref())?;
        let event = entity.event(event, old.as_ref(), new.as_ref());
        let key = entity.key_of(new.as_ref().or(old.as_ref())?);
        let facts = self.facts(entity, event, &key, changeset, marks);
        let change = entity.change(facts, old, new);
        self.audit.compose(change.as_ref(), &self.origin(operation))
    }

    /// The entries of junction rows that came or went: one an owner and relation. The owner is read only when a
    /// formatter of the application will want it.
    pub(crate) async fn link_entries<C: ConnectionTrait>(
        &self,
        connection: &C,
        junction: &'static dyn AnyEntity,
        rows: &[&Row],
        action: LinkAction,
        operation: &'static str,
        marks: &Marks,
    ) -> Vec<Entry> {
        let mut entries = Vec::new();
        for linked in Link::changes(junction, rows, action, &self.audit) {
            let owner = linked.link.owner;
            let wanted =
                self.audit.has_formatter(owner.model(), self.context.as_ref(), &EventType::CollectionUpdate);
            let owner_row = match wanted {
                true => {
                    let table = self.table(connection, owner).await;
                    let rows =
                        table.by_keys(connection, std::slice::from_ref(&linked.owner), Lock::Nothing).await;
                    rows.unwrap_or_default().pop()
                }
                false => None,
            };
            entries.push(Entry::Link(Box::new(LinkEvent {
                linked,
                owner_row,
                context: self.context.as_ref().map(AuditContext::as_of_now),
                origin: self.origin(operation),
                marks: marks.clone(),
            })));
        }
        entries
    }

    /// The entries of a junction row whose keys were changed: the links that it was, and those that it is.
    pub(crate) async fn moved_links<C: ConnectionTrait>(
        &self,
        connection: &C,
        junction: &'static dyn AnyEntity,
        (old, new): (&Row, &Row),
        operation: &'static str,
        marks: &Marks,
    ) -> Vec<Entry> {
        let columns = junction.model().columns.iter().enumerate();
        let moved = columns.into_iter().any(|(position, column)| {
            Link::links_by(junction, column.sql_name) && differs(old.value(position), new.value(position))
        });
        if !moved {
            return Vec::new();
        }
        let mut entries =
            self.link_entries(connection, junction, &[old], LinkAction::Remove, operation, marks).await;
        entries
            .extend(self.link_entries(connection, junction, &[new], LinkAction::Add, operation, marks).await);
        entries
    }

    /// The entry of a statement that was not taken apart.
    pub(crate) fn unparsed_entry(
        &self,
        entity: &'static dyn AnyEntity,
        operation: &'static str,
        fingerprint: &str,
        marks: Marks,
    ) -> Option<Entry> {
        self.rowless_record(entity, EventType::UnparsedWrite, operation, fingerprint, marks).map(Entry::of)
    }

    /// The record of a statement, and of no single row.
    pub(crate) fn rowless_record(
        &self,
        entity: &'static dyn AnyEntity,
        event: EventType,
        operation: &'static str,
        fingerprint: &str,
        marks: Marks,
    ) -> Option<AuditRecord> {
        let marks = Marks { statement: Some(fingerprint.to_owned()), ..marks };
        let facts = self.facts(entity, event, &[], Changeset::default(), marks);
        self.audit.compose(&facts, &self.origin(operation))
    }

    /// A table as the catalogue knows it.
    pub(crate) async fn table<C: ConnectionTrait>(
        &self,
        connection: &C,
        entity: &'static dyn AnyEntity,
    ) -> Table {
        match &self.catalog {
            Some(catalog) => {
                let facts = catalog.facts(connection, self.backend, entity).await;
                Table { entity, facts, backend: self.backend }
            }
            None => Table::unasked(self.backend, entity),
        }
    }

    /// What the catalogue said is no longer so.
    pub(crate) fn schema_moved(&self) {
        if let Some(catalog) = &self.catalog {
            catalog.forget();
        }
    }

    /// What an error of reading the old rows means for the statement: its own error, met a moment earlier, or nothing.
    pub(crate) fn before_failed(&self, call: Call, error: DbErr) -> Result<Vec<Row>, DbErr> {
        // The row is there and the model cannot read it: not the caller's statement's fault.
        let harmless = is_unreadable_row(&error)
            // SQLite keeps the transaction when a statement fails: let the caller's own speak for itself, unless it
            // would only wait as long again.
            || (self.backend == DbBackend::Sqlite && !is_locked(&error));
        if let Some(catalog) = &self.catalog {
            catalog.learn_from(&error);
        }
        if harmless { Ok(Vec::new()) } else { Err(call.align(error)) }
    }

    /// SQLite cannot turn a deferred transaction's read into a write once another writer was there: the statement
    /// that would have waited for the lock fails at once. A write that touches nothing waits instead, and the read
    /// after it sees what the statement will see.
    pub(crate) async fn take_write_lock<C: ConnectionTrait>(
        &self,
        connection: &C,
        entity: &'static dyn AnyEntity,
    ) -> Result<(), DbErr> {
        if self.backend != DbBackend::Sqlite {
            return Ok(());
        }
        let nothing = Statement::from_string(self.backend, nothing_written(self.backend, entity));
        connection.execute_raw(nothing).await.map(|_| ())
    }
}

/// A write to a table of SQLite that touches nothing.
pub(super) fn nothing_written(backend: DbBackend, entity: &'static dyn AnyEntity) -> String {
    let table = quoted(backend, entity.model().table);
    match entity.model().schema {
        Some(schema) => format!("DELETE FROM {}.{table} WHERE 0", quoted(backend, schema)),
        None => format!("DELETE FROM {table} WHERE 0"),
    }
}

/// Turns a committed scope's entries into records: adjacent links of one owner, field and action become one.
pub(crate) fn finish(audit: &Audit, entries: Vec<Entry>) -> Vec<AuditRecord> {
    let mut records = Vec::with_capacity(entries.len());
    let mut pending: Option<Box<LinkEvent>> = None;
    for entry in entries {
        match entry {
            Entry::Link(link) => match &mut pending {
                Some(previous) if previous.continues(&link) => previous.linked.extend(link.linked),
                _ => {
                    records.extend(pending.replace(link).and_then(|link| link.record(audit)));
                }
            },
            Entry::Record(record) => {
                records.extend(pending.take().and_then(|link| link.record(audit)));
                records.push(*record);
            }
        }
    }
    records.extend(pending.and_then(|link| link.record(audit)));
    records
}

/// Whether one record can speak for both: same request, same actor.
fn same_context(left: Option<&AuditContext>, right: Option<&AuditContext>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left.is_same(right),
        (left, right) => left.is_none() && right.is_none(),
    }
}

impl LinkEvent {
    fn continues(&self, next: &Self) -> bool {
        std::ptr::eq(self.linked.link, next.linked.link)
            && self.linked.action == next.linked.action
            && self.linked.owner == next.linked.owner
            && same_context(self.context.as_ref(), next.context.as_ref())
    }

    pub(crate) fn record(self, audit: &Audit) -> Option<AuditRecord> {
        let LinkedKeys { link, action, owner, keys, hidden } = self.linked;
        let facts = ChangeFacts {
            event: EventType::CollectionUpdate,
            model: link.owner.model(),
            pk: link.owner.key_text(audit, &owner),
            changeset: Changeset::default(),
            link: Some(LinkChange::new(link.field, action, keys)),
            hidden_key: hidden,
            marks: self.marks,
            context: self.context,
        };
        match self.owner_row {
            Some(row) => {
                let change: Box<dyn AnyChange> = link.owner.change(facts, None, Some(row));
                audit.compose(change.as_ref(), &self.origin)
            }
            None => audit.compose(&facts, &self.origin),
        }
    }
}

impl Entry {
    /// Whether it tells of links that were added.
    pub(crate) fn adds_link(&self) -> bool {
        matches!(self, Self::Link(link) if link.linked.action == LinkAction::Add)
    }

    /// Says which record's change made the database do this one.
    pub(crate) fn set_cause(&mut self, cause: Option<uuid::Uuid>) {
        if let Self::Link(link) = self {
            link.marks.cause = cause;
        }
    }

    pub(crate) fn of(record: AuditRecord) -> Self {
        Self::Record(Box::new(record))
    }

    /// The record of a single entry that needs no merging.
    pub(crate) fn into_record(self, audit: &Audit) -> Option<AuditRecord> {
        match self {
            Self::Record(record) => Some(*record),
            Self::Link(link) => link.record(audit),
        }
    }
}
