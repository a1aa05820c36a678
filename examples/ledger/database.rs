//! A database of the ledger's own.

use std::{error::Error, path::PathBuf, process::Command, time::Duration};

use ftn_audit_sea::outbox;
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, Schema, Statement,
};

use crate::{
    arguments::{Arguments, Database},
    children::Children,
    entities::{account, note},
    truth::line,
};

pub struct Databases {
    kind: Database,
    server: Option<String>,
    name: String,
    url: String,
}

pub async fn connect(url: &str, most: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(most).acquire_timeout(Duration::from_secs(20)).sqlx_logging(false);
    SeaOrm::connect(options).await
}

/// A connection to a server that may be starting.
async fn connect_again(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut tries = 0;
    loop {
        match connect(url, 4).await {
            Err(_) if tries < 10 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            connection => return connection,
        }
    }
}

impl Databases {
    pub async fn create(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let name = format!("ftn_audit_ledger_{}", uuid::Uuid::new_v4().simple());
        let server = match arguments.database {
            Database::Sqlite => None,
            Database::Postgres => Some(server(arguments, "LEDGER_POSTGRES")?),
            Database::Mariadb => Some(server(arguments, "LEDGER_MARIADB")?),
        };
        let url = match &server {
            None => format!("sqlite://{}?mode=rwc", file(&name).display()),
            Some(server) => {
                let connection = connect(server, 1).await?;
                connection.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
                connection.close().await?;
                let (base, _) = server.rsplit_once('/').ok_or("the server's URL names no database")?;
                format!("{base}/{name}")
            }
        };
        let db = connect(&url, 1).await?;
        if server.is_none() {
            db.execute_unprepared("PRAGMA journal_mode = WAL").await?;
        }
        let backend = db.get_database_backend();
        let schema = Schema::new(backend);
        db.execute(&schema.create_table_from_entity(account::Entity)).await?;
        db.execute(&schema.create_table_from_entity(note::Entity)).await?;
        db.execute_unprepared("CREATE TABLE truth (line varchar(400) NOT NULL)").await?;
        for statement in outbox::statements(backend) {
            db.execute_unprepared(&statement).await?;
        }
        db.close().await?;
        Ok(Self { kind: arguments.database, server, name, url })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the relays have sent everything.
    pub async fn settle(&self, children: &mut Children) -> Result<(), Box<dyn Error>> {
        let db = connect_again(&self.url).await?;
        for _ in 0..1200 {
            children.keep_relays()?;
            let waiting = outbox::Entity::find().filter(outbox::Column::State.eq("waiting"));
            if waiting.count(&db).await.is_ok_and(|count| count == 0) {
                return Ok(db.close().await?);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the relays did not deliver what was left within two minutes".into())
    }

    /// How many records are in the outbox, sent or not.
    pub async fn records(&self) -> Result<u64, DbErr> {
        let db = connect_again(&self.url).await?;
        let count = outbox::Entity::find().count(&db).await?;
        db.close().await?;
        Ok(count)
    }

    /// What was committed, a line a change.
    pub async fn truth(&self) -> Result<Vec<String>, DbErr> {
        let db = connect_again(&self.url).await?;
        let written = Statement::from_string(db.get_database_backend(), "SELECT line FROM truth");
        let written = db.query_all_raw(written).await?;
        let mut truth: Vec<String> =
            written.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        let notes = note::Entity::find().order_by_asc(note::Column::Id).all(&db).await?;
        truth
            .extend(notes.iter().map(|note| line("creation", "Note", &note.id.to_string(), "", &note.label)));
        db.close().await?;
        Ok(truth)
    }

    pub async fn drop(self) -> Result<(), Box<dyn Error>> {
        if let Some(server) = &self.server {
            let connection = connect(server, 1).await?;
            let force = if self.kind == Database::Postgres { " WITH (FORCE)" } else { "" };
            connection.execute_unprepared(&format!("DROP DATABASE {}{force}", self.name)).await?;
            return Ok(connection.close().await?);
        }
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file(&self.name).display()));
        }
        Ok(())
    }
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}.sqlite"))
}

fn server(arguments: &Arguments, variable: &str) -> Result<String, String> {
    let named = arguments.server.clone().or_else(|| std::env::var(variable).ok());
    named.ok_or_else(|| format!("no server: name it with --server or {variable}"))
}

/// Stops the database and starts it again, by a command of whoever runs it.
pub fn restart(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let Some(command) = &arguments.restart else { return Ok(()) };
    eprintln!("ledger: the database is restarted");
    let status = Command::new("sh").arg("-c").arg(command).status()?;
    if status.success() { Ok(()) } else { Err(format!("the restart failed: {status}").into()) }
}
