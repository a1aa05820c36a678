#![forbid(unsafe_code)]
mod actor;
mod attribute_names;
mod attributes;
pub mod change;
pub mod context;
pub mod delivery;
mod event_type;
pub mod metrics;
pub mod model;
pub mod record;
pub mod route;
pub mod sink;
mod value;

pub use self::{
    actor::{Actor, ActorKind},
    attributes::Attributes,
    change::{Change, Changeset, LinkAction, LinkChange},
    context::{AuditContext, audit_spawn},
    event_type::EventType,
    model::Subject,
    record::AuditRecord,
    route::RawRoute,
    value::AttributeValue,
};
