//! UPDATE of the row of one key.

use ftn_audit::{EventType, change::Marks};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{
    interrupted::Watch,
    plan::{Returning, UpdatePlan, parameters},
    send::{Call, Reply},
    site::{RowChange, Site},
};
use crate::{auditable::Row, scope::Scope};

const OPERATION: &str = "UPDATE";

pub(super) async fn run<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    site: &Site,
    plan: &UpdatePlan,
    statement: Statement,
    call: Call,
) -> Result<Reply, DbErr> {
    let entity = plan.entity;
    let Some(key) = parameters(&statement, &plan.key) else {
        return call.send(connection, statement).await;
    };
    let before = match site.before(connection, entity, entity.key_condition(&key)).await {
        Ok(rows) => rows,
        Err(error) => site.before_failed(call, error)?,
    };
    let before: Vec<_> = before.into_iter().map(|row| (key.clone(), row)).collect();
    let watch = Watch::new(scope, site, entity, OPERATION, &plan.fingerprint, before);
    let reply = call.send(connection, statement).await;
    let returning = plan.returning != Returning::Nothing;
    if !reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning)) {
        watch.end();
        return reply;
    }
    let new = match returned(plan, &reply) {
        Some(row) => Some(row),
        None => site.read_back(connection, entity, &key).await.ok().flatten(),
    };
    let old = watch.end().pop().map(|(_, row)| row);
    if new.is_none() && old.is_none() && !told_touched(returning, &reply) {
        return reply;
    }
    let marks = Marks { old_unconfirmed: old.is_none(), ..Marks::default() };
    if new.is_none() {
        scope.push(site.unparsed_entry(entity, OPERATION, &plan.fingerprint, marks));
        return reply;
    }
    if let (Some(old), Some(new), true) = (&old, &new, entity.model().junction) {
        scope.push(site.moved_links(connection, entity, (old, new), OPERATION, &marks).await);
    }
    scope.push(site.row_entry(entity, OPERATION, RowChange { event: EventType::Update, old, new, marks }));
    reply
}

/// Whether the answer says that a row was touched, and is not merely silent.
fn told_touched(returning: bool, reply: &Result<Reply, DbErr>) -> bool {
    matches!(reply, Ok(Reply::Executed(_))) || returning
}

/// The row as the statement itself returned it.
fn returned(plan: &UpdatePlan, reply: &Result<Reply, DbErr>) -> Option<Row> {
    let rows = reply.as_ref().ok()?.rows();
    let row = rows.first().filter(|_| plan.returning == Returning::Row)?;
    plan.entity.decode(row).ok()
}
