//! The route that a change came through, spelled the same way whatever the framework.

mod template;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use template::{RouteError, RouteFault};

/// A method and a route template in canonical spelling, `PATCH|/items/:id`.
///
/// Formatters are chosen by it, so two spellings of one route must be one value: `PATCH /items/{id}` and
/// `patch|/items/:id` are. A trailing slash makes another route, as it does for the routers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawRoute(Arc<str>);

impl RawRoute {
    /// Reads `METHOD|/template` or `METHOD /template`, with parameters as `:id`, `{id}`, `*rest` or `{*rest}`.
    ///
    /// # Errors
    ///
    /// When the text cannot be understood; the error tells the place.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        template::canonical(text).map(|route| Self(route.into()))
    }

    /// The route of a method and the template under which a framework knows the handler.
    ///
    /// # Errors
    ///
    /// When either cannot be understood; places in the error count within `METHOD|/template`.
    pub fn new(method: &str, template: &str) -> Result<Self, RouteError> {
        let text = format!("{method}|{template}");
        let route = Self::parse(&text)?;
        // A separator in the method would move the border between the two.
        match method[route.method().len()..].chars().next() {
            None => Ok(route),
            Some(c) => {
                let offset = route.method().len();
                Err(RouteError { template: text, offset, reason: RouteFault::MethodCharacter(c) })
            }
        }
    }

    /// The method, in upper case.
    pub fn method(&self) -> &str {
        self.halves().0
    }

    /// The template, with parameters as `:id` and `*rest`.
    pub fn template(&self) -> &str {
        self.halves().1
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn halves(&self) -> (&str, &str) {
        // Every way to a value goes through the parser, which writes the separator.
        self.0.split_once('|').unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for RawRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RawRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawRoute").field(&&*self.0).finish()
    }
}

impl FromStr for RawRoute {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        Self::parse(text)
    }
}

impl AsRef<str> for RawRoute {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// So that a map keyed by routes can be asked with the text of a request.
impl Borrow<str> for RawRoute {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for RawRoute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RawRoute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::RawRoute;

    #[test]
    fn halves() {
        let route = RawRoute::new("patch", "/items/{id}").expect("a route");
        assert_eq!(route.method(), "PATCH");
        assert_eq!(route.template(), "/items/:id");
        assert_eq!(route.as_str(), "PATCH|/items/:id");
        assert_eq!(route.to_string(), "PATCH|/items/:id");
        assert_eq!(format!("{route:?}"), r#"RawRoute("PATCH|/items/:id")"#);
    }

    #[test]
    fn a_method_cannot_smuggle_a_template_in() {
        for method in ["GET|/a", "GET /a", "GET|", "GET ", "/a", ""] {
            assert!(RawRoute::new(method, "/b").is_err(), "{method}");
        }
    }

    #[test]
    fn spellings_are_one_value() {
        let stored = RawRoute::parse("PATCH|/items/:id").expect("a route");
        assert_eq!("patch /items/{id}".parse().as_ref(), Ok(&stored));
        let map = HashMap::from([(stored, 1)]);
        assert_eq!(map.get("PATCH|/items/:id"), Some(&1));
    }

    #[test]
    fn as_json() {
        let route: RawRoute = serde_json::from_str(r#""get /files/{*rest}""#).expect("a route");
        assert_eq!(serde_json::to_string(&route).expect("a string"), r#""GET|/files/*rest""#);
        let error = serde_json::from_str::<RawRoute>(r#""GET|/{id""#).expect_err("unclosed");
        assert!(error.to_string().starts_with("route `GET|/{id`: `{` at 6 is never closed"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            if let Err(error) = RawRoute::parse(&text) {
                prop_assert!(text.is_char_boundary(error.offset));
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn text_near_a_route_never_panics(text in "[A-Z ]{0,3}[| /]{0,2}[a:*{}/ä| ]{0,12}") {
            if let Err(error) = RawRoute::parse(&text) {
                prop_assert!(text.is_char_boundary(error.offset));
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn canonical_is_its_own_canonical(text in "[A-Za-z]{1,4}[| ](/[a-c:*{}]{0,5}){1,4}") {
            if let Ok(route) = RawRoute::parse(&text) {
                prop_assert_eq!(RawRoute::parse(route.as_str()), Ok(route.clone()));
                prop_assert_eq!(RawRoute::new(route.method(), route.template()), Ok(route.clone()));
            }
        }

        #[test]
        fn both_spellings_agree(names in prop::collection::vec("[a-z][a-z0-9_]{0,6}", 1..5)) {
            let colons: String = names.iter().map(|name| format!("/x/:{name}")).collect();
            let braces: String = names.iter().map(|name| format!("/x/{{{name}}}")).collect();
            prop_assert_eq!(RawRoute::new("GET", &colons), RawRoute::new("get", &braces));
        }
    }
}
