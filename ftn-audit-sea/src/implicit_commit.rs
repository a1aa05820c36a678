//! MySQL commits an open transaction before DDL, TRUNCATE, LOCK TABLES and their like, and says nothing of it. What was
//! written until then is stored whatever becomes of the transaction object, so its records leave at that moment.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::{connection::Shared, error::says_schema_moved, outbox, scope::Scope, transaction::deliver};

/// Before the statement: rows of the outbox share the commit that is about to come.
///
/// # Errors
///
/// When a record cannot be stored that its change must not be without: the statement is not sent.
pub(crate) async fn before<T: ConnectionTrait>(
    connection: &T,
    scope: &Scope,
    shared: &Shared,
) -> Result<(), DbErr> {
    match &shared.outbox {
        // Inside a savepoint the outer frames' rows could still be rolled back by a statement that is not run at all: these
        // are stored afterwards.
        Some(outbox) if !scope.is_nested() => outbox::store(connection, scope, shared, outbox).await,
        _ => Ok(()),
    }
}

/// After it: hands over what was committed. What follows stands alone, as after a deadlock.
pub(crate) async fn after<T: ConnectionTrait>(
    connection: &T,
    scope: &Scope,
    shared: &Shared,
    outcome: Result<(), &DbErr>,
) {
    if !is_open(connection, outcome).await {
        deliver(&shared.audit, scope.committed_by_itself()).await;
    }
}

/// MariaDB can be asked. MySQL commits unless the statement was refused before it was run.
async fn is_open<T: ConnectionTrait>(connection: &T, outcome: Result<(), &DbErr>) -> bool {
    let question = Statement::from_string(DbBackend::MySql, "SELECT CAST(@@in_transaction AS SIGNED)");
    let answer = match connection.query_one_raw(question).await {
        Ok(Some(row)) => row.try_get_by_index::<i64>(0).ok(),
        _ => None,
    };
    answer.map_or_else(|| outcome.is_err_and(says_schema_moved), |open| open != 0)
}
