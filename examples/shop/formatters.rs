//! What records say beyond the changeset.

use ftn_audit_sea::prelude::*;

use crate::entities::item;

#[derive(Default)]
struct ItemPatched;

#[audit_formatter(route = "PATCH|/items/:id", event = "update", priority = 10)]
impl AuditFormatter for ItemPatched {
    type Subject = item::Model;

    fn description(&self, change: &Change<item::Model>) -> String {
        let what = if change.changed(item::Column::Price) { "repriced" } else { "changed" };
        format!("Item #{} {what}", change.subject().id)
    }

    fn attributes(&self, change: &Change<item::Model>) -> Attributes {
        change.default_attributes().with("shop.section", "catalogue")
    }
}

#[audit_formatter(route = "POST|/items", event = "creation")]
fn item_created(change: &Change<item::Model>) -> Formatted {
    Formatted::new(format!("New item {}", change.subject().name))
}
