//! Macros of `ftn-audit`. Use them through `ftn-audit-sea`, which exports them and what they write against.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod audited;
mod derive;
mod errors;
mod formatter;
mod hook;
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
/// entity must not; one that has hooks of its own says `own_hooks` and puts [`macro@audited`] on them.
///
/// # On a field
///
/// | attribute | what it does |
/// | --- | --- |
/// | `#[audit(name = "title")]` | the column's name in records, which stays when Rust or SQL rename it |
/// | `#[audit(mask)]` | records tell that the value changed, never the value |
/// | `#[audit(hash)]` | records show `hmac:<key id>:..`: that two values are the same, never what they are. Needs a key |
/// | `#[audit(skip)]` | records do not tell of the column at all |
/// | `#[audit(plain)]` | shows a value that would be masked unasked, because the name looks like a secret's |
/// | `#[audit(ignore)]` | a change of this column alone makes no record |
/// | `#[audit(link)]` | on a `HasMany<..>` with `via`: rows of the junction are records of this entity |
///
/// `mask`, `hash`, `skip` and `plain` exclude each other. A primary key cannot be skipped; one that is masked or hashed
/// stands in records as its hash, or as `***` when there is no key. The values of masked and hashed columns are searched
/// in what formatters write, and blanked.
///
/// # On the struct
///
/// | attribute | what it does |
/// | --- | --- |
/// | `#[audit(name = "Item")]` | the model's name in records; else the table's name in upper camel case |
/// | `#[audit(junction)]` | the rows serve the links of other entities and make no records of their own |
/// | `#[audit(columns = "allow")]` | only the key and columns with `name`, `plain`, `mask` or `hash` are recorded; the others are skipped |
/// | `#[audit(soft_delete = "deleted_at")]` | an update that sets the column, from NULL or false, is a `deletion`; the way back a `restoration` |
/// | `#[audit(primary)]` | of several entities on one table, the one that records follow |
/// | `#[audit(own_hooks)]` | the entity writes `ActiveModelBehavior` itself, with [`macro@audited`] on it |
/// | `#[audit(own_hooks = "unaudited")]` | the same without `#[audited]`: only audited connections capture the entity |
/// | `#[audit(on_failure = "block")]` | no row without its record, in outbox delivery; `"best_effort"` is the contrary |
/// | `#[audit(reason = "required")]` | a change says why it was made; one that does not is refused in outbox delivery, unless `on_failure = "best_effort"`, and else its record is marked and counted |
/// | `#[audit(bulk = "summary")]` | a statement that writes several rows is one event; `"refuse"` does not let it run; `"rows"`, an event a row, is the default |
/// | `#[audit(mask(a, b), hash(f), skip(c), plain(d), ignore(e))]` | as on the fields, for generated entities |
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
/// `update`, `upsert`, `deletion`, `restoration`, `collection_update` or `unparsed_write`; without it the formatter serves
/// every event. Of two that fit equally well the higher `priority` is chosen; it is 0 when left out.
///
/// The type must implement `Default` and not be generic: it is made once, at start-up.
#[proc_macro_attribute]
pub fn audit_formatter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    formatter::register(arguments.into(), item.into()).into()
}

/// Puts the audit's hooks behind those that an entity with `#[audit(own_hooks)]` has itself.
///
/// On `impl ActiveModelBehavior for ActiveModel`, above `#[async_trait]`. Yours run first; the hooks that you do not write
/// are added. A row whose `after_save` or `after_delete` fails is recorded all the same: it is stored.
///
/// ```ignore
/// #[audited]
/// #[async_trait::async_trait]
/// impl ActiveModelBehavior for ActiveModel {
///     async fn before_save<C: ConnectionTrait>(mut self, _: &C, _: bool) -> Result<Self, DbErr> {
///         self.updated_at = Set(Utc::now());
///         Ok(self)
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn audited(arguments: TokenStream, item: TokenStream) -> TokenStream {
    audited::wrap(arguments.into(), item.into()).into()
}
