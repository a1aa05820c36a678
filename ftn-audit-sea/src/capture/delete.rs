//! DELETE: of the row of one key, and of a junction's rows by any condition.

use ftn_audit::{EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

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
    let before = match before(connection, site, plan, &statement).await {
        Ok(rows) => rows,
        // SQLite keeps the transaction when a statement fails: let the caller's own statement speak for itself.
        Err(_) if site.backend == DbBackend::Sqlite => Vec::new(),
        Err(error @ (DbErr::Exec(_) | DbErr::Query(_))) => return Err(call.align(error)),
        // The row is there and the model cannot read it; that is not the caller's statement's fault.
        Err(_) => Vec::new(),
    };
    let before: Vec<_> = before.into_iter().map(|row| (entity.key_of(&row), row)).collect();
    let watch = Watch::new(scope, site, entity, OPERATION, before);
    let reply = call.send(connection, statement).await;
    if !reply.as_ref().is_ok_and(Reply::touched_rows) {
        watch.end();
        return reply;
    }
    let returned = returned(plan, &reply);
    let marks = Marks::default();
    if entity.model().junction {
        let rows: Vec<&Row> = match &returned {
            Some(rows) => rows.iter().collect(),
            None => watch.before().iter().map(|(_, row)| row).collect(),
        };
        let removed =
            site.link_entries(connection, entity, &rows, LinkAction::Remove, OPERATION, &marks).await;
        watch.end();
        scope.push(removed);
        return reply;
    }
    let before = watch.end();
    let rows = returned.unwrap_or_else(|| before.into_iter().map(|(_, row)| row).collect());
    if rows.is_empty() {
        let marks = Marks { old_unconfirmed: true, ..marks };
        scope.push(site.unparsed_entry(entity, OPERATION, marks));
        return reply;
    }
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
) -> Result<Vec<Row>, DbErr> {
    if plan.returning == Returning::Row {
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

/// The rows that the statement gave back: the very rows that it deleted. One that was asked for one row only may
/// have deleted more.
fn returned(plan: &DeletePlan, reply: &Result<Reply, DbErr>) -> Option<Vec<Row>> {
    if plan.returning != Returning::Row {
        return None;
    }
    let rows = reply.as_ref().ok()?.rows();
    rows.iter().map(|row| plan.entity.decode(row).ok()).collect()
}
