//! How formatters are found: the inventory, and the builder.

use std::sync::Arc;

use super::{
    AnyFormatter, AuditFormatter, CalledFormatter, FormatterDefault, FunctionFormatter, TraitFormatter,
};
use crate::{ModelInfo, Subject};

/// For what a formatter is chosen. `None` is any.
///
/// ```
/// use ftn_audit::formatter::Rule;
///
/// let rule = Rule {
///     route: Some("PATCH|/items/:id"),
///     event: Some("update"),
///     priority: 0,
///     file: file!(),
///     line: line!(),
/// };
/// assert_eq!(rule.event, Some("update"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The canonical route.
    pub route: Option<&'static str>,
    /// The event type.
    pub event: Option<&'static str>,
    /// Among formatters of the same route and event, the highest wins.
    pub priority: i32,
    /// Where it stands.
    pub file: &'static str,
    /// Where it stands.
    pub line: u32,
}

/// A formatter with its rule: the inventory's entry, and what
/// [`AuditBuilder::registration`](crate::AuditBuilder::registration) takes.
///
/// ```
/// use ftn_audit::{Audit, AuditFormatter, formatter::{FormatterRegistration, Rule}};
///
/// // For a rule that is known at run time only.
/// fn add<F: AuditFormatter>(formatter: F) -> ftn_audit::AuditBuilder {
///     let rule =
///         Rule { route: None, event: Some("deletion"), priority: 0, file: file!(), line: line!() };
///     Audit::builder().registration(FormatterRegistration::with(rule, formatter))
/// }
/// ```
#[derive(Clone)]
pub struct FormatterRegistration {
    name: Name,
    rule: Rule,
    model: fn() -> &'static ModelInfo,
    make: Make,
}

#[derive(Clone)]
enum Make {
    Default(fn() -> Arc<dyn AnyFormatter>),
    Given(Arc<dyn AnyFormatter>),
}

#[derive(Clone, Copy)]
enum Name {
    Type(fn() -> &'static str),
    Function(&'static str),
}

impl FormatterRegistration {
    /// An impl of [`AuditFormatter`].
    pub const fn of<F: AuditFormatter + FormatterDefault>(rule: Rule) -> Self {
        Self {
            name: Name::Type(std::any::type_name::<F>),
            rule,
            model: F::Subject::model,
            make: Make::Default(|| Arc::new(TraitFormatter(F::formatter_default()))),
        }
    }

    /// A formatter that has state: made by the application, for a rule that is known at run time only.
    ///
    /// The rule's route is a canonical one, as [`RawRoute`](crate::RawRoute) spells it.
    pub fn with<F: AuditFormatter>(rule: Rule, formatter: F) -> Self {
        Self {
            name: Name::Type(std::any::type_name::<F>),
            rule,
            model: F::Subject::model,
            make: Make::Given(Arc::new(TraitFormatter(formatter))),
        }
    }

    /// A function.
    pub const fn of_function<F: FunctionFormatter>(name: &'static str, rule: Rule) -> Self {
        Self {
            name: Name::Function(name),
            rule,
            model: F::Subject::model,
            make: Make::Default(|| Arc::new(CalledFormatter(F::default()))),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.name {
            Name::Type(name) => {
                let name = name();
                name.rsplit("::").next().unwrap_or(name)
            }
            Name::Function(name) => name,
        }
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(crate) fn model(&self) -> &'static ModelInfo {
        (self.model)()
    }

    pub(crate) fn make(&self) -> Arc<dyn AnyFormatter> {
        match &self.make {
            Make::Default(make) => make(),
            Make::Given(formatter) => formatter.clone(),
        }
    }

    /// Whether both are one formatter, found and named: of those made at run time, one place can make many.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let found = |registration: &Self| matches!(registration.make, Make::Default(_));
        found(self) && found(other) && self.rule.file == other.rule.file && self.rule.line == other.rule.line
    }

    /// `name at file:line`, for problems and descriptions.
    pub(crate) fn place(&self) -> String {
        format!("{} at {}:{}", self.name(), self.rule.file, self.rule.line)
    }
}

inventory::collect!(FormatterRegistration);

/// A formatter type that carries its own rule: what `#[audit_formatter]` makes of a type, and what
/// [`AuditBuilder::formatter`](crate::AuditBuilder::formatter) takes.
///
/// ```
/// use ftn_audit::{Audit, AuditBuilder, formatter::AnnotatedFormatter};
///
/// fn add<F: AnnotatedFormatter>() -> AuditBuilder {
///     Audit::builder().formatter::<F>()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an annotated formatter",
    label = "`formatter::<F>()` needs the route, event and priority of `F`",
    note = "put `#[audit_formatter(..)]` on `impl AuditFormatter for {Self}`"
)]
pub trait AnnotatedFormatter: AuditFormatter {
    /// The formatter with its rule.
    const REGISTRATION: FormatterRegistration;
}
