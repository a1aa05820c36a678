//! Plans by the text of their statement.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sea_orm::DbBackend;

use super::{plan::Plan, text::is_plain_select};

/// Texts longer than this are not kept: they are bulk statements, seldom the same twice.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// When there are this many plans, all are forgotten: an application has far fewer texts, unless it writes literals
/// into them.
const MAX_PLANS: usize = 2048;

#[derive(Default)]
pub(crate) struct PlanCache {
    plans: RwLock<HashMap<Box<str>, Arc<Plan>>>,
}

impl PlanCache {
    /// The plan of a text; `None` where there is nothing to capture.
    pub(crate) fn plan(&self, backend: DbBackend, sql: &str) -> Option<Arc<Plan>> {
        if is_plain_select(sql) {
            return None;
        }
        let known = self.plans.read().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        let plan = known.unwrap_or_else(|| {
            let plan = Arc::new(Plan::new(backend, sql));
            if sql.len() <= MAX_TEXT_BYTES {
                let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
                if plans.len() >= MAX_PLANS {
                    plans.clear();
                }
                plans.insert(sql.into(), plan.clone());
            }
            plan
        });
        (!matches!(*plan, Plan::Pass)).then_some(plan)
    }
}
