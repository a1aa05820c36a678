//! INSERT of rows that are not there.

use ftn_audit::{EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::{
    Capture,
    bulk::{self, Told},
    plan::{Conflict, InsertPlan, Returning, parameters},
    read::{Lock, Table},
    send::{Reply, Request},
    site::{RowChange, Site},
    upsert,
};
use crate::{auditable::Row, catalog::Kind, scope::Entry};

pub(super) const OPERATION: &str = "INSERT";

pub(super) async fn run<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &InsertPlan,
    mut request: Request,
) -> Result<Reply, DbErr> {
    let Capture { connection, scope, site } = capture;
    let entity = plan.entity;
    let table = site.table(*connection, entity).await;
    let most =
        if plan.conflict == Conflict::Error { bulk::most_new(site, entity) } else { site.audit.bulk_rows() };
    let told = bulk::told(entity, plan.rows.unwrap_or(1), most)?;
    let answered = plan.returning != Returning::Nothing && plan.answers(request.call);
    // What came of rows that are skipped is in the answer, if there is one.
    let looked_up = match plan.conflict {
        Conflict::Error => false,
        Conflict::Nothing => !answered,
        Conflict::Write => true,
    };
    if looked_up && told == Told::EachRow {
        let lookups = upsert::lookups(plan, &table, &request.statement);
        // Without a unique index that it says the columns of, it meets no row.
        if lookups.as_ref().is_none_or(|lookups| !lookups.is_empty()) {
            return upsert::run(capture, plan, &table, lookups, request).await;
        }
    }
    let mut returned = plan.returning;
    if told == Told::EachRow
        && let Some(extended) = extension(plan, &table, &request)
    {
        request.statement.sql = extended;
        returned = Returning::Row;
    }
    let call = request.call;
    let complete = returned == Returning::Row && plan.answers(call) && told == Told::EachRow;
    let sent = (!complete).then(|| request.statement.clone());
    let reply = request.send(*connection).await;
    let returning = plan.returning != Returning::Nothing;
    if !reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning, site.backend)) {
        return reply;
    }
    let reply = reply?;
    if told == Told::Together {
        let keys = sent.and_then(|sent| keys_in(plan, &table, &sent, &reply)).unwrap_or_default();
        let count = reply.count(returning, site.backend).or(plan.rows.map(|rows| rows as u64));
        let event = match plan.conflict {
            Conflict::Error | Conflict::Nothing => EventType::Creation,
            Conflict::Write => EventType::Upsert,
        };
        scope.push(bulk::summary(site, entity, (event, OPERATION), &plan.fingerprint, count, &keys));
        return Ok(reply);
    }
    let rows = match &sent {
        None => table.decode_all(reply.rows()).ok(),
        Some(sent) => match read_back(capture, plan, &table, sent, &reply).await {
            Ok(rows) => rows,
            Err(error) => {
                capture.read_failed(call, error)?;
                None
            }
        },
    };
    match rows {
        Some(rows) => tell(capture, &table, rows).await?,
        None => {
            let marks =
                Marks { rows_untold: reply.count(returning, site.backend).unwrap_or(0), ..Marks::default() };
            scope.push(site.unparsed_entry(entity, OPERATION, &plan.fingerprint, marks));
        }
    }
    Ok(reply)
}

/// The statement with every column in its RETURNING, where the caller reads it by name and the table allows it: a
/// row-level policy for reading would refuse an insert that returns what it hides.
pub(super) fn extension(plan: &InsertPlan, table: &Table, request: &Request) -> Option<String> {
    let text = plan.extensible.as_ref()?;
    let allowed = request.extensible
        && plan.answers(request.call)
        && plan.conflict == Conflict::Error
        && table.facts.allows_one_statement(table.entity);
    allowed.then(|| format!("{text}, {}", table.plain_select_text().trim_start_matches("SELECT ")))
}

/// Records inserted rows.
async fn tell<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    table: &Table,
    rows: Vec<Row>,
) -> Result<(), DbErr> {
    let Capture { connection, scope, site } = capture;
    let entity = table.entity;
    let marks = Marks { columns_left_out: table.left_out(), ..Marks::default() };
    if entity.model().junction {
        let rows: Vec<_> = rows.iter().collect();
        scope.push(site.link_entries(*connection, entity, &rows, LinkAction::Add, OPERATION, &marks).await);
        return Ok(());
    }
    capture.push_each(rows.into_iter().filter_map(|row| created(site, table, row, marks.clone()))).await
}

fn created(site: &Site, table: &Table, row: Row, marks: Marks) -> Option<Entry> {
    let change = RowChange { event: EventType::Creation, old: None, new: Some(row), marks };
    site.row_entry(table.entity, OPERATION, change)
}

/// The keys of inserted rows: those of the answer, of the parameters, or those that the database generated.
fn keys_in(
    plan: &InsertPlan,
    table: &Table,
    statement: &Statement,
    reply: &Reply,
) -> Option<Vec<Vec<Value>>> {
    let entity = table.entity;
    match reply {
        Reply::All(rows) if plan.returning != Returning::Nothing => {
            return rows.iter().map(|row| entity.decode_key(row, "")).collect();
        }
        Reply::One(Some(row)) if plan.rows == Some(1) => return Some(vec![entity.decode_key(row, "")?]),
        _ => {}
    }
    if let Some(keys) = &plan.keys {
        return keys.iter().map(|positions| parameters(statement, positions)).collect();
    }
    let Reply::Executed(result) = reply else { return None };
    let rows = plan.rows.filter(|rows| plan.generates_keys && result.rows_affected() == *rows as u64)? as u64;
    let first = match table.backend {
        // The first one of a statement; the others follow it without a gap, for their number was known beforehand.
        DbBackend::MySql => result.last_insert_id(),
        // The last one: a single writer counts on.
        DbBackend::Sqlite => result.last_insert_id().checked_sub(rows - 1)?,
        _ => return None,
    };
    let step = if table.backend == DbBackend::MySql { table.facts.increment } else { 1 };
    (0..rows).map(|row| entity.key_from_u64(first.checked_add(row * step)?)).collect()
}

/// The inserted rows, read again; `None` where they cannot be told.
async fn read_back<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &InsertPlan,
    table: &Table,
    statement: &Statement,
    reply: &Reply,
) -> Result<Option<Vec<Row>>, DbErr> {
    if !table.reads_keys() {
        return Ok(None);
    }
    match keys_in(plan, table, statement, reply) {
        Some(keys) => {
            let rows = table.by_keys(capture.connection, &keys, Lock::Written).await?;
            Ok((rows.len() == keys.len()).then_some(rows))
        }
        None if !plan.generates_keys => said(capture, plan, table, statement).await,
        None => latest(capture, plan, table, reply).await,
    }
}

/// The rows whose keys the statement says in words, not in parameters.
async fn said<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &InsertPlan,
    table: &Table,
    statement: &Statement,
) -> Result<Option<Vec<Row>>, DbErr> {
    let lookups = plan.cells.as_ref().and_then(|_| upsert::by_key(plan, table, statement));
    let Some(lookups) = lookups else { return Ok(None) };
    let mut rows = Vec::new();
    for lookup in lookups {
        rows.extend(table.decode_all(&lookup.ask(capture.connection, table, Lock::Written).await?)?);
    }
    Ok((Some(rows.len()) == plan.rows).then_some(rows))
}

/// On Postgres nothing in the answer of an INSERT without RETURNING tells generated keys. The rows of this transaction
/// are the only ones that are both visible and in progress, and the statement's are those with the last keys that
/// this session's sequence gave.
async fn latest<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &InsertPlan,
    table: &Table,
    reply: &Reply,
) -> Result<Option<Vec<Row>>, DbErr> {
    let (entity, Some(rows)) = (table.entity, plan.rows) else {
        return Ok(None);
    };
    let (Reply::Executed(result), [key]) = (reply, entity.keys()) else { return Ok(None) };
    let clear = plan.generates_keys && result.rows_affected() == rows as u64;
    let Some(sequence) = table.facts.sequence.as_ref().filter(|_| clear && table.facts.kind == Kind::Table)
    else {
        return Ok(None);
    };
    let name = entity.model().table;
    let column = format!("{}.{}", table.quoted(name), table.quoted(entity.model().columns[*key].sql_name));
    let age = format!("age({}.xmin)", table.quoted(name));
    // Savepoints have numbers of their own, behind the transaction's; what is before it is not ours, and a number that
    // old must not be asked about.
    let sql = format!(
        "{} FROM {} WHERE {column} <= currval('{}'::regclass) AND CASE WHEN {age} > 0 THEN false ELSE \
         txid_status(txid_current() - {age}) = 'in progress' END ORDER BY {column} DESC LIMIT {rows}",
        table.select_text(Some(name), ""),
        plan.table,
        sequence.replace('\'', "''"),
    );
    let found = capture.connection.query_all_raw(Statement::from_string(table.backend, sql)).await?;
    let mut found = table.decode_all(&found)?;
    found.reverse();
    Ok((found.len() == rows).then_some(found))
}
