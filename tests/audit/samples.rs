//! Rows that the tests start from.

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, prelude::*};

use crate::{database::TestDatabase, entities::*};

pub fn price(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

/// An item that is not stored yet.
pub fn new_item(name: &str) -> item::ActiveModel {
    item::ActiveModel { name: Set(name.to_owned()), price: Set(price(1050)), ..Default::default() }
}

/// A stored item that no record tells of.
pub async fn stored_item(database: &TestDatabase, name: &str) -> item::Model {
    new_item(name).insert(&database.bare).await.unwrap()
}

/// An item under another name.
pub fn renamed(item: &item::Model, name: &str) -> item::ActiveModel {
    let mut change: item::ActiveModel = item.clone().into();
    change.name = Set(name.to_owned());
    change
}

/// The item as it is stored.
pub async fn stored(database: &TestDatabase, id: i32) -> Option<item::Model> {
    item::Entity::find_by_id(id).one(&database.bare).await.unwrap()
}

/// A stored tag that no record tells of.
pub async fn stored_tag(database: &TestDatabase, name: &str) -> tag::Model {
    tag::ActiveModel { name: Set(name.to_owned()), ..Default::default() }
        .insert(&database.bare)
        .await
        .unwrap()
}

/// What records say, in short: event, model and key.
pub fn brief(records: &[AuditRecord]) -> Vec<String> {
    records
        .iter()
        .map(|record| format!("{} {} {}", record.event_type(), record.model(), record.pk()))
        .collect()
}

/// The old and the new title of an item's update, as text.
pub fn titles(record: &AuditRecord) -> (String, String) {
    let side = |side: &str| {
        let value = record.attribute(&format!("audit.changeset.title.{side}"));
        value.map_or_else(|| "-".to_owned(), |value| value.to_string())
    };
    (side("old"), side("new"))
}

/// The listed keys of a link event.
pub fn linked(record: &AuditRecord) -> String {
    let action = record.attribute("audit.action").unwrap();
    format!("{action} {}", record.attribute("audit.pk_set").unwrap())
}

/// Follows the updates of one item's title from where it began: every old value is the new one before it. Where it
/// ends.
#[track_caller]
pub fn chain_end(records: &[AuditRecord], id: i32, begin: &str) -> String {
    let mut title = begin.to_owned();
    for record in records.iter().filter(|record| record.model() == "Item" && record.pk() == id.to_string()) {
        let (old, new) = titles(record);
        assert_eq!(old, title, "the chain of item {id} is broken: {record:#?}");
        title = new;
    }
    title
}

/// Polls a future once. One that is given away is dropped then, as by `timeout` or a client that hangs up.
pub async fn polled_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
