//! Whose rights a statement needs. Under SeaORM's role-based access control (feature `rbac`) the caller's statement is
//! checked as on the bare connection, before anything is read; what this library reads and stores beside it is
//! its own, and asks for no right of the caller's.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

/// A connection as this library uses it for itself.
pub(crate) struct Trusted<'c, C>(pub(crate) &'c C);

#[async_trait]
impl<C: ConnectionTrait + 'static> ConnectionTrait for Trusted<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        #[cfg(feature = "rbac")]
        if is_restricted::<C>() {
            return self.0.execute(&restricted::Own(statement)).await;
        }
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        #[cfg(feature = "rbac")]
        if is_restricted::<C>() {
            let statement = Statement::from_string(self.get_database_backend(), sql);
            return self.0.execute(&restricted::Own(statement)).await;
        }
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        #[cfg(feature = "rbac")]
        if is_restricted::<C>() {
            return self.0.query_one(&restricted::Own(statement)).await;
        }
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        #[cfg(feature = "rbac")]
        if is_restricted::<C>() {
            return self.0.query_all(&restricted::Own(statement)).await;
        }
        self.0.query_all_raw(statement).await
    }

    fn support_returning(&self) -> bool {
        self.0.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.0.is_mock_connection()
    }
}

#[cfg(not(feature = "rbac"))]
#[expect(clippy::extra_unused_type_parameters, reason = "with the feature, it is a question about the type")]
pub(crate) fn is_restricted<C: 'static>() -> bool {
    false
}

/// Whether the caller may run a statement.
///
/// # Errors
///
/// That of the bare connection.
#[cfg(not(feature = "rbac"))]
pub(crate) fn check<C: 'static, S: sea_orm::StatementBuilder>(_: &C, _: &S) -> Result<(), DbErr> {
    Ok(())
}

#[cfg(feature = "rbac")]
pub(crate) use self::restricted::{check, is_restricted};

#[cfg(feature = "rbac")]
mod restricted {
    use std::any::{Any, TypeId};

    use sea_orm::{
        DbBackend, DbErr, QueryAccessAudit, RestrictedConnection, RestrictedTransaction, Statement,
        StatementBuilder,
        sea_query::{SelectStatement, audit::Error},
    };

    use crate::AuditedConnection;

    impl AuditedConnection {
        /// The same connection for one user of SeaORM's role-based access control: what the user may not do is refused
        /// as on SeaORM's own `RestrictedConnection`, raw SQL included, and what is done is recorded.
        ///
        /// The catalogue that [`connect`](crate::ConnectExt::connect) has read is shared, so this is cheap enough for every
        /// request. Old values are read whether or not the user may read them: they go into the record, not to the user.
        ///
        /// ```no_run
        /// # use ftn_audit_sea::prelude::*;
        /// # use sea_orm::{DbErr, rbac::RbacUserId};
        /// # async fn example(db: AuditedConnection) -> Result<(), DbErr> {
        /// db.inner().load_rbac().await?;
        /// let db = db.restricted_for(RbacUserId(42))?;
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        ///
        /// When the rules are not loaded (`load_rbac`).
        pub fn restricted_for(
            &self,
            user: sea_orm::rbac::RbacUserId,
        ) -> Result<AuditedConnection<RestrictedConnection>, DbErr> {
            Ok(self.over(self.inner().restricted_for(user)?))
        }
    }

    pub(crate) fn is_restricted<C: 'static>() -> bool {
        let connection = TypeId::of::<C>();
        connection == TypeId::of::<RestrictedConnection>()
            || connection == TypeId::of::<RestrictedTransaction>()
    }

    /// Whether the caller may run a statement.
    ///
    /// # Errors
    ///
    /// That of the bare connection.
    pub(crate) fn check<C: 'static, S: StatementBuilder>(connection: &C, statement: &S) -> Result<(), DbErr> {
        let connection: &dyn Any = connection;
        if let Some(connection) = connection.downcast_ref::<RestrictedConnection>() {
            return connection.user_can_run(statement);
        }
        match connection.downcast_ref::<RestrictedTransaction>() {
            Some(transaction) => transaction.user_can_run(statement),
            None => Ok(()),
        }
    }

    /// A statement of this library's own, for which no right is asked.
    pub(super) struct Own(pub(super) Statement);

    impl StatementBuilder for Own {
        fn build(&self, _: &DbBackend) -> Statement {
            self.0.clone()
        }

        fn audit(&self) -> Result<QueryAccessAudit, Error> {
            // The type is closed to others, and a SELECT of nothing asks for nothing.
            StatementBuilder::audit(&SelectStatement::new())
        }
    }
}
