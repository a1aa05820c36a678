//! The outbox on PostgreSQL: every record is a row of its change's own transaction, and a relay takes it to the sink.
//!
//! ```text
//! DATABASE_URL=postgres://postgres@localhost/test cargo run --example outbox_postgres
//! ```
//!
//! It makes two tables where they are missing: its own, and the outbox. The sink fails at first, as a collector does
//! that is being restarted; nothing is lost.

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use ftn_audit_sea::{
    outbox::Operations,
    prelude::*,
    sink::{Outcome, Sink},
};
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, Schema, TransactionTrait, prelude::*};

mod account {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "outbox_postgres_account")]
    #[audit(name = "Account")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner: String,
        pub balance: i64,
    }
}

/// Refuses its first batches.
#[derive(Clone, Default)]
struct Restarting {
    taken: MemorySink,
    asked: Arc<AtomicU32>,
}

#[async_trait]
impl Sink for Restarting {
    fn name(&self) -> &str {
        "restarting"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        if self.asked.fetch_add(1, Ordering::Relaxed) < 3 {
            return Outcome::retry(None, "the collector is being restarted");
        }
        self.taken.deliver(batch).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL").map_err(|_| "say with DATABASE_URL where a PostgreSQL is")?;
    let sink = Restarting::default();
    let audit = Audit::builder()
        .service_name("bank")
        .sink(sink.clone())
        .delivery(Delivery::outbox().backoff(Duration::from_millis(50), Duration::from_millis(500)))
        .build()?;

    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false);
    let bare = Database::connect(options).await?;
    let schema = Schema::new(bare.get_database_backend());
    bare.execute(schema.create_table_from_entity(account::Entity).if_not_exists()).await?;
    // In production the migrator does this, and the service's own role may do no more than INSERT.
    audit.install(&bare).await?;
    let db = audit.connect(bare.clone()).await?;
    let relay = audit.relay([db.clone()]).spawn();

    let started = SystemTime::now();
    let mut expected = 0;
    for round in 0..20 {
        let kept = round % 4 != 3;
        transfer(&db, kept).await?;
        // Two creations and two updates, or nothing at all.
        expected += if kept { 4 } else { 0 };
    }

    let delivered = delivered(&sink, started, expected).await;
    relay.stop().await;
    let status = Operations::new(&audit, bare, "the example").status().await?;
    audit.shutdown(Duration::from_secs(5)).await;
    println!("{expected} records expected, {delivered} delivered; {status:?}; {:?}", audit.stats());
    if delivered != expected {
        return Err(format!("{delivered} records were delivered, and not {expected}").into());
    }
    Ok(())
}

/// Two accounts and money from one to the other, in one transaction.
async fn transfer(db: &AuditedConnection, keep: bool) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let account = |owner: &str| account::ActiveModel {
        owner: Set(owner.to_owned()),
        balance: Set(100),
        ..Default::default()
    };
    let (ann, ben) = (account("Ann").insert(&txn).await?, account("Ben").insert(&txn).await?);
    for (account, change) in [(ann, -30), (ben, 30)] {
        let balance = account.balance + change;
        let mut account: account::ActiveModel = account.into();
        account.balance = Set(balance);
        account.update(&txn).await?;
    }
    if keep { txn.commit().await } else { txn.rollback().await }
}

/// Waits for the records of this run, each counted once however often it came.
async fn delivered(sink: &Restarting, started: SystemTime, expected: usize) -> usize {
    let ids = || -> BTreeSet<_> {
        let records = sink.taken.records();
        records.iter().filter(|record| record.occurred_at() >= started).map(AuditRecord::id).collect()
    };
    for _ in 0..300 {
        if ids().len() >= expected {
            // What should not be there has a moment to come.
            tokio::time::sleep(Duration::from_millis(200)).await;
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ids().len()
}
