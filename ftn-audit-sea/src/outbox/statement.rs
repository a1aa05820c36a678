//! Statements of the relay and of operators, which say the same to every database.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, IsolationLevel, QueryResult, Statement, TransactionSession,
    TransactionTrait, Value, Values,
};

use crate::error::sql_state;

/// SQL with its values; `?` in the text becomes the database's own placeholder.
pub(super) struct Text {
    sql: String,
    values: Vec<Value>,
}

impl Text {
    pub(super) fn new(sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Self {
        Self { sql: sql.into(), values: values.into_iter().collect() }
    }

    /// Appends `(?, ?, ..)` for a list, which must not be empty.
    pub(super) fn list(mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.sql.push('(');
        for (place, value) in values.into_iter().enumerate() {
            self.sql.push_str(if place == 0 { "?" } else { ", ?" });
            self.values.push(value.into());
        }
        self.sql.push(')');
        self
    }

    pub(super) fn then(mut self, sql: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.sql.push_str(sql);
        self.values.extend(values);
        self
    }

    pub(super) fn join(self, other: Self) -> Self {
        self.then(&other.sql, other.values)
    }

    pub(super) fn statement(self, backend: DbBackend) -> Statement {
        let sql = match backend {
            DbBackend::Postgres => numbered(&self.sql),
            _ => self.sql,
        };
        Statement { sql, values: Some(Values(self.values)), db_backend: backend }
    }

    pub(super) async fn rows<C: ConnectionTrait>(self, connection: &C) -> Result<Vec<QueryResult>, DbErr> {
        connection.query_all_raw(self.statement(connection.get_database_backend())).await
    }
}

fn numbered(sql: &str) -> String {
    let mut numbered = String::with_capacity(sql.len() + 16);
    for (place, part) in sql.split('?').enumerate() {
        if place > 0 {
            numbered.push_str(&format!("${place}"));
        }
        numbered.push_str(part);
    }
    numbered
}

const TRIES: u32 = 8;

/// Changes rows, and says how many. Lock time-outs and deadlocks are tried again.
///
/// On the MySQL family at READ COMMITTED: at its default, a statement that searches locks the gaps that it saw, and the
/// application's inserts would wait for them.
pub(super) async fn change<C>(connection: &C, text: Text) -> Result<u64, DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let backend = connection.get_database_backend();
    let statement = text.statement(backend);
    let mut tries = 0;
    loop {
        let changed = match backend {
            DbBackend::MySql => in_read_committed(connection, statement.clone()).await,
            _ => connection.execute_raw(statement.clone()).await.map(|done| done.rows_affected()),
        };
        tries += 1;
        match changed {
            Err(error) if tries < TRIES && is_contention(backend, &error) => pause(tries).await,
            changed => return changed,
        }
    }
}

async fn in_read_committed<C: TransactionTrait>(connection: &C, statement: Statement) -> Result<u64, DbErr> {
    let transaction = connection.begin_with_config(Some(IsolationLevel::ReadCommitted), None).await?;
    let changed = transaction.execute_raw(statement).await?.rows_affected();
    transaction.commit().await?;
    Ok(changed)
}

/// Somebody else had the rows. (A lock time-out of MySQL has no SQLSTATE of its own.)
pub(super) fn is_contention(backend: DbBackend, error: &DbErr) -> bool {
    let states: &[&str] = match backend {
        DbBackend::MySql => &["40001", "HY000"],
        DbBackend::Postgres => &["40001", "40P01", "55P03"],
        _ => &["5", "6", "517"],
    };
    sql_state(error).is_some_and(|state| states.contains(&state.as_str()))
}

/// A short wait that grows, and that no two have alike.
pub(super) async fn pause(tries: u32) {
    let most = 10_u64 << tries.min(6);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=most))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_up_on_postgres() {
        let text = || Text::new("a = ? AND b IN ", [1.into()]).list([2, 3]).then(" LIMIT ?", [4.into()]);
        assert_eq!(text().statement(DbBackend::Postgres).sql, "a = $1 AND b IN ($2, $3) LIMIT $4");
        assert_eq!(text().statement(DbBackend::Sqlite).sql, "a = ? AND b IN (?, ?) LIMIT ?");
    }
}
