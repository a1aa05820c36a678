//! INSERT .. VALUES.

use ftn_audit::{EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use super::{
    interrupted::Watch,
    plan::{InsertPlan, Returning, parameters},
    send::{Call, Reply},
    site::{RowChange, Site},
};
use crate::{
    auditable::Row,
    scope::{Entry, Scope},
};

const OPERATION: &str = "INSERT";

pub(super) async fn run<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    site: &Site,
    plan: &InsertPlan,
    statement: Statement,
    call: Call,
) -> Result<Reply, DbErr> {
    let entity = plan.entity;
    let keys = keys(plan, &statement);
    // Without RETURNING an insert that leaves present rows alone does not say which rows are new: MySQL counts a
    // row that was there as affected. So: look before.
    let present = match (&keys, plan.skips_conflicts && plan.returning == Returning::Nothing) {
        (Some(keys), true) => {
            let mut present = Vec::new();
            for key in keys {
                // Not locked: on MySQL the lock of a row that is not there is a gap lock, and two sessions that
                // hold one deadlock on their inserts. What was read may be old, and the event says so.
                if site
                    .read_key(connection, entity, key, None)
                    .await
                    .map_err(|error| call.align(error))?
                    .is_some()
                {
                    present.push(key.clone());
                }
            }
            present
        }
        _ => Vec::new(),
    };
    let watch = Watch::new(scope, site, entity, OPERATION, &plan.fingerprint, Vec::new());
    let reply = call.send(connection, statement).await;
    let returning = plan.returning != Returning::Nothing;
    if !reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning)) {
        watch.end();
        return reply;
    }
    let rows = match reply.as_ref().ok().and_then(|reply| returned(plan, reply)) {
        Some(rows) => Some(rows),
        None => read_back(connection, site, plan, keys, &present, &reply).await,
    };
    let entries = match rows {
        Some(rows) => entries(connection, site, plan, rows).await,
        None => {
            let entry = site.unparsed_entry(entity, OPERATION, &plan.fingerprint, Marks::default());
            entry.into_iter().collect()
        }
    };
    watch.end();
    scope.push(entries);
    reply
}

/// The entries of inserted rows.
pub(super) async fn entries<C: ConnectionTrait>(
    connection: &C,
    site: &Site,
    plan: &InsertPlan,
    rows: Vec<Row>,
) -> Vec<Entry> {
    let entity = plan.entity;
    let unsure = plan.skips_conflicts && plan.returning == Returning::Nothing;
    let marks = Marks { old_unconfirmed: unsure, ..Marks::default() };
    if entity.model().junction {
        let rows: Vec<_> = rows.iter().collect();
        return site.link_entries(connection, entity, &rows, LinkAction::Add, OPERATION, &marks).await;
    }
    let change =
        |row| RowChange { event: EventType::Creation, old: None, new: Some(row), marks: marks.clone() };
    rows.into_iter().filter_map(|row| site.row_entry(entity, OPERATION, change(row))).collect()
}

/// The rows as the statement itself returned them; a statement of several rows that was asked for one has more.
pub(super) fn returned(plan: &InsertPlan, reply: &Reply) -> Option<Vec<Row>> {
    let complete = plan.returning == Returning::Row && (plan.rows == 1 || matches!(reply, Reply::All(_)));
    let rows = reply.rows().iter();
    complete.then(|| rows.map(|row| plan.entity.decode(row).ok()).collect()).flatten()
}

fn keys(plan: &InsertPlan, statement: &Statement) -> Option<Vec<Vec<Value>>> {
    let keys = plan.keys.as_ref()?;
    keys.iter().map(|positions| parameters(statement, positions)).collect()
}

/// The inserted rows, read again by their keys: those of the parameters, of the answer, or the one that the database
/// generated.
async fn read_back<C: ConnectionTrait>(
    connection: &C,
    site: &Site,
    plan: &InsertPlan,
    keys: Option<Vec<Vec<Value>>>,
    present: &[Vec<Value>],
    reply: &Result<Reply, DbErr>,
) -> Option<Vec<Row>> {
    let entity = plan.entity;
    let reply = reply.as_ref().ok()?;
    let keys = match (reply, keys) {
        (Reply::All(rows), _) if plan.returning != Returning::Nothing => {
            rows.iter().map(|row| entity.decode_key(row)).collect::<Option<_>>()?
        }
        (Reply::One(Some(row)), _) if plan.rows == 1 => vec![entity.decode_key(row)?],
        (_, Some(keys)) => keys,
        (Reply::Executed(result), None) if plan.rows == 1 => {
            vec![entity.key_from_u64(result.last_insert_id())?]
        }
        _ => return None,
    };
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys.iter().filter(|key| !present.contains(*key)) {
        rows.push(site.read_back(connection, entity, key).await.ok()??);
    }
    Some(rows)
}
