//! INSERT that meets rows which are there: skipped, updated or replaced.
//!
//! The statement's answer tells neither which rows it found nor what they were. So the rows that any unique index could
//! make it meet are read before and after it, and what differs is what it did.

use std::collections::{HashMap, HashSet};

use ftn_audit::{AuditRecord, EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

use super::{
    Capture,
    cascade::{self, Cause},
    fragment::{Fragment, Saying},
    insert::OPERATION,
    plan::{Conflict, InsertPlan, Returning},
    read::{Lock, Table},
    send::{Reply, Request},
    site::{RowChange, Site},
    unparsed,
};
use crate::{
    auditable::Row,
    catalog::{Kind, TableFacts},
    scope::Entry,
    value::plain_text,
};

/// The most rows of VALUES that one look-up asks for.
const LOOKED_UP: usize = 200;

pub(super) async fn run<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &InsertPlan,
    table: &Table,
    lookups: Option<Vec<Lookup>>,
    request: Request,
) -> Result<Reply, DbErr> {
    let Capture { connection, scope, site } = capture;
    let (entity, returning) = (table.entity, plan.returning != Returning::Nothing);
    let Some(lookups) = lookups.filter(|_| table.reads_keys()) else {
        return unparsed::one(capture, entity, OPERATION, &plan.fingerprint, returning, request).await;
    };
    let read = async {
        capture.take_write_lock(entity).await?;
        before(*connection, table, &lookups).await
    };
    let before = match read.await {
        Ok(rows) => rows,
        Err(error) => {
            site.before_failed(request.call, error)?;
            return unparsed::one(capture, entity, OPERATION, &plan.fingerprint, returning, request).await;
        }
    };
    let replaced: Vec<&Row> = before.iter().collect();
    let followed = match plan.replaces {
        true => cascade::before(capture, request.call, table, &replaced, Cause::Delete).await?,
        false => Vec::new(),
    };
    let before: Vec<_> = before.into_iter().map(|row| (entity.key_of(&row), row)).collect();
    let call = request.call;
    let reply = request.send(*connection).await;
    if !reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning, site.backend)) {
        return reply;
    }
    let reply = reply?;
    let after = after(*connection, table, &lookups, &before, &reply).await;
    let entries = match after {
        Ok(after) => {
            let links = links(capture, table, &before, &after).await;
            let gone: Vec<Option<Row>> = before.iter().map(|_| None).collect();
            let followed = cascade::after(capture, call, followed, &gone).await?;
            match links {
                Some(links) => links,
                None => differences(site, plan, table, before, (after, followed), &reply),
            }
        }
        Err(error) => {
            capture.read_failed(call, error)?;
            let marks = Marks { old_unconfirmed: true, ..Marks::default() };
            let entry = site.unparsed_entry(entity, OPERATION, &plan.fingerprint, marks);
            entry.into_iter().collect()
        }
    };
    scope.push(entries);
    Ok(reply)
}

/// A row after the statement.
struct After {
    row: Row,
    /// Whether the database says that the statement made it; `None` where it does not say.
    created: Option<bool>,
}

/// Whether the database can tell a row that was made from one that was updated.
fn tells_created(facts: &TableFacts, backend: DbBackend) -> bool {
    // An error on a partitioned table.
    backend == DbBackend::Postgres && facts.kind == Kind::Table
}

/// Conditions, a statement each, that find every row the statement could meet. `None` where one cannot be said.
pub(super) fn lookups(plan: &InsertPlan, table: &Table, statement: &Statement) -> Option<Vec<Lookup>> {
    match table.facts.unique.as_slice() {
        [] => by_key(plan, table, statement),
        unique => by_unique(plan, table, statement, unique),
    }
}

/// Conditions that find rows by what the statement says of their key.
pub(super) fn by_key(plan: &InsertPlan, table: &Table, statement: &Statement) -> Option<Vec<Lookup>> {
    let key: Vec<String> = table.entity.key_names().map(str::to_owned).collect();
    by_unique(plan, table, statement, &[key])
}

fn by_unique(
    plan: &InsertPlan,
    table: &Table,
    statement: &Statement,
    unique: &[Vec<String>],
) -> Option<Vec<Lookup>> {
    let entity = table.entity;
    let said = |column: &String| {
        plan.columns.iter().position(|position| {
            position.is_some_and(|position| {
                entity.model().columns[position].sql_name.eq_ignore_ascii_case(column)
            })
        })
    };
    let given = statement.values.as_ref().map_or(&[][..], |values| &values.0);
    let mut lookups = Vec::new();
    for rows in plan.cells.as_ref()?.chunks(LOOKED_UP) {
        let mut say = Saying::new(table.backend, statement);
        let mut any = false;
        for columns in unique {
            // A column that the statement leaves out is generated, or NULL: no other row's.
            let Some(positions) = columns.iter().map(said).collect::<Option<Vec<_>>>() else { continue };
            for row in rows {
                let cells = positions.iter().map(|position| row.get(*position).map(Option::as_ref));
                let cells = cells.collect::<Option<Vec<_>>>()?;
                // DEFAULT and NULL are no other row's.
                let null = |cell: &Option<&Fragment>| {
                    cell.is_none_or(|cell| {
                        let parameter = cell.parameter().and_then(|parameter| given.get(parameter));
                        parameter.is_some_and(|value| *value == value.as_null())
                    })
                };
                if cells.iter().any(null) {
                    continue;
                }
                say.text(if any { " OR (" } else { " WHERE (" });
                any = true;
                for (number, (cell, column)) in cells.into_iter().flatten().zip(columns).enumerate() {
                    say.text(if number > 0 { " AND " } else { "" });
                    say.text(&table.quoted(column)).text(" = (").fragment(cell)?.text(")");
                }
                say.text(")");
            }
        }
        if any {
            let (sql, values) = say.into_parts();
            let created = match tells_created(&table.facts, table.backend) {
                true => ", (xmax = 0)::text AS ftn_created",
                false => "",
            };
            lookups.push(Lookup {
                select: table.plain_select_text(),
                created,
                from: plan.table.clone(),
                sql,
                values,
            });
        }
    }
    Some(lookups)
}

/// The caller's values in a condition that finds the rows they meet.
pub(super) struct Lookup {
    select: String,
    created: &'static str,
    from: String,
    /// The condition, with its word.
    sql: String,
    values: Vec<Value>,
}

impl Lookup {
    pub(super) async fn ask<C: ConnectionTrait>(
        &self,
        connection: &C,
        table: &Table,
        lock: Lock,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let created = if lock == Lock::Written { self.created } else { "" };
        let sql = format!("{}{created} FROM {}{}{}", self.select, self.from, self.sql, table.lock_text(lock));
        let values = self.values.clone();
        connection.query_all_raw(Statement::from_sql_and_values(table.backend, sql, values)).await
    }
}

async fn before<C: ConnectionTrait>(
    connection: &C,
    table: &Table,
    lookups: &[Lookup],
) -> Result<Vec<Row>, DbErr> {
    let mut rows = Vec::new();
    for lookup in lookups {
        // On MySQL the lock of a row that is not there is a gap lock, and two sessions that hold one deadlock on their
        // inserts: only rows that are there are locked, and read again.
        let lock = if table.backend == DbBackend::MySql { Lock::Nothing } else { Lock::AsWritten };
        let mut found = table.decode_all(&lookup.ask(connection, table, lock).await?)?;
        if table.backend == DbBackend::MySql && !found.is_empty() {
            let keys: Vec<_> = found.iter().map(|row| table.entity.key_of(row)).collect();
            found = table.by_keys(connection, &keys, Lock::AsWritten).await?;
        }
        rows.extend(found);
    }
    Ok(rows)
}

async fn after<C: ConnectionTrait>(
    connection: &C,
    table: &Table,
    lookups: &[Lookup],
    before: &[(Vec<Value>, Row)],
    reply: &Reply,
) -> Result<HashMap<String, After>, DbErr> {
    let entity = table.entity;
    let mut after = HashMap::new();
    for lookup in lookups {
        for found in lookup.ask(connection, table, Lock::Written).await? {
            let created = found.try_get::<String>("", "ftn_created").ok().map(|text| text == "true");
            let row = table.decode(&found, "")?;
            after.insert(plain_text(&entity.key_of(&row)), After { row, created });
        }
    }
    // A row may no longer have the values by which it was met.
    let answered = reply.rows().iter().filter_map(|row| entity.decode_key(row, ""));
    let keys = before.iter().map(|(key, _)| key.clone()).chain(answered);
    let keys: Vec<_> = keys.filter(|key| !after.contains_key(&plain_text(key))).collect();
    for row in table.by_keys(connection, &keys, Lock::Written).await? {
        after.insert(plain_text(&entity.key_of(&row)), After { row, created: None });
    }
    Ok(after)
}

/// The links of a junction's rows that are new; `None` for other tables.
async fn links<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    table: &Table,
    before: &[(Vec<Value>, Row)],
    after: &HashMap<String, After>,
) -> Option<Vec<Entry>> {
    if !table.entity.model().junction {
        return None;
    }
    let was: HashSet<String> = before.iter().map(|(key, _)| plain_text(key)).collect();
    let mut new: Vec<_> = after.iter().filter(|(key, _)| !was.contains(*key)).collect();
    new.sort_by(|left, right| left.0.cmp(right.0));
    let rows: Vec<_> = new.into_iter().map(|(_, after)| &after.row).collect();
    let unsure = table.backend == DbBackend::MySql;
    let marks = Marks { old_unconfirmed: unsure, columns_left_out: table.left_out(), ..Marks::default() };
    let (entity, add) = (table.entity, LinkAction::Add);
    Some(capture.site.link_entries(capture.connection, entity, &rows, add, OPERATION, &marks).await)
}

fn differences(
    site: &Site,
    plan: &InsertPlan,
    table: &Table,
    before: Vec<(Vec<Value>, Row)>,
    (mut after, followed): (HashMap<String, After>, Vec<cascade::Group>),
    reply: &Reply,
) -> Vec<Entry> {
    let known = before.len();
    let marks = |unsure| Marks {
        old_unconfirmed: unsure || !table.locks(),
        columns_left_out: table.left_out(),
        ..Marks::default()
    };
    let mut records = Vec::with_capacity(known);
    for (key, old) in before {
        let (event, new) = match after.remove(&plain_text(&key)) {
            Some(after) => (EventType::Update, Some(after.row)),
            None => (EventType::Deletion, None),
        };
        let change = RowChange { event, old: Some(old), new, marks: marks(false) };
        records.push(site.row_record(table.entity, OPERATION, change));
    }
    let causes: Vec<_> = records.iter().map(|record| record.as_ref().map(AuditRecord::id)).collect();
    let mut entries = cascade::tell(site, followed, &causes);
    entries.extend(records.into_iter().flatten().map(Entry::of));
    // MySQL counts a row that it made once, and one that it changed twice.
    let counted = matches!(reply, Reply::Executed(result) if result.rows_affected() == after.len() as u64);
    let mysql_is_sure = table.backend == DbBackend::MySql && known == 0 && counted;
    let mut new: Vec<_> = after.into_iter().collect();
    new.sort_by(|left, right| left.0.cmp(&right.0));
    let told = (known + new.len()) as u64;
    for (_, After { row, created }) in new {
        let sure = match created {
            Some(created) => created,
            None => table.backend == DbBackend::Sqlite || mysql_is_sure,
        };
        // A row that was left alone is none that was not there.
        let event =
            if sure || plan.conflict == Conflict::Nothing { EventType::Creation } else { EventType::Upsert };
        let change = RowChange { event, old: None, new: Some(row), marks: marks(!sure) };
        entries.extend(site.row_entry(table.entity, OPERATION, change));
    }
    let count = reply.count(plan.returning != Returning::Nothing, site.backend).unwrap_or(told);
    if table.backend != DbBackend::MySql && count > told {
        let marks = Marks { rows_untold: count - told, ..Marks::default() };
        entries.extend(site.unparsed_entry(table.entity, OPERATION, &plan.fingerprint, marks));
    }
    entries
}
