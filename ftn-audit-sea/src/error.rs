//! Errors of this crate, and what is read from SeaORM's.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::outbox::without_data;

/// What can go wrong by audit's own fault: when a connection is wrapped, and, in outbox delivery, when a record cannot
/// be stored with its change.
///
/// ```
/// use ftn_audit_sea::AuditError;
///
/// fn status(error: &sea_orm::DbErr) -> u16 {
///     match AuditError::from_db_err(error) {
///         Some(AuditError::ReasonMissing { .. }) => 422,
///         Some(_) => 503,
///         None => 500,
///     }
/// }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The database did not answer the questions asked at start-up.
    #[error("audit could not look at the database: {0}; check that the connection works before wrapping it")]
    Connect(#[source] DbErr),
    /// Outbox delivery, and no table.
    #[error(
        "outbox delivery needs the table `audit_outbox`, and this database has none: add \
         `ftn_audit_sea::outbox::migration::Migration` to your migrator, call `audit.install(&db)`, or run the output \
         of `ftn-audit migrate --sql`"
    )]
    NoOutbox,
    /// Outbox delivery, and a role that may not use the table.
    #[error(
        "this role may not use the table `audit_outbox`: the writer needs {needs}; `ftn-audit migrate --sql` prints \
         the rights of every role"
    )]
    OutboxDenied {
        /// The right that is missing.
        needs: &'static str,
    },
    /// The outbox's table could not be made.
    #[error("the outbox's table could not be made: {0}; run its migration as a role that may create tables")]
    Install(#[source] DbErr),
    /// The outbox could not be read or marked.
    #[error("the outbox does not answer: {}; what was claimed is due again when its lease ends", without_data(.0))]
    Relay(#[source] DbErr),
    /// The outbox did not take a record, and the work that it tells of is rolled back.
    #[error("the outbox did not take the audit record of this work, which is rolled back: {}", without_data(.0))]
    Outbox(#[source] DbErr),
    /// More rows wait in the outbox than `outbox_max_rows` allows, and the work is rolled back.
    #[error(
        "the outbox is full, and work is not done without its audit record: start a relay, see why it does not deliver, \
         or raise `outbox_max_rows`"
    )]
    OutboxFull,
    /// A change that gives no reason, of an entity with `reason = "required"`, and the work is rolled back.
    #[error(
        "`{model}` is not changed without a reason: put `web::Reason` into the request's extensions, or run the change in \
         a context with `.reason(..)`"
    )]
    ReasonMissing {
        /// The model that was to be changed.
        model: String,
    },
    /// A write on a plain connection, whose record could not be stored in the same transaction.
    #[error(
        "`{table}` is not written without its audit record, and on a plain connection the two cannot be one: write it \
         through `audit.connect(..)`, in a transaction, or say `on_failure = \"best_effort\"` on its entity"
    )]
    PlainConnection {
        /// The table that was to be written.
        table: &'static str,
    },
}

impl AuditError {
    /// The error behind a `DbErr`, if it is audit's own and not the database's: the work was rolled back because its
    /// record could not be stored.
    ///
    /// ```
    /// use ftn_audit_sea::AuditError;
    /// use sea_orm::DbErr;
    ///
    /// assert!(AuditError::from_db_err(&DbErr::RecordNotFound("item".to_owned())).is_none());
    /// ```
    pub fn from_db_err(error: &DbErr) -> Option<&Self> {
        match sqlx(error)? {
            SqlxError::Configuration(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// As the error of a statement or a commit. SeaORM has no variant for errors of others; that of a wrong
    /// configuration is the one which can hold them.
    pub(crate) fn into_db_err(self) -> DbErr {
        DbErr::Exec(RuntimeErr::SqlxError(Arc::new(SqlxError::Configuration(Box::new(self)))))
    }
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
