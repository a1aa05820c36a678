//! What holds for whatever text comes in.

use proptest::prelude::*;

use crate::route::template::{Dialect, RouteError};
use crate::route::{RawRoute, RouteFault};

const DIALECTS: [Dialect; 5] =
    [Dialect::FoundOut, Dialect::Axum, Dialect::Actix, Dialect::DjangoPath, Dialect::DjangoRegex];

/// Everything that any of the grammars gives a meaning to, and some that none does.
const NEAR_A_ROUTE: &str = r"[a-c1:*{}<>()\[\]?^$\\|/.+,\-=!#P_ä ]{0,24}";

fn well_behaved(read: Result<RawRoute, RouteError>) -> Result<(), TestCaseError> {
    match read {
        Ok(route) => {
            prop_assert_eq!(RawRoute::parse(route.as_str()), Ok(route.clone()));
            prop_assert_eq!(RawRoute::new(route.method(), route.template()), Ok(route.clone()));
            prop_assert!(route.template().starts_with('/'));
        }
        Err(error) => {
            prop_assert!(error.template.is_char_boundary(error.offset), "{error:?}");
            prop_assert!(error.to_string().len() > error.template.len());
        }
    }
    Ok(())
}

/// A part of a template, in no dialect yet.
#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Parameter(String),
}

/// A template in canonical spelling, by a rule simpler than the parser's: no two parts of it run into each other.
fn canonical(parts: &[Part]) -> String {
    let mut route = "GET|".to_owned();
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => {
                for c in text.chars() {
                    route.push(c);
                    if ":*{}".contains(c) {
                        route.push(c);
                    }
                }
            }
            Part::Parameter(name) => {
                let runs_on = matches!(parts.get(index + 1), Some(Part::Text(text))
                    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
                let name = if runs_on { format!("{{{name}}}") } else { name.clone() };
                route.push(':');
                route.push_str(&name);
            }
        }
    }
    route
}

fn written(parts: &[Part], text: impl Fn(&str) -> String, parameter: impl Fn(&str) -> String) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(literal) => text(literal),
            Part::Parameter(name) => parameter(name),
        })
        .collect()
}

/// Texts and parameters in any order but for two texts in a row.
fn parts(literals: &'static str) -> impl Strategy<Value = Vec<Part>> {
    let pair = (proptest::option::of(literals), "[A-Za-z_][A-Za-z0-9_]{0,5}");
    prop::collection::vec(pair, 0..6).prop_map(|pairs| {
        let first = Part::Text("/x".to_owned());
        let rest = pairs.into_iter().enumerate().flat_map(|(index, (text, name))| {
            // Behind the first text only a parameter may follow.
            let text = text.filter(|_| index > 0).map(Part::Text);
            text.into_iter().chain([Part::Parameter(name)])
        });
        [first].into_iter().chain(rest).collect()
    })
}

fn escaped(text: &str, escapes: fn(char) -> bool) -> String {
    text.chars().flat_map(|c| escapes(c).then_some('\\').into_iter().chain([c])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn never_panics(text in any::<String>()) {
        well_behaved(RawRoute::parse(&text))?;
        for dialect in DIALECTS {
            well_behaved(RawRoute::of(dialect, "GET", &text))?;
        }
    }

    #[test]
    fn never_panics_near_a_route(method in "[A-Z ]{0,3}[| /]{0,2}", template in NEAR_A_ROUTE) {
        well_behaved(RawRoute::parse(&format!("{method}{template}")))?;
        for dialect in DIALECTS {
            well_behaved(RawRoute::of(dialect, "GET", &template))?;
            well_behaved(RawRoute::of(dialect, "GET", &format!("/{template}")))?;
        }
    }

    #[test]
    fn canonical_is_its_own_canonical(text in "[A-Za-z]{1,4}[| ](/[a-c:*{}]{0,5}){1,4}") {
        well_behaved(RawRoute::parse(&text))?;
    }

    #[test]
    fn both_spellings_agree(names in prop::collection::vec("[a-z][a-z0-9_]{0,6}", 1..5)) {
        let colons: String = names.iter().map(|name| format!("/x/:{name}")).collect();
        let braces: String = names.iter().map(|name| format!("/x/{{{name}}}")).collect();
        prop_assert_eq!(RawRoute::new("GET", &colons), RawRoute::new("get", &braces));
    }

    #[test]
    fn axum(parts in parts("[a-z0-9/.:*{}$()-]{1,6}"), rest in proptest::option::of("[a-z]{1,5}")) {
        let double = |text: &str| text.replace('{', "{{").replace('}', "}}");
        let mut template = written(&parts, double, |name| format!("{{{name}}}"));
        let mut expected = canonical(&parts);
        if let Some(rest) = rest {
            template.push_str(&format!("/{{*{rest}}}"));
            expected.push_str(&format!("/*{rest}"));
        }
        // In front of a segment these two are parameters of axum 0.7.
        prop_assume!(!template.contains("/:") && !template.contains("/*"));
        let read = RawRoute::from_axum("get", &template).map(|route| route.as_str().to_owned());
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn actix(
        parts in parts("[a-z0-9/.:$()-]{1,6}"),
        pattern in r"(:([a-z]|\\d|\[0-9\]|[a-z]\{[1-9]\}|\(a\|b\)){1,3})?",
        rest in proptest::option::of("[a-z]{1,5}"),
    ) {
        let mut template = written(&parts, str::to_owned, |name| format!("{{{name}{pattern}}}"));
        let mut expected = canonical(&parts);
        if let Some(rest) = rest {
            template.push_str(&format!("/{{{rest}}}*"));
            expected.push_str(&format!("/*{rest}"));
        }
        let read = RawRoute::from_actix("get", &template).map(|route| route.as_str().to_owned());
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn django_path(parts in parts("[a-z0-9/.:*$()-]{1,6}"), converter in "([a-z_]{1,5}:)?") {
        let template = written(&parts, str::to_owned, |name| format!("<{converter}{name}>"));
        for template in [&*template, &template[1..]] {
            let read = RawRoute::from_django_path("get", template).map(|route| route.as_str().to_owned());
            prop_assert_eq!(read, Ok(canonical(&parts)));
        }
    }

    #[test]
    fn django_regex(
        parts in parts("[a-z0-9/.:*{}$()-]{1,6}"),
        pattern in r"([a-z]|\\[d.)(]|\[\^/\)\]|[a-z]\{2\}|\([a-z]\)\?|\(\?P<n>x\)|\(\?:a\|b\)){1,4}[+*?]?",
        sign in "P?",
    ) {
        let escape = |text: &str| escaped(text, |c| !c.is_alphanumeric() && !matches!(c, '/' | '-'));
        let template = written(&parts, escape, |name| format!("(?{sign}<{name}>{pattern})"));
        for template in [format!("^{template}$"), format!("^{}", &template[1..])] {
            let read = RawRoute::from_django_regex("get", &template).map(|route| route.as_str().to_owned());
            prop_assert_eq!(read, Ok(canonical(&parts)));
            let read = RawRoute::parse(&format!("get {template}")).map(|route| route.as_str().to_owned());
            prop_assert_eq!(read, Ok(canonical(&parts)));
        }
    }
}

#[test]
fn text_without_end() {
    for text in ["(", "{", "<", "[", "\\", ":a", "(?:", "(?P<n>", "ä"] {
        let error = RawRoute::parse(&format!("GET|/{}", text.repeat(1_000_000))).expect_err(text);
        assert_eq!(error.reason, RouteFault::TooLong);
        assert!(error.template.len() <= 1024, "a log line is no place for it");
    }
}
