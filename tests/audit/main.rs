//! What a user of the library sees, theme by theme, on real databases.

mod database;
mod entities;
mod quick;
mod samples;
mod statements;
mod values;
