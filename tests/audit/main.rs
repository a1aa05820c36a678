//! What a user of the library sees, theme by theme, on real databases.

mod agreement;
mod context;
mod database;
mod entities;
mod given_up;
mod hooks;
mod interleaved;
mod links;
mod locks;
mod outcomes;
mod proxy;
mod quick;
mod samples;
mod statements;
mod transactions;
mod values;
