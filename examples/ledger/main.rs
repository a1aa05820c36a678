//! Whether every committed change arrives, whatever dies on the way.
//!
//! Child processes write random transactions and relay their records, over a broker where one is named, to a receiver
//! that fails as scripted; all of them are killed at random, the receiver goes away and comes back, the database is stopped and started. At the end, every
//! committed change is matched to its record by what it says.
//!
//! ```sh
//! cargo run --release --example ledger -- --seconds 60 --database postgres
//! cargo run --release --example ledger -- --seconds 60 --database postgres --engine rabbitmq
//! ```
//!
//! Exit codes: 0 nothing lost and nothing false, 1 the ledger does not balance, 2 it could not be drawn up.

mod arguments;
mod broker;
mod children;
mod database;
mod entities;
mod mutants;
mod receiver;
mod relay;
mod truth;
mod writer;

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;

use self::{
    arguments::{Arguments, Role},
    broker::Queues,
    children::Children,
    database::Databases,
    receiver::Receiver,
    truth::Balance,
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        None => draw_up(&arguments).await,
        Some(Role::Writer) => writer::run(&arguments).await.map(|()| ExitCode::SUCCESS),
        Some(Role::Relay) => relay::run(&arguments).await.map(|()| ExitCode::SUCCESS),
        Some(Role::Worker) => broker::work(&arguments).await.map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("ledger: {error}");
        ExitCode::from(2)
    })
}

async fn draw_up(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let databases = Databases::create(arguments).await?;
    let receiver = Receiver::start(arguments.seed).await?;
    let queues = Queues::new(arguments)?;
    let mut children = Children::new(arguments, databases.url(), receiver.endpoint(), queues.as_ref());
    let (start, length) = (Instant::now(), Duration::from_secs(arguments.seconds));
    let mut to_restart = arguments.restart.is_some();
    while start.elapsed() < length {
        children.keep_up()?;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..200))).await;
        match fastrand::u32(0..10) {
            0..4 => children.kill_one()?,
            4 => receiver.go_away(Duration::from_millis(fastrand::u64(100..1500))).await?,
            _ => {}
        }
        if to_restart && start.elapsed() > length / 2 {
            to_restart = false;
            database::restart(arguments)?;
        }
    }
    children.kill_writers()?;
    receiver.behave();
    databases.settle(&mut children).await?;
    if let Some(queues) = &queues {
        arrive(&databases, &receiver, &mut children).await?;
        eprintln!("ledger: {} dead letters", queues.dead().await?);
    }
    children.kill_all()?;
    let balance = Balance::new(databases.truth().await?, receiver.received());
    databases.drop().await?;
    if let Some(queues) = &queues {
        queues.delete().await?;
    }
    balance.explain();
    println!(
        "ledger: {} committed, {} delivered, {} repeats, {} lost, {} phantom",
        balance.committed,
        balance.delivered,
        balance.repeats,
        balance.lost.len(),
        balance.phantoms.len()
    );
    eprintln!("ledger: {} processes killed, {} requests refused", children.killed(), receiver.refused());
    // An empty ledger balances, and proves nothing.
    let proven = balance.committed > 0 && balance.lost.is_empty() && balance.phantoms.is_empty();
    Ok(if proven { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits until the workers have delivered everything, or nothing new has come for so long that nothing will: what is
/// lost then is for the balance to say.
async fn arrive(
    databases: &Databases,
    receiver: &Receiver,
    children: &mut Children,
) -> Result<(), Box<dyn Error>> {
    const QUIET: Duration = Duration::from_secs(20);
    let records = databases.records().await?;
    let (mut arrived, mut since) = (0, Instant::now());
    while (arrived as u64) < records && since.elapsed() < QUIET {
        children.keep_relays()?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = receiver.distinct();
        if now > arrived {
            (arrived, since) = (now, Instant::now());
        }
    }
    Ok(())
}
