//! The databases that are measured, and the tables in them.

#[path = "../fixtures/item.rs"]
pub mod item;
#[path = "../fixtures/null.rs"]
mod null;

use std::path::PathBuf;

use ftn_audit_sea::prelude::*;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Schema};

use self::null::Null;

pub mod machine {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "machine")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many)]
        pub parts: HasMany<super::part::Entity>,
    }
}

/// What a machine consists of; gone with it.
pub mod part {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "part")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(indexed)]
        pub machine_id: i32,
        pub size: i32,
        #[sea_orm(belongs_to, from = "machine_id", to = "id", on_delete = "Cascade")]
        pub machine: BelongsTo<super::machine::Entity>,
    }
}

pub mod plain {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "plain")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub price: i64,
        pub stock: i32,
        pub note: Option<String>,
        pub active: bool,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub struct Database {
    pub name: String,
    pub bare: DatabaseConnection,
    pub audited: AuditedConnection,
    pub disabled: AuditedConnection,
    pub noop: AuditedConnection,
    /// In outbox delivery.
    pub outbox: AuditedConnection,
    /// With a queue, for hooks.
    pub audit: Audit,
    /// Where another pool can connect.
    pub url: String,
    admin: Option<(String, String)>,
    file: Option<PathBuf>,
}

pub async fn databases() -> Vec<Database> {
    let mut databases = vec![Database::new("sqlite", None).await];
    for (name, variable) in [("postgres", "FTN_AUDIT_TEST_POSTGRES"), ("mariadb", "FTN_AUDIT_TEST_MARIADB")] {
        if let Ok(server) = std::env::var(variable) {
            databases.push(Database::new(name, Some(server)).await);
        }
    }
    databases
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(4).min_connections(2).sqlx_logging(false);
    sea_orm::Database::connect(options).await.expect("the database answers")
}

impl Database {
    async fn new(name: &str, server: Option<String>) -> Self {
        let database = format!("ftn_audit_bench_{}", uuid::Uuid::new_v4().simple());
        let file = server.is_none().then(|| std::env::temp_dir().join(format!("{database}.sqlite")));
        let (url, admin) = match server {
            None => {
                let path = file.as_deref().expect("SQLite has a file").display();
                (format!("sqlite://{path}?mode=rwc"), None)
            }
            Some(admin) => {
                let connection = connect(&admin).await;
                let create = format!("CREATE DATABASE {database}");
                connection.execute_unprepared(&create).await.expect("a database can be created");
                let (server, _) = admin.rsplit_once('/').expect("the URL names a database");
                (format!("{server}/{database}"), Some((admin, database)))
            }
        };
        let bare = connect(&url).await;
        if admin.is_none() {
            bare.execute_unprepared("PRAGMA journal_mode = WAL").await.expect("SQLite has a journal");
        }
        let schema = Schema::new(bare.get_database_backend());
        bare.execute(&schema.create_table_from_entity(item::Entity)).await.expect("a table");
        bare.execute(&schema.create_table_from_entity(machine::Entity)).await.expect("a table");
        bare.execute(&schema.create_table_from_entity(part::Entity)).await.expect("a table");
        for index in schema.create_index_from_entity(part::Entity) {
            bare.execute(&index).await.expect("an index");
        }
        bare.execute(&schema.create_table_from_entity(plain::Entity)).await.expect("a table");
        let audit = Audit::builder()
            .service_name("bench")
            .sink(Null)
            .delivery(Delivery::queue().capacity(1_000_000).capacity_bytes(1 << 30))
            .environment(|_| None)
            .build()
            .expect("a sound handle");
        let noop =
            Audit::builder().delivery(Delivery::noop()).environment(|_| None).build().expect("a handle");
        let outbox = Audit::builder()
            .sink(Null)
            .delivery(Delivery::outbox())
            .environment(|_| None)
            .build()
            .expect("a sound handle");
        outbox.install(&bare).await.expect("an outbox");
        Self {
            name: name.to_owned(),
            outbox: outbox.connect(bare.clone()).await.expect("the outbox is there"),
            audited: audit.connect(bare.clone()).await.expect("the database answers"),
            disabled: Audit::disabled().connect(bare.clone()).await.expect("the database answers"),
            noop: noop.connect(bare.clone()).await.expect("the database answers"),
            bare,
            audit,
            url,
            admin,
            file,
        }
    }

    pub async fn drop(self) {
        drop((self.audited, self.disabled, self.noop, self.outbox));
        self.bare.close().await.expect("connections close");
        for suffix in ["", "-wal", "-shm"] {
            if let Some(file) = &self.file {
                let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
            }
        }
        let Some((admin, database)) = self.admin else { return };
        let connection = connect(&admin).await;
        connection.execute_unprepared(&format!("DROP DATABASE {database}")).await.expect("it can be dropped");
    }
}
