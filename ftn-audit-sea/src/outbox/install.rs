//! What a handle does with outboxes.

use ftn_audit::Audit;
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{relay::Relay, schema::statements};
use crate::error::AuditError;

/// Adds what concerns the outbox to [`Audit`].
///
/// ```no_run
/// use ftn_audit_sea::prelude::*;
/// use sea_orm::Database;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let audit = Audit::builder()
///     .service_name("shop")
///     .sink(JsonlSink::stdout())
///     .delivery(Delivery::outbox())
///     .build()?;
/// let db = Database::connect("postgres://localhost/shop").await?;
/// audit.install(&db).await?;
/// let db = audit.connect(db).await?;
/// let relay = audit.relay([db.clone()]).spawn();
/// // serve ..
/// relay.stop().await;
/// # Ok(())
/// # }
/// ```
pub trait OutboxExt {
    /// Makes the outbox's table and its indexes where they are missing. For services that have no migrations: it needs
    /// the right to create tables, which a service in production should not have.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    fn install<C: ConnectionTrait>(
        &self,
        connection: &C,
    ) -> impl Future<Output = Result<(), AuditError>> + Send;

    /// A relay that takes the records of these databases to this handle's sink; [`spawn`](Relay::spawn) starts it.
    fn relay<C>(&self, databases: impl IntoIterator<Item = C>) -> Relay<C>
    where
        C: ConnectionTrait + TransactionTrait + Clone + Send + 'static;
}

impl OutboxExt for Audit {
    async fn install<C: ConnectionTrait>(&self, connection: &C) -> Result<(), AuditError> {
        for statement in statements(connection.get_database_backend()) {
            connection.execute_unprepared(&statement).await.map_err(AuditError::Install)?;
        }
        Ok(())
    }

    fn relay<C>(&self, databases: impl IntoIterator<Item = C>) -> Relay<C>
    where
        C: ConnectionTrait + TransactionTrait + Clone + Send + 'static,
    {
        Relay::new(self.clone(), databases.into_iter().collect())
    }
}
