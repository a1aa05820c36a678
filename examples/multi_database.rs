//! Two databases of one service, each with an outbox of its own, and one relay for both:
//!
//! ```text
//! cargo run --example multi_database
//! ```

use std::{error::Error, time::Duration};

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, Schema, TransactionTrait, prelude::*};

mod order {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "shop_order")]
    #[audit(name = "Order")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub customer_id: i32,
        pub state: String,
    }
}

mod customer {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "customer")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub email: String,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sink = MemorySink::new();
    let audit =
        Audit::builder().service_name("shop").sink(sink.clone()).delivery(Delivery::outbox()).build()?;
    let shop = open(&audit, "shop", order::Entity).await?;
    let crm = open(&audit, "crm", customer::Entity).await?;
    let relay = audit.relay([shop.clone(), crm.clone()]);

    let ann = customer::ActiveModel {
        name: Set("Ann".to_owned()),
        email: Set("ann@example.org".to_owned()),
        ..Default::default()
    };
    let ann = ann.insert(&crm).await?;

    // A transaction is one database's, and so are its records.
    let in_shop = shop.begin().await?;
    let order = order::ActiveModel {
        customer_id: Set(ann.id),
        state: Set("placed".to_owned()),
        ..Default::default()
    };
    let mut order: order::ActiveModel = order.insert(&in_shop).await?.into();
    order.state = Set("paid".to_owned());
    order.update(&in_shop).await?;
    in_shop.commit().await?;

    let in_crm = crm.begin().await?;
    let mut ann: customer::ActiveModel = ann.into();
    ann.email = Set("ann@example.com".to_owned());
    ann.update(&in_crm).await?;
    in_crm.rollback().await?;

    // A service would `spawn` it, and `stop` it at its end; `drain` is for those that run now and then.
    let report = relay.drain().await?;
    println!("{report:?}");
    for record in sink.records() {
        println!("{}", record.to_json());
    }
    check(&sink.records());
    audit.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// Both know their own table and an outbox; a name of yours tells their records apart.
async fn open<E: EntityTrait>(
    audit: &Audit,
    name: &str,
    entity: E,
) -> Result<AuditedConnection, Box<dyn Error>> {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
    let bare = Database::connect(options).await?;
    let schema = Schema::new(bare.get_database_backend());
    bare.execute(&schema.create_table_from_entity(entity)).await?;
    audit.install(&bare).await?;
    Ok(audit.connect_named(name, bare).await?)
}

fn check(records: &[AuditRecord]) {
    let of = |database: &str| -> Vec<String> {
        let namespace = |record: &&AuditRecord| {
            record.attribute("db.namespace").is_some_and(|namespace| namespace == database)
        };
        let brief = |record: &AuditRecord| format!("{} {}", record.event_type(), record.model());
        records.iter().filter(namespace).map(brief).collect()
    };
    assert_eq!(of("shop"), ["creation Order", "update Order"]);
    assert_eq!(of("crm"), ["creation Customer"], "what was rolled back is in no outbox");
    assert_eq!(records.len(), 3);
}
