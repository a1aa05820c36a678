//! Writes that are not taken apart: told as what they are, never passed over in silence.

use ftn_audit::change::Marks;
use sea_orm::{ConnectionTrait, DbErr};

use super::{
    Capture,
    plan::UnparsedPlan,
    send::{Reply, Request},
    site::Site,
};
use crate::auditable::AnyEntity;

pub(super) async fn run<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &UnparsedPlan,
    request: Request,
) -> Result<Reply, DbErr> {
    let Capture { connection, scope, site } = capture;
    let reply = request.send(*connection).await;
    if reply.as_ref().is_ok_and(|reply| !is_idle(site, plan, reply)) {
        for entity in &plan.entities {
            scope.push(site.unparsed_entry(*entity, plan.operation, &plan.fingerprint, Marks::default()));
        }
    }
    if plan.schema {
        site.schema_moved();
    }
    reply
}

/// A statement of one table whose rows cannot be asked for.
pub(super) async fn one<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    entity: &'static dyn AnyEntity,
    operation: &'static str,
    fingerprint: &str,
    returning: bool,
    request: Request,
) -> Result<Reply, DbErr> {
    let Capture { connection, scope, site } = capture;
    let reply = request.send(*connection).await;
    if reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning, site.backend)) {
        let marks = Marks { old_unconfirmed: true, ..Marks::default() };
        scope.push(site.unparsed_entry(entity, operation, fingerprint, marks));
    }
    reply
}

/// Whether the answer tells that no row was touched. That of several statements, and of a CTE, does not.
fn is_idle(site: &Site, plan: &UnparsedPlan, reply: &Reply) -> bool {
    const COUNTED: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"];
    let tells = match reply {
        Reply::Executed(_) => plan.single && COUNTED.contains(&plan.operation),
        Reply::One(_) | Reply::All(_) => plan.returning,
    };
    tells && !reply.touched_rows(plan.returning, site.backend)
}
