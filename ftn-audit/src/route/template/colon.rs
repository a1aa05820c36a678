//! `:id`, `*rest`: the canonical spelling itself.

use super::RouteFault;
use super::cursor::{Cursor, Fault};
use super::spelling::{Kind, Part, checked, is_name, is_plain, is_sign};

pub(super) fn read<'a>(mut cursor: Cursor<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    loop {
        let at = cursor.at();
        let Some(c) = cursor.next() else { return Ok(()) };
        if !is_sign(c) {
            cursor.take_while(|c| !is_sign(c));
            parts.push(Part::text(at, cursor.since(at)));
        } else if cursor.peek() == Some(c) {
            parts.push(Part::text(at, cursor.since(at)));
            cursor.next();
        } else {
            let kind = match c {
                '{' => return Err((at, RouteFault::TwoSpellings)),
                '}' => return Err((at, RouteFault::Unopened('}'))),
                '*' => Kind::CatchAll(name(&mut cursor, at)?),
                _ => Kind::Parameter(name(&mut cursor, at)?),
            };
            parts.push(Part { at, kind });
        }
    }
}

/// The name behind the sigil at `at`.
fn name<'a>(cursor: &mut Cursor<'a>, at: usize) -> Result<&'a str, Fault> {
    let open = cursor.at();
    if !cursor.eat("{") {
        return match cursor.peek() {
            // `:1` and `:ö` are names elsewhere; here they would end where nobody sees it.
            Some(c) if c.is_alphanumeric() && (!is_name(c) || c.is_ascii_digit()) => {
                Err((open, RouteFault::ParameterStart(c)))
            }
            _ => checked(cursor.take_while(is_name), at, *cursor),
        };
    }
    let name = cursor.take_while(|c| !matches!(c, '}' | '/'));
    let name = checked(name, at, *cursor)?;
    if !cursor.eat("}") {
        return Err((open, RouteFault::Unclosed('{')));
    }
    if is_plain(name) && !cursor.peek().is_some_and(is_name) {
        return Err((open, RouteFault::NeedlessBraces));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{reads, refuses};
    use super::RouteFault;

    #[test]
    fn parameters_end_where_no_name_goes_on() {
        for text in [
            "GET|/:y-:m",
            "GET|/report/:id.json",
            "GET|/v:n/items",
            "GET|/:a:b",
            "GET|/:{y}x:m",
            "GET|/:{y}1",
            "GET|/:nä",
            "GET|/Items(:id)/$metadata",
            "GET|/v*rest",
            "GET|/:id*rest",
            "GET|/:{user-id}/:{ö}/*{a.b}",
        ] {
            reads(text, text);
        }
        refuses("GET|/:", 5, RouteFault::UnnamedParameter);
        refuses("GET|/*", 5, RouteFault::UnnamedParameter);
        refuses("GET|/c*/d", 6, RouteFault::UnnamedParameter);
        refuses("GET|/:/x", 5, RouteFault::UnnamedParameter);
        refuses("GET|/:-", 5, RouteFault::UnnamedParameter);
        refuses("GET|/12:30", 8, RouteFault::ParameterStart('3'));
        refuses("GET|/:ö", 6, RouteFault::ParameterStart('ö'));
        refuses("GET|/:{a", 6, RouteFault::Unclosed('{'));
        refuses("GET|/:{a/b}x", 6, RouteFault::Unclosed('{'));
        refuses("GET|/:{a|b}", 8, RouteFault::ParameterCharacter('|'));
        refuses("GET|/:{}x", 5, RouteFault::UnnamedParameter);
        refuses("GET|/*rest/", 5, RouteFault::CatchAllNotLast);
        refuses("GET|/*rest.txt", 5, RouteFault::CatchAllNotLast);
    }

    #[test]
    fn signs_are_doubled_to_stand_for_themselves() {
        for text in ["GET|/:id::cancel", "GET|/urn:::id", "GET|/a**b", "GET|/{{:id}}", "GET|/:h:::m"] {
            reads(text, text);
        }
        refuses("GET|/a}:b", 6, RouteFault::Unopened('}'));
    }

    #[test]
    fn a_colon_before_braces_may_be_either() {
        refuses("GET|/urn:{id}", 9, RouteFault::NeedlessBraces);
        refuses("GET|/urn::{id}", 10, RouteFault::TwoSpellings);
        refuses("GET|/*{id}", 6, RouteFault::NeedlessBraces);
        refuses("GET|/:a{b}", 7, RouteFault::TwoSpellings);
    }
}
