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

/// A statement that writes several rows of an entity that wants none of those.
pub(crate) fn refused_bulk(model: &ftn_audit::ModelInfo) -> DbErr {
    DbErr::Custom(format!(
        "`{}` is `#[audit(bulk = \"refuse\")]`, and this statement would write several of its rows: write them one by \
         one, or through `inner()`",
        model.name
    ))
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
/// other (a broken connection, a time-out) nobody knows; nor when the database said that it was going away, which it
/// may say after the commit and before its answer.
pub(crate) fn is_answer_of_the_database(error: &DbErr) -> bool {
    let answered = sqlx(error).is_some_and(|error| matches!(error, SqlxError::Database(_)));
    let state = sql_state(error).unwrap_or_default();
    // Connection exceptions; shutdown and crash; a connection that was killed; "completion unknown".
    let leaving = ["08", "57P", "70100", "40003"].iter().any(|class| state.starts_with(class));
    answered && !leaving
}

/// Whether the database answered, and it is the model that cannot read the answer.
pub(crate) fn is_unreadable_row(error: &DbErr) -> bool {
    let unreadable = sqlx(error).is_some_and(|error| {
        matches!(
            error,
            SqlxError::ColumnDecode { .. }
                | SqlxError::ColumnNotFound(_)
                | SqlxError::ColumnIndexOutOfBounds { .. }
                | SqlxError::TypeNotFound { .. }
                | SqlxError::Decode(_)
        )
    });
    unreadable || !matches!(error, DbErr::Exec(_) | DbErr::Query(_) | DbErr::Conn(_))
}

/// Whether the database says that the schema, or what this session may do with it, is not what it was.
pub(crate) fn says_schema_moved(error: &DbErr) -> bool {
    let state = sql_state(error).unwrap_or_default();
    // Undefined or denied; features that a table does not have; SQLite's one code for all of these.
    state.starts_with("42") || state.starts_with("0A") || state == "1"
}

/// SQLite's "database is locked", after the time that the caller is willing to wait.
pub(crate) fn is_locked(error: &DbErr) -> bool {
    sql_state(error).as_deref() == Some("5")
}
