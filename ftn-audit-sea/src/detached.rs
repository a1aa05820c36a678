//! Work that has to come to its end, whatever becomes of the future that asked for it.

use std::panic::resume_unwind;

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
    match tokio::spawn(future.in_current_span()).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(DbErr::Custom("the runtime shut down before the database answered".to_owned())),
    }
}
