//! The same work with and without, in turns.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use ftn_audit_sea::prelude::*;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, SqliteTransactionMode, TransactionOptions, TransactionSession,
    TransactionTrait,
};

use crate::database::{Bench, Kind, item};

const ROUNDS: u32 = 30;
const TIMES: u32 = 10;

pub async fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let audit = Audit::builder().sink(MemorySink::new()).delivery(Delivery::outbox()).build()?;
    let audited = audit.connect(bench.db.clone()).await?;
    let new =
        |name: &str| item::ActiveModel { name: Set(name.to_owned()), price: Set(0), ..Default::default() };
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(new("Tea").insert(&bench.db).await?.id);
    }
    let (mut single, mut ten) = (Pair::default(), Pair::default());
    for round in 0..ROUNDS {
        let price = |time: u32| i32::try_from(round * TIMES + time).unwrap_or_default();
        single.bare += timed(async |time| update(&bench.db, ids[0], 2 * price(time)).await).await?;
        single.audited += timed(async |time| update(&audited, ids[0], 2 * price(time) + 1).await).await?;
        ten.bare += timed(async |time| transaction(bench, &bench.db, &ids, 2 * price(time)).await).await?;
        ten.audited +=
            timed(async |time| transaction(bench, &audited, &ids, 2 * price(time) + 1).await).await?;
    }
    println!("{}: one update, outbox / bare: {}", bench.kind.name(), single.told());
    println!("{}: transaction of ten updates, outbox / bare: {}", bench.kind.name(), ten.told());
    bench.clear().await?;
    Ok(())
}

#[derive(Default)]
struct Pair {
    bare: Duration,
    audited: Duration,
}

impl Pair {
    fn told(&self) -> String {
        let each = |total: Duration| total.as_secs_f64() * 1e6 / f64::from(ROUNDS * TIMES);
        let ratio = self.audited.as_secs_f64() / self.bare.as_secs_f64();
        format!("{ratio:.2} ({:.0} us / {:.0} us)", each(self.audited), each(self.bare))
    }
}

async fn timed(mut work: impl AsyncFnMut(u32) -> Result<(), DbErr>) -> Result<Duration, DbErr> {
    let start = Instant::now();
    for time in 0..TIMES {
        work(time).await?;
    }
    Ok(start.elapsed())
}

async fn update<C: ConnectionTrait>(db: &C, id: i32, price: i32) -> Result<(), DbErr> {
    item::ActiveModel { id: Set(id), price: Set(price), ..Default::default() }.update(db).await.map(|_| ())
}

async fn transaction<C>(bench: &Bench, db: &C, ids: &[i32], price: i32) -> Result<(), DbErr>
where
    C: TransactionTrait,
{
    let options = TransactionOptions {
        sqlite_transaction_mode: (bench.kind == Kind::Sqlite).then_some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let txn = db.begin_with_options(options).await?;
    for id in ids {
        update(&txn, *id, price).await?;
    }
    txn.commit().await
}
