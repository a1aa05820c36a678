//! Outbox delivery: the record is a row of the transaction of its change, and a relay sends it.

mod entities;
mod hooks;
mod operations;
mod reason;
mod relay;
mod roles;
mod setup;
mod writer;
