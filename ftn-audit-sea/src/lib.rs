//! Audit trails for SeaORM: what changed, from which value to which, who did it, through which route, in which
//! transaction, delivered as OTLP log records after commit.
//!
//! Derive [`Auditable`](entity::Auditable) on entities, wrap the connection once, add one layer to the router:
//!
//! ```no_run
//! mod item {
//!     use ftn_audit_sea::entity::*;
//!     use sea_orm::entity::prelude::*;
//!
//!     #[sea_orm::model]
//!     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
//!     #[sea_orm(table_name = "item")]
//!     pub struct Model {
//!         #[sea_orm(primary_key)]
//!         pub id: i32,
//!         pub title: String,
//!     }
//! }
//!
//! use ftn_audit_sea::prelude::*;
//! use sea_orm::{ActiveValue::Set, Database};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let audit = Audit::builder().service_name("shop").sink(JsonlSink::stdout()).build()?;
//! let db = audit.connect(Database::connect("sqlite::memory:").await?).await?;
//!
//! item::ActiveModel { title: Set("Tea".to_owned()), ..Default::default() }.insert(&db).await?;
//! # Ok(())
//! # }
//! ```
//!
//! There are two ways to capture. An [`AuditedConnection`] captures the statements that pass through it, in
//! [`transaction`]s whose records wait for the commit: this is what the promises are made for. On a plain SeaORM
//! connection the hooks that the derive writes do what SeaORM lets them, and their records say what
//! could not be confirmed.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod auditable;
mod backend;
mod capture;
mod catalog;
mod connect;
mod connection;
mod detached;
mod error;
mod event;
#[doc(hidden)]
pub mod hooks;
mod implicit_commit;
mod link;
pub mod outbox;
mod permission;
mod probe;
mod registry;
mod scope;
#[cfg(feature = "stream")]
mod stream;
pub mod testing;
pub mod transaction;
mod value;

pub use ftn_audit::*;

#[cfg(feature = "stream")]
pub use self::stream::AuditedStream;
pub use self::{
    auditable::Auditable, connect::ConnectExt, connection::AuditedConnection, error::AuditError,
    outbox::OutboxExt, transaction::AuditedTransaction,
};

/// What an application needs.
pub mod prelude {
    #[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
    pub use ftn_audit::sink::OtlpSink;
    #[cfg(feature = "axum")]
    pub use ftn_audit::web::AuditLayer;
    #[cfg(feature = "actix")]
    pub use ftn_audit::web::AuditMiddleware;
    pub use ftn_audit::{
        Actor, Attributes, Audit, AuditContext, AuditFormatter, AuditRecord, Change, Delivery, EventType,
        Fallback, Formatted, LinkAction, audit_carry, audit_spawn, audit_spawn_blocking,
        sink::{JsonlSink, MemorySink},
    };
    pub use ftn_audit_macros::audit_formatter;

    pub use crate::{AuditedConnection, AuditedTransaction, ConnectExt, OutboxExt};
}

/// What an entity's module needs.
pub mod entity {
    pub use ftn_audit_macros::{Auditable, audited};
}

/// What the macros write refers to. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod private {
    pub use async_trait;
    pub use ftn_audit::{
        Change, Formatted, HiddenValues, ModelInfo, Subject,
        formatter::{AnnotatedFormatter, FormatterDefault, FormatterRegistration, FunctionFormatter, Rule},
        model::{Bulk, ColumnName, OnFailure, Treatment},
    };
    pub use inventory;
    pub use sea_orm;

    pub use crate::{
        auditable::{Auditable, AuditedEntity, ColumnRules, Declaration, EntityRegistration},
        hooks::{self, AuditedHooks, Boxed, audited_hooks},
        link::LinkRegistration,
    };

    /// The value of a formatter type that start-up makes.
    pub fn formatter_default<F: FormatterDefault>() -> F {
        F::formatter_default()
    }
}
