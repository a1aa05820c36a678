//! Writes that are not taken apart: told as what they are, never passed over in silence.

use ftn_audit::change::Marks;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{
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
    let reply = call.send(connection, statement).await?;
    let idle = matches!(&reply, Reply::Executed(result) if plan.single && result.rows_affected() == 0)
        && matches!(plan.operation, "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "REPLACE");
    if !idle {
        for entity in &plan.entities {
            let marks = Marks { statement: Some(plan.fingerprint.clone()), ..Marks::default() };
            scope.push(site.unparsed_entry(*entity, plan.operation, marks));
        }
    }
    Ok(reply)
}
