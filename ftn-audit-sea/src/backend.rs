//! What differs between databases in a word.

use sea_orm::{
    DbBackend,
    sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, QuotedBuilder, SqliteQueryBuilder},
};

/// The value of `db.system.name`, as OpenTelemetry's conventions have it.
pub(crate) fn system_name(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "postgresql",
        DbBackend::MySql => "mysql",
        DbBackend::Sqlite => "sqlite",
        _ => "other_sql",
    }
}

/// An identifier as the database quotes it.
pub(crate) fn quoted(backend: DbBackend, name: &str) -> String {
    let quote = match backend {
        DbBackend::MySql => MysqlQueryBuilder.quote(),
        DbBackend::Sqlite => SqliteQueryBuilder.quote(),
        _ => PostgresQueryBuilder.quote(),
    };
    let (left, right) = (quote.left(), quote.right());
    format!("{left}{}{right}", name.replace(right, &format!("{right}{right}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_cannot_break_out() {
        assert_eq!(quoted(DbBackend::Postgres, "a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted(DbBackend::MySql, "a`b"), "`a``b`");
    }
}
