//! Writes that are not taken apart: told as what they are, never passed over in silence.

use ftn_audit::change::Marks;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{
    interrupted::Watch,
    plan::UnparsedPlan,
    send::{Call, Reply},
    site::Site,
};
use crate::scope::Scope;

pub(super) async fn run<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    site: &Site,
    plan: &UnparsedPlan,
    statement: Statement,
    call: Call,
) -> Result<Reply, DbErr> {
    // All of a text's watches or none: a future that is dropped says nothing of any of its tables.
    let watches: Vec<_> = plan
        .entities
        .iter()
        .map(|entity| Watch::new(scope, site, *entity, plan.operation, &plan.fingerprint, Vec::new()))
        .collect();
    let reply = call.send(connection, statement).await;
    for watch in watches {
        watch.end();
    }
    if reply.as_ref().is_ok_and(|reply| !is_idle(plan, reply)) {
        for entity in &plan.entities {
            scope.push(site.unparsed_entry(*entity, plan.operation, &plan.fingerprint, Marks::default()));
        }
    }
    reply
}

/// Whether the answer tells that no row was touched. That of several statements, and of a CTE, does not.
fn is_idle(plan: &UnparsedPlan, reply: &Reply) -> bool {
    const COUNTED: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"];
    let tells = match reply {
        Reply::Executed(_) => plan.single && COUNTED.contains(&plan.operation),
        Reply::One(_) | Reply::All(_) => plan.returning,
    };
    tells && !reply.touched_rows(plan.returning)
}
