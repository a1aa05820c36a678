//! The route that a change came through, spelled the same way whatever the framework.

mod template;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use template::Dialect;

pub use template::{RouteError, RouteFault};

/// A method and a route template in canonical spelling, `PATCH|/items/:id`.
///
/// Formatters are chosen by it, so two spellings of one route must be one value: `PATCH /items/{id}`,
/// `patch|/items/:id` and `PATCH|^items/(?P<id>[0-9]+)$` are. A trailing slash makes another route, as it does for the
/// routers.
///
/// # The canonical spelling
///
/// ```text
/// route     = METHOD "|" "/" *part
/// part      = literal | ":" name | ":{" any-name "}" | catch-all
/// catch-all = "*" name | "*{" any-name "}"        nothing follows it
/// name      = [A-Za-z_][A-Za-z0-9_]*
/// literal   = the text as it is; ":", "*", "{", "}" that stand for themselves are doubled
/// ```
///
/// A parameter ends where its name cannot go on: `/:y-:m` has two, `/report/:id.json` one. It has braces only where it
/// would end elsewhere without: before a letter, digit or underscore (`/:{y}x:m`), and around a name of other characters
/// (`/:{user-id}`).
///
/// # What is understood
///
/// | template | canonical |
/// | --- | --- |
/// | axum: `/items/{id}`, `/files/{*rest}`, `/{{x}}` | `/items/:id`, `/files/*rest`, `/{{x}}` |
/// | actix-web: `/items/{id:\d+}`, `/files/{tail}*`, `/{tail:.*}` | `/items/:id`, `/files/*tail`, `/*tail` |
/// | Django: `items/<int:id>/`, `report/<int:id>.json`, `files/<path:p>` | `/items/:id/`, `/report/:id.json`, `/files/:p` |
/// | regular expression: `^items/(?P<id>[0-9]+)/$`, `^x/([0-9]+)\.json$` | `/items/:id/`, `/x/:_1.json` |
/// | `/items/{id}:cancel`, which has a literal colon | `/items/:id::cancel` |
///
/// Of a regular expression, the outermost named group is the parameter, and groups without a name are numbered `_1`,
/// `_2`. Anchors, look-around and flags match nothing. What may be absent is left out, `^x/?$` being `/x` and
/// `^x/(?:page/)?(?P<n>\d+)$` being `/x/:n`, unless a parameter is in it. Other text that varies is an error.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawRoute(Arc<str>);

impl RawRoute {
    /// Reads what people write, `METHOD|template` or `METHOD template`, in any of the spellings above.
    ///
    /// Which one it is shows in the text: `{id}` is axum's or actix-web's, `<id>` a path of Django, one of `^`, `\`, `[`
    /// and `(?` makes it a regular expression. Only the last two may lack the leading slash.
    ///
    /// ```
    /// use ftn_audit::RawRoute;
    ///
    /// for text in ["PATCH|/items/:id", "PATCH /items/{id}", r"PATCH /items/{id:\d+}", "PATCH items/<int:id>"] {
    ///     assert_eq!(RawRoute::parse(text)?.as_str(), "PATCH|/items/:id");
    /// }
    /// # Ok::<(), ftn_audit::RouteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the text cannot be understood; the error tells the place.
    ///
    /// ```
    /// use ftn_audit::{RawRoute, RouteFault};
    ///
    /// let error = RawRoute::parse("PATCH|/items/{id").unwrap_err();
    /// assert_eq!((error.offset, &error.reason), (13, &RouteFault::Unclosed('{')));
    /// assert_eq!(error.to_string(), "route `PATCH|/items/{id`: `{` at 14 is never closed");
    /// ```
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        template::canonical(text).map(|route| Self(route.into()))
    }

    /// The route of a method and the template under which some framework knows the handler.
    ///
    /// As [`parse`](Self::parse) finds out which, but without a leading slash it is given one. Where the framework is
    /// known, one of the functions below cannot be mistaken.
    ///
    /// # Errors
    ///
    /// When either cannot be understood; places in the error count within `METHOD|template`.
    pub fn new(method: &str, template: &str) -> Result<Self, RouteError> {
        Self::of(Dialect::FoundOut, method, template)
    }

    /// The route of a template of axum, as `MatchedPath` has it.
    ///
    /// ```
    /// use ftn_audit::RawRoute;
    ///
    /// let route = RawRoute::from_axum("POST", "/items/{id}:cancel")?;
    /// assert_eq!(route.as_str(), "POST|/items/:id::cancel");
    /// # Ok::<(), ftn_audit::RouteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When either cannot be understood; places in the error count within `METHOD|template`.
    pub fn from_axum(method: &str, template: &str) -> Result<Self, RouteError> {
        Self::of(Dialect::Axum, method, template)
    }

    /// The route of a template of actix-web, as `match_pattern` has it.
    ///
    /// ```
    /// use ftn_audit::RawRoute;
    ///
    /// let route = RawRoute::from_actix("GET", r"/v{major}.{minor:\d{1,2}}/{tail}*")?;
    /// assert_eq!(route.as_str(), "GET|/v:major.:minor/*tail");
    /// # Ok::<(), ftn_audit::RouteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When either cannot be understood; places in the error count within `METHOD|template`.
    pub fn from_actix(method: &str, template: &str) -> Result<Self, RouteError> {
        Self::of(Dialect::Actix, method, template)
    }

    /// The route of a Django `path()`, with the paths of every `include()` in front.
    ///
    /// ```
    /// use ftn_audit::RawRoute;
    ///
    /// let route = RawRoute::from_django_path("GET", "report/<int:y>-<int:m>.json")?;
    /// assert_eq!(route.as_str(), "GET|/report/:y-:m.json");
    /// # Ok::<(), ftn_audit::RouteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When either cannot be understood; places in the error count within `METHOD|template`.
    pub fn from_django_path(method: &str, template: &str) -> Result<Self, RouteError> {
        Self::of(Dialect::DjangoPath, method, template)
    }

    /// The route of a Django `re_path()`, with the paths and patterns of every `include()` in front, or of another
    /// regular expression.
    ///
    /// ```
    /// use ftn_audit::RawRoute;
    ///
    /// let route = RawRoute::from_django_regex("GET", r"<slug:shop>/^items/(?P<id>\d+)\.(json|csv)/?$")?;
    /// assert_eq!(route.as_str(), "GET|/:shop/items/:id.:_1");
    /// # Ok::<(), ftn_audit::RouteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When either cannot be understood; places in the error count within `METHOD|template`.
    pub fn from_django_regex(method: &str, template: &str) -> Result<Self, RouteError> {
        Self::of(Dialect::DjangoRegex, method, template)
    }

    fn of(dialect: Dialect, method: &str, template: &str) -> Result<Self, RouteError> {
        template::canonical_of(dialect, method, template).map(|route| Self(route.into()))
    }

    /// The method, in upper case.
    pub fn method(&self) -> &str {
        self.halves().0
    }

    /// The template in canonical spelling, with parameters as `:id` and `*rest`.
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
mod tests;
