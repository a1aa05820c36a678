//! Databases of the benchmark's own.

use std::{error::Error, path::PathBuf, time::Duration};

use ftn_audit_sea::{AuditRecord, outbox};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait, Schema, Statement,
};

pub mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub price: i32,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
            Self::MariaDb => "MariaDB",
        }
    }
}

pub struct Bench {
    pub kind: Kind,
    pub db: DatabaseConnection,
    url: String,
    server: Option<String>,
    name: String,
}

pub async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(8).acquire_timeout(Duration::from_secs(30)).sqlx_logging(false);
    Database::connect(options).await
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}.sqlite"))
}

/// A number from the environment.
pub fn setting(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Bench {
    pub async fn create(kind: Kind) -> Result<Option<Self>, Box<dyn Error>> {
        let name = format!("ftn_audit_bench_{}", uuid::Uuid::new_v4().simple());
        let (url, server) = match kind {
            Kind::Sqlite => (format!("sqlite://{}?mode=rwc", file(&name).display()), None),
            _ => {
                let variable =
                    if kind == Kind::Postgres { "FTN_AUDIT_TEST_POSTGRES" } else { "FTN_AUDIT_TEST_MARIADB" };
                let Ok(server) = std::env::var(variable) else { return Ok(None) };
                let admin = connect(&server).await?;
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
                admin.close().await?;
                let (base, _) = server.rsplit_once('/').ok_or("the URL names no database")?;
                (format!("{base}/{name}"), Some(server.clone()))
            }
        };
        let db = connect(&url).await?;
        if kind == Kind::Sqlite {
            db.execute_unprepared("PRAGMA journal_mode = WAL").await?;
        }
        let backend = db.get_database_backend();
        db.execute(&Schema::new(backend).create_table_from_entity(item::Entity)).await?;
        for statement in outbox::statements(backend) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(Some(Self { kind, db, url, server, name }))
    }

    pub async fn connect(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.url).await
    }

    pub async fn clear(&self) -> Result<(), DbErr> {
        outbox::Entity::delete_many().exec(&self.db).await.map(|_| ())
    }

    /// So many waiting rows of 1 KB, made by the database.
    pub async fn fill(&self, rows: u64) -> Result<(), DbErr> {
        self.clear().await?;
        let record = AuditRecord::event("update", "Item", 1).with_attribute("bench.padding", "x".repeat(600));
        let payload = record.to_payload();
        let id = record.id().to_string();
        let (before, after) = payload.split_once(&id).unwrap_or_default();
        let padding = "y".repeat(1024_usize.saturating_sub(payload.len() + 60));
        let after = after.replace("xxx\"", &format!("xxx{padding}\""));
        let (uuid, numbers) = match self.kind {
            // In the order of time, as a record's own id is.
            Kind::Postgres => (
                "'0199d1c2-' || lpad(to_hex(n / 65536), 4, '0') || '-7' || lpad(to_hex(n / 16 % 4096), 3, '0') \
                 || '-8' || lpad(to_hex(n % 16), 3, '0') || '-' || substr(md5(n::text), 1, 12)"
                    .to_owned(),
                format!("(SELECT generate_series(1, {rows}) AS n) AS numbers"),
            ),
            Kind::MariaDb => {
                ("UUID()".to_owned(), format!("(SELECT seq AS n FROM seq_1_to_{rows}) AS numbers"))
            }
            Kind::Sqlite => {
                let part = |bytes| format!("lower(hex(randomblob({bytes})))");
                let parts = [4, 2, 2, 2, 6].map(part).join(" || '-' || ");
                (
                    parts,
                    format!(
                        "(WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {rows}) \
                         SELECT n FROM count) AS numbers"
                    ),
                )
            }
        };
        let concat = match self.kind {
            Kind::MariaDb => "CONCAT(?, id, ?)",
            Kind::Postgres => "$1 || id || $2",
            Kind::Sqlite => "? || id || ?",
        };
        let sql = format!(
            "INSERT INTO audit_outbox (id, transaction_id, sequence, transaction_count, model, model_pk, event, \
             format, payload, occurred_at) SELECT id, id, 1, 1, 'Item', '1', 'update', 1, {concat}, 0 \
             FROM (SELECT {uuid} AS id FROM {numbers}) AS made"
        );
        let values = [before.into(), after.into()];
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, values);
        self.db.execute_raw(statement).await?;
        if self.kind == Kind::Postgres {
            self.db.execute_unprepared("VACUUM ANALYZE audit_outbox").await?;
        }
        Ok(())
    }

    pub async fn drop(self) -> Result<(), Box<dyn Error>> {
        self.db.close().await?;
        if let Some(server) = &self.server {
            let admin = connect(server).await?;
            let force = if self.kind == Kind::Postgres { " WITH (FORCE)" } else { "" };
            admin.execute_unprepared(&format!("DROP DATABASE {}{force}", self.name)).await?;
            return Ok(admin.close().await?);
        }
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file(&self.name).display()));
        }
        Ok(())
    }
}
