//! Whether the table is there, asked with no right but to insert into it.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::schema::TABLE;

/// What a connection found of its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Ready,
    Missing,
    /// It is there, and the role may not insert.
    Denied,
}

pub(crate) async fn check<C: ConnectionTrait>(connection: &C) -> Result<Found, DbErr> {
    let backend = connection.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => format!(
            "SELECT CASE WHEN to_regclass('{TABLE}') IS NULL THEN 'missing' \
             WHEN has_table_privilege(to_regclass('{TABLE}'), 'INSERT') THEN 'ready' ELSE 'denied' END"
        ),
        // Tables on which a role has no right at all are not shown to it.
        DbBackend::MySql => format!(
            "SELECT CASE WHEN COUNT(*) = 0 THEN 'missing' ELSE 'ready' END FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = '{TABLE}'"
        ),
        _ => format!(
            "SELECT CASE WHEN COUNT(*) = 0 THEN 'missing' ELSE 'ready' END FROM sqlite_master \
             WHERE type = 'table' AND name = '{TABLE}'"
        ),
    };
    let row = connection.query_one_raw(Statement::from_string(backend, sql)).await?;
    let word: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(match word.as_deref() {
        Some("ready") => Found::Ready,
        Some("denied") => Found::Denied,
        _ => Found::Missing,
    })
}
