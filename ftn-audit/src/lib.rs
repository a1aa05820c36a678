//! The core of ftn-audit: from a change to a delivered record. It knows nothing of any ORM; services use it through
//! `ftn-audit-sea`, which captures changes on SeaORM connections.
//!
//! The data goes one way:
//!
//! ```text
//! request -> AuditLayer -> AuditContext
//!                              |
//! write -> capture -> Change -> Formatter -> AuditRecord -> scope --commit--> hand-over -> delivery -> sink
//! ```
//!
//! [`context`] says who and where, [`change`] what capture found, [`formatter`] turns it into words, [`record`] is the
//! finished event, [`delivery`] carries it, [`sink`] is where it ends. [`Audit`] holds them together.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod actor;
mod attribute_names;
mod attributes;
mod audit;
mod builder;
pub mod change;
pub mod context;
mod cut;
pub mod delivery;
pub mod engine;
mod environment;
mod event;
mod event_type;
pub mod formatter;
mod handle;
mod hash;
mod health;
mod hidden;
#[cfg(feature = "otel")]
mod instruments;
mod layout;
pub mod metrics;
pub mod model;
mod openapi;
mod outbox;
pub mod record;
pub mod relay;
pub mod route;
mod secret_names;
pub mod sink;
pub mod startup;
pub mod stored;
mod suspension;
pub mod testing;
mod value;
#[cfg(any(feature = "axum", feature = "actix"))]
pub mod web;

pub use self::{
    actor::{Actor, ActorKind},
    attributes::Attributes,
    audit::{Audit, Origin},
    builder::AuditBuilder,
    change::{Change, ChangeFacts, Changeset, LinkAction, LinkChange},
    context::{AuditContext, audit_carry, audit_spawn, audit_spawn_blocking},
    delivery::{Delivery, Fallback, OutboxFull, OutboxSettings, ShutdownReport},
    event::{EventBuilder, EventScope},
    event_type::EventType,
    formatter::{AuditFormatter, Formatted},
    health::Health,
    hidden::HiddenValues,
    layout::{ActorField, Encoding, UnknownName},
    metrics::Stats,
    model::{ColumnInfo, ModelInfo, Subject},
    record::AuditRecord,
    route::{RawRoute, RouteError, RouteFault},
    startup::StartupError,
    value::AttributeValue,
};
