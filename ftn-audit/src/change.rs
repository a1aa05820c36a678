//! What capture found.

use std::any::Any;

use crate::{
    AttributeValue, Attributes, AuditContext, EventType, HiddenValues, attribute_names as names,
    hash::HashKeys, model::*,
};

/// One changed column: what it was and what it is. A side is `None` where the event has none (creation, deletion) or
/// where capture could not know it.
///
/// ```
/// use ftn_audit::{ColumnInfo, change::ColumnChange, model::Treatment};
///
/// let title: &'static ColumnInfo = Box::leak(Box::new(ColumnInfo::new("title", None, Treatment::Plain, false)));
/// let change = ColumnChange::new(title, Some("Tea".into()), Some("Mate".into()));
/// assert_eq!(change.name(), "title");
/// assert_eq!(change.new_value().unwrap(), "Mate");
/// ```
#[derive(Clone, Debug)]
pub struct ColumnChange {
    column: &'static ColumnInfo,
    old: Option<AttributeValue>,
    new: Option<AttributeValue>,
}

impl ColumnChange {
    /// A change of a column, with values hidden as the column's declaration wants it. Without a handle there is no key
    /// to hash with, so a hashed column is masked; capture asks [`Audit::column_change`](crate::Audit::column_change).
    pub fn new(
        column: &'static ColumnInfo,
        old: Option<AttributeValue>,
        new: Option<AttributeValue>,
    ) -> Self {
        Self::treated(column, old, new, &HashKeys::default())
    }

    pub(crate) fn treated(
        column: &'static ColumnInfo,
        old: Option<AttributeValue>,
        new: Option<AttributeValue>,
        keys: &HashKeys,
    ) -> Self {
        let treat = |value: Option<AttributeValue>| {
            value.map(|value| match column {
                _ if value.is_null() => value,
                column if column.hashed => {
                    keys.sign(&value.to_string()).unwrap_or_else(|| MASK.to_owned()).into()
                }
                column if column.masked => MASK.into(),
                _ => value,
            })
        };
        Self { column, old: treat(old), new: treat(new) }
    }

    /// The column's name in records.
    pub fn name(&self) -> &'static str {
        self.column.name
    }

    /// The value before.
    pub fn old(&self) -> Option<&AttributeValue> {
        self.old.as_ref()
    }

    /// The value after.
    pub fn new_value(&self) -> Option<&AttributeValue> {
        self.new.as_ref()
    }
}

/// The columns whose value really differs, in the entity's column order; all of them for a creation or a deletion.
///
/// ```
/// # use ftn_audit::{Change, Subject};
/// # fn example<M: Subject>(change: &Change<M>) {
/// for column in change.changeset().iter() {
///     println!("{}: {:?} -> {:?}", column.name(), column.old(), column.new_value());
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Changeset(Vec<ColumnChange>);

impl Changeset {
    /// The changes, in column order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ColumnChange> {
        self.0.iter()
    }

    /// The change of one column, by its name in records or in the database.
    pub fn get(&self, column: &str) -> Option<&ColumnChange> {
        self.0.iter().find(|change| change.column.sql_name == column || change.column.name == column)
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<ColumnChange> for Changeset {
    fn from_iter<I: IntoIterator<Item = ColumnChange>>(changes: I) -> Self {
        Self(changes.into_iter().collect())
    }
}

/// Whether links were added or removed.
///
/// ```
/// assert_eq!(ftn_audit::LinkAction::Add.as_str(), "add");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkAction {
    /// Links were added.
    Add,
    /// Links were removed.
    Remove,
}

impl LinkAction {
    /// The value of `audit.action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
        }
    }
}

/// Links of a many-to-many relation that were added or removed.
///
/// ```
/// use ftn_audit::{LinkAction, LinkChange};
///
/// let link = LinkChange::new("tags", LinkAction::Add, vec![9.into(), 2.into()]);
/// assert_eq!(link.keys()[0], 2);
/// assert!(!link.is_truncated());
/// ```
#[derive(Clone, Debug)]
pub struct LinkChange {
    field: &'static str,
    action: LinkAction,
    keys: Vec<AttributeValue>,
    total: usize,
}

/// The most keys that one link event lists.
pub const MAX_LINK_KEYS: usize = 500;

impl LinkChange {
    /// A change of a relation's links. Keys are sorted; beyond the 500th they are only counted.
    pub fn new(field: &'static str, action: LinkAction, mut keys: Vec<AttributeValue>) -> Self {
        keys.sort_by(|left, right| match (left, right) {
            (AttributeValue::Int(left), AttributeValue::Int(right)) => left.cmp(right),
            (AttributeValue::Int(_), _) => std::cmp::Ordering::Less,
            (_, AttributeValue::Int(_)) => std::cmp::Ordering::Greater,
            (left, right) => left.to_string().cmp(&right.to_string()),
        });
        let total = keys.len();
        keys.truncate(MAX_LINK_KEYS);
        Self { field, action, keys, total }
    }

    /// The relation's field.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Whether links were added or removed.
    pub fn action(&self) -> LinkAction {
        self.action
    }

    /// The linked rows' keys, sorted; at most 500.
    pub fn keys(&self) -> &[AttributeValue] {
        &self.keys
    }

    /// How many links it were.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether more links changed than [`keys`](Self::keys) lists.
    pub fn is_truncated(&self) -> bool {
        self.total > self.keys.len()
    }
}

/// Everything about a change but the typed rows: what the generic formatter and the record need.
///
/// ```
/// # fn example(facts: &ftn_audit::ChangeFacts) {
/// println!("{} of {} #{}", facts.event, facts.model.name, facts.pk);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ChangeFacts {
    /// What kind of thing happened.
    pub event: EventType,
    /// The model.
    pub model: &'static ModelInfo,
    /// The row's key as text; empty where there is no single row.
    pub pk: String,
    /// What changed.
    pub changeset: Changeset,
    /// Which links changed.
    pub link: Option<LinkChange>,
    /// The values of masked and hashed key columns: of this row's key, and of linked ones.
    pub hidden_key: HiddenValues,
    /// What capture could not confirm, and where it came from.
    pub marks: Marks,
    /// The context of the change, if there is one.
    pub context: Option<AuditContext>,
}

/// What a record says of how it was captured. The default is the audited connection's full promise.
///
/// ```
/// assert!(!ftn_audit::change::Marks::default().old_unconfirmed);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Captured by hooks on a plain connection.
    pub hook: bool,
    /// The old values are not the stored ones under the statement's lock.
    pub old_unconfirmed: bool,
    /// Whether the commit took place is not known.
    pub commit_unconfirmed: bool,
    /// The statement without literals, where nothing else tells what happened.
    pub statement: Option<String>,
    /// The record of the change that made the database do this one, by a foreign key.
    pub cause: Option<uuid::Uuid>,
    /// The columns that could not be read.
    pub columns_left_out: Vec<&'static str>,
    /// One event stands for several rows: how many, and some of their keys.
    pub bulk: Option<BulkRows>,
    /// How many more rows the statement touched than could be told.
    pub rows_untold: u64,
}

/// The rows that one event stands for.
///
/// ```
/// let rows = ftn_audit::change::BulkRows { count: 2, keys: vec![1.into(), 2.into()] };
/// assert_eq!(rows.count, 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct BulkRows {
    /// How many, as the database counted them.
    pub count: u64,
    /// The first keys, at most [`MAX_LINK_KEYS`].
    pub keys: Vec<AttributeValue>,
}

impl ChangeFacts {
    /// The description of the generic formatter.
    pub fn default_description(&self) -> String {
        let (model, pk) = (&self.model.name, &self.pk);
        if let Some(bulk) = &self.marks.bulk {
            return format!("{} of {} rows of {model}", self.event.as_str(), bulk.count);
        }
        match (&self.event, &self.link) {
            (EventType::Creation, _) => format!("Created {model} #{pk}"),
            (EventType::Update, _) => {
                let names: Vec<_> = self.changeset.iter().map(ColumnChange::name).collect();
                let names = if names.is_empty() { "no fields".to_owned() } else { names.join(", ") };
                format!("Updated {model} #{pk} ({names})")
            }
            (EventType::Deletion, _) => format!("Deleted {model} #{pk}"),
            (EventType::Restoration, _) => format!("Restored {model} #{pk}"),
            (_, Some(link)) => format!("{} on {model} #{pk}.{}", link.action.as_str(), link.field),
            (EventType::UnparsedWrite, _) => format!("Unparsed write to {model}"),
            (event, _) if pk.is_empty() => format!("{event} on {model}"),
            (event, _) => format!("{event} on {model} #{pk}"),
        }
    }

    /// The attributes of the generic formatter: what happened to which row, by which route, and the changeset.
    pub fn default_attributes(&self) -> Attributes {
        let mut all = Attributes::with_capacity(8 + 2 * self.changeset.0.len());
        self.put_identity(&mut all);
        for change in self.changeset.iter() {
            if let Some(old) = &change.old {
                all.push(change.column.old_key.as_str(), old.clone());
            }
            if let Some(new) = &change.new {
                all.push(change.column.new_key.as_str(), new.clone());
            }
        }
        if let Some(link) = &self.link {
            all.push(names::FIELD_NAME, AttributeValue::fixed(link.field));
            all.push(names::ACTION, AttributeValue::fixed(link.action.as_str()));
            all.push(names::PK_SET, link.keys.clone().into());
            if link.is_truncated() {
                all.push(names::PK_SET_TRUNCATED, true.into());
                all.push(names::PK_SET_TOTAL, link.total.into());
            }
        }
        all
    }

    /// What every record says, whatever its formatter left out or wrote over.
    pub(crate) fn put_identity(&self, attributes: &mut Attributes) {
        attributes.set(names::EVENT_TYPE, AttributeValue::Text(self.event.text().clone()));
        attributes.set(names::MODEL, AttributeValue::fixed(&self.model.name));
        attributes.set(names::MODEL_PK, self.pk.as_str());
        if let Some(route) = self.context.as_ref().and_then(AuditContext::raw_route) {
            attributes.set(names::RAW_ROUTE, route);
        }
    }

    pub(crate) fn put_marks(&self, attributes: &mut Attributes) {
        let marks = &self.marks;
        if marks.hook {
            attributes.set(names::CAPTURE, "hook");
        }
        if marks.old_unconfirmed {
            attributes.set(names::OLD_CONFIRMED, false);
        }
        if marks.commit_unconfirmed {
            attributes.set(names::COMMIT_CONFIRMED, false);
        }
        if let Some(statement) = &marks.statement {
            attributes.set(names::STATEMENT, statement.as_str());
        }
        if let Some(cause) = &marks.cause {
            attributes.set(names::CAUSE, cause.to_string());
        }
        if !marks.columns_left_out.is_empty() {
            let columns = marks.columns_left_out.iter().map(|column| AttributeValue::from(*column));
            attributes.set(names::COLUMNS_LEFT_OUT, columns.collect::<Vec<_>>());
        }
        if let Some(bulk) = &marks.bulk {
            attributes.set(names::ROWS, bulk.count);
            if !bulk.keys.is_empty() {
                attributes.set(names::PK_SET, bulk.keys.clone());
            }
            if bulk.count > bulk.keys.len() as u64 {
                attributes.set(names::PK_SET_TRUNCATED, true);
            }
        }
        if marks.rows_untold > 0 {
            attributes.set(names::ROWS_UNTOLD, marks.rows_untold);
        }
    }
}

/// One change of a row of model `M`, as a formatter sees it.
///
/// ```no_run
/// # use ftn_audit::{Attributes, Change, Subject};
/// # fn example<M: Subject>(change: &Change<M>) -> Attributes {
/// if change.changed("price") {
///     return change.default_attributes().with("shop.repriced", true);
/// }
/// change.default_attributes()
/// # }
/// ```
pub struct Change<M> {
    facts: ChangeFacts,
    old: Option<M>,
    new: Option<M>,
}

impl<M: Subject> Change<M> {
    /// A change with at least one of its rows: a formatter never sees one without.
    pub(crate) fn rows(&self) -> Option<&M> {
        self.new.as_ref().or(self.old.as_ref())
    }

    /// Puts facts and rows together. Capture does this; tests of a formatter may, too.
    pub fn of(facts: ChangeFacts, old: Option<M>, new: Option<M>) -> Self {
        Self { facts, old, new }
    }

    /// The row the event is about: the new one, or the old one of a deletion that removed it; the owner of changed
    /// links.
    ///
    /// # Panics
    ///
    /// When the change was made by hand without any row. Changes that have no row never reach a formatter.
    pub fn subject(&self) -> &M {
        self.rows().expect("a change that reaches a formatter has a row")
    }

    /// The row before, where there was one and it is known.
    pub fn old(&self) -> Option<&M> {
        self.old.as_ref()
    }

    /// The row after, where there is one.
    #[allow(clippy::new_ret_no_self, reason = "the counterpart of `old`")]
    pub fn new(&self) -> Option<&M> {
        self.new.as_ref()
    }

    /// Whether a column is in the changeset.
    pub fn changed(&self, column: impl ColumnName) -> bool {
        self.facts.changeset.get(column.column_name()).is_some()
    }

    /// What kind of thing happened.
    pub fn event_type(&self) -> &EventType {
        &self.facts.event
    }

    /// The row's key as text.
    pub fn pk(&self) -> &str {
        &self.facts.pk
    }

    /// The columns whose value differs.
    pub fn changeset(&self) -> &Changeset {
        &self.facts.changeset
    }

    /// The changed links, for a `collection_update`.
    pub fn link(&self) -> Option<&LinkChange> {
        self.facts.link.as_ref()
    }

    /// Who and where, if anybody said.
    pub fn context(&self) -> Option<&AuditContext> {
        self.facts.context.as_ref()
    }

    /// What the generic formatter would write.
    pub fn default_description(&self) -> String {
        self.facts.default_description()
    }

    /// What the generic formatter would attach: what happened to which row, by which route, and the changeset.
    pub fn default_attributes(&self) -> Attributes {
        self.facts.default_attributes()
    }
}

/// A change whose model is known at run time only.
///
/// ```
/// # fn example(change: &dyn ftn_audit::change::AnyChange) {
/// println!("{}", change.facts().default_description());
/// # }
/// ```
pub trait AnyChange: Send + Sync {
    /// Everything but the typed rows.
    fn facts(&self) -> &ChangeFacts;
    /// The `Change<M>`, if there is a row for a custom formatter to look at.
    fn typed(&self) -> Option<&dyn Any>;
    /// Adds the values of the rows' masked and hashed columns.
    fn add_hidden_values(&self, hidden: &mut HiddenValues);
}

impl<M: Subject> AnyChange for Change<M> {
    fn facts(&self) -> &ChangeFacts {
        &self.facts
    }

    fn typed(&self) -> Option<&dyn Any> {
        self.rows().map(|_| self as &dyn Any)
    }

    fn add_hidden_values(&self, hidden: &mut HiddenValues) {
        for row in self.old.iter().chain(&self.new) {
            row.add_hidden_values(hidden);
        }
    }
}

/// Facts alone: changes without a row use the generic formatter.
impl AnyChange for ChangeFacts {
    fn facts(&self) -> &ChangeFacts {
        self
    }

    fn typed(&self) -> Option<&dyn Any> {
        None
    }

    fn add_hidden_values(&self, _: &mut HiddenValues) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_keys_are_sorted_by_number_and_capped() {
        let link =
            LinkChange::new("tags", LinkAction::Add, (0..600).rev().map(AttributeValue::from).collect());
        assert_eq!(link.keys().len(), MAX_LINK_KEYS);
        assert_eq!(link.keys()[10], 10);
        assert_eq!((link.total(), link.is_truncated()), (600, true));
    }
}
