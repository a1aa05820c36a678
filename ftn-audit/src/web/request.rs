//! A request's head, whichever framework took it.

#[cfg(feature = "actix")]
use actix_web::{HttpMessage, dev::ServiceRequest};
use http::HeaderName;

/// A request's head, before the application sees it: what a late actor is found by.
///
/// ```
/// use ftn_audit::web::{HeaderName, RequestHead};
///
/// fn session(head: &RequestHead<'_>) -> Option<Vec<u8>> {
///     const SESSION: HeaderName = HeaderName::from_static("x-session");
///     head.header(&SESSION).map(<[u8]>::to_vec)
/// }
/// ```
pub struct RequestHead<'a>(Head<'a>);

#[derive(Clone, Copy)]
enum Head<'a> {
    #[cfg(feature = "axum")]
    Http {
        method: &'a http::Method,
        path: &'a str,
        headers: &'a http::HeaderMap,
        extensions: &'a http::Extensions,
    },
    #[cfg(feature = "actix")]
    Actix(&'a ServiceRequest),
}

impl<'a> RequestHead<'a> {
    /// The path is given apart: a nested router strips its prefix from the request's own.
    #[cfg(feature = "axum")]
    pub(super) fn of_http<B>(request: &'a http::Request<B>, path: &'a str) -> Self {
        Self(Head::Http {
            method: request.method(),
            path,
            headers: request.headers(),
            extensions: request.extensions(),
        })
    }

    #[cfg(feature = "actix")]
    pub(super) fn of_actix(request: &'a ServiceRequest) -> Self {
        Self(Head::Actix(request))
    }

    /// The method.
    pub fn method(&self) -> &'a str {
        match self.0 {
            #[cfg(feature = "axum")]
            Head::Http { method, .. } => method.as_str(),
            #[cfg(feature = "actix")]
            Head::Actix(request) => request.method().as_str(),
        }
    }

    /// The path, without the query.
    pub fn path(&self) -> &'a str {
        match self.0 {
            #[cfg(feature = "axum")]
            Head::Http { path, .. } => path,
            #[cfg(feature = "actix")]
            Head::Actix(request) => request.uri().path(),
        }
    }

    /// The value of a header, of several lines the first: the client's word, and not always text.
    pub fn header(&self, name: &HeaderName) -> Option<&'a [u8]> {
        match self.0 {
            #[cfg(feature = "axum")]
            Head::Http { headers, .. } => headers.get(name).map(http::HeaderValue::as_bytes),
            #[cfg(feature = "actix")]
            Head::Actix(request) => request.headers().get(name.as_str()).map(|value| value.as_bytes()),
        }
    }

    pub(super) fn header_lines(&self, name: &HeaderName) -> Vec<&'a [u8]> {
        match self.0 {
            #[cfg(feature = "axum")]
            Head::Http { headers, .. } => {
                headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect()
            }
            #[cfg(feature = "actix")]
            Head::Actix(request) => {
                request.headers().get_all(name.as_str()).map(|value| value.as_bytes()).collect()
            }
        }
    }

    /// What a middleware outside put into the request's extensions, such as a session.
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        match self.0 {
            #[cfg(feature = "axum")]
            Head::Http { extensions, .. } => extensions.get().cloned(),
            #[cfg(feature = "actix")]
            Head::Actix(request) => request.extensions().get().cloned(),
        }
    }
}
