//! What is known of an audited model before any change of it: its names and how its columns are treated.

use std::{any::TypeId, fmt};

pub use crate::secret_names::{SECRET_NAMES, SECRET_NAMES_VERSION};
use crate::{AuditContext, HiddenValues, secret_names::looks_like_a_secret};

/// How the values of a column appear in records.
///
/// ```
/// use ftn_audit::{ColumnInfo, model::Treatment};
///
/// assert!(ColumnInfo::new("api_token", None, Treatment::Default, false).masked);
/// assert!(!ColumnInfo::new("api_token", None, Treatment::Plain, false).masked);
/// ```
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
    /// As `hmac:<key id>:<hex>`: that two values are the same is said, never what they are.
    Hash,
    /// Not at all.
    Skip,
}

/// The text in place of a masked value.
pub(crate) const MASK: &str = "***";

/// One column of an audited model.
///
/// ```
/// use ftn_audit::{ColumnInfo, model::Treatment};
///
/// let column = ColumnInfo::new("name", Some("title"), Treatment::Default, false);
/// assert_eq!((column.sql_name, column.name), ("name", "title"));
/// assert!(!column.is_hidden());
/// ```
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
    /// Whether values are replaced by their hash.
    pub hashed: bool,
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

impl ColumnInfo {
    /// Whether values never show: masked or hashed.
    pub fn is_hidden(&self) -> bool {
        self.masked || self.hashed
    }

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
            hashed: treatment == Treatment::Hash,
            skipped: treatment == Treatment::Skip,
            ignored: ignored || IGNORED.contains(&sql_name),
            relationship: false,
            old_key: format!("audit.changeset.{name}.old"),
            new_key: format!("audit.changeset.{name}.new"),
        }
    }
}

/// What becomes of a write whose record cannot be stored.
///
/// ```
/// assert_eq!(ftn_audit::model::OnFailure::BestEffort.as_str(), "best_effort");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The write fails, too: no row without its record. Only outbox delivery can promise it.
    Block,
    /// The write stands, and the record goes to the fallback.
    BestEffort,
}

impl OnFailure {
    /// As `#[audit(on_failure = "..")]` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::BestEffort => "best_effort",
        }
    }
}

/// What a statement that writes several rows of a model becomes.
///
/// ```
/// assert_eq!(ftn_audit::model::Bulk::default().as_str(), "rows");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bulk {
    /// An event a row.
    #[default]
    Rows,
    /// One event for all: how many rows, which keys, and the statement without its values.
    Summary,
    /// Nothing: the statement is refused, and the rows stay as they are.
    Refuse,
}

impl Bulk {
    /// As `#[audit(bulk = "..")]` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Summary => "summary",
            Self::Refuse => "refuse",
        }
    }
}

/// An audited model: what start-up checks, and what every change of it refers to.
///
/// ```
/// # fn example<M: ftn_audit::Subject>() {
/// let model = M::model();
/// println!("{} is the table {}", model.name, model.table);
/// # }
/// ```
pub struct ModelInfo {
    /// The model's name in records.
    pub name: String,
    /// The table's name.
    pub table: &'static str,
    /// The table's schema, where the entity names one.
    pub schema: Option<&'static str>,
    /// The columns, in the entity's order.
    pub columns: Vec<ColumnInfo>,
    /// Whether the rows link two other models.
    pub junction: bool,
    /// Whether capture by statement uses this entity, of several on one table.
    pub primary: bool,
    /// The column that marks a row as deleted.
    pub soft_delete: Option<&'static str>,
    /// What becomes of a write whose record cannot be stored, where the entity says so.
    pub on_failure: Option<OnFailure>,
    /// Whether a change has to say why it was made: the context's reason.
    pub reason_required: bool,
    /// What becomes of a statement that writes several rows.
    pub bulk: Bulk,
    /// The Rust type of a row.
    pub row: TypeId,
    /// Where the entity is defined.
    pub file: &'static str,
    /// Where the entity is defined.
    pub line: u32,
}

impl ModelInfo {
    /// Whether any column is masked or hashed.
    pub fn hides_columns(&self) -> bool {
        self.columns.iter().any(ColumnInfo::is_hidden)
    }

    /// Whether a change in this context should say why it is made, and does not.
    pub fn lacks_reason(&self, context: Option<&AuditContext>) -> bool {
        self.reason_required && context.and_then(AuditContext::reason).is_none()
    }
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
///
/// ```
/// fn name<M: ftn_audit::Subject>() -> &'static str {
///     &M::model().name
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an audited model",
    label = "formatters need a model whose entity derives `Auditable`",
    note = "add `Auditable` to the derives of `{Self}`, after `DeriveEntityModel`"
)]
pub trait Subject: Send + Sync + 'static {
    /// What is known of the model.
    fn model() -> &'static ModelInfo;

    /// Adds the row's values that must not show: they are blanked in what a formatter writes. None by default.
    fn add_hidden_values(&self, _hidden: &mut HiddenValues) {}
}

/// The name of a column, for [`Change::changed`](crate::Change::changed). `#[derive(Auditable)]` implements it for an
/// entity's `Column`; text is a column's name in the database or in records.
///
/// ```
/// use ftn_audit::model::ColumnName;
///
/// assert_eq!("price".column_name(), "price");
/// ```
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
    fn plain_shows_what_looks_like_a_secret() {
        assert!(ColumnInfo::new("api_token", None, Treatment::Default, false).masked);
        assert!(!ColumnInfo::new("api_token", None, Treatment::Plain, false).masked);
        assert!(ColumnInfo::new("code", Some("password"), Treatment::Default, false).masked_unasked);
        let hashed = ColumnInfo::new("api_token", None, Treatment::Hash, false);
        assert!(hashed.hashed && hashed.is_hidden() && !hashed.masked);
    }
}
