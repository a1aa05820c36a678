//! The context across tasks and threads.

use super::AuditContext;
use crate::Audit;

/// Gives a future what is current where this is called, context and handle, wherever the future will run: in a
/// `JoinSet`, in the callback of a WebSocket, on another runtime.
///
/// ```
/// use ftn_audit::{Actor, AuditContext, audit_carry};
/// use tokio::task::JoinSet;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// AuditContext::builder().actor(Actor::user("42")).build().scope(async {
///     let mut parts = JoinSet::new();
///     for _ in 0..3 {
///         parts.spawn(audit_carry(async { AuditContext::current().unwrap().actor().cloned() }));
///     }
///     assert_eq!(parts.join_all().await[0], Some(Actor::user("42")));
/// })
/// .await;
/// # });
/// ```
pub fn audit_carry<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    let (context, handle) = current();
    async move {
        match (context, handle) {
            (Some(context), Some(handle)) => handle.scope(context.scope(future)).await,
            (Some(context), None) => context.scope(future).await,
            (None, Some(handle)) => handle.scope(future).await,
            (None, None) => future.await,
        }
    }
}

fn current() -> (Option<AuditContext>, Option<Audit>) {
    let context = AuditContext::current();
    let handle = context.as_ref().map_or_else(Audit::of_task, AuditContext::handle_to_carry);
    (context, handle)
}

/// `tokio::spawn` with the current context and handle.
///
/// ```
/// use ftn_audit::{Actor, AuditContext, audit_spawn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// AuditContext::builder().actor(Actor::user("42")).build().scope(async {
///     let task = audit_spawn(async { AuditContext::current().unwrap().actor().cloned() });
///     assert_eq!(task.await.unwrap(), Some(Actor::user("42")));
/// })
/// .await;
/// # });
/// ```
///
/// # Panics
///
/// Outside a Tokio runtime, as `tokio::spawn` does.
pub fn audit_spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(audit_carry(future))
}

/// `tokio::task::spawn_blocking` with the current context and handle.
///
/// # Panics
///
/// Outside a Tokio runtime, as `tokio::task::spawn_blocking` does.
pub fn audit_spawn_blocking<F, R>(closure: F) -> tokio::task::JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let (context, handle) = current();
    tokio::task::spawn_blocking(move || {
        let closure = || match &context {
            Some(context) => context.sync_scope(closure),
            None => closure(),
        };
        match &handle {
            Some(handle) => handle.sync_scope(closure),
            None => closure(),
        }
    })
}
