//! The audited transaction: what it wrote is handed over when, and only when, it has committed.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use async_trait::async_trait;
use ftn_audit::{Audit, AuditContext};
use futures_util::FutureExt;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel,
    QueryResult, Statement, StatementBuilder, TransactionError, TransactionOptions, TransactionSession,
    TransactionTrait,
};

use crate::{
    capture::{self, Call, Capture, Plan, Reply, Request},
    connection::{Shared, connection_trait},
    detached::{carried, detached},
    error::is_answer_of_the_database,
    implicit_commit, outbox,
    permission::{self, Trusted},
    probe,
    scope::{Committed, Scope, Turn},
};

/// An open transaction, or a savepoint in one, of an [`AuditedConnection`](crate::AuditedConnection).
///
/// Records of what it writes wait in its scope. They are handed over after the outermost commit; a rollback, also that
/// of a savepoint, discards them, and so does dropping the object. The commit runs in a task of its own: a caller
/// that stops waiting for it does not separate a stored row from its record.
///
/// ```no_run
/// use ftn_audit_sea::prelude::*;
/// use sea_orm::{DbErr, TransactionTrait};
///
/// # async fn example(db: AuditedConnection) -> Result<(), DbErr> {
/// let txn = db.begin().await?;
/// txn.on_commit(async { println!("stored") });
/// txn.commit().await?;
/// # Ok(())
/// # }
/// ```
pub struct AuditedTransaction<T: Send + Sync + 'static = DatabaseTransaction> {
    /// `None` only while the object is being used up. Shared with a statement on its way, which has the turn.
    inner: Option<Arc<T>>,
    shared: Arc<Shared>,
    context: Option<AuditContext>,
    scope: Arc<Scope>,
}

impl<T: Send + Sync + 'static> AuditedTransaction<T> {
    pub(crate) fn new(inner: T, shared: Arc<Shared>, context: Option<AuditContext>) -> Self {
        let scope = Arc::new(Scope::new(shared.audit.clone(), shared.backend));
        Self { inner: Some(Arc::new(inner)), shared, context, scope }
    }

    /// The transaction itself: what goes through it is not audited.
    pub fn inner(&self) -> &T {
        // Nobody will see whether what goes through it fails.
        drop(self.scope.doubt());
        self.bare()
    }

    pub(crate) fn bound_context(&self) -> Option<&AuditContext> {
        self.context.as_ref()
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    #[cfg(feature = "stream")]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    #[expect(clippy::expect_used, reason = "taken only by methods that consume the object")]
    pub(crate) fn bare(&self) -> &T {
        self.inner.as_ref().expect("the transaction is open while its object lives")
    }

    /// Runs a future once the outermost transaction has committed and its records are handed over; drops it when this
    /// savepoint or the transaction is rolled back. `commit()` waits for it; a panic in it is logged.
    ///
    /// The context and the handle of the task that calls this are the future's, too.
    pub fn on_commit(&self, callback: impl Future<Output = ()> + Send + 'static) {
        self.scope.on_commit(carried(Box::pin(callback)));
    }

    /// Sets a savepoint, and begins its frame in the same turn.
    async fn nested(&self, begin: impl Future<Output = Result<T, DbErr>> + Send) -> Result<Self, DbErr> {
        let _turn = self.scope.turn().await;
        let setting = self.scope.setting_savepoint();
        let inner = self.observed(begin).await?;
        setting.done();
        self.scope.begin();
        Ok(Self {
            inner: Some(Arc::new(inner)),
            shared: self.shared.clone(),
            context: self.context.clone(),
            scope: self.scope.clone(),
        })
    }

    /// Runs a statement that is not captured, and remembers when it may have failed.
    async fn observed<R>(
        &self,
        statement: impl Future<Output = Result<R, DbErr>> + Send,
    ) -> Result<R, DbErr> {
        let doubt = self.scope.doubt();
        let result = statement.await;
        match &result {
            Ok(_) => doubt.dispel(),
            Err(error) => doubt.confirm(error),
        }
        result
    }
}

impl<T: ConnectionTrait + Send + 'static> AuditedTransaction<T> {
    /// Runs a statement and its capture to their end, also when the caller gives them up on the way.
    pub(crate) async fn captured(&self, plan: Arc<Plan>, request: Request) -> Result<Reply, DbErr> {
        self.shared.audit.resolve_actor(self.context.as_ref()).await;
        let turn = self.scope.turn().await;
        let Some(connection) = self.inner.clone() else { return Err(busy()) };
        let (scope, site) = (self.scope.clone(), self.shared.site(self.context.as_ref()));
        let shared = self.shared.clone();
        detached(async move {
            let trusted = Trusted(&*connection);
            let capture = Capture { connection: &trusted, scope: &scope, site: &site };
            if plan.commits() {
                implicit_commit::before(&trusted, &scope, &shared).await?;
            }
            let reply = capture::run(&capture, &plan, request).await;
            if plan.commits() {
                implicit_commit::after(&trusted, &scope, &shared).await;
            }
            let reply = match reply {
                Ok(reply) => {
                    outbox::spill(&trusted, &scope, &shared.audit, shared.backend).await.map(|()| reply)
                }
                failed => failed,
            };
            // Whoever has the turn next may want the connection for itself alone.
            drop(connection);
            drop(turn);
            reply
        })
        .await
    }
}

fn busy() -> DbErr {
    DbErr::Custom("the transaction's connection is still in use".to_owned())
}

impl<T> AuditedTransaction<T>
where
    T: ConnectionTrait + TransactionTrait<Transaction = T> + TransactionSession + Send + 'static,
{
    /// Commits; as a savepoint, releases it.
    ///
    /// # Errors
    ///
    /// Those of the bare commit. Cancellation: the commit goes on, and its records are handed over.
    pub async fn commit(mut self) -> Result<(), DbErr> {
        // Waited for here, so that a caller that gives up before the commit is sent has not asked for it.
        let turn = self.scope.turn().await;
        let Some(inner) = self.inner.take().and_then(Arc::into_inner) else { return Err(busy()) };
        let (scope, shared) = (self.scope.clone(), self.shared.clone());
        detached(async move { commit(inner, &scope, &shared, turn).await }).await
    }

    /// Rolls back, to the savepoint if it is one.
    ///
    /// # Errors
    ///
    /// Those of the bare rollback; the records are discarded in any case.
    pub async fn rollback(mut self) -> Result<(), DbErr> {
        let turn = self.scope.turn().await;
        let Some(inner) = self.inner.take().and_then(Arc::into_inner) else { return Err(busy()) };
        // Also when this future is dropped on the way: SeaORM then rolls back on its own.
        let discarding = Discarding(self.scope.clone());
        let rolled_back = inner.rollback().await;
        drop(discarding);
        drop(turn);
        hand_over_survivors(&self.shared.audit, &self.scope).await;
        rolled_back
    }

    /// Runs the function inside a savepoint: released when it returns `Ok`, rolled back when it returns an error.
    ///
    /// # Errors
    ///
    /// The function's own error, or the connection's.
    pub async fn transaction_async<F, R, E>(&self, callback: F) -> Result<R, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<R, E> + Send,
        R: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = self.begin().await.map_err(TransactionError::Connection)?;
        transaction.run(callback).await
    }

    /// [`transaction_async`](Self::transaction_async) with an isolation level and an access mode.
    ///
    /// # Errors
    ///
    /// The function's own error, or the connection's.
    pub async fn transaction_with_config_async<F, R, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<R, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<R, E> + Send,
        R: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = self
            .begin_with_config(isolation_level, access_mode)
            .await
            .map_err(TransactionError::Connection)?;
        transaction.run(callback).await
    }

    pub(crate) async fn run<F, R, E>(self, callback: F) -> Result<R, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<R, E> + Send,
        R: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let result = callback(&self).await;
        self.conclude(result).await
    }

    pub(crate) async fn conclude<R, E>(self, result: Result<R, E>) -> Result<R, TransactionError<E>>
    where
        E: std::fmt::Display + std::fmt::Debug,
    {
        let ended = if result.is_ok() { self.commit().await } else { self.rollback().await };
        ended.map_err(TransactionError::Connection)?;
        result.map_err(TransactionError::Transaction)
    }
}

struct Discarding(Arc<Scope>);

impl Drop for Discarding {
    fn drop(&mut self) {
        self.0.roll_back();
    }
}

/// MySQL's deadlock ends a transaction without asking: what was written after it is stored, and no rollback changes it.
async fn hand_over_survivors(audit: &Audit, scope: &Scope) {
    if scope.has_survivors() {
        audit.hand_over(capture::finish(audit, scope.take().entries)).await;
    }
}

/// Commits whatever is innermost on the connection, and hands over when that was the transaction itself.
pub(crate) async fn commit<T>(inner: T, scope: &Scope, shared: &Shared, turn: Turn) -> Result<(), DbErr>
where
    T: ConnectionTrait + TransactionSession + 'static,
{
    if scope.is_nested() {
        let released = inner.commit().await;
        match &released {
            Ok(()) => scope.release(),
            Err(error) => {
                scope.statement_failed(error);
                scope.roll_back();
            }
        }
        return released;
    }
    // Postgres answers COMMIT of an aborted transaction with success, and rolls it back.
    let aborted =
        scope.is_doubtful() && shared.backend == DbBackend::Postgres && is_aborted(&Trusted(&inner)).await;
    if let Some(outbox) = shared.outbox.as_ref().filter(|_| !aborted)
        && let Err(error) = outbox::store(&Trusted(&inner), scope, shared, outbox).await
    {
        // What kept the record from being stored is what the caller wants to see.
        let _ = inner.rollback().await;
        scope.roll_back();
        return Err(error);
    }
    let committed = inner.commit().await;
    drop(turn);
    match &committed {
        Ok(()) if aborted => scope.roll_back(),
        Ok(()) => end(&shared.audit, scope).await,
        Err(error) if aborted || is_answer_of_the_database(error) => scope.roll_back(),
        // The rows share whatever became of it.
        Err(_) if shared.outbox.is_some() => drop(scope.take()),
        Err(_) => {
            let records = capture::finish(&shared.audit, scope.take().entries);
            shared
                .audit
                .hand_over(records.into_iter().map(ftn_audit::AuditRecord::commit_unconfirmed).collect())
                .await;
        }
    }
    committed
}

async fn is_aborted<T: ConnectionTrait>(inner: &T) -> bool {
    inner.query_one_raw(Statement::from_string(DbBackend::Postgres, "SELECT 1")).await.is_err()
}

/// Hands over what a committed scope owned, then runs what waited for the commit.
pub(crate) async fn end(audit: &Audit, scope: &Scope) {
    deliver(audit, scope.take()).await;
}

pub(crate) async fn deliver(audit: &Audit, committed: Committed) {
    if committed.stored > 0 {
        audit.stored(committed.stored);
    }
    audit.not_stored(committed.outside, false);
    audit.hand_over(capture::finish(audit, committed.entries)).await;
    for callback in committed.callbacks {
        if AssertUnwindSafe(callback).catch_unwind().await.is_err() {
            tracing::error!(target: "ftn_audit", "a callback of on_commit panicked");
        }
    }
}

/// Dropping an open transaction makes the database roll back, so its records go, too.
///
/// SeaORM panics when a transaction is dropped while its connection is busy, as it is when a commit goes on that a
/// caller has given up. So this waits for its turn, in a task where it has to.
impl<T: Send + Sync + 'static> Drop for AuditedTransaction<T> {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        let (scope, audit) = (self.scope.clone(), self.shared.audit.clone());
        let mut closing = Box::pin(async move {
            let discarding = Discarding(scope.clone());
            let turn = scope.turn().await;
            drop(inner);
            drop(discarding);
            drop(turn);
            hand_over_survivors(&audit, &scope).await;
        });
        // Asked once here, it stands in the queue before whatever the caller does next.
        if (&mut closing).now_or_never().is_none()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(closing);
        }
    }
}

impl<T: Send + Sync + 'static> std::fmt::Debug for AuditedTransaction<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditedTransaction").finish_non_exhaustive()
    }
}

connection_trait! {
    [T] AuditedTransaction<T>
    where
        T: ConnectionTrait + Send + 'static,
}

#[async_trait]
impl<T> TransactionSession for AuditedTransaction<T>
where
    T: ConnectionTrait + TransactionTrait<Transaction = T> + TransactionSession + Send + 'static,
{
    async fn commit(self) -> Result<(), DbErr> {
        self.commit().await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        self.rollback().await
    }
}

#[async_trait]
impl<T> TransactionTrait for AuditedTransaction<T>
where
    T: ConnectionTrait + TransactionTrait<Transaction = T> + TransactionSession + Send + 'static,
{
    type Transaction = Self;

    async fn begin(&self) -> Result<Self, DbErr> {
        self.nested(self.bare().begin()).await
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<Self, DbErr> {
        self.nested(self.bare().begin_with_config(isolation_level, access_mode)).await
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        self.nested(self.bare().begin_with_options(options)).await
    }

    async fn transaction<F, R, E>(&self, callback: F) -> Result<R, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<R, E>> + Send + 'c>> + Send,
        R: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        self.transaction_with_config(callback, None, None).await
    }

    async fn transaction_with_config<F, R, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<R, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<R, E>> + Send + 'c>> + Send,
        R: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = self
            .begin_with_config(isolation_level, access_mode)
            .await
            .map_err(TransactionError::Connection)?;
        let result = callback(&transaction).await;
        transaction.conclude(result).await
    }
}
