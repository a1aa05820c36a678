//! The grammar of a raw route, from any accepted spelling to the canonical one.
//!
//! `ftn-audit-macros` compiles this very file through a symbolic link, so that a route refused at run time is refused
//! at compile time for the same reason. Hence: no dependency, and no path that starts with `crate`.

use std::fmt;

/// Why a text is no raw route, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteError {
    /// The text as it was given.
    pub template: String,
    /// Byte at which the mistake begins. Messages count characters from 1.
    pub offset: usize,
    /// What is wrong there.
    pub reason: RouteFault,
}

/// What can be wrong with a raw route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteFault {
    /// The text holds nothing.
    Empty,
    /// The text begins with the template.
    NoMethod,
    /// The text ends after the method.
    NoTemplate,
    /// A character that no HTTP method has.
    MethodCharacter(char),
    /// The template does not begin with `/`.
    NoLeadingSlash,
    /// Two slashes with nothing between.
    EmptySegment,
    /// A parameter without a name.
    UnnamedParameter,
    /// A character that no parameter name has.
    ParameterCharacter(char),
    /// An opening brace without its partner.
    Unclosed,
    /// A closing brace without its partner.
    Unopened,
    /// Text beside a parameter in one segment.
    MixedSegment,
    /// Segments behind a catch-all parameter.
    CatchAllNotLast,
    /// White space or a control character in the template.
    Blank,
    /// A query or fragment in the template.
    NotPath(char),
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.template.get(..self.offset).map_or(0, |before| before.chars().count()) + 1;
        // `escape_debug` keeps a line break in the text from breaking the message.
        write!(f, "route `{}`: ", self.template.escape_debug())?;
        match self.reason {
            RouteFault::Empty => f.write_str("empty; write `METHOD|/template`, such as `PATCH|/items/:id`"),
            RouteFault::NoMethod => f.write_str("no method before the template; write `METHOD|/template`"),
            RouteFault::NoTemplate => f.write_str("no template after the method; write `METHOD|/template`"),
            RouteFault::MethodCharacter(c) => {
                write!(f, "`{}` at {at} cannot be part of an HTTP method", c.escape_debug())
            }
            RouteFault::NoLeadingSlash => write!(f, "the template at {at} does not begin with `/`"),
            RouteFault::EmptySegment => write!(f, "`//` at {at} holds an empty segment; write a single `/`"),
            RouteFault::UnnamedParameter => write!(f, "the parameter at {at} has no name"),
            RouteFault::ParameterCharacter(c) => {
                write!(f, "`{}` at {at} cannot be part of a parameter's name", c.escape_debug())
            }
            RouteFault::Unclosed => write!(f, "`{{` at {at} is never closed"),
            RouteFault::Unopened => {
                write!(f, "`}}` at {at} closes nothing; write `}}}}` for the character itself")
            }
            RouteFault::MixedSegment => {
                write!(f, "the parameter at {at} does not fill its segment; give it a segment of its own")
            }
            RouteFault::CatchAllNotLast => write!(f, "the catch-all at {at} is not the last segment"),
            RouteFault::Blank => {
                write!(f, "white space or a control character at {at}; a path has it percent-encoded")
            }
            RouteFault::NotPath(c) => write!(f, "`{c}` at {at} ends the path; leave out what begins there"),
        }
    }
}

impl std::error::Error for RouteError {}

/// The canonical spelling of `text`, `METHOD|/template/:param/*rest`.
///
/// A canonical spelling is its own canonical spelling; this is why `{{` and `}}` stay doubled in it.
pub fn canonical(text: &str) -> Result<String, RouteError> {
    let parser = Parser { text };
    let (method, start) = parser.method()?;
    let mut route = method.to_ascii_uppercase();
    route.push('|');
    parser.template(start, &mut route)?;
    Ok(route)
}

struct Parser<'a> {
    text: &'a str,
}

/// What a segment turned out to be, which decides whether another may follow.
#[derive(PartialEq, Eq)]
enum Segment {
    Literal,
    Parameter,
    CatchAll,
}

impl<'a> Parser<'a> {
    fn fault<T>(&self, offset: usize, reason: RouteFault) -> Result<T, RouteError> {
        Err(RouteError { template: self.text.to_owned(), offset, reason })
    }

    /// The method, and the offset of the template.
    fn method(&self) -> Result<(&'a str, usize), RouteError> {
        if self.text.is_empty() {
            return self.fault(0, RouteFault::Empty);
        }
        // RFC 9110 lets a method contain `|`; here the first one separates, as no method in use has it.
        let end = self.text.find(['|', ' ', '/']).unwrap_or(self.text.len());
        let (method, rest) = self.text.split_at(end);
        if let Some((at, c)) = method.char_indices().find(|(_, c)| !is_token(*c)) {
            return self.fault(at, RouteFault::MethodCharacter(c));
        }
        if method.is_empty() {
            return self.fault(0, RouteFault::NoMethod);
        }
        match rest.chars().next() {
            None => self.fault(end, RouteFault::NoTemplate),
            Some('/') => self.fault(end, RouteFault::MethodCharacter('/')),
            Some('|') if rest.len() == 1 => self.fault(end + 1, RouteFault::NoTemplate),
            Some('|') => Ok((method, end + 1)),
            Some(_) => match rest.find(|c| c != ' ') {
                None => self.fault(end, RouteFault::NoTemplate),
                Some(blanks) => Ok((method, end + blanks)),
            },
        }
    }

    fn template(&self, start: usize, route: &mut String) -> Result<(), RouteError> {
        let template = &self.text[start..];
        if !template.starts_with('/') {
            return self.fault(start, RouteFault::NoLeadingSlash);
        }
        for (at, c) in template.char_indices() {
            if c.is_whitespace() || c.is_control() {
                return self.fault(start + at, RouteFault::Blank);
            }
            if matches!(c, '?' | '#') {
                return self.fault(start + at, RouteFault::NotPath(c));
            }
        }
        let mut at = start + 1;
        let mut catch_all = None;
        for segment in template[1..].split('/') {
            if let Some(at) = catch_all {
                return self.fault(at, RouteFault::CatchAllNotLast);
            }
            route.push('/');
            // Empty at the end is a trailing slash, which makes another route of it.
            if segment.is_empty() && at < self.text.len() {
                return self.fault(at - 1, RouteFault::EmptySegment);
            }
            if self.segment(segment, at, route)? == Segment::CatchAll {
                catch_all = Some(at);
            }
            at += segment.len() + 1;
        }
        Ok(())
    }

    fn segment(&self, segment: &str, at: usize, route: &mut String) -> Result<Segment, RouteError> {
        if let Some(name) = segment.strip_prefix(':') {
            return self.parameter(":", name, at, at + 1, route);
        }
        if let Some(name) = segment.strip_prefix('*') {
            return self.parameter("*", name, at, at + 1, route);
        }
        let mut rest = segment.char_indices().peekable();
        while let Some((open, c)) = rest.next() {
            if !matches!(c, '{' | '}') {
                continue;
            }
            if rest.next_if(|(_, next)| *next == c).is_some() {
                continue;
            }
            if c == '}' {
                return self.fault(at + open, RouteFault::Unopened);
            }
            let Some(length) = segment[open..].find('}') else {
                return self.fault(at + open, RouteFault::Unclosed);
            };
            if open > 0 || open + length + 1 < segment.len() {
                return self.fault(at + open, RouteFault::MixedSegment);
            }
            let name = &segment[1..length];
            return match name.strip_prefix('*') {
                Some(rest) => self.parameter("*", rest, at, at + 2, route),
                None => self.parameter(":", name, at, at + 1, route),
            };
        }
        route.push_str(segment);
        Ok(Segment::Literal)
    }

    fn parameter(
        &self,
        sigil: &str,
        name: &str,
        at: usize,
        name_at: usize,
        route: &mut String,
    ) -> Result<Segment, RouteError> {
        if name.is_empty() {
            return self.fault(at, RouteFault::UnnamedParameter);
        }
        // Patterns and conversions of other frameworks (`{id:[0-9]+}`, `<int:id>`) must not pass for names.
        let foreign = |c| {
            matches!(c, ':' | '*' | '{' | '}' | '<' | '>' | '(' | ')' | '[' | ']' | '\\' | '^' | '$' | '|')
        };
        if let Some((offset, c)) = name.char_indices().find(|(_, c)| foreign(*c)) {
            return self.fault(name_at + offset, RouteFault::ParameterCharacter(c));
        }
        route.push_str(sigil);
        route.push_str(name);
        Ok(if sigil == "*" { Segment::CatchAll } else { Segment::Parameter })
    }
}

/// `tchar` of RFC 9110, section 5.6.2, without `|`.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::{RouteFault, canonical};

    #[track_caller]
    fn reads(text: &str, expected: &str) {
        assert_eq!(canonical(text).as_deref(), Ok(expected));
        assert_eq!(canonical(expected).as_deref(), Ok(expected));
    }

    #[track_caller]
    fn refuses(text: &str, offset: usize, reason: RouteFault) {
        let error = canonical(text).expect_err(text);
        assert_eq!((error.offset, &error.reason), (offset, &reason), "{error}");
        assert_eq!(error.template, text);
    }

    #[test]
    fn every_spelling_of_a_parameter() {
        for text in ["PATCH|/items/:id", "PATCH|/items/{id}", "PATCH /items/{id}", "patch  /items/:id"] {
            reads(text, "PATCH|/items/:id");
        }
        reads("GET /files/{*rest}", "GET|/files/*rest");
        reads("GET /files/*rest", "GET|/files/*rest");
        reads("GET /{user-id}/{a.b}", "GET|/:user-id/:a.b");
    }

    #[test]
    fn what_is_no_parameter_stays_as_written() {
        reads("GET|/", "GET|/");
        reads("GET|/items/:id/", "GET|/items/:id/");
        reads("GET /a:b/c*d/%7Bx", "GET|/a:b/c*d/%7Bx");
        reads("GET /{{id}}/x{{", "GET|/{{id}}/x{{");
        reads("GET /a|b", "GET|/a|b");
        reads("GET /ä/{ö}", "GET|/ä/:ö");
    }

    #[test]
    fn any_token_is_a_method() {
        reads("report /x", "REPORT|/x");
        reads("M-SEARCH|/x", "M-SEARCH|/x");
        refuses("GÉT|/x", 1, RouteFault::MethodCharacter('É'));
        refuses("PATCH/items", 5, RouteFault::MethodCharacter('/'));
        refuses("(GET)|/", 0, RouteFault::MethodCharacter('('));
    }

    #[test]
    fn a_half_is_missing() {
        refuses("", 0, RouteFault::Empty);
        refuses("/items", 0, RouteFault::NoMethod);
        refuses("|/items", 0, RouteFault::NoMethod);
        refuses("GET", 3, RouteFault::NoTemplate);
        refuses("GET|", 4, RouteFault::NoTemplate);
        refuses("GET  ", 3, RouteFault::NoTemplate);
        refuses("GET|items", 4, RouteFault::NoLeadingSlash);
        refuses("GET | /items", 4, RouteFault::NoLeadingSlash);
    }

    #[test]
    fn slashes() {
        refuses("GET|//", 4, RouteFault::EmptySegment);
        refuses("GET|//a", 4, RouteFault::EmptySegment);
        refuses("GET|/a//b", 6, RouteFault::EmptySegment);
        refuses("GET|/a//", 6, RouteFault::EmptySegment);
    }

    #[test]
    fn parameters() {
        refuses("GET|/:", 5, RouteFault::UnnamedParameter);
        refuses("GET|/{}/x", 5, RouteFault::UnnamedParameter);
        refuses("GET|/{*}", 5, RouteFault::UnnamedParameter);
        refuses("GET|/*", 5, RouteFault::UnnamedParameter);
        refuses("GET|/v{n}", 6, RouteFault::MixedSegment);
        refuses("GET|/{n}.json", 5, RouteFault::MixedSegment);
        refuses("GET|/{a}{b}", 5, RouteFault::MixedSegment);
        refuses("GET|/{id:[0-9]+}", 8, RouteFault::ParameterCharacter(':'));
        refuses("GET|/{**a}", 7, RouteFault::ParameterCharacter('*'));
        refuses("GET|/:a{b}", 7, RouteFault::ParameterCharacter('{'));
        refuses("PATCH|/items/{id", 13, RouteFault::Unclosed);
        refuses("PATCH|/items/{id/x}", 13, RouteFault::Unclosed);
        refuses("GET|/a}", 6, RouteFault::Unopened);
        refuses("GET|/{*rest}/x", 5, RouteFault::CatchAllNotLast);
        refuses("GET|/*rest/", 5, RouteFault::CatchAllNotLast);
    }

    #[test]
    fn what_no_path_has() {
        refuses("GET|/a b", 6, RouteFault::Blank);
        refuses("GET|/a\n", 6, RouteFault::Blank);
        refuses("GET|/a?b=1", 6, RouteFault::NotPath('?'));
        refuses("GET|/a#b", 6, RouteFault::NotPath('#'));
    }

    #[test]
    fn messages_count_characters_from_one() {
        let message = |text| canonical(text).expect_err(text).to_string();
        assert_eq!(message("PATCH|/items/{id"), "route `PATCH|/items/{id`: `{` at 14 is never closed");
        assert_eq!(message("GET|/ä/{id"), "route `GET|/ä/{id`: `{` at 8 is never closed");
        assert_eq!(
            message("GET|/a\n"),
            "route `GET|/a\\n`: white space or a control character at 7; a path has it percent-encoded"
        );
    }
}
