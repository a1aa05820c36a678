//! What a test expects of one record.

use super::{Recorder, difference::Difference};
use crate::{AttributeValue, AuditRecord, ColumnInfo, EventType, LinkAction, ModelInfo};

/// What one record has to say. What is not said of it may be anything.
///
/// Columns have the names that they have in records. `ftn_audit_sea::assert_audited!` writes this for an entity.
///
/// ```
/// # fn example<M: ftn_audit::Subject>(recorder: &ftn_audit::testing::Recorder) {
/// use ftn_audit::{Subject, testing::{Expectation, event}};
///
/// let columns = &M::model().columns;
/// Expectation::of(M::model(), [&columns[0]])
///     .event(event::update())
///     .key("id", 1)
///     .change("title", "Tea", "Mate")
///     .assert_audited(recorder);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an expectation is checked by `assert_audited` or `assert_not_audited`"]
pub struct Expectation {
    pub(super) model: &'static ModelInfo,
    /// The key's columns, in the key's order.
    pub(super) key_columns: Vec<&'static ColumnInfo>,
    pub(super) event: Option<EventType>,
    pub(super) key: Vec<(&'static str, AttributeValue)>,
    pub(super) columns: Vec<ExpectedColumn>,
    pub(super) links: Option<ExpectedLinks>,
}

#[derive(Clone, Debug)]
pub(super) struct ExpectedColumn {
    pub(super) name: &'static str,
    pub(super) sides: Sides,
}

#[derive(Clone, Debug)]
pub(super) enum Sides {
    Both {
        old: AttributeValue,
        new: AttributeValue,
    },
    /// The only value of a creation or a deletion; of an update, the new one.
    One(AttributeValue),
}

#[derive(Clone, Debug)]
pub(super) struct ExpectedLinks {
    pub(super) field: &'static str,
    pub(super) action: LinkAction,
    pub(super) keys: Vec<AttributeValue>,
}

/// A column or relation as a macro wrote it: `r#type` and `"type"` mean the column `type`.
fn spelled(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name).trim_matches('"')
}

impl Expectation {
    /// Any record of a model, whose key has these columns.
    pub fn of(model: &'static ModelInfo, key_columns: impl IntoIterator<Item = &'static ColumnInfo>) -> Self {
        Self {
            model,
            key_columns: key_columns.into_iter().collect(),
            event: None,
            key: Vec::new(),
            columns: Vec::new(),
            links: None,
        }
    }

    /// What happened.
    pub fn event(self, event: EventType) -> Self {
        Self { event: Some(event), ..self }
    }

    /// The value of a column of the row's key. A composite key is said with all of its columns.
    pub fn key(mut self, column: &'static str, value: impl Into<AttributeValue>) -> Self {
        self.key.push((spelled(column), value.into()));
        self
    }

    /// A column that the record has with these two values.
    pub fn change(
        self,
        column: &'static str,
        old: impl Into<AttributeValue>,
        new: impl Into<AttributeValue>,
    ) -> Self {
        self.column(column, Sides::Both { old: old.into(), new: new.into() })
    }

    /// A column that the record has with this value: the new one, or the old one where the row is gone.
    pub fn value(self, column: &'static str, value: impl Into<AttributeValue>) -> Self {
        self.column(column, Sides::One(value.into()))
    }

    fn column(mut self, column: &'static str, sides: Sides) -> Self {
        self.columns.push(ExpectedColumn { name: spelled(column), sides });
        self
    }

    /// The links that a `collection_update` added or removed: all of them, in any order.
    pub fn links(
        self,
        field: &'static str,
        action: LinkAction,
        keys: impl IntoIterator<Item = AttributeValue>,
    ) -> Self {
        let keys = keys.into_iter().collect();
        Self { links: Some(ExpectedLinks { field: spelled(field), action, keys }), ..self }
    }

    /// The first record that is as expected.
    ///
    /// # Panics
    ///
    /// When there is none: with the record that comes nearest, and how it differs.
    #[track_caller]
    pub fn assert_audited(&self, recorder: &Recorder) -> AuditRecord {
        let difference = Difference::new(self, recorder);
        match difference.found() {
            Some(found) => found.clone(),
            None => panic!("{}", difference.missing()),
        }
    }

    /// Checks that no record is as expected.
    ///
    /// # Panics
    ///
    /// When there is one, with what it says; and when what is expected can never be, because then its absence says
    /// nothing.
    #[track_caller]
    pub fn assert_not_audited(&self, recorder: &Recorder) {
        if let Some(unwanted) = Difference::new(self, recorder).unwanted() {
            panic!("{unwanted}");
        }
    }
}

/// The events under the names by which `assert_audited!` knows them.
pub mod event {
    use crate::EventType;

    /// A row was inserted.
    pub fn creation() -> EventType {
        EventType::Creation
    }

    /// A row was changed.
    pub fn update() -> EventType {
        EventType::Update
    }

    /// A row was inserted or updated.
    pub fn upsert() -> EventType {
        EventType::Upsert
    }

    /// A row was deleted, or marked as deleted.
    pub fn deletion() -> EventType {
        EventType::Deletion
    }

    /// A row is no longer marked as deleted.
    pub fn restoration() -> EventType {
        EventType::Restoration
    }

    /// Links were added or removed.
    pub fn collection_update() -> EventType {
        EventType::CollectionUpdate
    }

    /// A statement wrote what could not be told.
    pub fn unparsed_write() -> EventType {
        EventType::UnparsedWrite
    }
}
