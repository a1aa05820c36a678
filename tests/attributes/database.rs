//! Databases for tests: SQLite always, Postgres and MariaDB where a URL says so.

use ftn_audit_sea::{Audit, AuditBuilder, prelude::*};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Schema};

use crate::entities::*;

pub const SECRET: &str = "a quite secret key of this test";

/// A database of a test's own, with a handle of its own.
pub struct TestDatabase {
    /// What hooks capture, inside [`hooked`](Self::hooked).
    pub plain: DatabaseConnection,
    pub db: AuditedConnection,
    pub audit: Audit,
    pub sink: MemorySink,
    pub kind: Kind,
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

pub fn builder(sink: &MemorySink) -> AuditBuilder {
    Audit::builder()
        .service_name("test")
        .environment(|_| None)
        .sink(sink.clone())
        .delivery(Delivery::sync())
        .hash_key("k1", SECRET)
}

impl Kind {
    pub async fn database(self) -> Option<TestDatabase> {
        let name = format!("ftn_audit_{}", uuid::Uuid::new_v4().simple());
        let url = match self.server() {
            None if self == Self::Sqlite => format!("sqlite://{}?mode=rwc", sqlite_path(&name).display()),
            None => return None,
            Some(server) => {
                on_server(&server, &format!("CREATE DATABASE {name}")).await;
                let (server, _) = server.rsplit_once('/').unwrap();
                format!("{server}/{name}")
            }
        };
        let mut options = ConnectOptions::new(url);
        options.max_connections(4).sqlx_logging(false);
        let plain = Database::connect(options).await.unwrap();
        create_tables(&plain).await;
        let sink = MemorySink::new();
        let audit = builder(&sink).build().unwrap();
        let db = audit.connect(plain.clone()).await.unwrap();
        Some(TestDatabase { plain, db, audit, sink, kind: self, name })
    }

    fn server(self) -> Option<String> {
        let variable = match self {
            Self::Sqlite => return None,
            Self::Postgres => "FTN_AUDIT_TEST_POSTGRES",
            Self::MariaDb => "FTN_AUDIT_TEST_MARIADB",
        };
        let server = std::env::var(variable).ok();
        let required = std::env::var("FTN_AUDIT_TEST_REQUIRE").is_ok_and(|value| value == "1");
        assert!(server.is_some() || !required, "{variable} is not set, and FTN_AUDIT_TEST_REQUIRE is");
        server
    }
}

fn sqlite_path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("{name}.sqlite"))
}

async fn on_server(server: &str, sql: &str) {
    let connection = Database::connect(server).await.unwrap();
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}

async fn create_tables(db: &DatabaseConnection) {
    let schema = Schema::new(db.get_database_backend());
    macro_rules! create {
        ($($entity:ident),*) => {$(
            db.execute(&schema.create_table_from_entity($entity::Entity)).await.expect(stringify!($entity));
        )*};
    }
    create!(account, guest, patient, document, flagged, person, topic, person_topic, product, letter, sealed);
    create!(badge, member, sponsorship, shelf, book, shelf_book);
}

impl TestDatabase {
    /// Removes the database.
    pub async fn remove(self) {
        let Self { plain, db, kind, name, .. } = self;
        drop(db);
        plain.close().await.unwrap();
        match kind.server() {
            Some(server) => on_server(&server, &format!("DROP DATABASE {name}")).await,
            None => std::fs::remove_file(sqlite_path(&name)).unwrap(),
        }
    }

    /// The records so far, which are then forgotten.
    pub fn take(&self) -> Vec<AuditRecord> {
        let records = self.sink.records();
        self.sink.clear();
        records
    }

    /// The only record so far.
    #[track_caller]
    pub fn one(&self) -> AuditRecord {
        let mut records = self.take();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }

    /// `event model #pk` of the records so far.
    pub fn events(&self) -> Vec<String> {
        let line = |record: &AuditRecord| {
            let link = record.attribute("audit.field_name").map(|field| {
                let action = record.attribute("audit.action").unwrap();
                format!(" {action} {field} {}", record.attribute("audit.pk_set").unwrap())
            });
            format!("{} {} #{}{}", record.event_type(), record.model(), record.pk(), link.unwrap_or_default())
        };
        self.take().iter().map(line).collect()
    }

    /// Runs with the handle that hooks on the plain connection find.
    pub async fn hooked<F: Future>(&self, future: F) -> F::Output {
        self.audit.scope(future).await
    }
}

/// Column names of a record's changeset, in order, each once.
pub fn changed(record: &AuditRecord) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (key, _) in record.attributes().iter() {
        if let Some(rest) = key.strip_prefix("audit.changeset.")
            && let Some((name, _)) = rest.rsplit_once('.')
            && names.last().is_none_or(|last| last != name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// A test for every kind of database.
macro_rules! on_every_database {
    ($($test:ident)+) => {
        mod sqlite { $(crate::database::on_every_database!(@ $test Sqlite);)+ }
        mod postgres { $(crate::database::on_every_database!(@ $test Postgres);)+ }
        mod mariadb { $(crate::database::on_every_database!(@ $test MariaDb);)+ }
    };
    (@ $test:ident $kind:ident) => {
        #[tokio::test]
        async fn $test() {
            if let Some(database) = crate::database::Kind::$kind.database().await {
                super::$test(&database).await;
                database.remove().await;
            }
        }
    };
}
pub(crate) use on_every_database;
