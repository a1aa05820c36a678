//! The table.

use ftn_audit_sea::outbox::{counting_grant, grants, statements};
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::json;

use crate::{
    arguments::{Backend, Migrate},
    connect,
    failure::Failure,
    output::Output,
};

pub async fn run(migrate: Migrate, database: Option<String>, output: &Output) -> Result<(), Failure> {
    if migrate.sql {
        return print(backend(migrate.backend, database.as_deref())?, output);
    }
    let connection = connect(database).await?;
    for statement in statements(connection.get_database_backend()) {
        connection.execute_unprepared(&statement).await?;
    }
    output.answer(&json!({ "migrated": true }), ["The table `audit_outbox` is there.".to_owned()]);
    Ok(())
}

fn backend(named: Option<Backend>, database: Option<&str>) -> Result<DbBackend, Failure> {
    let scheme = database.and_then(|url| url.split_once(':')).map(|(scheme, _)| scheme);
    match (named, scheme) {
        (Some(Backend::Postgres), _) | (None, Some("postgres" | "postgresql")) => Ok(DbBackend::Postgres),
        (Some(Backend::Mysql), _) | (None, Some("mysql" | "mariadb")) => Ok(DbBackend::MySql),
        (Some(Backend::Sqlite), _) | (None, Some("sqlite")) => Ok(DbBackend::Sqlite),
        _ => Err(Failure::NoBackend),
    }
}

fn print(backend: DbBackend, output: &Output) -> Result<(), Failure> {
    let (statements, grants, counting) = (statements(backend), grants(backend), counting_grant(backend));
    let object = json!({ "statements": statements, "grants": grants, "grant_for_outbox_max_rows": counting });
    let mut lines = vec!["-- Run by the migrator, who owns the table.".to_owned()];
    lines.extend(statements.iter().map(|statement| format!("{statement};")));
    if !grants.is_empty() {
        lines.push("-- The rights of each role; the names are yours to choose.".to_owned());
        lines.extend(grants.iter().map(|statement| format!("{statement};")));
    }
    if let Some(counting) = counting {
        lines.push("-- Only where the application sets `outbox_max_rows`.".to_owned());
        lines.push(format!("-- {counting};"));
    }
    output.answer(&object, lines);
    Ok(())
}
