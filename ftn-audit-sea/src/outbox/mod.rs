//! The outbox: records as rows of the application's own database, written in the transaction of their change.
//!
//! [`OutboxExt::install`] makes the table, and so does [`Migration`](migration::Migration) in an application's own
//! migrator (feature `migration`); [`statements`] and [`grants`] are for those who run SQL by hand. With
//! [`Delivery::outbox`](ftn_audit::Delivery::outbox), what an audited connection commits is then in it, and a relay
//! sends it.

mod check;
mod claim;
mod entity;
mod install;
mod limit;
#[cfg(feature = "migration")]
pub mod migration;
mod operations;
mod relay;
mod retention;
mod schema;
mod scope;
mod statement;
mod status;
mod verify;
mod writer;

use sea_orm::DbErr;

pub(crate) use self::{
    check::{Found, check},
    limit::Limit,
    scope::{ends_the_transaction, reasoned, spill, store},
    writer::{PoolStore, insert},
};
pub use self::{
    entity::{ActiveModel, Column, Entity, Model, PrimaryKey, Relation},
    install::OutboxExt,
    operations::{Operations, Selection, Status},
    relay::{Relay, RelayHandle, RelayReport},
    retention::{State, prune},
    schema::{TABLE, counting_grant, grants, statements},
    verify::{Export, Gap, Verification},
};
use crate::error::sql_state;

/// What a connection knows of its outbox.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) limit: Limit,
}

/// An error as logs may have it: a database's own words can quote what was to be stored.
pub(crate) fn without_data(error: &DbErr) -> String {
    match sql_state(error) {
        Some(code) => format!("the database answered with error {code}"),
        None => error.to_string(),
    }
}
