//! From a bare connection to an audited one.

use ftn_audit::{Audit, Origin};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait};

use crate::{
    backend::system_name,
    connection::{AuditedConnection, Shared},
    error::AuditError,
    outbox::{self, Found, Limit, Outbox, PoolStore},
    permission::Trusted,
};

/// Adds `connect` to [`Audit`].
///
/// ```no_run
/// use ftn_audit_sea::prelude::*;
/// use sea_orm::Database;
///
/// # async fn example(audit: Audit) -> Result<(), Box<dyn std::error::Error>> {
/// let db = audit.connect(Database::connect("postgres://localhost/shop").await?).await?;
/// let crm = audit.connect_named("crm", Database::connect("sqlite::memory:").await?).await?;
/// # Ok(())
/// # }
/// ```
pub trait ConnectExt {
    /// Wraps a connection: its writes to audited tables become records. Records name the database by its own name.
    ///
    /// # Errors
    ///
    /// When the database does not answer; in outbox delivery, when its table is missing or may not be written.
    fn connect<C>(
        &self,
        connection: C,
    ) -> impl Future<Output = Result<AuditedConnection<C>, AuditError>> + Send
    where
        C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
        C::Transaction: Sync + 'static;

    /// [`connect`](Self::connect), with a name of your own for the database (`db.namespace`): for services with more
    /// than one.
    ///
    /// # Errors
    ///
    /// When the database does not answer; in outbox delivery, when its table is missing or may not be written.
    fn connect_named<C>(
        &self,
        name: &str,
        connection: C,
    ) -> impl Future<Output = Result<AuditedConnection<C>, AuditError>> + Send
    where
        C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
        C::Transaction: Sync + 'static;
}

impl ConnectExt for Audit {
    async fn connect<C>(&self, connection: C) -> Result<AuditedConnection<C>, AuditError>
    where
        C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
        C::Transaction: Sync + 'static,
    {
        connect(self, None, connection).await
    }

    async fn connect_named<C>(&self, name: &str, connection: C) -> Result<AuditedConnection<C>, AuditError>
    where
        C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
        C::Transaction: Sync + 'static,
    {
        connect(self, Some(name.to_owned()), connection).await
    }
}

async fn connect<C>(
    audit: &Audit,
    name: Option<String>,
    connection: C,
) -> Result<AuditedConnection<C>, AuditError>
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
    C::Transaction: Sync + 'static,
{
    let backend = connection.get_database_backend();
    let mut system = system_name(backend);
    let mut namespace = name;
    // A mock's script has no answers to questions of ours.
    if audit.is_recording() && !connection.is_mock_connection() {
        let ask =
            async |sql: &str| ask(&Trusted(&connection), backend, sql).await.map_err(AuditError::Connect);
        if backend == DbBackend::MySql
            && ask("SELECT VERSION()").await?.is_some_and(|version| version.contains("MariaDB"))
        {
            system = "mariadb";
        }
        let current = match backend {
            DbBackend::Postgres => Some("SELECT current_database()::text"),
            DbBackend::MySql => Some("SELECT DATABASE()"),
            _ => None,
        };
        if let (None, Some(current)) = (&namespace, current) {
            namespace = ask(current).await?;
        }
    }
    let database = Origin::database(system, namespace.as_deref());
    let outbox = outbox(audit, &connection).await?;
    let shared = Shared::new(audit.clone(), backend, database).with_outbox(outbox);
    if audit.is_recording() && !connection.is_mock_connection() {
        shared.catalog.survey(&Trusted(&connection), backend).await;
    }
    Ok(AuditedConnection::new(connection, shared))
}

/// The outbox of a connection, where delivery is by one.
async fn outbox<C>(audit: &Audit, connection: &C) -> Result<Option<Outbox>, AuditError>
where
    C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
    C::Transaction: Sync + 'static,
{
    let Some(settings) = audit.outbox_settings() else { return Ok(None) };
    let limit = Limit::new(settings.max_rows);
    if !connection.is_mock_connection() {
        match outbox::check(&Trusted(connection)).await.map_err(AuditError::Connect)? {
            Found::Ready => {}
            Found::Missing => return Err(AuditError::NoOutbox),
            Found::Denied => return Err(AuditError::OutboxDenied { needs: "INSERT" }),
        }
        let counted = limit.check(&Trusted(connection)).await;
        counted.map_err(|_| AuditError::OutboxDenied { needs: "SELECT (state) for `outbox_max_rows`" })?;
    }
    audit.register_outbox(PoolStore(connection.clone()));
    Ok(Some(Outbox { limit }))
}

async fn ask<C: ConnectionTrait>(
    connection: &C,
    backend: DbBackend,
    sql: &str,
) -> Result<Option<String>, DbErr> {
    let row = connection.query_one_raw(Statement::from_string(backend, sql)).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}
