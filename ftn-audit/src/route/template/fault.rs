//! What is said of a text that is no raw route.

use std::fmt;

/// Why a text is no raw route, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteError {
    /// `METHOD|template`, as it was given; its beginning, where it was too long.
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
    /// The template begins with two slashes, as no path does (RFC 3986, section 3.3).
    EmptySegment,
    /// A parameter without a name.
    UnnamedParameter,
    /// A character that no parameter name has.
    ParameterCharacter(char),
    /// A digit or a letter beyond ASCII behind `:` or `*`, where a name without braces begins otherwise.
    ParameterStart(char),
    /// An opening bracket without its partner.
    Unclosed(char),
    /// A closing bracket without its partner.
    Unopened(char),
    /// `{id}` in a template that spells its parameters `:id`.
    TwoSpellings,
    /// `:{id}` where `:id` says the same, so that it may be a slip for a colon and `{id}`.
    NeedlessBraces,
    /// Something behind a catch-all parameter.
    CatchAllNotLast,
    /// White space or a control character in the template.
    Blank,
    /// A query or fragment in the template.
    NotPath(char),
    /// A character that a path has only percent-encoded.
    LiteralCharacter(char),
    /// A regular expression matches text that varies and belongs to no parameter.
    Varying,
    /// A regular expression matches several routes.
    Alternatives,
    /// A quantifier behind nothing that can be repeated, or a malformed one.
    Quantifier(char),
    /// An escape that is not understood.
    Escape,
    /// A group that is not understood.
    Group,
    /// Groups within groups, too many of them.
    TooDeep,
    /// More text than any route has.
    TooLong,
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
            RouteFault::EmptySegment => {
                write!(f, "`//` at {at} begins the path with an empty segment; write a single `/`")
            }
            RouteFault::UnnamedParameter => write!(
                f,
                "the parameter at {at} has no name; give it one, or write `::`, `**` for the character itself"
            ),
            RouteFault::ParameterCharacter(c) => {
                write!(f, "`{}` at {at} cannot be part of a parameter's name", c.escape_debug())
            }
            RouteFault::ParameterStart(c) => write!(
                f,
                "`{c}` at {at} begins no parameter's name; write `:{{..}}` around the name, or `::` for a colon"
            ),
            RouteFault::Unclosed(c) => write!(f, "`{c}` at {at} is never closed"),
            RouteFault::Unopened('}') => {
                write!(f, "`}}` at {at} closes nothing; write `}}}}` for the character itself")
            }
            RouteFault::Unopened(')') => {
                write!(f, "`)` at {at} closes nothing; write `\\)` for the character itself")
            }
            RouteFault::Unopened(c) => write!(f, "`{c}` at {at} closes nothing; leave it out"),
            RouteFault::TwoSpellings => write!(
                f,
                "`{{` at {at} begins a second spelling of parameters; write `:name` or `{{name}}`, not both"
            ),
            RouteFault::NeedlessBraces => write!(
                f,
                "the braces at {at} are not needed; write `:name` for a parameter, `:::name` for a colon before one"
            ),
            RouteFault::CatchAllNotLast => {
                write!(f, "the catch-all at {at} is not the last segment; leave out what follows it")
            }
            RouteFault::Blank => {
                write!(f, "white space or a control character at {at}; a path has it percent-encoded")
            }
            RouteFault::NotPath(c) => write!(f, "`{c}` at {at} ends the path; leave out what begins there"),
            RouteFault::LiteralCharacter(c) => {
                write!(f, "`{c}` at {at} is in no path; write it percent-encoded or leave it out")
            }
            RouteFault::Varying => write!(
                f,
                "the pattern at {at} matches text that varies outside a group; write `(?P<name>..)` around it"
            ),
            RouteFault::Alternatives => {
                write!(f, "`|` at {at} makes several routes of one; write a route for each, or a named group")
            }
            RouteFault::Quantifier(c) => {
                write!(f, "`{c}` at {at} repeats nothing; write `\\{c}` for the character itself")
            }
            RouteFault::Escape => {
                write!(f, "the escape at {at} is not understood; write the character itself")
            }
            RouteFault::Group => {
                write!(f, "the group at {at} is not understood; write `(?P<name>..)` or `(?:..)`")
            }
            RouteFault::TooDeep => {
                write!(f, "the group at {at} is nested too deeply; write a simpler pattern")
            }
            RouteFault::TooLong => {
                write!(f, "longer than the {} bytes a route may have; shorten it", super::MAX_BYTES)
            }
        }
    }
}

impl std::error::Error for RouteError {}
