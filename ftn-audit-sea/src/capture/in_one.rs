//! The old row from the statement itself: an UPDATE by key that SeaORM wants the new row of gives the old one, too.
//!
//! Only for tables that the catalogue clears, and for conditions that are equality with the whole key: the counter-examples
//! are row-level security, keys that are not unique, rules, and keys that change under a waiting statement.

use ftn_audit::{EventType, change::Marks};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

use super::{
    Capture,
    plan::{InOne, Returning, UpdatePlan, parameters},
    read::Table,
    send::{Call, Reply, Request},
    site::{RowChange, nothing_written},
};
use crate::{auditable::Row, backend::quoted};

/// What the old row's columns are called.
const OLD: &str = "ftn_old_";

/// How long a column's name may be: Postgres cuts names after 63 bytes.
const MAX_NAME: usize = 63 - OLD.len();

pub(super) fn applies(plan: &UpdatePlan, table: &Table, request: &Request) -> bool {
    let entity = table.entity;
    request.extensible
        && request.call == Call::QueryOne
        && plan.returning == Returning::Row
        && plan.in_one.is_some()
        && plan.key.as_ref().is_some_and(|key| parameters(&request.statement, key).is_some())
        && matches!(table.backend, DbBackend::Postgres | DbBackend::Sqlite)
        && table.facts.allows_one_statement(entity)
        && table.facts.lockable
        && !table.cascades_from(&plan.assigned)
        && !entity.model().junction
        && entity.model().columns.iter().all(|column| column.sql_name.len() <= MAX_NAME)
}

pub(super) async fn run<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &UpdatePlan,
    table: &Table,
    request: Request,
) -> Result<Reply, DbErr> {
    let Capture { connection, scope, site } = capture;
    let (Some(texts), Some(key)) =
        (&plan.in_one, plan.key.as_ref().and_then(|key| parameters(&request.statement, key)))
    else {
        return request.send(*connection).await;
    };
    let entity = table.entity;
    let answer = match site.backend {
        DbBackend::Postgres => postgres(*connection, plan, table, texts, request.statement).await,
        _ => sqlite(capture, plan, table, texts, request.statement, &key).await,
    };
    let (old, new) = answer?;
    let Some(new) = new else { return Ok(Reply::One(None)) };
    match table.decode(&new, "").ok() {
        Some(row) => {
            let marks = Marks { old_unconfirmed: old.is_none(), ..Marks::default() };
            let change = RowChange { event: EventType::Update, old, new: Some(row), marks };
            scope.push(site.row_entry(entity, super::update::OPERATION, change));
        }
        None => {
            let marks = Marks { old_unconfirmed: true, ..Marks::default() };
            scope.push(site.unparsed_entry(entity, super::update::OPERATION, &plan.fingerprint, marks));
        }
    }
    Ok(Reply::One(Some(new)))
}

type Answer = (Option<Row>, Option<QueryResult>);

async fn postgres<C: ConnectionTrait>(
    connection: &C,
    plan: &UpdatePlan,
    table: &Table,
    texts: &InOne,
    mut statement: Statement,
) -> Result<Answer, DbErr> {
    statement.sql = texts.text.get_or_init(|| postgres_text(plan, table, texts)).clone();
    let row = connection.query_one_raw(statement).await?;
    let old = row.as_ref().and_then(|row| table.decode(row, OLD).ok());
    Ok((old, row))
}

/// A CTE locks the row and reads it, the UPDATE joins it. Nothing but renamed columns leaves the CTE, so the caller's own
/// unqualified names stay unambiguous.
fn postgres_text(plan: &UpdatePlan, table: &Table, texts: &InOne) -> String {
    let named = &plan.named;
    let quote = |name: &str| quoted(DbBackend::Postgres, name);
    let qualifier = quote(&named.qualifier);
    let (mut keys, mut joined) = (String::new(), String::new());
    for (index, key) in table.entity.key_names().enumerate() {
        keys.push_str(&format!(", {qualifier}.{} AS \"ftn_key_{index}\"", quote(key)));
        joined.push_str(&format!(" AND {qualifier}.{} = ftn_old.\"ftn_key_{index}\"", quote(key)));
    }
    let select = table.select_text(Some(&named.qualifier), OLD);
    let InOne { head, condition, returning, .. } = texts;
    format!(
        "WITH ftn_old AS ({select}{keys} FROM {} {condition} FOR NO KEY UPDATE) {head}FROM ftn_old {condition}{joined} \
         {returning}, ftn_old.*",
        named.from
    )
}

/// The write that touches nothing takes the lock before the snapshot.
async fn sqlite<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &UpdatePlan,
    table: &Table,
    texts: &InOne,
    statement: Statement,
    key: &[Value],
) -> Result<Answer, DbErr> {
    let text = texts.text.get_or_init(|| sqlite_text(plan, table, texts));
    let sql = match capture.has_write_lock(table.entity) {
        true => text.clone(),
        false => format!("{}; {text}", nothing_written(DbBackend::Sqlite, table.entity)),
    };
    let values = key.iter().cloned().chain(statement.values.into_iter().flat_map(|values| values.0));
    let rows = capture
        .connection
        .query_all_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
        .await?;
    capture.got_write_lock(table.entity);
    let (mut old, mut new) = (None, None);
    for row in rows {
        if row.try_get::<i64>("", "ftn_old").is_ok() {
            old = table.decode(&row, OLD).ok();
        } else {
            new = Some(row);
        }
    }
    Ok((old, new))
}

/// SELECT and UPDATE in one text.
fn sqlite_text(plan: &UpdatePlan, table: &Table, texts: &InOne) -> String {
    let named = &plan.named;
    let select = table.select_text(Some(&named.qualifier), OLD);
    let quote = |name: &str| quoted(DbBackend::Sqlite, name);
    let condition: Vec<_> = table
        .entity
        .key_names()
        .map(|key| format!("{}.{} = ?", quote(&named.qualifier), quote(key)))
        .collect();
    let InOne { head, condition: own, returning, .. } = texts;
    format!(
        "{select}, 1 AS ftn_old FROM {} WHERE {}; {head}{own}{returning}",
        named.from,
        condition.join(" AND ")
    )
}
