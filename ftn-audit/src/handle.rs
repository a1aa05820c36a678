//! Which handle hooks on plain connections find: that of the running task, else that of the process.

use std::sync::{PoisonError, RwLock};

use crate::Audit;

tokio::task_local! {
    static TASK: Audit;
}

static PROCESS: RwLock<Option<Audit>> = RwLock::new(None);

impl Audit {
    /// Makes this the handle of the process: hooks on plain connections find it wherever no
    /// [`scope`](Self::scope) is around. The last call wins.
    pub fn set_global(&self) {
        *PROCESS.write().unwrap_or_else(PoisonError::into_inner) = Some(self.clone());
    }

    /// Runs a future with this as the task's handle, before the process-wide one: tests with a handle each run in
    /// parallel this way.
    ///
    /// ```
    /// # async fn example(audit: ftn_audit::Audit) {
    /// audit
    ///     .scope(async {
    ///         assert!(ftn_audit::Audit::current().is_some());
    ///     })
    ///     .await;
    /// # }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        TASK.scope(self.clone(), future)
    }

    /// Runs a closure with this as the task's handle: for `spawn_blocking` and other synchronous code.
    pub fn sync_scope<R>(&self, closure: impl FnOnce() -> R) -> R {
        TASK.sync_scope(self.clone(), closure)
    }

    /// [`scope`](Self::scope) with a type that can be named.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn task_scope<F: Future>(&self, future: F) -> tokio::task::futures::TaskLocalFuture<Self, F> {
        TASK.scope(self.clone(), future)
    }

    /// The handle of the running task.
    pub(crate) fn of_task() -> Option<Self> {
        TASK.try_with(Self::clone).ok()
    }

    /// The handle of the running task, else that of the process, else one whose [`without`](Self::without) this is in.
    pub fn current() -> Option<Self> {
        Self::of_task()
            .or_else(|| PROCESS.read().unwrap_or_else(PoisonError::into_inner).clone())
            .or_else(Self::suspended)
    }
}
