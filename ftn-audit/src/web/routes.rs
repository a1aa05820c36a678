//! The routes that a service has seen, so that a request does not spell its own again.

use std::sync::{Arc, OnceLock};

use http::Method;

use crate::RawRoute;

/// A route in both spellings.
#[derive(Clone)]
pub(super) struct Route {
    /// As the router has it, `/items/{id}`.
    pub(super) template: Arc<str>,
    /// In canonical spelling, `PATCH|/items/:id`.
    pub(super) raw: Arc<str>,
}

/// One route a method: axum makes a service of its own for every route of a router, so this is all there is to
/// remember, and it cannot grow.
#[derive(Default)]
pub(super) struct Routes([OnceLock<Route>; 9]);

impl Routes {
    pub(super) fn find(&self, method: &Method, template: &str) -> Route {
        let known = match slot(method) {
            Some(slot) => self.0[slot].get_or_init(|| Route::new(method, template)),
            None => return Route::new(method, template),
        };
        if &*known.template == template { known.clone() } else { Route::new(method, template) }
    }
}

impl Route {
    fn new(method: &Method, template: &str) -> Self {
        let raw = RawRoute::from_axum(method.as_str(), template).map_or_else(
            // No formatter can be meant, but the record still says where it came from.
            |_| format!("{method}|{template}").into(),
            |route| route.as_str().into(),
        );
        Self { template: template.into(), raw }
    }
}

fn slot(method: &Method) -> Option<usize> {
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    methods.iter().position(|known| known == method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_apart_however_many_one_service_has() {
        let routes = Routes::default();
        let found = |method: &str, template: &str| {
            routes.find(&Method::from_bytes(method.as_bytes()).unwrap(), template).raw.to_string()
        };
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
