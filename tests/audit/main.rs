//! What a user of the library sees, theme by theme, on real databases.

mod database;
mod encodings;
mod entities;
mod events;
mod given_up;
mod interleaved;
mod outcomes;
mod proxy;
mod quick;
mod samples;
mod settings;
mod shapes;
mod statements;
mod transactions;
mod values;
