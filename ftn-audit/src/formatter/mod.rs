//! From a change to words: formatters, and the choice among them.

mod index;
mod registration;

use std::any::Any;

pub(crate) use self::index::FormatterIndex;
pub use self::registration::{AnnotatedFormatter, FormatterRegistration, Rule};
use crate::{AttributeValue, Attributes, Change, Subject};

/// Turns a change of one model into a description and attributes.
///
/// Registered by `#[audit_formatter]`, which also says for which route and event. Both methods have defaults, those
/// of the generic formatter. They run in the request, once an event, and only when the event is recorded; a panic
/// in them makes the generic formatter take over, marks the record with `audit.formatter_failed` and is counted.
///
/// ```
/// use ftn_audit::{AuditFormatter, Change, Subject};
///
/// struct Repriced<M>(std::marker::PhantomData<fn() -> M>);
///
/// impl<M: Subject> AuditFormatter for Repriced<M> {
///     type Subject = M;
///
///     fn description(&self, change: &Change<M>) -> String {
///         format!("#{} has a new price", change.pk())
///     }
/// }
/// ```
pub trait AuditFormatter: Send + Sync + 'static {
    /// The row type whose changes it describes: an entity's `Model`.
    type Subject: Subject;

    /// One sentence for people, the body of the record.
    fn description(&self, change: &Change<Self::Subject>) -> String {
        change.default_description()
    }

    /// The record's attributes; what is left out of the changeset here is not recorded.
    fn attributes(&self, change: &Change<Self::Subject>) -> Attributes {
        change.default_attributes()
    }
}

/// What a formatter function returns: a description and, if wanted, attributes.
///
/// ```
/// use ftn_audit::{Change, Formatted, Subject};
///
/// fn created<M: Subject>(change: &Change<M>) -> Formatted {
///     Formatted::new(format!("New item {}", change.pk())).with("shop.section", "catalogue")
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Formatted {
    description: String,
    attributes: Option<Attributes>,
    added: Attributes,
}

impl Formatted {
    /// A description, with the generic formatter's attributes.
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), attributes: None, added: Attributes::new() }
    }

    /// Attributes in place of the generic formatter's.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = Some(attributes);
        self
    }

    /// One attribute more.
    pub fn with(mut self, key: &'static str, value: impl Into<AttributeValue>) -> Self {
        self.added.set(key, value);
        self
    }

    pub(crate) fn resolve(self, default: impl FnOnce() -> Attributes) -> (String, Attributes) {
        let mut attributes = self.attributes.unwrap_or_else(default);
        attributes.extend(self.added);
        (self.description, attributes)
    }
}

/// A formatter function, as `#[audit_formatter]` wraps it.
pub trait FunctionFormatter: Default + Send + Sync + 'static {
    /// The row type of the function's argument.
    type Subject: Subject;

    /// Calls the function.
    fn format(&self, change: &Change<Self::Subject>) -> Formatted;
}

/// What `#[audit_formatter]` asks of a formatter's type: a value can be made at start-up.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be registered as a formatter: it has no `Default`",
    label = "start-up makes one value of this type",
    note = "add `#[derive(Default)]` to `{Self}`"
)]
pub trait FormatterDefault {
    /// The value that start-up makes.
    fn formatter_default() -> Self;
}

impl<T: Default> FormatterDefault for T {
    fn formatter_default() -> Self {
        T::default()
    }
}

/// A formatter whose subject is known at run time only; `None` when the change is not of its subject.
pub(crate) trait AnyFormatter: Send + Sync {
    fn format(&self, change: &dyn Any) -> Option<(String, Attributes)>;
}

struct TraitFormatter<F>(F);

impl<F: AuditFormatter> AnyFormatter for TraitFormatter<F> {
    fn format(&self, change: &dyn Any) -> Option<(String, Attributes)> {
        let change = change.downcast_ref::<Change<F::Subject>>()?;
        Some((self.0.description(change), self.0.attributes(change)))
    }
}

struct CalledFormatter<F>(F);

impl<F: FunctionFormatter> AnyFormatter for CalledFormatter<F> {
    fn format(&self, change: &dyn Any) -> Option<(String, Attributes)> {
        let change = change.downcast_ref::<Change<F::Subject>>()?;
        Some(self.0.format(change).resolve(|| change.default_attributes()))
    }
}
