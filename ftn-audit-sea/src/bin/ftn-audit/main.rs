//! The command line of the outbox: migrate, relay, work, look, repeat, discard, remove, verify.

#![forbid(unsafe_code)]

mod arguments;
mod broker;
mod change;
mod failure;
mod look;
mod migrate;
mod output;
mod relay;
mod stop;
mod verify;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use ftn_audit_sea::{Audit, Delivery, outbox::Operations, sink::MemorySink};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use self::{
    arguments::{Arguments, Command},
    failure::{Failure, masked},
    output::Output,
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.json };
    match run(arguments, &output).await {
        Ok(code) => code,
        Err(failure) => {
            output.failed(&failure);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let Arguments { database, who, command, .. } = arguments;
    match command {
        Command::Migrate(migrate) => migrate::run(migrate, database, output).await?,
        Command::Relay(relay) => relay::run(relay, database, output).await?,
        Command::Worker(worker) => broker::work(worker, output).await?,
        Command::Replay(chosen) => broker::replay(chosen, who, output).await?,
        Command::Status => look::status(&operations(database, who).await?, output).await?,
        Command::List(list) => look::list(&operations(database, who).await?, list, output).await?,
        Command::Show(show) => look::show(&operations(database, who).await?, show, output).await?,
        Command::Retry(retry) => change::retry(&operations(database, who).await?, retry, output).await?,
        Command::Discard(discard) => {
            change::discard(&operations(database, who).await?, discard, output).await?
        }
        Command::Prune(prune) => change::prune(&operations(database, who).await?, prune, output).await?,
        Command::Verify(verify) => {
            return verify::run(&operations(database, who).await?, verify, output).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

type Outbox = Operations<DatabaseConnection>;

async fn connect(database: Option<String>) -> Result<DatabaseConnection, Failure> {
    let url = database.ok_or(Failure::NoDatabase)?;
    let known = ["postgres:", "postgresql:", "mysql:", "mariadb:", "sqlite:"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Failure::WrongUrl(masked(&url)));
    }
    let mut options = ConnectOptions::new(&url);
    // A server that is not there is asked again until then.
    options.sqlx_logging(false).max_connections(8).acquire_timeout(Duration::from_secs(5));
    Database::connect(options).await.map_err(|error| Failure::Connect(masked(&url), error.to_string()))
}

async fn operations(database: Option<String>, who: String) -> Result<Outbox, Failure> {
    let connection = connect(database).await?;
    Ok(Operations::new(&operators_audit()?, connection, who))
}

/// Records what an operator does; a relay or a worker elsewhere delivers that.
fn operators_audit() -> Result<Audit, Failure> {
    let audit = Audit::builder()
        .service_name("ftn-audit")
        .sink(MemorySink::new())
        .delivery(Delivery::outbox())
        .environment(|_| None)
        .build()?;
    Ok(audit)
}
