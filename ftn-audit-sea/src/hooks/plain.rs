//! What a hook knows of a plain connection.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use ftn_audit::{Audit, AuditContext, Origin, change::Marks};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Value};

use crate::{
    auditable::{AnyEntity, Row},
    backend::system_name,
    capture::{Call, Lock, Site, Table},
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
                     recorded. Wrap the connection with `audit.connect(..)`, or call `audit.set_global()`"
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
