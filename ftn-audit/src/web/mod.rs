//! Requests: where the context of most changes comes from (feature `axum`).
//!
//! [`AuditLayer`] is a tower layer for axum routers, and for any other service on `http` requests.

mod body;
mod headers;
mod layer;
mod routes;
mod service;

pub use self::{
    body::AuditBody,
    layer::{AuditLayer, Reason, Tenant},
    service::{AuditService, ResponseFuture},
};
