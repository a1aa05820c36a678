//! Rows of other tables that the database deletes or changes by itself, because of a foreign key.
//!
//! What the catalogue says of foreign keys tells only where to look: rows that refer to those of the statement are locked
//! and read before it and read again after it, and what really changed is told. A table in between that is not
//! audited ends the walk.

use std::{collections::HashSet, pin::Pin};

use ftn_audit::{AuditRecord, EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::{
    Capture,
    read::{Lock, Table},
    send::Call,
    site::{RowChange, Site},
};
use crate::{
    auditable::{AnyEntity, Row, differs},
    catalog::{Action, ForeignKey},
    registry::registry,
    scope::Entry,
    value::plain_text,
};

/// How many foreign keys are followed behind one another.
const MAX_DEPTH: usize = 16;

/// What the statement does to the rows that are referred to.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    Delete,
    /// It assigns these columns.
    Update(&'a [String]),
}

impl Cause<'_> {
    fn action(self, key: &ForeignKey) -> Action {
        match self {
            Self::Delete => key.on_delete,
            Self::Update(columns) if key.referenced.iter().any(|column| columns.contains(column)) => {
                key.on_update
            }
            Self::Update(_) => Action::Nothing,
        }
    }
}

/// Rows of one table that refer to rows of another by one foreign key.
pub(super) struct Group {
    parent: &'static dyn AnyEntity,
    table: Table,
    key: ForeignKey,
    rows: Vec<Child>,
    /// Whether there were more rows than are followed.
    cut: bool,
    children: Vec<Group>,
    changed: Vec<Change>,
}

struct Child {
    key: Vec<Value>,
    row: Row,
    /// The position of the row that it refers to.
    parent: usize,
    /// Whether its own key contains the foreign key.
    moves: bool,
}

/// What became of a row.
enum Change {
    Same,
    Row(Option<Row>),
    Links(Vec<Entry>),
}

type Reading<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The rows that the database will change along with those of the statement.
pub(super) async fn before<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    call: Call,
    table: &Table,
    rows: &[&Row],
    cause: Cause<'_>,
) -> Result<Vec<Group>, DbErr> {
    if rows.is_empty() || table.facts.references.iter().all(|key| cause.action(key) == Action::Nothing) {
        return Ok(Vec::new());
    }
    let mut walk = Walk { left: capture.site.audit.bulk_rows(), seen: HashSet::new() };
    for row in rows {
        walk.is_new(table, &table.entity.key_of(row));
    }
    match walk.step(capture, table, rows, cause, 0).await {
        Ok(groups) => Ok(groups),
        Err(error) => capture.site.before_failed(call, error).map(|_| Vec::new()),
    }
}

struct Walk {
    /// How many more rows are followed.
    left: usize,
    seen: HashSet<(&'static str, String)>,
}

impl Walk {
    fn is_new(&mut self, table: &Table, key: &[Value]) -> bool {
        self.seen.insert((table.entity.model().table, plain_text(key)))
    }

    fn step<'a, C: ConnectionTrait>(
        &'a mut self,
        capture: &'a Capture<'_, C>,
        table: &'a Table,
        parents: &'a [&'a Row],
        cause: Cause<'a>,
        depth: usize,
    ) -> Reading<'a, Result<Vec<Group>, DbErr>> {
        Box::pin(async move {
            let mut groups = Vec::new();
            if depth == MAX_DEPTH {
                return Ok(groups);
            }
            for key in &table.facts.references {
                let action = cause.action(key);
                let Some(child) =
                    registry().table(key.schema.as_deref(), &key.table).filter(|_| action != Action::Nothing)
                else {
                    continue;
                };
                let child = capture.site.table(capture.connection, child).await;
                let Some(mut group) = self.group(capture, table, child, key, parents).await? else {
                    continue;
                };
                if action == Action::Cascade && matches!(cause, Cause::Delete) {
                    let rows: Vec<&Row> = group.rows.iter().map(|child| &child.row).collect();
                    group.children =
                        self.step(capture, &group.table, &rows, Cause::Delete, depth + 1).await?;
                }
                groups.push(group);
            }
            Ok(groups)
        })
    }

    async fn group<C: ConnectionTrait>(
        &mut self,
        capture: &Capture<'_, C>,
        parent: &Table,
        table: Table,
        key: &ForeignKey,
        parents: &[&Row],
    ) -> Result<Option<Group>, DbErr> {
        let positions = |table: &Table, columns: &[String]| {
            columns.iter().map(|column| table.entity.position(column)).collect::<Option<Vec<_>>>()
        };
        let (Some(own), Some(referenced)) =
            (positions(&table, &key.columns), positions(parent, &key.referenced))
        else {
            return Ok(None);
        };
        if !table.reads_keys() || own.iter().any(|column| table.facts.unreadable.contains(column)) {
            return Ok(None);
        }
        let values_of = |row: &Row, columns: &[usize]| {
            columns.iter().map(|column| row.value(*column).cloned()).collect::<Option<Vec<_>>>()
        };
        let values: Vec<_> = parents.iter().filter_map(|row| values_of(row, &referenced)).collect();
        let limit = self.left.saturating_add(1);
        let found = table.by_values(capture.connection, &own, &values, Lock::AsWritten, Some(limit)).await?;
        let cut = found.len() > self.left;
        let parents: Vec<_> =
            parents.iter().map(|row| values_of(row, &referenced).map(|values| plain_text(&values))).collect();
        let mut rows = Vec::new();
        for row in found.into_iter().take(self.left) {
            let (key, reference) = (table.entity.key_of(&row), values_of(&row, &own).map(|v| plain_text(&v)));
            let parent = parents.iter().position(|parent| *parent == reference && parent.is_some());
            if let Some(parent) = parent.filter(|_| self.is_new(&table, &key)) {
                let moves = own.iter().any(|column| table.entity.keys().contains(column));
                rows.push(Child { key, row, parent, moves });
            }
        }
        self.left -= rows.len();
        let key = key.clone();
        let parent = parent.entity;
        let group = Group { parent, table, key, rows, cut, children: Vec::new(), changed: Vec::new() };
        Ok((!group.rows.is_empty() || cut).then_some(group))
    }
}

/// Reads the rows again. `after` are the rows that they referred to, as they are now.
pub(super) fn after<'a, C: ConnectionTrait>(
    capture: &'a Capture<'_, C>,
    call: Call,
    mut groups: Vec<Group>,
    after: &'a [Option<Row>],
) -> Reading<'a, Result<Vec<Group>, DbErr>> {
    Box::pin(async move {
        for group in &mut groups {
            group.read_again(capture, call, after).await?;
            let now: Vec<Option<Row>> = group.rows.iter().map(|_| None).collect();
            let children = std::mem::take(&mut group.children);
            group.children = self::after(capture, call, children, &now).await?;
        }
        Ok(groups)
    })
}

impl Group {
    async fn read_again<C: ConnectionTrait>(
        &mut self,
        capture: &Capture<'_, C>,
        call: Call,
        after: &[Option<Row>],
    ) -> Result<(), DbErr> {
        let entity = self.table.entity;
        let keys: Vec<_> = self.rows.iter().map(|child| self.key_after(child, after)).collect();
        let found = match self.table.by_keys(capture.connection, &keys, Lock::Written).await {
            Ok(found) => found,
            Err(error) => {
                capture.read_failed(call, error)?;
                self.cut = true;
                self.changed = self.rows.iter().map(|_| Change::Same).collect();
                return Ok(());
            }
        };
        let mut found: std::collections::HashMap<_, _> =
            found.into_iter().map(|row| (plain_text(&entity.key_of(&row)), row)).collect();
        for (child, key) in self.rows.iter().zip(&keys) {
            let new = found.remove(&plain_text(key));
            let columns = 0..entity.model().columns.len();
            let same = new.as_ref().is_some_and(|new| {
                columns.into_iter().all(|column| !differs(child.row.value(column), new.value(column)))
            });
            let marks = Marks { old_unconfirmed: !self.table.locks(), ..Marks::default() };
            let change = match (same, &new) {
                (true, _) => Change::Same,
                (false, None) if entity.model().junction => {
                    let (rows, remove) = ([&child.row], LinkAction::Remove);
                    let links = capture.site.link_entries(
                        capture.connection,
                        entity,
                        &rows,
                        remove,
                        "DELETE",
                        &marks,
                    );
                    Change::Links(links.await)
                }
                (false, Some(new)) if entity.model().junction => {
                    let rows = (&child.row, new);
                    let links = capture.site.moved_links(capture.connection, entity, rows, "UPDATE", &marks);
                    Change::Links(links.await)
                }
                (false, _) => Change::Row(new),
            };
            self.changed.push(change);
        }
        Ok(())
    }

    /// The key that a row has once the row that it refers to has another.
    fn key_after(&self, child: &Child, after: &[Option<Row>]) -> Vec<Value> {
        let mut key = child.key.clone();
        let Some(parent) = after.get(child.parent).and_then(Option::as_ref).filter(|_| child.moves) else {
            return key;
        };
        for (own, referenced) in self.key.columns.iter().zip(&self.key.referenced) {
            let position = self.table.entity.key_names().position(|name| name == own);
            let value = self.parent.position(referenced).and_then(|position| parent.value(position));
            if let (Some(position), Some(value)) = (position, value) {
                key[position] = value.clone();
            }
        }
        key
    }
}

/// The entries of what the database did, those of children before those of their parents. `causes` are the records of
/// the rows that they referred to.
pub(super) fn tell(site: &Site, groups: Vec<Group>, causes: &[Option<Uuid>]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for group in groups {
        let Group { table, rows, cut, children, changed, .. } = group;
        let entity = table.entity;
        let (mut links, mut records) = (Vec::new(), Vec::with_capacity(rows.len()));
        for (child, change) in rows.into_iter().zip(changed) {
            let cause = causes.get(child.parent).copied().flatten();
            let record = match change {
                Change::Same => None,
                Change::Links(mut entries) => {
                    entries.iter_mut().for_each(|entry| entry.set_cause(cause));
                    links.extend(entries);
                    None
                }
                Change::Row(new) => {
                    let (event, operation) = match &new {
                        Some(_) => (EventType::Update, "UPDATE"),
                        None => (EventType::Deletion, "DELETE"),
                    };
                    let marks = Marks {
                        cause,
                        old_unconfirmed: !table.locks(),
                        columns_left_out: table.left_out(),
                        ..Marks::default()
                    };
                    site.row_record(entity, operation, RowChange { event, old: Some(child.row), new, marks })
                }
            };
            records.push(record);
        }
        let own: Vec<_> = records.iter().map(|record| record.as_ref().map(AuditRecord::id)).collect();
        entries.extend(tell(site, children, &own));
        // Adjacent links of one owner become one record.
        links.sort_by_key(Entry::adds_link);
        entries.extend(links);
        entries.extend(records.into_iter().flatten().map(Entry::of));
        if cut {
            let cause = causes.iter().flatten().next().copied();
            let marks = Marks { cause, old_unconfirmed: true, ..Marks::default() };
            let followed = "a foreign key's action on more rows than are followed";
            entries.extend(site.unparsed_entry(entity, "DELETE", followed, marks));
        }
    }
    entries
}
