//! What the outbox costs a write, and what a relay carries.
//!
//! ```sh
//! FTN_AUDIT_TEST_POSTGRES=postgres://postgres@127.0.0.1/test FTN_AUDIT_TEST_MARIADB=mysql://root@127.0.0.1/test cargo bench --bench outbox
//! ```
//!
//! SQLite is always measured, the others where a variable names a server on which databases may be made.
//! `BENCH_SECONDS` (10) is how long contention is looked for, `BENCH_ROWS` (1,000,000) the largest backlog.

mod backlog;
mod contention;
mod database;
mod receiver;
mod throughput;
mod writes;

use std::error::Error;

use self::database::{Bench, Kind};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MariaDb] {
        let Some(bench) = Bench::create(kind).await? else {
            println!("{}: no server named", kind.name());
            continue;
        };
        writes::run(&bench).await?;
        throughput::run(&bench).await?;
        backlog::run(&bench).await?;
        if kind == Kind::MariaDb {
            contention::run(&bench).await?;
        }
        bench.drop().await?;
    }
    Ok(())
}
