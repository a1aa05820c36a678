//! `<int:id>`: the paths of Django.

use super::RouteFault;
use super::cursor::{Cursor, Fault};
use super::spelling::{Kind, Part, checked};

pub(super) fn read<'a>(mut cursor: Cursor<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    loop {
        let at = cursor.at();
        match cursor.next() {
            None => return Ok(()),
            Some('<') => parts.push(converter(&mut cursor, at)?),
            // Django takes it for itself, and warns (urls.W010).
            Some('>') => return Err((at, RouteFault::Unopened('>'))),
            Some(c @ ('{' | '}')) => return Err((at, RouteFault::LiteralCharacter(c))),
            Some(_) => {
                cursor.take_while(|c| !matches!(c, '<' | '>' | '{' | '}'));
                parts.push(Part::text(at, cursor.since(at)));
            }
        }
    }
}

/// The parameter whose bracket at `open` has been passed.
///
/// The converter, `path` too, says which values fit, as a pattern does; it is no part of the route.
pub(super) fn converter<'a>(cursor: &mut Cursor<'a>, open: usize) -> Result<Part<'a>, Fault> {
    let start = cursor.at();
    let inside = cursor.take_while(|c| !matches!(c, '<' | '>' | '/'));
    let inside_end = *cursor;
    if !cursor.eat(">") {
        return Err((open, RouteFault::Unclosed('<')));
    }
    if let Some(offset) = inside.find(|c: char| c.is_whitespace() || c.is_control()) {
        return Err((start + offset, RouteFault::Blank));
    }
    let name = match inside.split_once(':') {
        Some(("", _)) => return Err((start, RouteFault::ParameterCharacter(':'))),
        Some((_, name)) => name,
        None => inside,
    };
    let name = checked(name, open, inside_end)?;
    // Django refuses any name that is no identifier of Python.
    match name
        .char_indices()
        .find(|(at, c)| !(c.is_alphanumeric() || *c == '_') || (*at == 0 && c.is_numeric()))
    {
        Some((offset, c)) => Err((inside_end.at() - name.len() + offset, RouteFault::ParameterCharacter(c))),
        None => Ok(Part { at: open, kind: Kind::Parameter(name) }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{reads, reads_as, refuses, refuses_as};
    use super::super::{Dialect, RouteFault};

    #[test]
    fn django_paths() {
        let reads = |template, expected| reads_as(Dialect::DjangoPath, template, expected);
        reads("", "/");
        reads("/", "/");
        reads("items/<int:id>/", "/items/:id/");
        reads("/items/<int:id>/", "/items/:id/");
        reads("<slug>", "/:slug");
        reads("<uuid:u>/<int:n>/", "/:u/:n/");
        reads("report/<int:id>.json", "/report/:id.json");
        reads("<int:y>-<int:m>", "/:y-:m");
        reads("<int:y><int:m>", "/:y:m");
        reads("<int:y>x<int:m>", "/:{y}x:m");
        reads("<int:y>1", "/:{y}1");
        reads("v<int:v>/items/", "/v:v/items/");
        reads("files/<path:p>/edit", "/files/:p/edit");
        reads("items<drf_format_suffix:format>", "/items:format");
        reads("<größe>", "/:{größe}");
        reads("items/<int:id>:cancel/a*", "/items/:id::cancel/a**");
        reads("wiki/foo_(bar)/$", "/wiki/foo_(bar)/$");
        reads("items/<int:id>//", "/items/:id//");
    }

    #[test]
    fn what_django_refuses_or_warns_of() {
        let refuses = |template, offset, reason| refuses_as(Dialect::DjangoPath, template, offset, reason);
        refuses("items/<int:id", 6, RouteFault::Unclosed('<'));
        refuses("items/<int:id/>", 6, RouteFault::Unclosed('<'));
        refuses("<int:<id>", 0, RouteFault::Unclosed('<'));
        refuses("int:id>/", 6, RouteFault::Unopened('>'));
        refuses("<>", 0, RouteFault::UnnamedParameter);
        refuses("x/<int:>", 2, RouteFault::UnnamedParameter);
        refuses("<:id>", 1, RouteFault::ParameterCharacter(':'));
        refuses("<a:b:c>", 4, RouteFault::ParameterCharacter(':'));
        refuses("<int:user-id>", 9, RouteFault::ParameterCharacter('-'));
        refuses("<int:1a>", 5, RouteFault::ParameterCharacter('1'));
        refuses("< int:id >", 1, RouteFault::Blank);
        refuses("<int:id>/{x}", 9, RouteFault::LiteralCharacter('{'));
        refuses("//items/", 0, RouteFault::EmptySegment);
        refuses("a b/", 1, RouteFault::Blank);
        refuses("^items/", 0, RouteFault::LiteralCharacter('^'));
    }

    #[test]
    fn found_out() {
        reads("PATCH items/<int:id>/", "PATCH|/items/:id/");
        reads("PATCH|/items/<int:id>/", "PATCH|/items/:id/");
        reads("GET|<int:y>-<int:m>", "GET|/:y-:m");
        refuses("GET|items/<int:id", 10, RouteFault::Unclosed('<'));
        refuses("GET|/<int:id>/{x}", 14, RouteFault::LiteralCharacter('{'));
    }
}
