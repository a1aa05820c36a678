//! What a hook knows of a plain connection.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use ftn_audit::{Audit, AuditContext, AuditRecord, Origin, change::Marks, model::OnFailure};
use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Value};
use uuid::Uuid;

use crate::{
    auditable::{AnyEntity, Row},
    backend::system_name,
    capture::{Call, Lock, Site, Table},
    error::AuditError,
    outbox::{ends_the_transaction, insert, reasoned},
    probe,
};

/// A plain connection whose changes somebody wants recorded.
pub(super) struct Plain {
    pub(super) site: Site,
    kind: Kind,
    mock: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connection,
    Transaction,
    /// A wrapper: whether a transaction is open behind it cannot be told.
    Unknown,
}

static WARNED: AtomicBool = AtomicBool::new(false);

impl Plain {
    /// `None` on an audited connection, without a handle, and when nothing is recorded.
    pub(super) fn of<C: ConnectionTrait>(db: &C) -> Option<Self> {
        if probe::is_audited(db) {
            return None;
        }
        let Some(audit) = Audit::current() else {
            if !WARNED.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    target: "ftn_audit",
                    "an audited entity is written on a plain connection and there is no audit handle: nothing is \
                     recorded. Wrap the connection with `audit.connect(..)`, or call `audit.set_global()`; what is not to \
                     be recorded, such as a migration's rows, belongs in `audit.without(..)`"
                );
            }
            return None;
        };
        if !audit.is_active() || !audit.records_hooks() {
            return None;
        }
        let backend = db.get_database_backend();
        let connection = typeid::of::<C>();
        let kind = if connection == typeid::of::<DatabaseTransaction>() {
            Kind::Transaction
        } else if connection == typeid::of::<DatabaseConnection>() {
            Kind::Connection
        } else {
            Kind::Unknown
        };
        let site = Site {
            audit,
            backend,
            database: Origin::database(system_name(backend), None),
            context: AuditContext::current(),
            occurred_at: SystemTime::now(),
            catalog: None,
        };
        Some(Self { site, kind, mock: db.is_mock_connection() })
    }

    /// The row before a write: in a transaction under the write's own lock, else as it happens to be. A mock's script
    /// has no answer for a read of ours.
    pub(super) async fn before<C: ConnectionTrait>(
        &self,
        db: &C,
        entity: &'static dyn AnyEntity,
        key: &[Value],
    ) -> Result<Option<Row>, DbErr> {
        if self.mock {
            return Ok(None);
        }
        let read = match self.kind {
            Kind::Transaction => match self.site.take_write_lock(db, entity).await {
                Ok(()) => self.read(db, entity, key, Lock::AsWritten).await,
                Err(error) => Err(error),
            },
            Kind::Connection | Kind::Unknown => self.read(db, entity, key, Lock::Nothing).await,
        };
        match read {
            // Postgres aborts the transaction: the write would only meet the consequence of this error.
            Err(error) if self.kind == Kind::Transaction && self.site.backend == DbBackend::Postgres => {
                Err(Call::QueryOne.align(error))
            }
            read => Ok(read.unwrap_or_default()),
        }
    }

    /// In outbox delivery, a record that its change must not be without has to be of the same transaction.
    ///
    /// # Errors
    ///
    /// When this is a bare connection, where the two cannot be one.
    pub(super) fn admit(&self, entity: &'static dyn AnyEntity) -> Result<(), DbErr> {
        let model = entity.model();
        let alone = self.kind != Kind::Transaction && self.site.audit.outbox_settings().is_some();
        if alone && model.on_failure != Some(OnFailure::BestEffort) {
            return Err(AuditError::PlainConnection { table: model.table }.into_db_err());
        }
        Ok(())
    }

    /// Gives a record to delivery; in outbox delivery, as a row of the hook's own transaction where it is in one.
    ///
    /// # Errors
    ///
    /// When the row cannot be stored, and its change must not be without it.
    pub(super) async fn hand_over<C: ConnectionTrait>(
        &self,
        db: &C,
        record: Option<AuditRecord>,
    ) -> Result<(), DbErr> {
        let Some(mut record) = record else { return Ok(()) };
        let audit = &self.site.audit;
        if audit.outbox_settings().is_none() || self.kind == Kind::Connection {
            audit.hand_over(vec![record]).await;
            return Ok(());
        }
        let best_effort = record.is_best_effort();
        if self.kind == Kind::Unknown || (best_effort && self.site.backend == DbBackend::Postgres) {
            // On Postgres, a statement that fails would end the caller's transaction. Another connection takes the
            // record, and is not waited for: it may wait for what the caller's holds.
            let _ = audit.hand_over(vec![record]).now_or_never();
            return Ok(());
        }
        reasoned(std::slice::from_ref(&record))?;
        record.set_place(Uuid::now_v7(), 1, Some(1));
        match insert(db, std::slice::from_ref(&record)).await {
            Ok(()) => audit.stored(1),
            Err(error) if best_effort && !ends_the_transaction(self.site.backend, &error) => {
                audit.not_stored(vec![record], false);
            }
            Err(error) => return Err(AuditError::Outbox(error).into_db_err()),
        }
        Ok(())
    }

    /// The row of a key, or `None` where there is none.
    pub(super) async fn read<C: ConnectionTrait>(
        &self,
        db: &C,
        entity: &'static dyn AnyEntity,
        key: &[Value],
        lock: Lock,
    ) -> Result<Option<Row>, DbErr> {
        let table = Table::unasked(self.site.backend, entity);
        Ok(table.by_keys(db, &[key.to_vec()], lock).await?.pop())
    }

    /// Whether SeaORM reports a link that was there already as new: it does on MySQL.
    pub(super) fn tells_present_rows_as_new(&self) -> bool {
        self.site.backend == DbBackend::MySql && !self.mock
    }

    pub(super) fn marks(&self, has_old: bool, old_known: bool) -> Marks {
        Marks {
            hook: true,
            old_unconfirmed: has_old && (!old_known || self.kind != Kind::Transaction),
            commit_unconfirmed: self.kind != Kind::Connection,
            ..Marks::default()
        }
    }
}
