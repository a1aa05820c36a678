//! The audited connection.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use ftn_audit::{Attributes, Audit, AuditContext};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, IsolationLevel,
    QueryResult, SqliteTransactionMode, Statement, StatementBuilder, TransactionError, TransactionOptions,
    TransactionSession, TransactionTrait,
};

use crate::{
    capture::{self, Call, Capture, Plan, PlanCache, Reply, Request, Site},
    catalog::Catalog,
    detached::detached,
    error::says_schema_moved,
    outbox::Outbox,
    permission::{self, Trusted},
    probe,
    scope::Scope,
    transaction::{AuditedTransaction, end},
};

/// A connection whose writes to audited tables become records, in place of the [`DatabaseConnection`] that it wraps.
///
/// It implements SeaORM's `ConnectionTrait`, `TransactionTrait` and `StreamTrait`, so whatever takes `&impl
/// ConnectionTrait` takes it, and adds nothing to a statement's result or error. Made by
/// [`connect`](crate::ConnectExt::connect); cheap to clone.
///
/// A write outside a transaction runs in a task of its own: a caller that stops waiting neither undoes the write nor
/// loses its record. Where the old row has to be read first, the statement gets a transaction around it.
///
/// ```no_run
/// use ftn_audit_sea::prelude::*;
/// use sea_orm::Database;
///
/// # async fn example(audit: Audit) -> Result<(), Box<dyn std::error::Error>> {
/// let db: AuditedConnection = audit.connect(Database::connect("sqlite::memory:").await?).await?;
/// let nightly = db.with_context(AuditContext::builder().actor(Actor::system()).build());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AuditedConnection<C = DatabaseConnection> {
    inner: C,
    shared: Arc<Shared>,
    context: Option<AuditContext>,
}

/// What a connection and its transactions have in common.
pub(crate) struct Shared {
    pub(crate) audit: Audit,
    pub(crate) backend: DbBackend,
    pub(crate) database: Arc<Attributes>,
    /// Where records are stored with their changes, in outbox delivery.
    pub(crate) outbox: Option<Outbox>,
    plans: PlanCache,
    pub(crate) catalog: Arc<Catalog>,
}

impl Shared {
    pub(crate) fn new(audit: Audit, backend: DbBackend, database: Arc<Attributes>) -> Self {
        let plans = PlanCache::default();
        Self { audit, backend, database, outbox: None, plans, catalog: Arc::default() }
    }

    pub(crate) fn with_outbox(self, outbox: Option<Outbox>) -> Self {
        Self { outbox, ..self }
    }

    /// What there is to capture of a text; nothing when nothing is recorded.
    pub(crate) fn plan(&self, sql: &str) -> Option<Arc<Plan>> {
        if self.audit.is_active() { self.plans.plan(self.backend, sql) } else { None }
    }

    /// What there is to capture of a text that the caller wrote. A restricted connection refuses it by itself.
    pub(crate) fn plan_of_text<C: 'static>(&self, _: &C, sql: &str) -> Option<Arc<Plan>> {
        if permission::is_restricted::<C>() { None } else { self.plan(sql) }
    }

    pub(crate) fn site(&self, context: Option<&AuditContext>) -> Site {
        Site {
            audit: self.audit.clone(),
            backend: self.backend,
            database: self.database.clone(),
            context: context.cloned().or_else(AuditContext::current),
            occurred_at: SystemTime::now(),
            catalog: Some(self.catalog.clone()),
        }
    }
}

impl<C> AuditedConnection<C> {
    pub(crate) fn new(inner: C, shared: Shared) -> Self {
        Self { inner, shared: Arc::new(shared), context: None }
    }

    /// The connection itself: what goes through it is not audited. For migrations, which want SeaORM's own types.
    pub fn inner(&self) -> &C {
        &self.inner
    }

    pub(crate) fn bound_context(&self) -> Option<&AuditContext> {
        self.context.as_ref()
    }

    #[cfg(feature = "stream")]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The handle that takes this connection's records.
    pub fn audit(&self) -> &Audit {
        &self.shared.audit
    }

    /// The same connection for one context, which wins over the running task's.
    #[must_use]
    pub fn with_context(&self, context: AuditContext) -> Self
    where
        C: Clone,
    {
        Self { inner: self.inner.clone(), shared: self.shared.clone(), context: Some(context) }
    }

    /// What is known of the database, for another connection to it.
    #[cfg(feature = "rbac")]
    pub(crate) fn over<D>(&self, inner: D) -> AuditedConnection<D> {
        AuditedConnection { inner, shared: self.shared.clone(), context: self.context.clone() }
    }

    fn audited<T: Send + Sync + 'static>(&self, inner: T) -> AuditedTransaction<T> {
        AuditedTransaction::new(inner, self.shared.clone(), self.context.clone())
    }
}

impl<C> AuditedConnection<C>
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
    C::Transaction: Sync + 'static,
{
    /// Runs a statement that stands alone.
    async fn autocommit(&self, plan: Arc<Plan>, request: Request) -> Result<Reply, DbErr> {
        if let Plan::TransactionControl = *plan {
            return Err(capture::transaction_control());
        }
        let connection = self.inner.clone();
        let shared = self.shared.clone();
        let site = shared.site(self.context.as_ref());
        detached(async move {
            // In an outbox, row and record need a transaction around them. Some statements bear none, and have no record.
            let alone = matches!(*plan, Plan::Schema { .. });
            if alone
                || (shared.outbox.is_none()
                    && capture::answers_everything(&Trusted(&connection), &site, &plan, &request).await)
            {
                let scope = Scope::new(shared.audit.clone(), shared.backend);
                let capture = Capture { connection: &Trusted(&connection), scope: &scope, site: &site };
                let reply = capture::run(&capture, &plan, request).await?;
                end(&shared.audit, &scope).await;
                return Ok(reply);
            }
            let call = request.call;
            // Where the catalogue was out of date, it is an error of ours that the caller would see.
            let again = (shared.backend != DbBackend::Sqlite).then(|| request.clone());
            match in_a_transaction(&connection, &shared, &site, &plan, request).await {
                Err(error) if says_schema_moved(&error) => match again {
                    Some(request) => in_a_transaction(&connection, &shared, &site, &plan, request).await,
                    None => Err(error),
                },
                reply => reply,
            }
            .map_err(|error| call.align(error))
        })
        .await
    }

    /// Runs the function inside a transaction: committed when it returns `Ok`, rolled back when it returns an error.
    ///
    /// # Errors
    ///
    /// The function's own error, or the connection's.
    pub async fn transaction_async<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c AuditedTransaction<C::Transaction>) -> Result<T, E> + Send,
        T: Send,
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
    pub async fn transaction_with_config_async<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c AuditedTransaction<C::Transaction>) -> Result<T, E> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = self
            .begin_with_config(isolation_level, access_mode)
            .await
            .map_err(TransactionError::Connection)?;
        transaction.run(callback).await
    }
}

impl<C: std::fmt::Debug> std::fmt::Debug for AuditedConnection<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditedConnection").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// A statement with a transaction around it: what is read of its rows, before and after, is under its own lock.
async fn in_a_transaction<C>(
    connection: &C,
    shared: &Shared,
    site: &Site,
    plan: &Arc<Plan>,
    request: Request,
) -> Result<Reply, DbErr>
where
    C: TransactionTrait,
    C::Transaction: 'static,
{
    let options = TransactionOptions {
        // The lock before the snapshot: no other writer comes between the old row and the new one.
        sqlite_transaction_mode: (shared.backend == DbBackend::Sqlite)
            .then_some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    let scope = Scope::new(shared.audit.clone(), shared.backend);
    scope.got_write_lock();
    let capture = Capture { connection: &Trusted(&transaction), scope: &scope, site };
    match capture::run(&capture, plan, request).await {
        Ok(reply) => {
            let turn = scope.turn().await;
            crate::transaction::commit(transaction, &scope, shared, turn).await.map(|()| reply)
        }
        Err(error) => {
            // The statement's own error is what the caller wants to see.
            let _ = transaction.rollback().await;
            scope.roll_back();
            Err(error)
        }
    }
}

/// SeaORM's `ConnectionTrait` over `bare()` and `captured()`: the same for a connection and a transaction.
macro_rules! connection_trait {
    ([$($generics:tt)*] $connection:ty where $($bounds:tt)*) => {
        #[async_trait]
        impl<$($generics)*> ConnectionTrait for $connection
        where
            $($bounds)*
        {
        fn get_database_backend(&self) -> DbBackend {
            probe::answer();
            self.shared.backend
        }

        async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
            match self.shared.plan_of_text(self.bare(), &statement.sql) {
                None => self.observed(self.bare().execute_raw(statement)).await,
                Some(plan) => self.captured(plan, Request::raw(statement, Call::Execute)).await?.executed(),
            }
        }

        async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
            match self.shared.plan_of_text(self.bare(), sql) {
                None => self.observed(self.bare().execute_unprepared(sql)).await,
                Some(plan) => {
                    let statement = Statement::from_string(self.shared.backend, sql);
                    self.captured(plan, Request::raw(statement, Call::Unprepared)).await?.executed()
                }
            }
        }

        async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
            match self.shared.plan_of_text(self.bare(), &statement.sql) {
                None => self.observed(self.bare().query_one_raw(statement)).await,
                Some(plan) => self.captured(plan, Request::raw(statement, Call::QueryOne)).await?.one(),
            }
        }

        async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
            match self.shared.plan_of_text(self.bare(), &statement.sql) {
                None => self.observed(self.bare().query_all_raw(statement)).await,
                Some(plan) => self.captured(plan, Request::raw(statement, Call::QueryAll)).await?.all(),
            }
        }

        async fn execute<S: StatementBuilder>(&self, statement: &S) -> Result<ExecResult, DbErr> {
            permission::check(self.bare(), statement)?;
            let built = self.shared.backend.build(statement);
            match self.shared.plan(&built.sql) {
                None => self.observed(Trusted(self.bare()).execute_raw(built)).await,
                Some(plan) => self.captured(plan, Request::built(built, Call::Execute)).await?.executed(),
            }
        }

        async fn query_one<S: StatementBuilder>(&self, statement: &S) -> Result<Option<QueryResult>, DbErr> {
            permission::check(self.bare(), statement)?;
            let built = self.shared.backend.build(statement);
            match self.shared.plan(&built.sql) {
                None => self.observed(Trusted(self.bare()).query_one_raw(built)).await,
                Some(plan) => self.captured(plan, Request::built(built, Call::QueryOne)).await?.one(),
            }
        }

        async fn query_all<S: StatementBuilder>(&self, statement: &S) -> Result<Vec<QueryResult>, DbErr> {
            permission::check(self.bare(), statement)?;
            let built = self.shared.backend.build(statement);
            match self.shared.plan(&built.sql) {
                None => self.observed(Trusted(self.bare()).query_all_raw(built)).await,
                Some(plan) => self.captured(plan, Request::built(built, Call::QueryAll)).await?.all(),
            }
        }

        fn support_returning(&self) -> bool {
            self.bare().support_returning()
        }

        fn is_mock_connection(&self) -> bool {
            self.bare().is_mock_connection()
        }
        }
    };
}
pub(crate) use connection_trait;

impl<C> AuditedConnection<C>
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
    C::Transaction: Sync + 'static,
{
    fn bare(&self) -> &C {
        &self.inner
    }

    /// A statement that stands alone and is not captured leaves nothing to remember.
    fn observed<F>(&self, statement: F) -> F {
        statement
    }

    pub(crate) async fn captured(&self, plan: Arc<Plan>, request: Request) -> Result<Reply, DbErr> {
        // Here, where nothing is locked yet, and before the task of its own: who gives up now has not written.
        self.shared.audit.resolve_actor(self.context.as_ref()).await;
        self.autocommit(plan, request).await
    }
}

connection_trait! {
    [C] AuditedConnection<C>
    where
        C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
        C::Transaction: Sync + 'static,
}

#[async_trait]
impl<C> TransactionTrait for AuditedConnection<C>
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
    C::Transaction: Sync + 'static,
{
    type Transaction = AuditedTransaction<C::Transaction>;

    async fn begin(&self) -> Result<Self::Transaction, DbErr> {
        Ok(self.audited(self.inner.begin().await?))
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<Self::Transaction, DbErr> {
        Ok(self.audited(self.inner.begin_with_config(isolation_level, access_mode).await?))
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<Self::Transaction, DbErr> {
        Ok(self.audited(self.inner.begin_with_options(options).await?))
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self::Transaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        self.transaction_with_config(callback, None, None).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self::Transaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
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
