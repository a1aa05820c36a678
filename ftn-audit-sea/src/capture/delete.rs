//! DELETE: of the row of one key, and of a junction's rows by any condition.

use ftn_audit::{EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{
    interrupted::Watch,
    plan::{DeletePlan, DeletedRows, Returning, parameters},
    send::{Call, Reply},
    site::{RowChange, Site},
};
use crate::{auditable::Row, scope::Scope};

const OPERATION: &str = "DELETE";

pub(super) async fn run<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    site: &Site,
    plan: &DeletePlan,
    statement: Statement,
    call: Call,
) -> Result<Reply, DbErr> {
    let entity = plan.entity;
    let before = match before(connection, site, plan, &statement, call).await {
        Ok(rows) => rows,
        Err(error) => site.before_failed(call, error)?,
    };
    let before: Vec<_> = before.into_iter().map(|row| (entity.key_of(&row), row)).collect();
    let watch = Watch::new(scope, site, entity, OPERATION, &plan.fingerprint, before);
    let reply = call.send(connection, statement).await;
    let returning = plan.returning != Returning::Nothing;
    if !reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning)) {
        watch.end();
        return reply;
    }
    let told_touched = returning || matches!(reply, Ok(Reply::Executed(_)));
    let returned = returned(plan, call, &reply);
    let marks = Marks::default();
    let rows: Vec<&Row> = match &returned {
        Some(rows) => rows.iter().collect(),
        None => watch.before().iter().map(|(_, row)| row).collect(),
    };
    if rows.is_empty() {
        watch.end();
        if told_touched {
            let marks = Marks { old_unconfirmed: true, ..marks };
            scope.push(site.unparsed_entry(entity, OPERATION, &plan.fingerprint, marks));
        }
        return reply;
    }
    if entity.model().junction {
        let removed =
            site.link_entries(connection, entity, &rows, LinkAction::Remove, OPERATION, &marks).await;
        watch.end();
        scope.push(removed);
        return reply;
    }
    let before = watch.end();
    let rows = returned.unwrap_or_else(|| before.into_iter().map(|(_, row)| row).collect());
    for row in rows {
        let change =
            RowChange { event: EventType::Deletion, old: Some(row), new: None, marks: marks.clone() };
        scope.push(site.row_entry(entity, OPERATION, change));
    }
    reply
}

async fn before<C: ConnectionTrait>(
    connection: &C,
    site: &Site,
    plan: &DeletePlan,
    statement: &Statement,
    call: Call,
) -> Result<Vec<Row>, DbErr> {
    if returns_every_row(plan, call) {
        return Ok(Vec::new());
    }
    let entity = plan.entity;
    match &plan.rows {
        DeletedRows::Key(positions) => match parameters(statement, positions) {
            Some(key) => site.before(connection, entity, entity.key_condition(&key)).await,
            None => Ok(Vec::new()),
        },
        DeletedRows::Where(condition) => {
            site.before_where(connection, entity, Some(condition), statement).await
        }
        DeletedRows::All => site.before_where(connection, entity, None, statement).await,
    }
}

/// Whether the answer will have the very rows that were deleted. One that is asked for one row only may have deleted
/// more.
fn returns_every_row(plan: &DeletePlan, call: Call) -> bool {
    let one = matches!(plan.rows, DeletedRows::Key(_));
    plan.returning == Returning::Row && (call == Call::QueryAll || (call == Call::QueryOne && one))
}

fn returned(plan: &DeletePlan, call: Call, reply: &Result<Reply, DbErr>) -> Option<Vec<Row>> {
    if !returns_every_row(plan, call) {
        return None;
    }
    let rows = reply.as_ref().ok()?.rows();
    rows.iter().map(|row| plan.entity.decode(row).ok()).collect()
}
