//! How formatters are found: the inventory, and the builder.

use super::{
    AnyFormatter, AuditFormatter, CalledFormatter, FormatterDefault, FunctionFormatter, TraitFormatter,
};
use crate::{ModelInfo, Subject};

/// For what a formatter is chosen. `None` is any.
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

/// The inventory's entry of a formatter.
#[derive(Clone, Copy)]
pub struct FormatterRegistration {
    name: Name,
    rule: Rule,
    model: fn() -> &'static ModelInfo,
    make: fn() -> Box<dyn AnyFormatter>,
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
            make: || Box::new(TraitFormatter(F::formatter_default())),
        }
    }

    /// A function.
    pub const fn of_function<F: FunctionFormatter>(name: &'static str, rule: Rule) -> Self {
        Self {
            name: Name::Function(name),
            rule,
            model: F::Subject::model,
            make: || Box::new(CalledFormatter(F::default())),
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

    pub(crate) fn make(&self) -> Box<dyn AnyFormatter> {
        (self.make)()
    }

    /// `name at file:line`, for problems and descriptions.
    pub(crate) fn place(&self) -> String {
        format!("{} at {}:{}", self.name(), self.rule.file, self.rule.line)
    }
}

inventory::collect!(FormatterRegistration);

/// A formatter type that carries its own rule: what `#[audit_formatter]` makes of a type, and what
/// [`AuditBuilder::formatter`](crate::AuditBuilder::formatter) takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an annotated formatter",
    label = "`formatter::<F>()` needs the route, event and priority of `F`",
    note = "put `#[audit_formatter(..)]` on `impl AuditFormatter for {Self}`"
)]
pub trait AnnotatedFormatter: AuditFormatter {
    /// The formatter with its rule.
    const REGISTRATION: FormatterRegistration;
}
