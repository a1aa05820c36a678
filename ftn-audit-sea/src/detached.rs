//! Work that has to come to its end, whatever becomes of the future that asked for it.

use std::{panic::resume_unwind, pin::Pin};

use ftn_audit::{Audit, AuditContext};
use sea_orm::DbErr;
use tracing::Instrument;

/// Runs a future in a task of its own and waits for it. A caller that stops waiting stops nothing: a COMMIT that was
/// sent is answered, and its records are handed over.
pub(crate) async fn detached<F, T>(future: F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>> + Send + 'static,
    T: Send + 'static,
{
    if tokio::runtime::Handle::try_current().is_err() {
        return future.await;
    }
    match tokio::spawn(carried(Box::pin(future)).in_current_span()).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(DbErr::Custom("the runtime shut down before the database answered".to_owned())),
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future with the context and the handle of the task that it was made in: formatters, sinks and what waits for a
/// commit find them in another task, too.
pub(crate) fn carried<T: 'static>(future: Boxed<T>) -> Boxed<T> {
    let future = match AuditContext::current() {
        Some(context) => Box::pin(context.carry(future)),
        None => future,
    };
    match Audit::current() {
        Some(audit) => Box::pin(audit.scope(future)),
        None => future,
    }
}
