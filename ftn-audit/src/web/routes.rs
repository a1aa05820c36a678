//! The routes that a service has seen, so that a request does not spell its own again.

use std::sync::{Arc, OnceLock};

use crate::{RawRoute, RouteError};

/// A route in both spellings.
#[derive(Clone)]
pub(super) struct Route {
    /// As the router has it, `/items/{id}`.
    pub(super) template: Arc<str>,
    /// In canonical spelling, `PATCH|/items/:id`.
    pub(super) raw: Arc<str>,
}

/// How a framework's template is read.
pub(super) type Spelling = fn(&str, &str) -> Result<RawRoute, RouteError>;

/// The routes of one template, one a method: axum makes a service of its own for every template, so this is all there
/// is to remember, and it cannot grow.
#[derive(Default)]
pub(super) struct Routes([OnceLock<Route>; METHODS.len()]);

const METHODS: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];

impl Routes {
    pub(super) fn find(&self, method: &str, template: &str, spelling: Spelling) -> Route {
        let known = match METHODS.iter().position(|known| *known == method) {
            Some(slot) => self.0[slot].get_or_init(|| Route::new(method, template, spelling)),
            None => return Route::new(method, template, spelling),
        };
        if &*known.template == template { known.clone() } else { Route::new(method, template, spelling) }
    }
}

impl Route {
    fn new(method: &str, template: &str, spelling: Spelling) -> Self {
        let raw = spelling(method, template).map_or_else(
            // No formatter can be meant, but the record still says where it came from.
            |_| format!("{method}|{template}").into(),
            |route| route.as_str().into(),
        );
        Self { template: template.into(), raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_apart_however_many_one_service_has() {
        let routes = Routes::default();
        let found =
            |method: &str, template: &str| routes.find(method, template, RawRoute::from_axum).raw.to_string();
        for _ in 0..2 {
            assert_eq!(found("PATCH", "/items/{id}"), "PATCH|/items/:id");
            assert_eq!(found("PUT", "/items/{id}"), "PUT|/items/:id");
            assert_eq!(found("PATCH", "/tags/{*rest}"), "PATCH|/tags/*rest");
            assert_eq!(found("PURGE", "/items/{id}"), "PURGE|/items/:id");
            assert_eq!(found("GET", "/{name}.pdf"), "GET|/:name.pdf");
            assert_eq!(found("GET", "/{}"), "GET|/{}");
        }
    }
}
