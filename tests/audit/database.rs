//! Databases for tests: SQLite always, Postgres and MariaDB where a URL says so.

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityTrait, Schema, Statement,
};

use crate::entities::*;

/// A database of a test's own.
pub struct TestDatabase {
    pub connection: DatabaseConnection,
    /// Where a second, independent pool can connect.
    pub url: String,
}

/// The kinds of database that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    fn variable(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FTN_AUDIT_TEST_POSTGRES",
            Self::MariaDb => "FTN_AUDIT_TEST_MARIADB",
        }
    }

    /// A fresh database; `None` where there is no server and none is demanded.
    pub async fn database(self) -> Option<TestDatabase> {
        let name = format!("ftn_audit_{}", uuid::Uuid::new_v4().simple());
        let url = match self {
            Self::Sqlite => {
                let path = std::env::temp_dir().join(format!("{name}.sqlite"));
                format!("sqlite://{}?mode=rwc", path.display())
            }
            server => {
                let Ok(admin) = std::env::var(server.variable()) else {
                    let required = std::env::var("FTN_AUDIT_TEST_REQUIRE").is_ok_and(|value| value == "1");
                    assert!(!required, "{} is not set, and FTN_AUDIT_TEST_REQUIRE is", server.variable());
                    return None;
                };
                let connection = Database::connect(&admin).await.expect("the test server answers");
                let create = format!("CREATE DATABASE {name}");
                connection.execute_unprepared(&create).await.expect("the test may create a database");
                let (server, _) = admin.rsplit_once('/').expect("the URL names a database");
                format!("{server}/{name}")
            }
        };
        let connection = connect(&url).await;
        if self == Self::Sqlite {
            connection.execute_unprepared("PRAGMA journal_mode = WAL").await.expect("SQLite has a journal");
        }
        create_tables(&connection).await;
        Some(TestDatabase { connection, url })
    }
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
    use sea_orm::PaginatorTrait;
    E::find().count(db).await.expect("the table can be counted")
}

pub fn sql(db: &impl ConnectionTrait, text: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), text)
}
