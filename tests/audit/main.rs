//! What a user of the library sees, theme by theme, on real databases.

mod agreement;
mod bulk;
mod cascades;
mod catalog;
mod checklist;
mod context;
mod database;
mod encodings;
mod entities;
mod events;
mod given_up;
mod hooks;
mod interleaved;
mod links;
mod locks;
mod outbox;
mod outcomes;
mod proxy;
mod quick;
mod samples;
mod settings;
mod shapes;
mod statements;
mod transactions;
mod values;
mod writes;
