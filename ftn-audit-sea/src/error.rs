//! Errors of this crate, and what is read from SeaORM's.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// What can go wrong when a connection is wrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The database did not answer the questions asked at start-up.
    #[error("audit could not look at the database: {0}; check that the connection works before wrapping it")]
    Connect(#[source] DbErr),
}

fn sqlx(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// The database's own code of an error: its SQLSTATE, for those that have one.
pub(crate) fn sql_state(error: &DbErr) -> Option<String> {
    let code = sqlx(error)?.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// Whether the database itself said no: after such an answer to COMMIT the work is certainly rolled back. After any
/// other (a broken connection, a time-out) nobody knows.
pub(crate) fn is_answer_of_the_database(error: &DbErr) -> bool {
    sqlx(error).is_some_and(|error| matches!(error, SqlxError::Database(_)))
}
