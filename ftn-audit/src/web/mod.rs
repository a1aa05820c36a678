//! Requests: where the context of most changes comes from (features `axum` and `actix`).
//!
//! [`AuditLayer`] is a tower layer for axum routers, and for any other service on `http` requests. [`AuditMiddleware`] is
//! the same for actix-web. Both read requests in the same way, and have the same settings.

#[cfg(feature = "actix")]
mod actix;
mod client_address;
mod forwarded;
mod headers;
mod request;
mod routes;
mod settings;
#[cfg(feature = "axum")]
mod tower;

pub use http::HeaderName;
pub use ipnet::IpNet;

#[cfg(feature = "actix")]
pub use self::actix::{ActixAuditBody, ActixResponseFuture, AuditMiddleware, AuditMiddlewareService};
#[cfg(feature = "axum")]
pub use self::tower::{AuditBody, AuditLayer, AuditService, ResponseFuture};
pub use self::{
    request::RequestHead,
    settings::{Reason, Tenant},
};
