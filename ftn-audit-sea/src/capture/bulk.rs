//! Statements that write several rows: an event a row, one for all, or none at all because they are refused.

use ftn_audit::{
    AttributeValue, EventType,
    change::{BulkRows, MAX_LINK_KEYS, Marks},
    model::Bulk,
};
use sea_orm::{DbErr, Value};

use super::site::Site;
use crate::{auditable::AnyEntity, error::refused_bulk, scope::Entry};

/// What becomes of the rows of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    EachRow,
    Together,
}

/// What becomes of a statement that writes so many rows.
///
/// # Errors
///
/// When the entity refuses such statements.
pub(super) fn told(site: &Site, entity: &'static dyn AnyEntity, rows: usize) -> Result<Told, DbErr> {
    let model = entity.model();
    match model.bulk {
        Bulk::Refuse if rows > 1 => Err(refused_bulk(model)),
        Bulk::Summary if rows > 1 => Ok(Told::Together),
        _ if rows > site.audit.bulk_rows() => Ok(Told::Together),
        _ => Ok(Told::EachRow),
    }
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
