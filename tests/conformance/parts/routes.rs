//! `canonicalize:*`: a template of Django, and the route that is made of it.

use ftn_audit_sea::RawRoute;

use crate::{scenario::Scenario, verdict::Verdict};

pub fn judge(scenario: &Scenario) -> Verdict {
    let file = scenario.result().and_then(|result| result["raw_route_for_GET"].as_str());
    let (Some(template), Some(file)) = (scenario.setup("input").as_str(), file) else {
        return Verdict::Wrong(vec!["a template and its route are missing".to_owned()]);
    };
    let mut wrong = Vec::new();
    // Nothing shows of which framework an empty template is: whoever has one says so.
    let route = match template {
        "" => RawRoute::from_django_path("GET", template),
        template => RawRoute::new("GET", template),
    };
    let verdict = match route {
        Ok(route) if route.as_str() == file => Verdict::Equal,
        Ok(route) => {
            if !is_mangled(template, file) {
                wrong.push(format!("{template}: {route} is not {file}"));
            }
            check(template, &route, &mut wrong);
            Verdict::Different(vec!["route mended"])
        }
        Err(error) => {
            if !is_mangled(template, file) {
                wrong.push(format!("{template}: refused though it is {file}: {error}"));
            }
            let shown = error.to_string().contains(&error.template.escape_debug().to_string());
            if !error.template.is_char_boundary(error.offset) || !shown {
                wrong.push(format!("{template}: the error does not show the place: {error}"));
            }
            Verdict::Different(vec!["route refused"])
        }
    };
    if wrong.is_empty() { verdict } else { Verdict::Wrong(wrong) }
}

/// Whether the file's route cannot be one: something of the pattern's language is left in it, segments or names are
/// empty, a name goes on where it ended, or what is blank was kept.
fn is_mangled(template: &str, file: &str) -> bool {
    let path = file.strip_prefix("GET|").unwrap_or(file);
    let syntax = ['<', '>', '(', ')', '[', ']', '{', '}', '^', '$', '\\', '?', '+', '*', '|', ' '];
    let empty =
        path.contains("//") || path.split('/').any(|segment| segment == ":") || template.starts_with("//");
    let names = |segment: &str| segment.matches(':').count();
    let more_names =
        path.split('/').any(|segment| names(segment) > 1 || segment.find(':').is_some_and(|at| at > 0));
    // `<:id>`: no converter, and a colon all the same.
    path.contains(syntax) || empty || more_names || template.contains("<:")
}

/// What a right route is: its own canonical spelling, with Django's names in order and nothing of the pattern's
/// language left.
fn check(template: &str, route: &RawRoute, wrong: &mut Vec<String>) {
    if RawRoute::parse(route.as_str()).as_ref() != Ok(route) {
        wrong.push(format!("{template}: {route} is not its own canonical spelling"));
    }
    let path = route.template();
    if path.contains(['<', '>', '(', ')', '[', ']', '^', '$', '\\', '?', '+', '|', ' ']) {
        wrong.push(format!("{template}: {route} has something of the pattern left"));
    }
    let (expected, here) = (names(template), told(path));
    if expected != here {
        wrong.push(format!("{template}: {route} names {here:?}, not {expected:?}"));
    }
}

/// The parameters of a template of Django: `<converter:name>`, and outermost groups with a name.
fn names(template: &str) -> Vec<String> {
    let (mut names, mut depth, mut inside) = (Vec::new(), 0, None);
    let mut rest = template.char_indices();
    while let Some((at, character)) = rest.next() {
        match character {
            '\\' => {
                rest.next();
            }
            '(' => {
                depth += 1;
                let named = template[at..].strip_prefix("(?P<").and_then(|rest| rest.split('>').next());
                if let (Some(name), None) = (named, inside) {
                    names.push(name.to_owned());
                    inside = Some(depth);
                }
            }
            ')' => {
                inside = inside.filter(|opened| *opened != depth);
                depth -= 1;
            }
            '<' if inside.is_none() && !template[..at].ends_with("(?P") => {
                let name = template[at + 1..].split('>').next().unwrap_or_default();
                names.push(name.rsplit(':').next().unwrap_or_default().trim().to_owned());
            }
            _ => {}
        }
    }
    names
}

/// The parameters of a canonical route; those without a name of their own are left out.
fn told(path: &str) -> Vec<String> {
    let path = path.replace("::", "");
    let mut names = Vec::new();
    for part in path.split([':', '*']).skip(1) {
        let name = match part.strip_prefix('{') {
            Some(braced) => braced.split('}').next().unwrap_or_default().to_owned(),
            None => part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(),
        };
        let numbered = name.strip_prefix('_').is_some_and(|rest| rest.parse::<u8>().is_ok());
        if !numbered {
            names.push(name);
        }
    }
    names
}
