//! The one spelling of what any of the parsers read.

use super::cursor::{Cursor, Fault};
use super::{MAX_BYTES, RouteFault};

/// A part of a template, and the byte at which it begins.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) at: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Never empty.
    Text(&'a str),
    Parameter(&'a str),
    /// A parameter known by its number among its like.
    Positional,
    CatchAll(&'a str),
}

impl<'a> Part<'a> {
    pub(super) fn text(at: usize, text: &'a str) -> Self {
        Self { at, kind: Kind::Text(text) }
    }
}

/// Writes the canonical spelling, with the slash that templates of some frameworks leave out.
pub(super) fn write(parts: &[Part<'_>], end: usize, route: &mut String) -> Result<(), Fault> {
    let template = route.len();
    let begins_with_slash =
        matches!(parts.first(), Some(Part { kind: Kind::Text(text), .. }) if text.starts_with('/'));
    if !begins_with_slash {
        route.push('/');
    }
    let mut positional = 0;
    for (index, part) in parts.iter().enumerate() {
        let following = parts.get(index + 1).map(|part| part.kind);
        match part.kind {
            Kind::Text(text) => literal(text, part.at, route)?,
            Kind::Parameter(name) => parameter(':', name, following, route),
            Kind::Positional => {
                positional += 1;
                parameter(':', &format!("_{positional}"), following, route);
            }
            Kind::CatchAll(_) if following.is_some() => return Err((part.at, RouteFault::CatchAllNotLast)),
            Kind::CatchAll(name) => parameter('*', name, None, route),
        }
    }
    if route[template..].starts_with("//") {
        return Err((parts.first().map_or(end, |part| part.at), RouteFault::EmptySegment));
    }
    // A canonical spelling is read again, by the same parser.
    if route.len() > MAX_BYTES {
        return Err((end, RouteFault::TooLong));
    }
    Ok(())
}

fn literal(text: &str, at: usize, route: &mut String) -> Result<(), Fault> {
    for (offset, c) in text.char_indices() {
        no_path_has(c).map_or(Ok(()), |reason| Err((at + offset, reason)))?;
        route.push(c);
        if is_sign(c) {
            route.push(c);
        }
    }
    Ok(())
}

fn parameter(sigil: char, name: &str, following: Option<Kind<'_>>, route: &mut String) {
    route.push(sigil);
    let runs_on = matches!(following, Some(Kind::Text(text)) if text.starts_with(is_name));
    if runs_on || !is_plain(name) {
        route.extend(["{", name, "}"]);
    } else {
        route.push_str(name);
    }
}

/// Why a path cannot hold the character as it is.
///
/// Beyond what RFC 3986 wants, it keeps out what tells the dialects apart, so that a canonical spelling is always
/// taken for one.
fn no_path_has(c: char) -> Option<RouteFault> {
    match c {
        c if c.is_whitespace() || c.is_control() => Some(RouteFault::Blank),
        '?' | '#' => Some(RouteFault::NotPath(c)),
        '^' | '\\' | '<' | '>' | '[' | ']' => Some(RouteFault::LiteralCharacter(c)),
        _ => None,
    }
}

/// The characters that are doubled when they stand for themselves.
pub(super) fn is_sign(c: char) -> bool {
    matches!(c, ':' | '*' | '{' | '}')
}

/// What a name without braces consists of.
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a name can stand without braces.
pub(super) fn is_plain(name: &str) -> bool {
    name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The name of the parameter that begins at `at`, when it can be one. It ends at `cursor`.
pub(super) fn checked<'a>(name: &'a str, at: usize, cursor: Cursor<'_>) -> Result<&'a str, Fault> {
    if name.is_empty() {
        return Err((at, RouteFault::UnnamedParameter));
    }
    for (offset, c) in name.char_indices() {
        let reason = match c {
            '/' | '(' | ')' | '$' | '|' => Some(RouteFault::ParameterCharacter(c)),
            c if is_sign(c) => Some(RouteFault::ParameterCharacter(c)),
            c => no_path_has(c).map(|reason| match reason {
                RouteFault::LiteralCharacter(c) => RouteFault::ParameterCharacter(c),
                reason => reason,
            }),
        };
        if let Some(reason) = reason {
            return Err((cursor.at() - name.len() + offset, reason));
        }
    }
    Ok(name)
}
