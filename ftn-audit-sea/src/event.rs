//! Events of the application in the scope of a connection or a transaction.

use ftn_audit::{Audit, AuditContext, AuditRecord, EventScope};

use crate::{connection::AuditedConnection, scope::Entry, transaction::AuditedTransaction};

impl<C: Sync> EventScope for AuditedConnection<C> {
    fn context(&self) -> Option<AuditContext> {
        self.bound_context().cloned()
    }

    async fn accept(&self, audit: &Audit, record: AuditRecord) {
        audit.hand_over(vec![record]).await;
    }
}

impl<T: Send + Sync + 'static> EventScope for AuditedTransaction<T> {
    fn context(&self) -> Option<AuditContext> {
        self.bound_context().cloned()
    }

    async fn accept(&self, _audit: &Audit, record: AuditRecord) {
        self.scope().push([Entry::Record(Box::new(record))]);
    }
}
