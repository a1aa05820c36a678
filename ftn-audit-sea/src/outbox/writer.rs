//! Records become rows: in the transaction of their change, before its COMMIT.

use std::time::SystemTime;

use async_trait::async_trait;
use ftn_audit::{AuditRecord, delivery::OutboxStore, stored::FORMAT};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, Statement, TransactionSession, TransactionTrait, Value, Values,
};

use super::schema::TABLE;
use crate::permission::Trusted;

const COLUMNS: [&str; 11] = [
    "id",
    "transaction_id",
    "sequence",
    "transaction_count",
    "tenant",
    "model",
    "model_pk",
    "event",
    "format",
    "payload",
    "occurred_at",
];

/// SQLite takes 32,766 parameters, the others 65,535.
const MOST_ROWS: usize = 500;
/// MariaDB's `max_allowed_packet` is 16 MiB, MySQL's once was 4.
const MOST_BYTES: usize = 1 << 20;

/// Writes records as they are numbered. One statement, unless they are many or large.
pub(crate) async fn insert<C: ConnectionTrait>(connection: &C, records: &[AuditRecord]) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    let mut rows = Rows::default();
    for record in records {
        let payload = record.to_payload();
        if rows.count == MOST_ROWS || (rows.count > 0 && rows.bytes + payload.len() > MOST_BYTES) {
            rows.send(connection, backend).await?;
        }
        rows.add(record, payload);
    }
    rows.send(connection, backend).await
}

#[derive(Default)]
struct Rows {
    count: usize,
    bytes: usize,
    values: Vec<Value>,
}

impl Rows {
    fn add(&mut self, record: &AuditRecord, payload: String) {
        self.count += 1;
        self.bytes += payload.len();
        let number = |number: Option<u32>| number.and_then(|number| i32::try_from(number).ok());
        let row: [Value; COLUMNS.len()] = [
            record.id().to_string().into(),
            record.transaction_id().unwrap_or_default().to_string().into(),
            number(record.sequence()).unwrap_or_default().into(),
            number(record.transaction_count()).into(),
            record.tenant().map(str::to_owned).into(),
            record.model().into(),
            record.pk().into(),
            record.event_type().as_str().into(),
            FORMAT.into(),
            payload.into(),
            micros(record.occurred_at()).into(),
        ];
        self.values.extend(row);
    }

    async fn send<C: ConnectionTrait>(&mut self, connection: &C, backend: DbBackend) -> Result<(), DbErr> {
        let Self { count, values, .. } = std::mem::take(self);
        if count == 0 {
            return Ok(());
        }
        let statement =
            Statement { sql: text(backend, count), values: Some(Values(values)), db_backend: backend };
        connection.execute_raw(statement).await.map(|_| ())
    }
}

fn text(backend: DbBackend, rows: usize) -> String {
    let mut sql = format!("INSERT INTO {TABLE} ({}) VALUES ", COLUMNS.join(", "));
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..COLUMNS.len() {
            if column > 0 {
                sql.push_str(", ");
            }
            match backend {
                DbBackend::Postgres => sql.push_str(&format!("${}", row * COLUMNS.len() + column + 1)),
                _ => sql.push('?'),
            }
        }
        sql.push(')');
    }
    sql
}

fn micros(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or_default()
}

/// A database that takes records outside of the transaction of their change.
pub(crate) struct PoolStore<C>(pub(crate) C);

#[async_trait]
impl<C> OutboxStore for PoolStore<C>
where
    C: ConnectionTrait + TransactionTrait + Send + 'static,
    C::Transaction: 'static,
{
    async fn store(&self, records: &[AuditRecord]) -> Result<(), String> {
        let stored = async {
            let transaction = self.0.begin().await?;
            insert(&Trusted(&transaction), records).await?;
            transaction.commit().await
        };
        stored.await.map_err(|error| super::without_data(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_the_databases_own() {
        assert!(
            text(DbBackend::Postgres, 2)
                .ends_with("$11), ($12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)")
        );
        assert!(text(DbBackend::MySql, 1).ends_with("VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    }
}
