//! The databases of a scenario, and one type for every way to write to them.

use async_trait::async_trait;
use ftn_audit_sea::{AuditedConnection, AuditedTransaction};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    ExecResult, QueryResult, Schema, Statement, TransactionTrait,
};

use crate::entities::*;

/// What an operation writes to. Forwards, as an application's own connection type would.
#[derive(Clone, Copy)]
pub enum Db<'a> {
    Audited(&'a AuditedConnection),
    AuditedIn(&'a AuditedTransaction),
    Plain(&'a DatabaseConnection),
    PlainIn(&'a DatabaseTransaction),
}

pub enum Transaction {
    Audited(AuditedTransaction),
    Plain(DatabaseTransaction),
}

impl Db<'_> {
    /// Whether statements are captured, and not only what runs hooks.
    pub fn captures_statements(self) -> bool {
        matches!(self, Self::Audited(_) | Self::AuditedIn(_))
    }

    pub async fn begin(self) -> Result<Transaction, DbErr> {
        Ok(match self {
            Self::Audited(db) => Transaction::Audited(db.begin().await?),
            Self::AuditedIn(db) => Transaction::Audited(db.begin().await?),
            Self::Plain(db) => Transaction::Plain(db.begin().await?),
            Self::PlainIn(db) => Transaction::Plain(db.begin().await?),
        })
    }
}

impl Transaction {
    pub fn db(&self) -> Db<'_> {
        match self {
            Self::Audited(db) => Db::AuditedIn(db),
            Self::Plain(db) => Db::PlainIn(db),
        }
    }

    pub async fn end(self, commit: bool) -> Result<(), DbErr> {
        match (self, commit) {
            (Self::Audited(db), true) => db.commit().await,
            (Self::Audited(db), false) => db.rollback().await,
            (Self::Plain(db), true) => db.commit().await,
            (Self::Plain(db), false) => db.rollback().await,
        }
    }
}

macro_rules! forward {
    ($db:expr, $method:ident($($argument:expr),*) $($wait:tt)*) => {
        match $db {
            Db::Audited(db) => db.$method($($argument),*)$($wait)*,
            Db::AuditedIn(db) => db.$method($($argument),*)$($wait)*,
            Db::Plain(db) => db.$method($($argument),*)$($wait)*,
            Db::PlainIn(db) => db.$method($($argument),*)$($wait)*,
        }
    };
}

#[async_trait]
impl ConnectionTrait for Db<'_> {
    fn get_database_backend(&self) -> DbBackend {
        forward!(self, get_database_backend())
    }
    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        forward!(self, execute_raw(statement).await)
    }
    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        forward!(self, execute_unprepared(sql).await)
    }
    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        forward!(self, query_one_raw(statement).await)
    }
    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        forward!(self, query_all_raw(statement).await)
    }
    fn support_returning(&self) -> bool {
        forward!(self, support_returning())
    }
}

/// A database in memory, with every table.
pub async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.expect("SQLite is always there");
    let schema = Schema::new(DbBackend::Sqlite);
    macro_rules! create {
        ($($entity:ident)*) => {$(
            db.execute(&schema.create_table_from_entity($entity::Entity)).await.expect(stringify!($entity));
        )*};
    }
    create!(owner item plain_item tag line int_key gadget item_tag item_label item_peer);
    db
}
