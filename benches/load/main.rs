//! What auditing costs a service under load: bare and audited work in turns, on Postgres and MariaDB where
//! `FTN_AUDIT_TEST_POSTGRES` and `FTN_AUDIT_TEST_MARIADB` say where.
//!
//! ```text
//! cargo bench --bench load
//! cargo bench --bench load -- postgres
//! ```
//!
//! Prints `load <database> <what> <figures>`: latencies of 64 tasks on a full pool of four connections, updates across a
//! network of one millisecond, the log that a record in the outbox writes, and deadlocks of a million writes.

mod contention;
#[path = "../overhead/database.rs"]
#[allow(dead_code, reason = "another bench's tables, of which this one needs some")]
mod database;
mod latency;
mod log;
mod pool;

use std::time::Duration;

use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait};

use self::database::{Database, databases, item};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // `cargo test --benches` builds it and runs it for a look.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for database in databases().await {
            let wanted = wanted.is_empty() || wanted.iter().any(|name| **name == database.name);
            if wanted && database.name != "sqlite" {
                pool::run(&database).await;
                latency::run(&database).await;
                log::run(&database).await;
                contention::run(&database).await;
            }
            database.drop().await;
        }
    });
}

/// Fresh rows; their keys.
async fn rows(database: &Database, count: i32) -> Vec<i32> {
    item::Entity::delete_many().exec(&database.bare).await.expect("an empty table");
    let items = (0..count).map(|number| item::ActiveModel {
        name: Set(format!("item {number}")),
        price: Set(0),
        stock: Set(number),
        active: Set(true),
        ..Default::default()
    });
    item::Entity::insert_many(items).exec_without_returning(&database.bare).await.expect("rows");
    assert_eq!(item::Entity::find().count(&database.bare).await.expect("a count"), count as u64);
    item::Entity::find().all(&database.bare).await.expect("rows").iter().map(|item| item.id).collect()
}

async fn reprice(db: &impl ConnectionTrait, id: i32, price: i64) -> Result<(), DbErr> {
    item::ActiveModel { id: Set(id), price: Set(price), ..Default::default() }.update(db).await.map(|_| ())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
