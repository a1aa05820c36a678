//! The middleware for actix-web.

mod body;
mod middleware;
mod service;

pub use self::{
    body::ActixAuditBody,
    middleware::AuditMiddleware,
    service::{ActixResponseFuture, AuditMiddlewareService},
};
