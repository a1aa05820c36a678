//! Formatters as types and as functions, with every key.

#![deny(warnings)]
#![forbid(unsafe_code)]

mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }
}

use ftn_audit_sea::prelude::*;

#[derive(Default)]
struct ItemPatched;

#[audit_formatter(route = "PATCH /items/{id}", event = "update", priority = 10)]
impl AuditFormatter for ItemPatched {
    type Subject = item::Model;

    fn description(&self, change: &Change<item::Model>) -> String {
        format!("Item #{} repriced", change.subject().id)
    }

    fn attributes(&self, change: &Change<item::Model>) -> Attributes {
        change.default_attributes().with("shop.section", "catalogue")
    }
}

#[derive(Default)]
struct Prefixed<const LOUD: bool>(Option<&'static str>);

#[audit_formatter(priority = -2147483648)]
impl AuditFormatter for Prefixed<true> {
    type Subject = item::Model;

    fn description(&self, change: &Change<item::Model>) -> String {
        format!("{:?} {}", self.0, change.subject().name)
    }
}

#[audit_formatter(event = "deletion")]
impl ftn_audit_sea::prelude::AuditFormatter for Prefixed<false> {
    type Subject = item::Model;

    fn description(&self, _: &Change<item::Model>) -> String {
        String::new()
    }
}

#[audit_formatter(route = "post|/items", event = "creation")]
fn item_created(change: &Change<item::Model>) -> Formatted {
    Formatted::new(format!("New item {}", change.subject().name))
}

#[audit_formatter]
fn r#try(_: &ftn_audit_sea::prelude::Change<item::Model>) -> Formatted {
    Formatted::new("tried")
}

#[audit_formatter(event = "collection_update", route = "GET /files/{*rest}", priority = 0x10_i32,)]
#[deprecated]
#[allow(clippy::needless_pass_by_value)]
fn format(change: &'_ Change<item::Model>) -> Formatted {
    Formatted::new(change.subject().name.clone())
}

#[audit_formatter(event = "unparsed_write")]
#[cfg(any())]
fn only_sometimes(change: &Change<item::Missing>) -> Formatted {
    Formatted::new("never compiled")
}

macro_rules! described {
    ($name:ident, $subject:ty, $route:literal) => {
        #[audit_formatter(route = $route)]
        fn $name(_: &Change<$subject>) -> Formatted {
            Formatted::new(stringify!($name))
        }
    };
}

described!(from_a_macro, item::Model, "DELETE /items/{id}");
described!(as_actix_writes_it, item::Model, r"PATCH /items/{id:\d{1,9}}/{tail}*");
described!(as_django_writes_it, item::Model, "GET report/<int:year>-<int:month>.json");
described!(as_a_regular_expression, item::Model, r"GET ^items/(?P<id>[0-9]+)/(?:page/)?$");

fn main() {
    #[audit_formatter(route = "PUT|/items/:id")]
    fn inside_a_function(_: &Change<item::Model>) -> Formatted {
        Formatted::new("inside")
    }
}
