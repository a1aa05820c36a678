//! What the ledger is told, and what it tells its children.

use clap::{Parser, ValueEnum};

use crate::mutants::Mutant;

/// Kills writers and relays at random, and checks that every committed change arrived.
#[derive(Clone, Parser)]
pub struct Arguments {
    /// How long to write and kill.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    pub database: Database,
    /// What carries records from the outbox to the receiver.
    #[arg(long, value_enum, default_value_t = Engine::Relay)]
    pub engine: Engine,
    /// The seed of what children do and the receiver answers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A command that stops and starts the database, run once at half time.
    #[arg(long)]
    pub restart: Option<String>,
    /// The server on which a database is made. By default, `LEDGER_POSTGRES` or `LEDGER_MARIADB`.
    #[arg(long)]
    pub server: Option<String>,
    /// The broker of `--engine rabbitmq`. By default, `LEDGER_RABBITMQ`.
    #[arg(long)]
    pub broker: Option<String>,
    /// A fault that must not go unnoticed.
    #[arg(long, hide = true)]
    pub mutant: Option<Mutant>,
    #[arg(long, hide = true)]
    pub role: Option<Role>,
    #[arg(long, hide = true, default_value = "")]
    pub queue: String,
    #[arg(long, hide = true, default_value = "")]
    pub url: String,
    #[arg(long, hide = true, default_value = "")]
    pub endpoint: String,
    #[arg(long, hide = true, default_value_t = 0)]
    pub slot: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Database {
    Sqlite,
    Postgres,
    Mariadb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Relays.
    Relay,
    /// Relays that publish to RabbitMQ, and workers.
    Rabbitmq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    Writer,
    Relay,
    Worker,
}
