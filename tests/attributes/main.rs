//! What the attributes of `#[derive(Auditable)]` do, on real databases. Entities with hashed columns are here, apart from
//! the other tests: every handle in this program has a hash key.

mod columns;
mod database;
mod entities;
mod hooks;
mod junction;
mod links;
mod reason;
mod secrets;
mod soft_delete;
mod startup;
mod tables;
