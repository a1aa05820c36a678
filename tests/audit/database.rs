//! Databases for tests: SQLite always, Postgres and MariaDB where a URL says so.

use std::time::{SystemTime, UNIX_EPOCH};

use ftn_audit_sea::{prelude::*, testing::Recorder};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityTrait, PaginatorTrait,
    Schema, Statement,
};
use tokio::sync::OnceCell;

use crate::entities::*;

/// A database of a test's own, with an audited connection to it. Dropped with this value, also when the test fails.
pub struct TestDatabase {
    pub kind: Kind,
    /// The bare connection.
    pub bare: DatabaseConnection,
    pub db: AuditedConnection,
    pub audit: Audit,
    pub recorder: Recorder,
    /// Where a second, independent pool can connect.
    pub url: String,
    name: String,
}

/// The kinds of database that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

/// Databases that a killed run left behind are dropped by a later one when they are this old.
const LEFT_BEHIND_SECONDS: u64 = 3600;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Kind {
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

    /// A fresh database; `None` where there is no server and none is demanded.
    pub async fn database(self) -> Option<TestDatabase> {
        let name = format!("ftn_audit_{}_{}", now(), uuid::Uuid::new_v4().simple());
        let url = match self {
            Self::Sqlite => format!("sqlite://{}?mode=rwc", sqlite_path(&name).display()),
            _ => {
                let admin = self.server()?;
                static SWEPT: [OnceCell<()>; 2] = [const { OnceCell::const_new() }; 2];
                SWEPT[usize::from(self == Self::MariaDb)].get_or_init(|| self.sweep(&admin)).await;
                let connection = Database::connect(&admin).await.expect("the test server answers");
                let create = format!("CREATE DATABASE {name}");
                connection.execute_unprepared(&create).await.expect("the test may create a database");
                connection.close().await.unwrap();
                let (server, _) = admin.rsplit_once('/').expect("the URL names a database");
                format!("{server}/{name}")
            }
        };
        let bare = connect(&url).await;
        if self == Self::Sqlite {
            bare.execute_unprepared("PRAGMA journal_mode = WAL").await.expect("SQLite has a journal");
        }
        create_tables(&bare).await;
        let recorder = Recorder::new();
        let audit = recorder.audit().clone();
        let db = audit.connect(bare.clone()).await.unwrap();
        Some(TestDatabase { kind: self, bare, db, audit, recorder, url, name })
    }

    async fn sweep(self, admin: &str) {
        let connection = Database::connect(admin).await.expect("the test server answers");
        let list = match self {
            Self::Postgres => "SELECT datname::text FROM pg_database",
            _ => "SELECT schema_name FROM information_schema.schemata",
        };
        for row in connection.query_all_raw(sql(&connection, list)).await.expect("databases can be listed") {
            let name: String = row.try_get_by_index(0).unwrap();
            let age = name
                .strip_prefix("ftn_audit_")
                .and_then(|rest| rest.split_once('_')?.0.parse::<u64>().ok())
                .map(|made| now().saturating_sub(made));
            if age.is_some_and(|age| age > LEFT_BEHIND_SECONDS) {
                let _ = connection.execute_unprepared(&format!("DROP DATABASE {name}")).await;
            }
        }
    }

    pub fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
            Self::MariaDb => DbBackend::MySql,
        }
    }
}

fn sqlite_path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("{name}.sqlite"))
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.kind == Kind::Sqlite {
            for suffix in ["", "-wal", "-shm"] {
                let path = sqlite_path(&self.name).into_os_string();
                let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
            }
            return;
        }
        let Some(admin) = self.kind.server() else { return };
        let drop = match self.kind {
            Kind::Postgres => format!("DROP DATABASE {} WITH (FORCE)", self.name),
            _ => format!("SET STATEMENT lock_wait_timeout = 5 FOR DROP DATABASE {}", self.name),
        };
        // A runtime cannot be waited for inside another, so it is another thread's.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = Database::connect(admin).await?;
                connection.execute_unprepared(&drop).await?;
                connection.close().await
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("{} is left behind: {error}", self.name);
        }
    }
}

impl TestDatabase {
    /// The records so far, which are then forgotten.
    pub fn take(&self) -> Vec<AuditRecord> {
        self.recorder.take()
    }

    /// The one record so far, which is then forgotten.
    #[track_caller]
    pub fn one(&self) -> AuditRecord {
        let mut records = self.take();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }

    /// Nothing was recorded.
    #[track_caller]
    pub fn silent(&self) {
        let records = self.take();
        assert!(records.is_empty(), "{records:#?}");
    }
}

/// A handle with a sink in memory.
pub fn recording() -> (Audit, MemorySink) {
    let sink = MemorySink::new();
    let audit = Audit::builder()
        .service_name("test")
        .sink(sink.clone())
        .delivery(Delivery::sync())
        .build()
        .expect("the tests' entities are sound");
    (audit, sink)
}

/// Another pool on the same database.
pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(8).sqlx_logging(false);
    Database::connect(options).await.expect("the database answers")
}

async fn create_tables(db: &DatabaseConnection) {
    let backend = db.get_database_backend();
    let schema = Schema::new(backend);
    if backend == DbBackend::Postgres {
        for statement in schema.create_enum_from_entity(gadget::Entity) {
            db.execute(&statement).await.expect("the enum can be created");
        }
    }
    macro_rules! create {
        ($($entity:ident),*) => {$(
            let table = schema.create_table_from_entity($entity::Entity);
            db.execute(&table).await.expect(stringify!($entity));
        )*};
    }
    create!(owner, tag, label, item, item_tag, item_label, stock, gadget);
}

/// The rows of a table, counted on the bare connection.
pub async fn count<E: EntityTrait>(db: &DatabaseConnection, _: E) -> u64
where
    E::Model: Sync,
{
    E::find().count(db).await.expect("the table can be counted")
}

pub fn sql(db: &impl ConnectionTrait, text: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), text)
}

/// Waits until something is so: for what another session does.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let start = std::time::Instant::now();
    while !condition().await {
        assert!(start.elapsed().as_secs() < 20, "waited in vain: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// One test a database, from a function that takes the database. Where there is no server, it passes.
macro_rules! on {
    ($($kind:ident)+: $($test:ident)+) => {
        on!(@tests [$($kind)+] $($test)+);
    };
    (@tests $kinds:tt $($test:ident)+) => {$(
        on!(@kinds $test $kinds);
    )+};
    (@kinds $test:ident [$($kind:ident)+]) => {
        mod $test {
            $(
                #[expect(non_snake_case, reason = "the name of a database")]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $kind() {
                    if let Some(database) = crate::database::Kind::$kind.database().await {
                        super::$test(&database).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use on;
