//! What a user of the library sees, theme by theme, on real databases.

mod database;
mod encodings;
mod entities;
mod events;
mod quick;
mod samples;
mod settings;
mod statements;
mod values;
