//! Statements that write several rows: an event a row, one for all, or none at all because they are refused.

use ftn_audit::{
    AttributeValue, EventType,
    change::{BulkRows, MAX_LINK_KEYS, Marks},
    model::{Bulk, OnFailure},
};
use sea_orm::{DbErr, Value};

use super::{read::Table, site::Site};
use crate::{
    auditable::{AnyEntity, Row},
    error::refused_bulk,
    scope::Entry,
};

/// How much memory the rows of one statement may take in outbox delivery, in bytes: old values are known before the statement
/// and told after it, so they have to be kept.
const ROWS_BYTES: usize = 64 << 20;

/// What becomes of the rows of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    EachRow,
    Together,
}

/// What becomes of a statement that writes so many rows, of at most so many that are told one by one.
///
/// # Errors
///
/// When the entity refuses such statements.
pub(super) fn told(entity: &'static dyn AnyEntity, rows: usize, most: usize) -> Result<Told, DbErr> {
    let model = entity.model();
    match model.bulk {
        Bulk::Refuse if rows > 1 => Err(refused_bulk(model)),
        Bulk::Summary if rows > 1 => Ok(Told::Together),
        _ if rows > most => Ok(Told::Together),
        _ => Ok(Told::EachRow),
    }
}

/// The most new rows that are told one by one. In outbox delivery their records leave memory as they are made, and the rows
/// are the caller's own.
pub(super) fn most_new(site: &Site, entity: &'static dyn AnyEntity) -> usize {
    if leaves_memory(site, entity) { usize::MAX } else { site.audit.bulk_rows() }
}

/// Whether records are written as they are made. What is best effort waits for the commit.
fn leaves_memory(site: &Site, entity: &'static dyn AnyEntity) -> bool {
    site.audit.outbox_settings().is_some() && entity.model().on_failure != Some(OnFailure::BestEffort)
}

/// How many rows may be told one by one where a first look found more than `bulk_rows`: in outbox delivery, as many of
/// their size as memory is allowed for. `None` where a second look would find no more, or what hangs on the rows has to be
/// told with them.
pub(super) fn more<'a>(
    site: &Site,
    table: &Table,
    rows: impl ExactSizeIterator<Item = &'a Row>,
) -> Option<usize> {
    let (model, found) = (table.entity.model(), rows.len());
    let alone = model.bulk == Bulk::Rows && !model.junction && table.facts.references.is_empty();
    if found <= site.audit.bulk_rows() || !alone || !leaves_memory(site, table.entity) {
        return None;
    }
    let bytes: usize = rows.map(Row::estimated_bytes).sum();
    let most = ROWS_BYTES / (bytes / found).max(1);
    (most > found).then_some(most)
}

/// The one entry of a statement that wrote several rows: as many as it counted, or as there are keys.
pub(super) fn summary(
    site: &Site,
    entity: &'static dyn AnyEntity,
    (event, operation): (EventType, &'static str),
    fingerprint: &str,
    count: Option<u64>,
    keys: &[Vec<Value>],
) -> Option<Entry> {
    let count = count.unwrap_or(keys.len() as u64);
    let keys = keys.iter().take(MAX_LINK_KEYS);
    let keys = keys.map(|key| AttributeValue::from(entity.key_text(&site.audit, key))).collect();
    let marks = Marks { bulk: Some(BulkRows { count, keys }), ..Marks::default() };
    site.rowless_record(entity, event, operation, fingerprint, marks).map(Entry::of)
}
