//! `(?P<id>[0-9]+)`: regular expressions, of Django and of the `regex` crate.
//!
//! A pattern is understood as the URL that Django writes for it: anchors match nothing, text that may be absent is
//! left out unless a parameter is in it, and a group is its name, whatever it holds.

use super::cursor::{Cursor, Fault};
use super::spelling::{Kind, Part, checked};
use super::{MAX_DEPTH, RouteFault, angle};

pub(super) fn read<'a>(cursor: Cursor<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let level = Pattern { cursor, parts }.level(None, 0)?;
    level.trouble.map_or(Ok(()), Err)
}

struct Pattern<'a, 'p> {
    cursor: Cursor<'a>,
    parts: &'p mut Vec<Part<'a>>,
}

/// What a quantifier repeats.
#[derive(Default)]
struct Atom {
    /// What makes it more than one route. No mistake yet: it may turn out to be inside a parameter, or optional.
    trouble: Option<Fault>,
    /// That a quantifier may follow.
    repeatable: bool,
}

impl Atom {
    const TEXT: Self = Self { trouble: None, repeatable: true };

    const ANCHOR: Self = Self { trouble: None, repeatable: false };

    fn varying(at: usize) -> Self {
        Self { trouble: Some((at, RouteFault::Varying)), repeatable: true }
    }
}

struct Quantifier {
    at: usize,
    /// None or one, which makes the difference between text that is left out and text that is repeated.
    optional: bool,
}

impl<'a> Pattern<'a, '_> {
    /// Reads up to the bracket that closes the group opened at `open`, or to the end.
    fn level(&mut self, open: Option<usize>, depth: usize) -> Result<Atom, Fault> {
        let mut level = Atom::TEXT;
        loop {
            let at = self.cursor.at();
            let first_part = self.parts.len();
            let Some(c) = self.cursor.next() else {
                return open.map_or(Ok(level), |open| Err((open, RouteFault::Unclosed('('))));
            };
            let atom = match c {
                ')' if open.is_some() => return Ok(level),
                ')' => return Err((at, RouteFault::Unopened(')'))),
                '|' => {
                    level.trouble.get_or_insert((at, RouteFault::Alternatives));
                    continue;
                }
                '?' | '*' | '+' | '{' => return Err((at, RouteFault::Quantifier(c))),
                '^' | '$' => Atom::ANCHOR,
                '\\' => self.escape(at)?,
                '[' => self.class(at)?,
                '(' => self.group(at, depth)?,
                // The path of an `include` in front of the pattern.
                '<' => {
                    let part = angle::converter(&mut self.cursor, at)?;
                    self.parts.push(part);
                    Atom::TEXT
                }
                // `.` too: alone it is a forgotten `\.`, as in `x.json`.
                _ => self.text(at),
            };
            let trouble = self.repeated(atom, first_part)?;
            level.trouble = level.trouble.or(trouble);
        }
    }

    fn text(&mut self, at: usize) -> Atom {
        self.parts.push(Part::text(at, self.cursor.since(at)));
        Atom::TEXT
    }

    /// The trouble left of an atom, whose parts begin at `first_part`, behind its quantifier.
    fn repeated(&mut self, atom: Atom, first_part: usize) -> Result<Option<Fault>, Fault> {
        let begins = self.cursor.peek();
        let Some(quantifier) = self.quantifier()? else { return Ok(atom.trouble) };
        if !atom.repeatable {
            return Err((quantifier.at, RouteFault::Quantifier(begins.unwrap_or_default())));
        }
        let has_parameter = self.parts[first_part..].iter().any(|part| !matches!(part.kind, Kind::Text(_)));
        if has_parameter {
            return Ok(atom.trouble);
        }
        if quantifier.optional {
            self.parts.truncate(first_part);
            return Ok(None);
        }
        Ok(atom.trouble.or(Some((quantifier.at, RouteFault::Varying))))
    }

    fn quantifier(&mut self) -> Result<Option<Quantifier>, Fault> {
        let at = self.cursor.at();
        let optional = match self.cursor.peek() {
            Some(c @ ('?' | '*' | '+')) => {
                self.cursor.next();
                c == '?'
            }
            Some('{') => {
                self.cursor.next();
                let times = self.cursor.take_while(|c| c.is_ascii_digit() || c == ',');
                if !self.cursor.eat("}") || !times.contains(|c: char| c.is_ascii_digit()) {
                    return Err((at, RouteFault::Quantifier('{')));
                }
                matches!(times, "0,1" | ",1")
            }
            _ => return Ok(None),
        };
        // Lazy or possessive, which changes what is tried first, not what matches.
        let _ = self.cursor.eat("?") || self.cursor.eat("+");
        Ok(Some(Quantifier { at, optional }))
    }

    fn escape(&mut self, at: usize) -> Result<Atom, Fault> {
        let literal_at = self.cursor.at();
        match self.cursor.next() {
            Some('A' | 'Z' | 'z' | 'b' | 'B' | 'G') => Ok(Atom::ANCHOR),
            Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'h' | 'v' | 'R') => Ok(Atom::varying(at)),
            Some('p' | 'P') => {
                if self.cursor.eat("{") {
                    self.cursor.take_while(|c| c != '}');
                }
                self.cursor.next();
                Ok(Atom::varying(at))
            }
            Some(c) if !c.is_alphanumeric() => Ok(self.text(literal_at)),
            _ => Err((at, RouteFault::Escape)),
        }
    }

    /// The class whose bracket at `open` has been passed.
    fn class(&mut self, open: usize) -> Result<Atom, Fault> {
        let mut members = 0usize;
        let mut only = None;
        let negated = self.cursor.eat("^");
        loop {
            let at = self.cursor.at();
            match self.cursor.next() {
                None => return Err((open, RouteFault::Unclosed('['))),
                Some(']') if members > 0 => break,
                Some('\\') => {
                    let literal_at = self.cursor.at();
                    let c = self.cursor.next();
                    only = c.filter(|c| !c.is_alphanumeric()).map(|_| self.cursor.since(literal_at));
                }
                Some('[') if self.posix_class() => only = None,
                Some(_) => only = Some(self.cursor.since(at)),
            }
            members += 1;
        }
        match only {
            // `[.]` is how some write `\.`.
            Some(text) if members == 1 && !negated => {
                self.parts.push(Part::text(open, text));
                Ok(Atom::TEXT)
            }
            _ => Ok(Atom::varying(open)),
        }
    }

    /// `[:alpha:]`, behind its first bracket. Whatever else a class nests ends, for the length of a group, where the
    /// class ends.
    fn posix_class(&mut self) -> bool {
        let mut ahead = self.cursor;
        let found = ahead.eat(":") && {
            ahead.take_while(|c| c.is_ascii_alphabetic() || c == '^');
            ahead.eat(":]")
        };
        if found {
            self.cursor = ahead;
        }
        found
    }

    /// The group whose bracket at `open` has been passed.
    fn group(&mut self, open: usize, depth: usize) -> Result<Atom, Fault> {
        let depth = deeper(open, depth)?;
        if !self.cursor.eat("?") {
            return self.unnamed(open, depth);
        }
        if self.cursor.eat("#") {
            self.comment(open)?;
            return Ok(Atom::ANCHOR);
        }
        if ["=", "!", "<=", "<!"].iter().any(|look| self.cursor.eat(look)) {
            self.skip(open, depth)?;
            return Ok(Atom::TEXT);
        }
        if self.cursor.eat("P<") || self.cursor.eat("<") {
            return self.named(open, depth);
        }
        if self.cursor.eat(":") || self.cursor.eat(">") {
            return self.level(Some(open), depth);
        }
        let flags = self.cursor.take_while(|c| c.is_ascii_alphabetic() || c == '-');
        // Under `x` white space and `#` are no text.
        if flags.is_empty() || flags.contains(['x', 'P', 'R']) {
            return Err((open, RouteFault::Group));
        }
        match self.cursor.next() {
            Some(')') => Ok(Atom::ANCHOR),
            Some(':') => self.level(Some(open), depth),
            _ => Err((open, RouteFault::Group)),
        }
    }

    fn named(&mut self, open: usize, depth: usize) -> Result<Atom, Fault> {
        let bracket = self.cursor.at() - 1;
        let name = self.cursor.take_while(|c| !matches!(c, '>' | ')' | '/'));
        let name = checked(name, open, self.cursor)?;
        if !self.cursor.eat(">") {
            return Err((bracket, RouteFault::Unclosed('<')));
        }
        self.skip(open, depth)?;
        self.parts.push(Part { at: open, kind: Kind::Parameter(name) });
        Ok(Atom::TEXT)
    }

    /// A group without a name is a parameter, unless it holds one that has a name.
    fn unnamed(&mut self, open: usize, depth: usize) -> Result<Atom, Fault> {
        let first_part = self.parts.len();
        let level = self.level(Some(open), depth)?;
        if self.parts[first_part..].iter().any(|part| matches!(part.kind, Kind::Parameter(_))) {
            return Ok(level);
        }
        self.parts.truncate(first_part);
        self.parts.push(Part { at: open, kind: Kind::Positional });
        Ok(Atom::TEXT)
    }

    /// Passes what belongs to the group opened at `open`, its end included.
    fn skip(&mut self, open: usize, depth: usize) -> Result<(), Fault> {
        let mut inner = depth;
        loop {
            let at = self.cursor.at();
            match self.cursor.next() {
                None => return Err((open, RouteFault::Unclosed('('))),
                Some('\\') => {
                    self.cursor.next();
                }
                Some('[') => {
                    let parts = self.parts.len();
                    self.class(at)?;
                    self.parts.truncate(parts);
                }
                Some('(') if self.cursor.eat("?#") => self.comment(at)?,
                Some('(') => inner = deeper(at, inner)?,
                Some(')') if inner == depth => return Ok(()),
                Some(')') => inner -= 1,
                Some(_) => {}
            }
        }
    }

    fn comment(&mut self, open: usize) -> Result<(), Fault> {
        self.cursor.take_while(|c| c != ')');
        if self.cursor.eat(")") { Ok(()) } else { Err((open, RouteFault::Unclosed('('))) }
    }
}

fn deeper(open: usize, depth: usize) -> Result<usize, Fault> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err((open, RouteFault::TooDeep)) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{reads as found_out, reads_as, refuses_as};
    use super::super::{Dialect, MAX_DEPTH, RouteFault};

    fn reads(template: &str, expected: &str) {
        reads_as(Dialect::DjangoRegex, template, expected);
    }

    fn refuses(template: &str, offset: usize, reason: RouteFault) {
        refuses_as(Dialect::DjangoRegex, template, offset, reason);
    }

    #[test]
    fn named_groups() {
        reads("^items/(?P<id>[0-9]+)/$", "/items/:id/");
        reads("^items/(?<id>[0-9]+)/$", "/items/:id/");
        reads("^/items/(?P<id>[0-9]+)$", "/items/:id");
        reads(r"^(?P<lang>[a-z]{2})/(?P<slug>[\w-]+)/$", "/:lang/:slug/");
        reads(r"^x/(?P<k>a\)b)/$", "/x/:k/");
        reads("^x/(?P<k>[)]|[](]|[^]()]+)/$", "/x/:k/");
        reads("^x/(?P<k>[[:alpha:])]+)/$", "/x/:k/");
        reads("^x/(?P<k>a(?#:()b)/(?#(c)$", "/x/:k/");
        reads("^x/(?P<outer>a/(?P<inner>b)/c)/$", "/x/:outer/");
        reads("^x/(?P<outer>(?P<a>b)-(c(d)))?/$", "/x/:outer/");
        reads(r"^(?P<y>\d{4})x(?P<m>\d+)$", "/:{y}x:m");
        reads(r"^(?P<y>\d{4})(?P<m>\d{2})/", "/:y:m/");
        reads("^(?P<p>.*)$", "/:p");
    }

    #[test]
    fn literals() {
        reads("", "/");
        reads("^$", "/");
        reads(r"^x\.json$", "/x.json");
        reads("^x.json$", "/x.json");
        reads("^x[.]json$", "/x.json");
        reads(r"^a\-b\/c\_d\:e\*f\{g\}$", "/a-b/c_d::e**f{{g}}");
        reads("^a:b-c}/$", "/a::b-c}}/");
        reads("^ä/ö$", "/ä/ö");
        refuses(r"^a\q", 2, RouteFault::Escape);
        refuses(r"^a\", 2, RouteFault::Escape);
        refuses(r"^(a)\1", 4, RouteFault::Escape);
        refuses(r"^a\?b", 3, RouteFault::NotPath('?'));
        refuses(r"^a\\b", 3, RouteFault::LiteralCharacter('\\'));
        refuses("^a b", 2, RouteFault::Blank);
        refuses("^//x", 1, RouteFault::EmptySegment);
    }

    #[test]
    fn anchors_match_nothing() {
        for text in ["^x/$", "^^x/$$", r"\Ax/\Z", r"^x/\z", "x/", r"\bx/", "(?i)^x/", "(?ms)^x/$"] {
            reads(text, "/x/");
        }
        reads("api/^items/(?P<id>[0-9]+)/$", "/api/items/:id/");
        reads("^api/$^items/", "/api/items/");
        reads("^x/(?!admin)(?P<n>[a-z]+)(?<=b)(?<!c)(?=/)/", "/x/:n/");
        reads("<slug:shop>/^items/(?P<id>[0-9]+)/$", "/:shop/items/:id/");
        refuses("<slug:shop/^items", 0, RouteFault::Unclosed('<'));
    }

    #[test]
    fn what_may_be_absent_is_left_out_unless_a_parameter_is_in_it() {
        reads("^x/?$", "/x");
        reads("^items?/$", "/item/");
        reads("^x(?:/)?$", "/x");
        reads("^x[/]??$", "/x");
        reads("^x/{0,1}$", "/x");
        reads(r"^x/(?:page/)?(?P<n>\d+)/$", "/x/:n/");
        reads(r"^x/(?:page/(?P<n>\d+)/)?$", "/x/page/:n/");
        reads(r"^items(?:\.(?P<format>[a-z0-9]+))?/?$", "/items.:format");
        reads(r"^x(?:\.\w+|a)?$", "/x");
        reads("^x/(?P<n>[0-9]+)?/$", "/x/:n/");
        reads("^x/(?P<n>[0-9]+)+/$", "/x/:n/");
        reads("^x/(page/)?$", "/x/:_1");
    }

    #[test]
    fn groups_without_a_name_are_numbered() {
        reads("^re3/([0-9]+)/$", "/re3/:_1/");
        reads("^([0-9]+)-(a|b)/((c)d)$", "/:_1-:_2/:_3");
        reads("^([0-9]+)x$", "/:{_1}x");
        reads("^x/(a/(?P<n>b)/c(d))$", "/x/a/:n/c:_1");
        reads("^x/(?:a/([0-9]+)/b)$", "/x/a/:_1/b");
        reads("^x/(?>a)(?i:b)/", "/x/ab/");
    }

    #[test]
    fn several_routes_in_one() {
        refuses("^[0-9]+/$", 1, RouteFault::Varying);
        refuses(r"^x/\d+$", 3, RouteFault::Varying);
        refuses(r"^x/\p{Greek}$", 3, RouteFault::Varying);
        refuses("^x/.*$", 4, RouteFault::Varying);
        refuses("^x/+$", 3, RouteFault::Varying);
        refuses("^xa{2}$", 3, RouteFault::Varying);
        refuses("^(?:ab)*$", 7, RouteFault::Varying);
        refuses("^(?:a|b)/$", 5, RouteFault::Alternatives);
        refuses("^a$|^b$", 3, RouteFault::Alternatives);
        refuses("^(?:a|(?P<n>b))?/$", 5, RouteFault::Alternatives);
        refuses("^(a|(?P<n>b))/$", 3, RouteFault::Alternatives);
    }

    #[test]
    fn malformed() {
        refuses("^x/(?P<n>unclosed", 3, RouteFault::Unclosed('('));
        refuses("^x/(?:a", 3, RouteFault::Unclosed('('));
        refuses("^x/(a", 3, RouteFault::Unclosed('('));
        refuses("^x/(?#a", 3, RouteFault::Unclosed('('));
        refuses("^x/(?P<n", 6, RouteFault::Unclosed('<'));
        refuses("^x/(?P<n)", 6, RouteFault::Unclosed('<'));
        refuses("^x/[a", 3, RouteFault::Unclosed('['));
        refuses("^x/(?P<n>[a)", 9, RouteFault::Unclosed('['));
        refuses("^x/a)", 4, RouteFault::Unopened(')'));
        refuses("^x/(?P<>y)/", 3, RouteFault::UnnamedParameter);
        refuses("^x/(?P<a(b>y)/", 8, RouteFault::ParameterCharacter('('));
        refuses("^x/(?P=n)", 3, RouteFault::Group);
        refuses("^x/(?(1)a|b)", 3, RouteFault::Group);
        refuses("^x/(?'n'a)", 3, RouteFault::Group);
        refuses("(?x)^x /", 0, RouteFault::Group);
        refuses("(?i", 0, RouteFault::Group);
        refuses("^*", 1, RouteFault::Quantifier('*'));
        refuses("*a", 0, RouteFault::Quantifier('*'));
        refuses("a{x}", 1, RouteFault::Quantifier('{'));
        refuses("a{,}", 1, RouteFault::Quantifier('{'));
        refuses("a***", 2, RouteFault::Quantifier('*'));
        refuses("a>b", 1, RouteFault::LiteralCharacter('>'));
    }

    #[test]
    fn depth_is_bounded() {
        for group in ["(", "(?:", "(?P<n>(", "(?=("] {
            let open = group.repeat(MAX_DEPTH + 1);
            let brackets = open.matches('(').count();
            let text = format!("{open}x{}", ")".repeat(brackets));
            let place = open.match_indices('(').nth(MAX_DEPTH).map_or(0, |(at, _)| at);
            refuses(&text, place, RouteFault::TooDeep);
        }
        let text = format!("{}x{}", "(?:".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        reads(&text, "/x");
    }

    #[test]
    fn found_out_by_its_signs() {
        found_out("GET|^items/(?P<id>[0-9]+)/$", "GET|/items/:id/");
        found_out("GET ^items/(?P<id>[0-9]+)/$", "GET|/items/:id/");
        found_out(r"GET /x\.json", "GET|/x.json");
        found_out("GET /items/(?<id>a|b)", "GET|/items/:id");
        found_out("GET /items/([0-9]+)/", "GET|/items/:_1/");
        found_out("GET /items/?$", "GET|/items");
        found_out("GET items/?", "GET|/items");
        found_out("GET items/$", "GET|/items/");
        found_out("GET x/(a|b)", "GET|/x/:_1");
        found_out("GET|<slug:shop>/^(?P<lang>[a-z]{2})/", "GET|/:shop/:lang/");
    }
}
