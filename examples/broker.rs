//! Over a broker: an application writes, a relay publishes, two workers deliver. Runs to its end by itself, prints a JSON
//! record a line, and its status says whether every change arrived:
//!
//! ```text
//! cargo run --example broker -- amqp://guest:guest@127.0.0.1:5672
//! ```
//!
//! The broker's queues `ftn-audit.example`, `.dead` and `.wait.*` stay.

use std::{collections::HashSet, error::Error, process::ExitCode, sync::Arc, time::Duration};

use ftn_audit_sea::{engine::RabbitMq, prelude::*};
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, Schema, TransactionTrait, prelude::*};

mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
    }
}

const CHANGES: usize = 20;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let url = std::env::args().nth(1).or_else(|| std::env::var("FTN_AUDIT_BROKER").ok());
    let url = url.unwrap_or_else(|| "amqp://guest:guest@127.0.0.1:5672".to_owned());
    let engine = Arc::new(RabbitMq::new(&url)?.queue("ftn-audit.example")?);

    // The application: it knows its database, and nothing of a broker.
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let bare = Database::connect(options).await?;
    bare.execute(&Schema::new(bare.get_database_backend()).create_table_from_entity(item::Entity)).await?;
    let audit =
        Audit::builder().service_name("shop").sink(MemorySink::new()).delivery(Delivery::outbox()).build()?;
    audit.install(&bare).await?;
    let db = audit.connect(bare.clone()).await?;

    // Beside it, or in a process of its own (`ftn-audit relay --engine rabbitmq`).
    let relay = audit.relay([bare]).through(engine.clone()).spawn();

    // As many as it takes, wherever (`ftn-audit worker`).
    let arrived = MemorySink::new();
    let working =
        || Audit::builder().service_name("shop").sink(arrived.clone()).delivery(Delivery::outbox()).build();
    let (one, two) = (working()?, working()?);
    let workers = [one.worker(engine.clone()).spawn(), two.worker(engine).spawn()];

    let run = format!("run {}", uuid::Uuid::new_v4());
    let txn = db.with_context(AuditContext::builder().reason(&run).build()).begin().await?;
    for number in 1..=CHANGES {
        item::ActiveModel { title: Set(format!("Item {number}")), ..Default::default() }.insert(&txn).await?;
    }
    txn.commit().await?;

    // What an earlier run has left is delivered, too.
    let ours = || -> HashSet<String> {
        let of_run = |record: &AuditRecord| {
            record.attribute("audit.reason").is_some_and(|reason| reason.as_str() == Some(run.as_str()))
        };
        arrived
            .records()
            .iter()
            .filter(|record| of_run(record))
            .map(|record| record.pk().to_owned())
            .collect()
    };
    let complete = async {
        while ours().len() < CHANGES {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), complete).await.is_ok();
    relay.stop().await;
    for worker in workers {
        worker.stop().await;
    }
    for record in arrived.records() {
        println!("{}", record.to_json());
    }
    let (sent, delivered) = (audit.stats().published, one.stats().delivered + two.stats().delivered);
    eprintln!("broker: {CHANGES} changes, {sent} published, {delivered} delivered by two workers");
    Ok(if in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
