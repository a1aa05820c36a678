//! What goes wrong, a sentence each.

use ftn_audit_sea::{AuditError, StartupError, engine::EngineError};
use sea_orm::DbErr;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no database: name it with `--database URL` or the variable DATABASE_URL")]
    NoDatabase,
    #[error("{0} is no database that this command knows: name one by postgres://, mysql:// or sqlite://")]
    WrongUrl(String),
    #[error("cannot connect to {0}: {1}")]
    Connect(String, String),
    #[error("this database has no table `audit_outbox`: make it with `ftn-audit migrate`")]
    NoTable,
    #[error("there is no row with the id {0}")]
    UnknownId(String),
    #[error("no row was {0}: none that can be is in the selection")]
    NoRow(&'static str),
    #[error("say why with `--reason`: it is recorded with what you do")]
    NoReason,
    #[error("say whose SQL with `--backend postgres`, mysql or sqlite, or name a database")]
    NoBackend,
    #[error("no broker: name it with `--broker URL` or the variable FTN_AUDIT_BROKER")]
    #[cfg(feature = "rabbitmq")]
    NoBroker,
    #[error("this ftn-audit knows no broker: install it with `--features cli,rabbitmq`")]
    #[cfg(not(feature = "rabbitmq"))]
    NotBuiltIn,
    #[error("no dead letter was replayed: none that was chosen is there")]
    NoDeadLetter,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot read {0}: {1}")]
    File(String, std::io::Error),
    #[error("the receiver is not set up: {0}")]
    Receiver(String),
    #[error("the database refused: {0}")]
    Database(DbErr),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error("the row cannot be read: {0}")]
    Unreadable(#[from] ftn_audit_sea::stored::UnreadableRecord),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        // Each database has its own number for it, and all name the table.
        let text = error.to_string().to_lowercase();
        let missing =
            ["does not exist", "doesn't exist", "no such table"].iter().any(|part| text.contains(part));
        if missing && text.contains("audit_outbox") { Self::NoTable } else { Self::Database(error) }
    }
}

/// A URL without its password.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "this URL (it has no scheme)".to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split_once(':').map_or(user, |(name, _)| name);
            format!("{name}@{host}")
        }
        None => authority.to_owned(),
    };
    // Options can hold secrets, too.
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{scheme}://{authority}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(
            masked("postgres://ann:s@e:cret@db:5432/shop?sslpassword=x"),
            "postgres://ann@db:5432/shop"
        );
        assert_eq!(masked("sqlite://shop.db"), "sqlite://shop.db/");
        assert!(!masked("ann:secret").contains("secret"));
    }
}
