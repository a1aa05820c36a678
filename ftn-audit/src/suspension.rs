//! Work that is not audited, on purpose and on record.

use std::sync::Arc;

use crate::{Audit, attribute_names as names};

tokio::task_local! {
    static SUSPENDED: Arc<Suspended>;
}

/// The handles that the running task has suspended, innermost first.
struct Suspended {
    audit: Audit,
    outer: Option<Arc<Suspended>>,
}

impl Audit {
    /// Runs a future in which nothing is recorded by this handle, but the fact itself: one `without` event with the
    /// reason, before the future starts. For seed data, repairs, and tests whose mock database has no answers for reads
    /// of ours. Futures that are spawned from it are audited as ever.
    ///
    /// ```
    /// # async fn load_seed_data() {}
    /// # async fn example(audit: ftn_audit::Audit) {
    /// audit.without("seed data", load_seed_data()).await;
    /// # }
    /// ```
    pub async fn without<F: Future>(&self, reason: impl Into<String>, future: F) -> F::Output {
        if !self.is_active() {
            return future.await;
        }
        let reason = reason.into();
        self.event("without")
            .subject("Audit", "")
            .description(format!("Not audited: {reason}"))
            .attr(names::REASON, reason)
            .record(self)
            .await;
        let suspended = Suspended { audit: self.clone(), outer: SUSPENDED.try_with(Arc::clone).ok() };
        SUSPENDED.scope(Arc::new(suspended), future).await
    }

    /// The innermost handle that [`without`](Self::without) has suspended here.
    pub(crate) fn suspended() -> Option<Self> {
        SUSPENDED.try_with(|suspended| suspended.audit.clone()).ok()
    }

    /// For capture: whether changes are recorded here and now.
    pub fn is_active(&self) -> bool {
        self.is_recording() && !self.is_suspended()
    }

    fn is_suspended(&self) -> bool {
        SUSPENDED
            .try_with(|suspended| {
                let mut innermost = Some(suspended);
                while let Some(suspended) = innermost {
                    if suspended.audit.is_same(self) {
                        return true;
                    }
                    innermost = suspended.outer.as_ref();
                }
                false
            })
            .unwrap_or(false)
    }
}
