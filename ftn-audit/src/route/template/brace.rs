//! `{id}`: the templates of axum and actix-web.

use super::cursor::{Cursor, Fault};
use super::spelling::{Kind, Part, checked};
use super::{RouteFault, colon};

/// Whose braces they are. What the two frameworks write differently has one meaning each, so a template of unknown
/// origin may use all of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Braces {
    Axum,
    Actix,
    Either,
}

impl Braces {
    /// `{{` and `}}` for the characters, `{*rest}`, and `:id` and `*rest` for segments, as axum had them until 0.8.
    fn as_axum(self) -> bool {
        self != Self::Actix
    }

    /// `{id:\d+}` and `{rest}*`.
    fn as_actix(self) -> bool {
        self != Self::Axum
    }
}

pub(super) fn read<'a>(
    mut cursor: Cursor<'a>,
    braces: Braces,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Fault> {
    let mut in_front = true;
    loop {
        if in_front && braces.as_axum() && matches!(cursor.peek(), Some(':' | '*')) {
            let segment = cursor;
            cursor.take_while(|c| c != '/');
            colon::read(segment.until(cursor.at()), parts)?;
        }
        let at = cursor.at();
        let Some(c) = cursor.next() else { return Ok(()) };
        in_front = c == '/';
        let part = match c {
            '{' | '}' if braces.as_axum() && cursor.peek() == Some(c) => {
                cursor.next();
                // One of the two; the spelling doubles it again.
                Part::text(at, &cursor.since(at)[1..])
            }
            '{' => Part { at, kind: parameter(&mut cursor, at, braces)? },
            '}' => return Err((at, RouteFault::Unopened('}'))),
            // actix-web ignores what such a star stands for, and warns.
            '*' if braces.as_actix() && cursor.rest().is_empty() => {
                return Err((at, RouteFault::UnnamedParameter));
            }
            '/' | '*' => Part::text(at, cursor.since(at)),
            _ => {
                cursor.take_while(|c| !matches!(c, '{' | '}' | '/' | '*'));
                Part::text(at, cursor.since(at))
            }
        };
        parts.push(part);
    }
}

/// The parameter whose brace at `open` has been passed.
fn parameter<'a>(cursor: &mut Cursor<'a>, open: usize, braces: Braces) -> Result<Kind<'a>, Fault> {
    let starred = braces.as_axum() && cursor.eat("*");
    let ends = |c| matches!(c, '}' | '/') || (c == ':' && braces.as_actix());
    let name = cursor.take_while(|c| !ends(c));
    let name_end = *cursor;
    let pattern = match cursor.next() {
        Some('}') => None,
        Some(':') => Some(pattern(cursor, open)?),
        _ => return Err((open, RouteFault::Unclosed('{'))),
    };
    let name = checked(name, open, name_end)?;
    let last = cursor.rest().is_empty();
    let tail = match pattern {
        None => braces.as_actix() && !starred && cursor.rest() == "*" && cursor.eat("*"),
        // In the middle such a pattern is a parameter like another.
        Some(pattern) => last && matches!(pattern, ".*" | ".+"),
    };
    Ok(if starred || tail { Kind::CatchAll(name) } else { Kind::Parameter(name) })
}

/// The regular expression up to the brace that closes the parameter. actix-web counts braces and looks at nothing else.
fn pattern<'a>(cursor: &mut Cursor<'a>, open: usize) -> Result<&'a str, Fault> {
    let start = cursor.at();
    let mut depth = 1usize;
    loop {
        let before = *cursor;
        match cursor.next() {
            Some('{') => depth += 1,
            Some('}') => depth -= 1,
            Some(_) => {}
            None => return Err((open, RouteFault::Unclosed('{'))),
        }
        if depth == 0 {
            return Ok(before.since(start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{reads, reads_as, refuses, refuses_as};
    use super::super::{Dialect, RouteFault};

    #[test]
    fn axum() {
        let reads = |template, expected| reads_as(Dialect::Axum, template, expected);
        reads("/", "/");
        reads("/items/{id}", "/items/:id");
        reads("/items/{id}/", "/items/:id/");
        reads("/files/{*rest}", "/files/*rest");
        reads("/{user-id}/{a.b}/{ö}", "/:{user-id}/:{a.b}/:{ö}");
        reads("/{{id}}/x{{", "/{{id}}/x{{");
        reads("/items/{id}:cancel/a:b/c*d", "/items/:id::cancel/a::b/c**d");
        reads("/{a}*", "/:a**");
        reads("/v{n}.{m}/x{y}z", "/v:n.:m/x:{y}z");
        reads("/items/:id/*rest", "/items/:id/*rest");
        reads("/a//b/", "/a//b/");

        let refuses = |template, offset, reason| refuses_as(Dialect::Axum, template, offset, reason);
        refuses("items", 0, RouteFault::NoLeadingSlash);
        refuses("", 0, RouteFault::NoTemplate);
        refuses(r"/{id:\d+}", 4, RouteFault::ParameterCharacter(':'));
        refuses("/{**a}", 3, RouteFault::ParameterCharacter('*'));
        refuses("/{*rest}/x", 1, RouteFault::CatchAllNotLast);
        refuses("/{}", 1, RouteFault::UnnamedParameter);
        refuses("/{id", 1, RouteFault::Unclosed('{'));
        refuses("/x}", 2, RouteFault::Unopened('}'));
        refuses("/<int:id>", 1, RouteFault::LiteralCharacter('<'));
    }

    #[test]
    fn actix() {
        let reads = |template, expected| reads_as(Dialect::Actix, template, expected);
        reads(r"/items/{id:\d+}", "/items/:id");
        reads("/items/{id:[0-9]{4}}/x", "/items/:id/x");
        reads("/{a:[0-9]{1,2}}{b:x{2}}", "/:a:b");
        reads("/v{major}.{minor}", "/v:major.:minor");
        reads("/{name}.{ext:[a-z]+}", "/:name.:ext");
        reads("/{tail:.*}", "/*tail");
        reads("/files/{tail:.+}", "/files/*tail");
        reads("/files/{tail}*", "/files/*tail");
        reads("/x{tail}*", "/x*tail");
        reads("/{tail:.*}/edit", "/:tail/edit");
        reads("/{path:[^/]+/[^/]+}", "/:path");
        reads("items/{id}", "/items/:id");
        reads("", "/");
        reads("/urn:{id}/:x/*y", "/urn:::id/::x/**y");
        reads("/{y}x{m}", "/:{y}x:m");

        let refuses = |template, offset, reason| refuses_as(Dialect::Actix, template, offset, reason);
        refuses("/files/*", 7, RouteFault::UnnamedParameter);
        refuses("/{tail:.*}*", 10, RouteFault::UnnamedParameter);
        refuses("/{tail}*/x*", 10, RouteFault::UnnamedParameter);
        refuses("/{id:[0-9]{4}", 1, RouteFault::Unclosed('{'));
        refuses("/{:x}", 1, RouteFault::UnnamedParameter);
        refuses("/{{id}}", 2, RouteFault::ParameterCharacter('{'));
        refuses("/x}", 2, RouteFault::Unopened('}'));
    }

    #[test]
    fn either() {
        reads(r"GET /items/{id:\d+}", "GET|/items/:id");
        reads("GET /items/{id:[0-9]{4}}", "GET|/items/:id");
        reads("GET /{id:(?:a|b)^}", "GET|/:id");
        reads("GET /v{major}.{minor}", "GET|/v:major.:minor");
        reads("GET /files/{tail}*", "GET|/files/*tail");
        reads("GET /files/{*tail}", "GET|/files/*tail");
        reads("GET /{h}:{m}/items:batch", "GET|/:h:::m/items::batch");
        reads("GET /:id/{x}", "GET|/:id/:x");
        reads("GET /{2}", "GET|/:{2}");
        refuses("GET /*/{x}", 5, RouteFault::UnnamedParameter);
        refuses("GET /{x}/<y>", 9, RouteFault::LiteralCharacter('<'));
    }
}
