//! The grammar of a raw route, from any accepted spelling to the canonical one.
//!
//! `ftn-audit-macros` compiles this very folder through a symbolic link, so that a route refused at run time is
//! refused at compile time for the same reason. Hence: no dependency, and no path that starts with `crate`.
//!
//! Every parser turns its dialect into the same parts, in one pass; [`spelling`] writes them.

mod angle;
mod brace;
mod colon;
mod cursor;
mod fault;
mod pattern;
mod spelling;

use brace::Braces;
use cursor::{Cursor, Fault};
pub use fault::{RouteError, RouteFault};

/// As much as a context keeps of any text.
const MAX_BYTES: usize = 1024;

/// Groups within groups of a regular expression.
const MAX_DEPTH: usize = 32;

/// Whose template it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Whichever the template looks like.
    FoundOut,
    Axum,
    Actix,
    DjangoPath,
    DjangoRegex,
}

/// How the template spells parameters, which decides who reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Colon,
    Brace(Braces),
    Angle,
    Pattern,
}

/// The canonical spelling of what people write, `METHOD|template` or `METHOD template`.
///
/// A canonical spelling is its own canonical spelling; this is why `{{` and `::` stay doubled in it.
pub fn canonical(text: &str) -> Result<String, RouteError> {
    bounded(text)?;
    let read = || {
        let (method, start) = halves(text)?;
        let spelling = look_of(Cursor::new(text, start));
        // Only where the dialect has no leading slash is a missing one no slip.
        if matches!(spelling, Spelling::Colon | Spelling::Brace(_)) && !text[start..].starts_with('/') {
            return Err((start, RouteFault::NoLeadingSlash));
        }
        spelled(method, text, start, spelling)
    };
    read().map_err(|fault| error(text, fault))
}

/// The canonical spelling of a method and a template that a framework knows. Places in an error count within
/// `METHOD|template`.
pub fn canonical_of(dialect: Dialect, method: &str, template: &str) -> Result<String, RouteError> {
    let text = format!("{method}|{template}");
    bounded(&text)?;
    let read = || {
        let start = method.len() + 1;
        checked_method(method)?;
        if template.is_empty() && matches!(dialect, Dialect::FoundOut | Dialect::Axum) {
            return Err((start, RouteFault::NoTemplate));
        }
        if dialect == Dialect::Axum && !template.starts_with('/') {
            return Err((start, RouteFault::NoLeadingSlash));
        }
        let spelling = match dialect {
            Dialect::FoundOut => look_of(Cursor::new(&text, start)),
            Dialect::Axum => Spelling::Brace(Braces::Axum),
            Dialect::Actix => Spelling::Brace(Braces::Actix),
            Dialect::DjangoPath => Spelling::Angle,
            Dialect::DjangoRegex => Spelling::Pattern,
        };
        spelled(method, &text, start, spelling)
    };
    read().map_err(|fault| error(&text, fault))
}

fn error(text: &str, (offset, reason): Fault) -> RouteError {
    RouteError { template: text.to_owned(), offset, reason }
}

fn bounded(text: &str) -> Result<(), RouteError> {
    if text.len() <= MAX_BYTES {
        return Ok(());
    }
    let end = (0..=MAX_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    // The error goes into logs, and is no place for whatever this may be.
    Err(error(&text[..end], (end, RouteFault::TooLong)))
}

fn spelled(method: &str, text: &str, start: usize, spelling: Spelling) -> Result<String, Fault> {
    let cursor = Cursor::new(text, start);
    let mut parts = Vec::with_capacity(16);
    match spelling {
        Spelling::Colon => colon::read(cursor, &mut parts),
        Spelling::Brace(braces) => brace::read(cursor, braces, &mut parts),
        Spelling::Angle => angle::read(cursor, &mut parts),
        Spelling::Pattern => pattern::read(cursor, &mut parts),
    }?;
    let mut route = String::with_capacity(text.len() + 8);
    route.push_str(method);
    route.make_ascii_uppercase();
    route.push('|');
    spelling::write(&parts, text.len(), &mut route)?;
    Ok(route)
}

/// The method, and the offset of the template.
fn halves(text: &str) -> Result<(&str, usize), Fault> {
    if text.is_empty() {
        return Err((0, RouteFault::Empty));
    }
    // RFC 9110 lets a method contain `|`; here the first one separates, as no method in use has it.
    let end = text.find(['|', ' ', '/']).unwrap_or(text.len());
    let (method, rest) = text.split_at(end);
    checked_method(method)?;
    match rest.chars().next() {
        None => Err((end, RouteFault::NoTemplate)),
        Some('/') => Err((end, RouteFault::MethodCharacter('/'))),
        Some('|') if rest.len() == 1 => Err((end + 1, RouteFault::NoTemplate)),
        Some('|') => Ok((method, end + 1)),
        Some(_) => match rest.find(|c| c != ' ') {
            None => Err((end, RouteFault::NoTemplate)),
            Some(blanks) => Ok((method, end + blanks)),
        },
    }
}

fn checked_method(method: &str) -> Result<(), Fault> {
    if method.is_empty() {
        return Err((0, RouteFault::NoMethod));
    }
    // `tchar` of RFC 9110, section 5.6.2, without `|`.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`~".contains(c);
    match method.char_indices().find(|(_, c)| !is_token(*c)) {
        Some((at, c)) => Err((at, RouteFault::MethodCharacter(c))),
        None => Ok(()),
    }
}

/// How a template spells its parameters, told by the first sign that one dialect alone has.
///
/// No canonical spelling has any of these signs, because literals cannot hold them.
fn look_of(mut cursor: Cursor<'_>) -> Spelling {
    let slash = cursor.peek() == Some('/');
    let mut angle = false;
    let mut previous = '/';
    while let Some(c) = cursor.next() {
        match c {
            '{' | '}' if cursor.peek() == Some(c) => {
                cursor.next();
            }
            // `:{y}` is canonical. Behind `<` it may be a quantifier further on, or a slip.
            '{' if !matches!(previous, ':' | '*') && !angle => return Spelling::Brace(Braces::Either),
            '^' | '\\' | '[' => return Spelling::Pattern,
            '(' if !slash || cursor.peek() == Some('?') => return Spelling::Pattern,
            // Otherwise it is taken for the query of a URL.
            '?' if cursor.rest() == "$" || (!slash && cursor.rest().is_empty()) => return Spelling::Pattern,
            '$' if !slash && cursor.rest().is_empty() => return Spelling::Pattern,
            '<' | '>' => angle = true,
            _ => {}
        }
        previous = c;
    }
    if angle { Spelling::Angle } else { Spelling::Colon }
}

#[cfg(test)]
mod tests;
