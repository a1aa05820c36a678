//! A relay's hold on rows: claimed for a while by the database's clock, and finished only by who still holds them.

use std::{collections::HashMap, time::Duration};

use ftn_audit::stored::FORMAT;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, FromQueryResult, IsolationLevel, TransactionSession, TransactionTrait,
};

use super::{
    schema::{TABLE, now},
    statement::{Text, change, is_contention, pause},
};

/// A claimed row.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Claimed {
    pub(crate) id: String,
    pub(crate) transaction_id: String,
    pub(crate) sequence: i32,
    pub(crate) transaction_count: Option<i32>,
    pub(crate) format: i32,
    pub(crate) payload: String,
    pub(crate) attempts: i32,
}

const COLUMNS: &str = "id, transaction_id, sequence, transaction_count, format, payload, attempts";

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

/// What is due: rows that wait, and those whose lease is over, in a format that this version reads. By state and time
/// and never by number, because numbers are not given in the order of the commits.
fn due(backend: DbBackend) -> String {
    format!("state = 'waiting' AND due_at <= {} AND format <= {FORMAT}", now(backend))
}

/// Claims up to `most` due rows for `owner`, the longest due first.
pub(crate) async fn claim<C>(
    connection: &C,
    owner: &str,
    most: usize,
    lease: Duration,
) -> Result<Vec<Claimed>, DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let backend = connection.get_database_backend();
    let mut tries = 0;
    let mut rows = loop {
        let claimed = match backend {
            DbBackend::MySql => in_two_statements(connection, owner, most, lease).await,
            _ => in_one_statement(connection, backend, owner, most, lease).await,
        };
        tries += 1;
        match claimed {
            Err(error) if tries < 8 && is_contention(backend, &error) => pause(tries).await,
            claimed => break claimed?,
        }
    };
    rows.sort_by(|left, right| {
        (&left.transaction_id, left.sequence).cmp(&(&right.transaction_id, right.sequence))
    });
    Ok(rows)
}

async fn in_one_statement<C: ConnectionTrait>(
    connection: &C,
    backend: DbBackend,
    owner: &str,
    most: usize,
    lease: Duration,
) -> Result<Vec<Claimed>, DbErr> {
    let (due, now) = (due(backend), now(backend));
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let text = match backend {
        // Materialized, for a plan that asks a locking subquery twice would lock twice as many. By where the rows lie: they
        // are locked, and a search by id costs as much as the update. One that somebody changed since the statement
        // began is not found there, and is claimed by the next.
        DbBackend::Postgres => Text::new(
            format!(
                "WITH due AS MATERIALIZED (SELECT ctid AS due_ctid FROM {TABLE} WHERE {due} ORDER BY due_at LIMIT ? \
                 FOR UPDATE SKIP LOCKED) \
                 UPDATE {TABLE} SET lease_owner = ?, due_at = {now} + ?, attempts = attempts + 1 \
                 FROM due WHERE {TABLE}.ctid = due_ctid RETURNING {COLUMNS}"
            ),
            [most.into(), owner.into(), micros(lease).into()],
        ),
        _ => Text::new(
            format!(
                "UPDATE {TABLE} SET lease_owner = ?, due_at = {now} + ?, attempts = attempts + 1 \
                 WHERE id IN (SELECT id FROM {TABLE} WHERE {due} ORDER BY due_at LIMIT ?) RETURNING {COLUMNS}"
            ),
            [owner.into(), micros(lease).into(), most.into()],
        ),
    };
    let rows = text.rows(connection).await?;
    rows.iter().map(|row| Claimed::from_query_result(row, "")).collect()
}

/// At READ COMMITTED: at MySQL's default, a claim that reads to the end of the index locks the gap behind it, and every
/// insert into the outbox waits for the claim.
async fn in_two_statements<C: TransactionTrait>(
    connection: &C,
    owner: &str,
    most: usize,
    lease: Duration,
) -> Result<Vec<Claimed>, DbErr> {
    let backend = DbBackend::MySql;
    let (due, now) = (due(backend), now(backend));
    let transaction = connection.begin_with_config(Some(IsolationLevel::ReadCommitted), None).await?;
    let select = Text::new(
        format!("SELECT {COLUMNS} FROM {TABLE} WHERE {due} ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED"),
        [(most as u64).into()],
    );
    let rows = select.rows(&transaction).await?;
    let mut rows: Vec<Claimed> =
        rows.iter().map(|row| Claimed::from_query_result(row, "")).collect::<Result<_, _>>()?;
    if rows.is_empty() {
        transaction.rollback().await?;
        return Ok(rows);
    }
    let update = Text::new(
        format!(
            "UPDATE {TABLE} SET lease_owner = ?, due_at = {now} + ?, attempts = attempts + 1 WHERE id IN "
        ),
        [owner.into(), micros(lease).into()],
    );
    let update = update.list(rows.iter().map(|row| row.id.as_str()));
    transaction.execute_raw(update.statement(backend)).await?;
    transaction.commit().await?;
    for row in &mut rows {
        row.attempts += 1;
    }
    Ok(rows)
}

/// How many records the transactions have whose first rows were written ahead of their commit.
pub(crate) async fn counts<C: ConnectionTrait>(
    connection: &C,
    rows: &[Claimed],
) -> Result<HashMap<String, i32>, DbErr> {
    let mut open: Vec<&str> = rows
        .iter()
        .filter(|row| row.transaction_count.is_none())
        .map(|row| row.transaction_id.as_str())
        .collect();
    open.dedup();
    if open.is_empty() {
        return Ok(HashMap::new());
    }
    let text = Text::new(
        format!(
            "SELECT transaction_id, transaction_count FROM {TABLE} WHERE sequence = transaction_count \
             AND sequence > 1 AND transaction_id IN "
        ),
        [],
    );
    let rows = text.list(open).rows(connection).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// What becomes of a claimed row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    Sent,
    Dead {
        why: String,
    },
    /// Due again after a while.
    Again {
        wait: Duration,
        why: String,
    },
    /// Due again at once, as if it had not been claimed.
    Untouched,
}

/// Finishes rows of one owner that have the same ending, and says how many it still held. What another relay has claimed
/// in the meantime is left to that one.
pub(crate) async fn finish<C>(
    connection: &C,
    owner: &str,
    ids: &[String],
    ending: &Ending,
) -> Result<u64, DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    if ids.is_empty() {
        return Ok(0);
    }
    let backend = connection.get_database_backend();
    let now = now(backend);
    let set = match ending {
        Ending::Sent => Text::new(format!("state = 'sent', due_at = {now}, last_error = NULL"), []),
        Ending::Dead { why } => {
            Text::new(format!("state = 'dead', due_at = {now}, last_error = ?"), [short(why).into()])
        }
        Ending::Again { wait, why } => Text::new(
            format!("due_at = {now} + ?, last_error = ?"),
            [micros(*wait).into(), short(why).into()],
        ),
        Ending::Untouched => Text::new(format!("due_at = {now}, attempts = attempts - 1"), []),
    };
    let update = Text::new(format!("UPDATE {TABLE} SET lease_owner = NULL, "), [])
        .join(set)
        .then(" WHERE lease_owner = ? AND id ", [owner.into()]);
    let update = match backend {
        // One text for any number of rows: it is parsed and planned once.
        DbBackend::Postgres => update.then("= ANY (string_to_array(?, ','))", [ids.join(",").into()]),
        _ => update.then("IN ", []).list(ids.iter().map(String::as_str)),
    };
    let update = match backend {
        // With the sign it is no search: by its index of states, SQLite would look at every row that waits.
        DbBackend::Sqlite => update.then(" AND +state = 'waiting'", []),
        _ => update.then(" AND state = 'waiting'", []),
    };
    change(connection, update).await
}

/// A sink's words can hold the whole answer of a server.
fn short(why: &str) -> String {
    why.chars().take(500).collect()
}
