//! Macros of `ftn-audit`. Use them through `ftn-audit-sea`, which exports them and what they write against.

#![forbid(unsafe_code)]

mod derive;
mod errors;
mod formatter;
mod suggest;
#[allow(dead_code, reason = "adapters of web frameworks use the rest of it")]
mod template;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a SeaORM entity audited: every change of its rows becomes a record.
///
/// Derived on the `struct Model` of an entity, in any of SeaORM's formats: `#[sea_orm::model]`,
/// `#[sea_orm::compact_model]`, or the older one with a `Relation` enum. The derive writes `ActiveModelBehavior`, so the
/// entity must not.
///
/// # On a field
///
/// | attribute | what it does |
/// | --- | --- |
/// | `#[audit(name = "title")]` | the column's name in records, which stays when Rust or SQL rename it |
/// | `#[audit(mask)]` | records tell that the value changed, never the value |
/// | `#[audit(skip)]` | records do not tell of the column at all |
/// | `#[audit(plain)]` | shows a value that would be masked unasked, because the name looks like a secret's |
/// | `#[audit(ignore)]` | a change of this column alone makes no record |
/// | `#[audit(link)]` | on a `HasMany<..>` with `via`: rows of the junction are records of this entity |
///
/// `mask`, `skip` and `plain` exclude each other. A primary key cannot be skipped.
///
/// # On the struct
///
/// | attribute | what it does |
/// | --- | --- |
/// | `#[audit(name = "Item")]` | the model's name in records; else the table's name in upper camel case |
/// | `#[audit(junction)]` | the rows serve the links of other entities and make no records of their own |
/// | `#[audit(mask(a, b), skip(c), plain(d), ignore(e))]` | as on the fields, for generated entities |
/// | `#[audit(rename(a = "title"))]` | as `name` on the fields |
/// | `#[audit(link(field = "tags", to = super::tag::Entity))]` | as `link`, where there is no field |
/// | `#[audit(link(field = "friends", to = Entity, via = super::friendship::Entity))]` | of an entity with itself; `reverse` for the other direction |
#[proc_macro_derive(Auditable, attributes(audit))]
pub fn derive_auditable(input: TokenStream) -> TokenStream {
    let node = parse_macro_input!(input as DeriveInput);
    derive::derive(&node).into()
}

/// Registers a formatter, which is chosen for the changes of its subject by route and event.
///
/// On `impl AuditFormatter for X`, or on `fn f(change: &Change<item::Model>) -> Formatted`.
///
/// ```ignore
/// #[audit_formatter(route = "PATCH|/items/:id", event = "update", priority = 10)]
/// ```
///
/// Each key may be left out. `route` is `METHOD|/template`, and any spelling of it is understood: axum's
/// (`"PATCH /items/{id}"`), actix-web's (`r"PATCH /items/{id:\d+}"`), Django's (`"PATCH items/<int:id>"`), a regular
/// expression (`r"PATCH ^items/(?P<id>\d+)$"`); without it the formatter serves every route. `event` is `creation`,
/// `update`, `deletion`, `collection_update` or `unparsed_write`; without it the formatter serves every event. Of two
/// that fit equally well the higher `priority` is chosen; it is 0 when left out.
///
/// The type must implement `Default` and not be generic: it is made once, at start-up.
#[proc_macro_attribute]
pub fn audit_formatter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    formatter::register(arguments.into(), item.into()).into()
}
