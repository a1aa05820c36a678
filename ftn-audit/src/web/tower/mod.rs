//! The layer for axum, and for anything else on tower and `http`.

mod body;
mod layer;
mod service;

pub use self::{
    body::AuditBody,
    layer::AuditLayer,
    service::{AuditService, ResponseFuture},
};
