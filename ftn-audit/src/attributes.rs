//! The attributes of a record: an ordered map from dotted keys to values.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{AttributeValue, value::allocated};

/// Attributes in the order in which they were added; a key stands once.
///
/// ```
/// use ftn_audit::Attributes;
///
/// let attributes = Attributes::new().with("shop.section", "catalogue").with("shop.till", 3);
/// assert_eq!(attributes.get("shop.till").unwrap(), &3_i64);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes(Vec<(Cow<'static, str>, AttributeValue)>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds an attribute, in place of one with the same key.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<AttributeValue>) -> Self {
        self.set(key, value);
        self
    }

    /// Adds an attribute, in place of one with the same key.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<AttributeValue>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(present, _)| *present == key) {
            Some((_, present)) => *present = value,
            None => self.0.push((key, value)),
        }
    }

    /// Appends without looking for an equal key: for keys that the caller knows to be new.
    pub(crate) fn push(&mut self, key: impl Into<Cow<'static, str>>, value: AttributeValue) {
        self.0.push((key.into(), value));
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&AttributeValue> {
        self.0.iter().find(|(present, _)| present == key).map(|(_, value)| value)
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, key: &str) -> Option<AttributeValue> {
        let position = self.0.iter().position(|(present, _)| present == key)?;
        Some(self.0.remove(position).1)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// Appends all of another, whose keys the caller knows to be new.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// As [`iter`](Self::iter), with keys that cost nothing to clone where they are the program's own.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &(Cow<'static, str>, AttributeValue)> {
        self.0.iter()
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&str, &AttributeValue) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }

    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut AttributeValue)> {
        self.0.iter_mut().map(|(key, value)| (&**key, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let entries = self.0.iter().map(|(key, value)| {
            let key = if let Cow::Owned(key) = key { allocated(key.capacity()) } else { 0 };
            key + value.heap_bytes()
        });
        allocated(self.0.capacity() * size_of::<(Cow<'static, str>, AttributeValue)>())
            + entries.sum::<usize>()
    }
}

impl<K: Into<Cow<'static, str>>, V: Into<AttributeValue>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut attributes = Self::new();
        attributes.extend(pairs);
        attributes
    }
}

impl<K: Into<Cow<'static, str>>, V: Into<AttributeValue>> Extend<(K, V)> for Attributes {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.set(key, value);
        }
    }
}

impl IntoIterator for Attributes {
    type Item = (Cow<'static, str>, AttributeValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
