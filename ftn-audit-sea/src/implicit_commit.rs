//! MySQL commits an open transaction before DDL, TRUNCATE, LOCK TABLES and their like, and says nothing of it. What was
//! written until then is stored whatever becomes of the transaction object, so its records leave at that moment.

use ftn_audit::AuditRecord;
use sea_orm::{ConnectionTrait, DbErr};

use crate::{
    capture, connection::Shared, error::is_answer_of_the_database, outbox, scope::Scope, transaction::deliver,
};

/// A savepoint that is gone when the transaction is.
const SET: &str = "SAVEPOINT ftn_audit_statement";
const RELEASE: &str = "RELEASE SAVEPOINT ftn_audit_statement";

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
    // Inside a savepoint the outer frames' rows could still be rolled back by a statement that is not run at all: these are
    // stored afterwards.
    if let Some(outbox) = shared.outbox.as_ref().filter(|_| !scope.is_nested()) {
        outbox::store(connection, scope, shared, outbox).await?;
    }
    connection.execute_unprepared(SET).await.map(|_| ())
}

/// After it: hands over what was committed. What follows stands alone, as after a deadlock.
pub(crate) async fn after<T: ConnectionTrait>(connection: &T, scope: &Scope, shared: &Shared) {
    match connection.execute_unprepared(RELEASE).await {
        Ok(_) => {}
        Err(error) if is_answer_of_the_database(&error) => {
            let mut committed = scope.committed_by_itself();
            if let Some(outbox) = &shared.outbox {
                // Here, because the pool may have no other connection. What fails is asked for again at the end.
                scope.put_back(0, std::mem::take(&mut committed.entries));
                if let Err(error) = outbox::store(connection, scope, shared, outbox).await {
                    tracing::error!(
                        target: "ftn_audit::delivery",
                        why = outbox::without_data(&error),
                        "the outbox does not take the records of what a statement committed: they are tried again"
                    );
                }
            }
            deliver(&shared.audit, committed).await;
        }
        // The connection is gone, and nobody knows whether the statement came through.
        Err(_) => {
            let committed = scope.committed_by_itself();
            // The rows of an outbox share whatever became of it.
            if shared.outbox.is_none() {
                let records = capture::finish(&shared.audit, committed.entries);
                let records = records.into_iter().map(AuditRecord::commit_unconfirmed).collect();
                shared.audit.hand_over(records).await;
            }
        }
    }
}
