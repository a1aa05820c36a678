//! What is known of an audited model before any change of it: its names and how its columns are treated.

use std::{any::TypeId, fmt};

/// How the values of a column appear in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Treatment {
    /// As they are, unless the column's name looks like a secret's: then masked.
    #[default]
    Default,
    /// As they are, whatever the name looks like.
    Plain,
    /// As `***`: that the column changed is said, never from or to what.
    Mask,
    /// Not at all.
    Skip,
}

/// The text in place of a masked value.
pub(crate) const MASK: &str = "***";

/// One column of an audited model.
#[derive(Clone, Debug)]
pub struct ColumnInfo {
    /// The column's name in the database.
    pub sql_name: &'static str,
    /// The column's name in records.
    pub name: &'static str,
    /// Whether values are replaced by `***`.
    pub masked: bool,
    /// Whether that is so because the name looks like a secret's, and nobody said otherwise.
    pub masked_unasked: bool,
    /// Whether the column never appears.
    pub skipped: bool,
    /// Whether a change of it alone makes no event.
    pub ignored: bool,
    /// Whether it refers to another row.
    pub relationship: bool,
    pub(crate) old_key: String,
    pub(crate) new_key: String,
}

/// Columns that never make an event by themselves, because frameworks write them with every change.
const IGNORED: [&str; 3] = ["modified", "updated_at", "updated_by"];

/// Words that make a column's name look like a secret's, as a whole name or as its last words, compared by whole
/// snake_case words: `api_token` and `password_hash` do, `token_count` and `secretary_id` do not.
const SECRET_WORDS: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "password_hash",
    "password_digest",
    "pwd",
    "secret",
    "secret_key",
    "token",
    "token_hash",
    "api_key",
    "private_key",
    "access_key",
    "encryption_key",
    "credential",
    "credentials",
    "otp",
    "pin",
];

fn looks_like_a_secret(name: &str) -> bool {
    SECRET_WORDS
        .iter()
        .any(|word| name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}

impl ColumnInfo {
    /// Says whether the column refers to another row.
    #[must_use]
    pub fn relationship(mut self, relationship: bool) -> Self {
        self.relationship = relationship;
        self
    }

    /// A column as its declaration treats it.
    pub fn new(
        sql_name: &'static str,
        name: Option<&'static str>,
        treatment: Treatment,
        ignored: bool,
    ) -> Self {
        let name = name.unwrap_or(sql_name);
        let masked_unasked =
            treatment == Treatment::Default && (looks_like_a_secret(sql_name) || looks_like_a_secret(name));
        Self {
            sql_name,
            name,
            masked: masked_unasked || treatment == Treatment::Mask,
            masked_unasked,
            skipped: treatment == Treatment::Skip,
            ignored: ignored || IGNORED.contains(&sql_name),
            relationship: false,
            old_key: format!("audit.changeset.{name}.old"),
            new_key: format!("audit.changeset.{name}.new"),
        }
    }
}

/// An audited model: what start-up checks, and what every change of it refers to.
pub struct ModelInfo {
    /// The model's name in records.
    pub name: String,
    /// The table's name.
    pub table: &'static str,
    /// The table's schema, where the entity names one.
    pub schema: Option<&'static str>,
    /// The columns, in the entity's order.
    pub columns: Vec<ColumnInfo>,
    /// Whether the rows only link two other models.
    pub junction: bool,
    /// The Rust type of a row.
    pub row: TypeId,
    /// Where the entity is defined.
    pub file: &'static str,
    /// Where the entity is defined.
    pub line: u32,
}

impl fmt::Debug for ModelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelInfo")
            .field("name", &self.name)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// The row type of an audited model. `#[derive(Auditable)]` implements it for an entity's `Model`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an audited model",
    label = "formatters need a model whose entity derives `Auditable`",
    note = "add `Auditable` to the derives of `{Self}`, after `DeriveEntityModel`"
)]
pub trait Subject: Send + Sync + 'static {
    /// What is known of the model.
    fn model() -> &'static ModelInfo;
}

/// The name of a column, for [`Change::changed`](crate::Change::changed). `#[derive(Auditable)]` implements it for an
/// entity's `Column`; text is a column's name in the database or in records.
pub trait ColumnName {
    /// The column's name in the database.
    fn column_name(&self) -> &str;
}

impl ColumnName for &str {
    fn column_name(&self) -> &str {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_whole_words() {
        for name in ["password", "api_token", "password_hash", "stripe_secret_key", "pin", "user_otp"] {
            assert!(looks_like_a_secret(name), "{name}");
        }
        for name in ["token_count", "secretary_id", "shopping", "pinned", "keyboard", "spin", "title"] {
            assert!(!looks_like_a_secret(name), "{name}");
        }
    }

    #[test]
    fn plain_shows_what_looks_like_a_secret() {
        assert!(ColumnInfo::new("api_token", None, Treatment::Default, false).masked);
        assert!(!ColumnInfo::new("api_token", None, Treatment::Plain, false).masked);
        assert!(ColumnInfo::new("code", Some("password"), Treatment::Default, false).masked_unasked);
    }
}
