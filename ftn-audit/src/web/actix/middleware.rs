//! The middleware.

use std::future::{Ready, ready};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};

use super::{ActixAuditBody, AuditMiddlewareService};
use crate::{
    Audit,
    web::settings::{Settings, settings_methods},
};

/// Gives every request of an actix-web application an [`AuditContext`](crate::AuditContext), and the handle to what
/// runs inside.
///
/// It means the same as the tower layer for axum, settings and bounds included: the context says method, path, the
/// application's own template (`/items/{id}`) and the raw route made of it (`PATCH|/items/:id`), `x-request-id` or a new
/// id, the current OpenTelemetry span (feature `otel`) or else that of `traceparent`, the client's address,
/// `user-agent`, `x-ui-app` and `x-ui-flow`. It is current while the inner service and its response body run, and
/// handlers also find it in the request's extensions.
///
/// ```
/// use actix_web::{App, HttpServer, web};
/// use ftn_audit::{Audit, AuditContext, web::AuditMiddleware};
///
/// async fn change() -> &'static str {
///     let context = AuditContext::current().unwrap();
///     assert_eq!(context.raw_route(), Some("PATCH|/items/:id"));
///     "changed"
/// }
///
/// # async fn serve(audit: Audit) -> std::io::Result<()> {
/// HttpServer::new(move || {
///     App::new()
///         .route("/items/{id}", web::patch().to(change))
///         .wrap(AuditMiddleware::new(&audit))
/// })
/// .bind(("127.0.0.1", 3000))?
/// .run()
/// .await
/// # }
/// ```
///
/// # Where to put it
///
/// On the application, so that it is around everything that writes: of several, the one wrapped last is outermost.
///
/// # Actor, tenant, reason
///
/// A middleware *outside* this one can put an [`Actor`](crate::Actor), a [`Tenant`](crate::web::Tenant) or a
/// [`Reason`](crate::web::Reason) into the request's extensions. Below it, an authenticating middleware, extractor or
/// handler calls [`AuditContext::set_actor`](crate::AuditContext::set_actor). Where nobody does,
/// [`late_actor`](Self::late_actor) is asked at the first event.
///
/// # What it does not reach
///
/// Tasks that a handler spawns, also by `actix_web::rt::spawn` and for a WebSocket: put
/// [`audit_carry`](crate::audit_carry) around the future.
///
/// # Errors
///
/// Those of the inner service, unchanged. A response that is made of such an error further out has no request id to
/// send back; a handler's own errors are responses already.
#[derive(Clone)]
pub struct AuditMiddleware {
    settings: Settings,
}

impl AuditMiddleware {
    /// A middleware whose requests are recorded by this handle.
    pub fn new(audit: &Audit) -> Self {
        Self { settings: Settings::new(audit) }
    }
}

settings_methods!(AuditMiddleware);

impl<S, B> Transform<S, ServiceRequest> for AuditMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<ActixAuditBody<B>>;
    type Error = Error;
    type Transform = AuditMiddlewareService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(AuditMiddlewareService::new(service, self.settings.clone())))
    }
}
