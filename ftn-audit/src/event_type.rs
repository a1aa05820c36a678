//! What kind of thing happened.

use std::{borrow::Cow, fmt};

/// What kind of thing happened. Displays, and compares with `&str`, as the value of `audit.event_type`.
///
/// ```
/// use ftn_audit::EventType;
///
/// assert_eq!(EventType::CollectionUpdate, "collection_update");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventType {
    /// A row was inserted.
    Creation,
    /// A row was changed.
    Update,
    /// A row was inserted or updated, and which of them could not be told.
    Upsert,
    /// A row was deleted, or marked as deleted in its entity's `soft_delete` column.
    Deletion,
    /// A row that its entity's `soft_delete` column had marked as deleted is there again.
    Restoration,
    /// Links of a many-to-many relation were added or removed.
    CollectionUpdate,
    /// A statement that can write named an audited table, and what it changed could not be told.
    UnparsedWrite,
    /// What is no row change: named by the application.
    Custom(Cow<'static, str>),
}

impl EventType {
    /// Those for which a formatter can be meant.
    pub(crate) const OF_ROWS: [Self; 7] = [
        Self::Creation,
        Self::Update,
        Self::Upsert,
        Self::Deletion,
        Self::Restoration,
        Self::CollectionUpdate,
        Self::UnparsedWrite,
    ];

    /// The value of `audit.event_type`.
    pub fn as_str(&self) -> &str {
        self.text()
    }

    pub(crate) fn text(&self) -> &Cow<'static, str> {
        match self {
            Self::Creation => &Cow::Borrowed("creation"),
            Self::Update => &Cow::Borrowed("update"),
            Self::Upsert => &Cow::Borrowed("upsert"),
            Self::Deletion => &Cow::Borrowed("deletion"),
            Self::Restoration => &Cow::Borrowed("restoration"),
            Self::CollectionUpdate => &Cow::Borrowed("collection_update"),
            Self::UnparsedWrite => &Cow::Borrowed("unparsed_write"),
            Self::Custom(name) => name,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for EventType {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for EventType {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<EventType> for &EventType {
    fn eq(&self, other: &EventType) -> bool {
        **self == *other
    }
}
