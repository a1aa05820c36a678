//! DELETE.

use std::collections::HashSet;

use ftn_audit::{EventType, LinkAction, change::Marks};
use sea_orm::{ConnectionTrait, DbErr, Value};

use super::{
    Capture,
    bulk::{self, Told},
    cascade::{self, Cause},
    fragment::Saying,
    plan::{DeletePlan, Returning, parameters},
    read::{Lock, Table},
    send::{Call, Reply, Request},
    site::RowChange,
    unparsed,
};
use crate::{auditable::Row, value::plain_text};

const OPERATION: &str = "DELETE";

pub(super) async fn run<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &DeletePlan,
    request: Request,
) -> Result<Reply, DbErr> {
    let Capture { connection, scope, site } = capture;
    let entity = plan.named.entity;
    let table = site.table(*connection, entity).await;
    let (call, returning) = (request.call, plan.returning != Returning::Nothing);
    let Some((before, most)) = before(capture, plan, &table, &request).await? else {
        return unparsed::one(capture, entity, OPERATION, &plan.fingerprint, returning, request).await;
    };
    let told = bulk::told(entity, before.len(), most)?;
    let followed = match told {
        Told::EachRow => {
            let rows: Vec<&Row> = before.iter().collect();
            cascade::before(capture, call, &table, &rows, Cause::Delete).await?
        }
        Told::Together => Vec::new(),
    };
    let before: Vec<_> = before.into_iter().map(|row| (entity.key_of(&row), row)).collect();
    let reply = request.send(*connection).await;
    if !reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning, site.backend)) {
        return reply;
    }
    let reply = reply?;
    let count = reply.count(returning, site.backend);
    if told == Told::Together {
        let keys: Vec<_> = before.into_iter().map(|(key, _)| key).collect();
        let event = (EventType::Deletion, OPERATION);
        scope.push(bulk::summary(site, entity, event, &plan.fingerprint, count, &keys));
        return Ok(reply);
    }
    let left = left(capture, call, &table, &before, count).await?;
    let gone: Vec<&Row> = before
        .iter()
        .filter(|(key, _)| left.is_empty() || !left.contains(&plain_text(key)))
        .map(|(_, row)| row)
        .collect();
    let marks =
        Marks { old_unconfirmed: !table.locks(), columns_left_out: table.left_out(), ..Marks::default() };
    let links = match entity.model().junction {
        true => site.link_entries(*connection, entity, &gone, LinkAction::Remove, OPERATION, &marks).await,
        false => Vec::new(),
    };
    let known = gone.len() as u64;
    // Where rows stayed, what hangs on them stayed, too.
    let after: Vec<Option<Row>> = before.iter().map(|_| None).collect();
    let followed = cascade::after(capture, call, followed, &after).await?;
    let records = before.into_iter().map(|(key, old)| {
        let gone = left.is_empty() || !left.contains(&plain_text(&key));
        let change =
            RowChange { event: EventType::Deletion, old: Some(old), new: None, marks: marks.clone() };
        let record = (gone && !entity.model().junction).then(|| site.row_record(entity, OPERATION, change));
        record.flatten()
    });
    // A table has the one or the other: a junction's rows are told as links alone.
    capture.push_rows(followed, records).await?;
    scope.push(links);
    let untold = count.unwrap_or(known).saturating_sub(known);
    if untold > 0 {
        let marks = Marks { old_unconfirmed: true, rows_untold: untold, ..Marks::default() };
        scope.push(site.unparsed_entry(entity, OPERATION, &plan.fingerprint, marks));
    }
    Ok(reply)
}

/// The rows that the statement will take, and how many may be told one by one; `None` where they cannot be asked for.
async fn before<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &DeletePlan,
    table: &Table,
    request: &Request,
) -> Result<Option<(Vec<Row>, usize)>, DbErr> {
    let Capture { connection, site, .. } = capture;
    let first = site.audit.bulk_rows();
    if !table.reads_keys() {
        return Ok(None);
    }
    let key = plan.key.as_ref().and_then(|key| parameters(&request.statement, key));
    let read = async {
        capture.take_write_lock(table.entity).await?;
        if let Some(key) = &key {
            let found = table.by_keys(*connection, std::slice::from_ref(key), Lock::AsWritten).await?;
            return Ok(Some((found, first)));
        }
        let Some(rows) = &plan.rows else { return Ok(None) };
        let mut most = first;
        loop {
            let mut say = Saying::new(table.backend, &request.statement);
            say.text(&table.select_text(Some(&plan.named.qualifier), ""));
            say.text(" FROM ").text(&plan.named.from);
            if rows.say(&mut say, table, most).is_none() {
                return Ok(None);
            }
            let found = table.decode_all(&connection.query_all_raw(say.statement()).await?)?;
            match bulk::more(site, table, found.iter()).filter(|_| most == first) {
                Some(more) => most = more,
                None => return Ok(Some((found, most))),
            }
        }
    };
    match read.await {
        Ok(rows) => Ok(rows),
        Err(error) => site.before_failed(request.call, error).map(|_| None),
    }
}

/// The keys of rows that are still there, where the statement took fewer than it could have, or does not say.
async fn left<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    call: Call,
    table: &Table,
    before: &[(Vec<Value>, Row)],
    count: Option<u64>,
) -> Result<HashSet<String>, DbErr> {
    if count.is_some_and(|count| count >= before.len() as u64) {
        return Ok(HashSet::new());
    }
    let keys: Vec<_> = before.iter().map(|(key, _)| key.clone()).collect();
    let rows = table.by_keys(capture.connection, &keys, Lock::Nothing).await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => capture.read_failed(call, error).map(|()| Vec::new())?,
    };
    Ok(rows.iter().map(|row| plain_text(&table.entity.key_of(row))).collect())
}
