//! UPDATE.

use std::collections::HashMap;

use ftn_audit::{EventType, change::Marks};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use super::{
    Capture,
    bulk::{self, Told},
    cascade::{self, Cause},
    in_one,
    plan::{NewKey, Returning, UpdatePlan, parameters},
    read::{Lock, Table},
    send::{Call, Reply, Request},
    site::RowChange,
    unparsed,
};
use crate::{auditable::Row, capture::fragment::Saying, scope::Entry, value::plain_text};

pub(super) const OPERATION: &str = "UPDATE";

/// What the columns of the key that a row will have are called.
const NEW: &str = "ftn_new_";

/// A row before the statement, and the key that it will have.
struct Before {
    row: Row,
    new_key: Vec<Value>,
}

pub(super) async fn run<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &UpdatePlan,
    request: Request,
) -> Result<Reply, DbErr> {
    let Capture { connection, scope, site } = capture;
    let entity = plan.named.entity;
    let table = site.table(*connection, entity).await;
    if in_one::applies(plan, &table, &request) {
        return in_one::run(capture, plan, &table, request).await;
    }
    let call = request.call;
    let returning = plan.returning != Returning::Nothing;
    let own_key = plan.key.as_ref().and_then(|key| parameters(&request.statement, key));
    let Some((before, most)) = before(capture, plan, &table, &request).await? else {
        return unparsed::one(capture, entity, OPERATION, &plan.fingerprint, returning, request).await;
    };
    let told = bulk::told(entity, before.len(), most)?;
    let rows: Vec<&Row> = before.iter().map(|before| &before.row).collect();
    let followed = match told {
        Told::EachRow => cascade::before(capture, call, &table, &rows, Cause::Update(&plan.assigned)).await?,
        Told::Together => Vec::new(),
    };
    let reply = request.send(*connection).await;
    if !reply.as_ref().is_ok_and(|reply| reply.touched_rows(returning, site.backend)) {
        return reply;
    }
    let reply = reply?;
    let count = reply.count(returning, site.backend);
    if told == Told::Together {
        let keys: Vec<_> = before.into_iter().map(|before| before.new_key).collect();
        let event = (EventType::Update, OPERATION);
        scope.push(bulk::summary(site, entity, event, &plan.fingerprint, count, &keys));
        return Ok(reply);
    }
    let own_key = plan.key.as_ref().filter(|_| plan.keeps_keys()).and(own_key);
    let Some(after) = After::read(capture, plan, &table, (&before, own_key), (call, &reply)).await? else {
        let rows_untold = before.len() as u64;
        let marks = Marks { old_unconfirmed: true, rows_untold, ..Marks::default() };
        scope.push(site.unparsed_entry(entity, OPERATION, &plan.fingerprint, marks));
        return Ok(reply);
    };
    let followed = cascade::after(capture, call, followed, &after.rows).await?;
    tell(capture, plan, &table, (before, after), followed, &reply).await?;
    Ok(reply)
}

/// The rows that the statement will change, and how many may be told one by one; `None` where they cannot be asked for.
async fn before<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &UpdatePlan,
    table: &Table,
    request: &Request,
) -> Result<Option<(Vec<Before>, usize)>, DbErr> {
    let Capture { connection, site, .. } = capture;
    if !table.reads_keys() {
        return Ok(None);
    }
    let mut most = site.audit.bulk_rows();
    let by_key = plan.key.as_ref().filter(|_| plan.keeps_keys());
    if let Some(key) = by_key.and_then(|key| parameters(&request.statement, key)) {
        let read = async {
            capture.take_write_lock(table.entity).await?;
            table.by_keys(*connection, std::slice::from_ref(&key), Lock::AsWritten).await
        };
        let rows = match read.await {
            Ok(rows) => rows,
            Err(error) => site.before_failed(request.call, error)?,
        };
        let before = rows.into_iter().map(|row| Before { row, new_key: key.clone() }).collect();
        return Ok(Some((before, most)));
    }
    loop {
        let Some(select) = select(plan, table, &request.statement, most) else { return Ok(None) };
        let read = async {
            capture.take_write_lock(table.entity).await?;
            connection.query_all_raw(select).await
        };
        let found = match read.await {
            Ok(found) => found,
            Err(error) => {
                site.before_failed(request.call, error)?;
                return Ok(None);
            }
        };
        let before = found.iter().map(|found| before_of(plan, table, found, &request.statement));
        let Some(before) = before.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let first_look = most == site.audit.bulk_rows();
        match bulk::more(site, table, before.iter().map(|before| &before.row)).filter(|_| first_look) {
            Some(more) => most = more,
            None => return Ok(Some((before, most))),
        }
    }
}

fn before_of(plan: &UpdatePlan, table: &Table, found: &QueryResult, statement: &Statement) -> Option<Before> {
    let row = table.decode(found, "").ok()?;
    let mut new_key = table.entity.key_of(&row);
    let columns = plan.new_key.as_ref()?;
    let computed = match columns.iter().any(|column| matches!(column, NewKey::Expression(_))) {
        true => table.entity.decode_key(found, NEW)?,
        false => Vec::new(),
    };
    for (position, column) in columns.iter().enumerate() {
        match column {
            NewKey::Same => {}
            NewKey::Parameter(parameter) => {
                new_key[position] = parameters(statement, &[*parameter])?.pop()?
            }
            NewKey::Expression(_) => new_key[position] = computed.get(position)?.clone(),
        }
    }
    Some(Before { row, new_key })
}

/// The statement's rows, in its own words. What it makes of their keys is asked for, too: afterwards nothing else tells
/// which row is which.
fn select(plan: &UpdatePlan, table: &Table, statement: &Statement, most: usize) -> Option<Statement> {
    let rows = plan.rows.as_ref()?;
    let new_key = plan.new_key.as_ref()?;
    let mut say = Saying::new(table.backend, statement);
    say.text(&table.select_text(Some(&plan.named.qualifier), ""));
    if new_key.iter().any(|new| matches!(new, NewKey::Expression(_))) {
        for (new, name) in new_key.iter().zip(table.entity.key_names()) {
            say.text(", ");
            match new {
                NewKey::Expression(expression) => say.text("(").fragment(expression)?.text(")"),
                _ => say.text(&table.quoted(name)),
            };
            say.text(" AS ").text(&table.quoted(&format!("{NEW}{name}")));
        }
    }
    say.text(" FROM ").text(&plan.named.from);
    rows.say(&mut say, table, most)?;
    Some(say.statement())
}

/// The rows after the statement.
struct After {
    /// For each row before, in its order.
    rows: Vec<Option<Row>>,
    /// Those that the statement found and the read before it did not: another session's, that came in between.
    others: Vec<Row>,
    /// The links that a junction's rows left and came to.
    links: Vec<Entry>,
}

impl After {
    /// `None` where which row became which is not to be told.
    async fn read<C: ConnectionTrait>(
        capture: &Capture<'_, C>,
        plan: &UpdatePlan,
        table: &Table,
        (before, own_key): (&[Before], Option<Vec<Value>>),
        (call, reply): (Call, &Reply),
    ) -> Result<Option<Self>, DbErr> {
        let Capture { connection, site, .. } = capture;
        let entity = table.entity;
        let silent = plan.returning == Returning::Nothing && !matches!(reply, Reply::Executed(_));
        let keys: Vec<_> = match (before, own_key) {
            ([], Some(key)) if !silent => vec![key],
            (before, _) => before.iter().map(|before| before.new_key.clone()).collect(),
        };
        let found = match returned(plan, table, reply, before.len()) {
            Some(rows) => rows,
            None => match table.by_keys(*connection, &keys, Lock::Written).await {
                Ok(rows) => rows,
                Err(error) => {
                    capture.read_failed(call, error)?;
                    return Ok(None);
                }
            },
        };
        let mut by_key: HashMap<String, Row> = HashMap::with_capacity(found.len());
        for row in found {
            // The entity's key need not be unique in the database.
            if by_key.insert(plain_text(&entity.key_of(&row)), row).is_some() {
                return Ok(None);
            }
        }
        let mut after =
            Self { rows: Vec::with_capacity(before.len()), others: Vec::new(), links: Vec::new() };
        let marks = marks(table);
        for Before { row, new_key } in before {
            let new = by_key.remove(&plain_text(new_key));
            if let (Some(new), true) = (&new, entity.model().junction) {
                let moved = site.moved_links(*connection, entity, (row, new), OPERATION, &marks).await;
                after.links.extend(moved);
            }
            after.rows.push(new);
        }
        after.others = by_key.into_values().collect();
        Ok(Some(after))
    }
}

fn marks(table: &Table) -> Marks {
    Marks { old_unconfirmed: !table.locks(), columns_left_out: table.left_out(), ..Marks::default() }
}

/// What changed, said of every row that is known, and of how many are not.
async fn tell<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &UpdatePlan,
    table: &Table,
    (before, after): (Vec<Before>, After),
    followed: Vec<cascade::Group>,
    reply: &Reply,
) -> Result<(), DbErr> {
    let Capture { scope, site, .. } = capture;
    let entity = table.entity;
    let known = (before.len() + after.others.len()) as u64;
    let lost = after.rows.iter().filter(|row| row.is_none()).count() as u64;
    let change = |old, new| {
        let old: Option<Row> = old;
        let old_unconfirmed = old.is_none() || !table.locks();
        let marks = Marks { old_unconfirmed, ..marks(table) };
        site.row_record(entity, OPERATION, RowChange { event: EventType::Update, old, new: Some(new), marks })
    };
    scope.push(after.links);
    let records = before.into_iter().zip(after.rows).map(|(before, new)| change(Some(before.row), new?));
    capture.push_rows(followed, records).await?;
    scope.push(after.others.into_iter().filter_map(|new| change(None, new)).map(Entry::of));
    let count = reply.count(plan.returning != Returning::Nothing, site.backend).unwrap_or(known);
    let untold = lost.max(count.saturating_sub(known));
    if untold > 0 {
        let marks = Marks { old_unconfirmed: true, rows_untold: untold, ..Marks::default() };
        scope.push(site.unparsed_entry(entity, OPERATION, &plan.fingerprint, marks));
    }
    Ok(())
}

/// The rows as the statement itself returned them, where that is all of them.
fn returned(plan: &UpdatePlan, table: &Table, reply: &Reply, rows: usize) -> Option<Vec<Row>> {
    let complete = match reply {
        Reply::All(_) => true,
        Reply::One(_) => plan.key.is_some() && rows <= 1,
        Reply::Executed(_) => false,
    };
    (complete && plan.returning == Returning::Row).then(|| table.decode_all(reply.rows()).ok()).flatten()
}
