//! The arguments: for which changes the formatter is meant.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, ExprUnary, Lit, LitInt, LitStr, Result, UnOp};

use crate::errors::Errors;
use crate::suggest::{did_you_mean, one_of};
use crate::template;
use crate::words::{self, Word};

#[derive(Default)]
pub(crate) struct Rule {
    /// In canonical spelling.
    pub(crate) route: Option<LitStr>,
    pub(crate) event: Option<LitStr>,
    pub(crate) priority: i32,
}

const KEYS: [&str; 3] = ["route", "event", "priority"];

const EVENTS: [&str; 7] =
    ["creation", "update", "upsert", "deletion", "restoration", "collection_update", "unparsed_write"];

/// Of RFC 9110, with PATCH (RFC 5789) and QUERY. At run time any token is a method; in a literal, one that is none of
/// these is a slip of the pen.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"];

impl Rule {
    pub(crate) fn read(arguments: TokenStream, errors: &mut Errors) -> Self {
        let mut rule = Self::default();
        let mut seen = Vec::new();
        for word in words::read(arguments, errors) {
            let name = word.name();
            if seen.contains(&name) {
                errors.push(word.wrong(format_args!("`{name}` is said twice; leave one out")));
                continue;
            }
            match name.as_str() {
                "route" => rule.route = errors.note(route(&word)),
                "event" => rule.event = errors.note(event(&word)),
                "priority" => rule.priority = errors.note(priority(&word)).unwrap_or_default(),
                _ => errors.push(word.wrong(format_args!(
                    "unknown key `{name}`{}; write {}",
                    did_you_mean(&name, KEYS),
                    one_of(KEYS)
                ))),
            }
            seen.push(name);
        }
        rule
    }
}

fn route(word: &Word) -> Result<LitStr> {
    let literal = word.text("\"PATCH|/items/:id\"")?;
    let canonical =
        template::canonical(&literal.value()).map_err(|error| Error::new(literal.span(), error))?;
    let method = canonical.split('|').next().unwrap_or_default();
    if !METHODS.contains(&method) {
        return Err(Error::new(
            literal.span(),
            format_args!(
                "route `{}`: unknown method `{method}`{}; write {}",
                literal.value(),
                did_you_mean(method, METHODS),
                one_of(METHODS)
            ),
        ));
    }
    Ok(LitStr::new(&canonical, literal.span()))
}

fn event(word: &Word) -> Result<LitStr> {
    let literal = word.text("\"update\"")?;
    let event = literal.value();
    if EVENTS.contains(&event.as_str()) {
        return Ok(literal);
    }
    Err(Error::new(
        literal.span(),
        format_args!("unknown event `{event}`{}; write {}", did_you_mean(&event, EVENTS), one_of(EVENTS)),
    ))
}

fn priority(word: &Word) -> Result<i32> {
    let value = word.value("10")?;
    let wrong = |span: Span| Error::new(span, "`priority` is an `i32` literal; write `priority = 10`");
    let (literal, negative) = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => (literal, false),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match &**expr {
            Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => (literal, true),
            other => return Err(wrong(other.span())),
        },
        other => return Err(wrong(other.span())),
    };
    number(literal, negative).ok_or_else(|| wrong(literal.span()))
}

// As `i64` first: `i32::MIN` is written as a literal that is no `i32`.
fn number(literal: &LitInt, negative: bool) -> Option<i32> {
    if !matches!(literal.suffix(), "" | "i32") {
        return None;
    }
    let number: i64 = literal.base10_parse().ok()?;
    i32::try_from(if negative { -number } else { number }).ok()
}
