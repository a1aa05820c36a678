//! The layer and what it reads from a request.

use std::{
    net::SocketAddr,
    sync::{Arc, Once},
};

use axum::extract::{ConnectInfo, MatchedPath, OriginalUri};
use http::Request;
use tower_layer::Layer;
use uuid::Uuid;

use super::{
    headers::{self, UI_APP, UI_FLOW},
    routes::{Route, Routes},
    service::AuditService,
};
use crate::{Actor, Audit, AuditContext};

/// Gives every request an [`AuditContext`], and the handle to what runs inside.
///
/// The context says: method, path, the router's own template (`/items/{id}`) and the raw route made of it
/// (`PATCH|/items/:id`), `x-request-id` or a new id, the trace of `traceparent`, the peer's address, `user-agent`,
/// `x-ui-app` and `x-ui-flow`. It is current while the inner service and its response body run, it is restored and
/// not cleared around nested calls, and handlers also find it as a request extension.
///
/// ```
/// use std::net::SocketAddr;
/// use axum::{Router, routing::patch};
/// use ftn_audit::{Audit, AuditContext, web::AuditLayer};
///
/// # async fn serve(audit: Audit) -> std::io::Result<()> {
/// let app = Router::new()
///     .route("/items/{id}", patch(|| async {
///         let context = AuditContext::current().unwrap();
///         assert_eq!(context.raw_route(), Some("PATCH|/items/:id"));
///     }))
///     .layer(AuditLayer::new(&audit));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// // With connect info, so that records say who the peer was.
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
///
/// # Where to put it
///
/// On the outermost router, with `Router::layer`, after all routes: axum has matched the route by then, in nested
/// and merged routers too. Two places know less. A request that no route matches has a context without a route.
/// For what lies behind `nest_service`, the route is matched behind this layer: give that router a layer of
/// its own, which keeps what the outer one said and adds the route.
///
/// # Actor, tenant, reason
///
/// A middleware *outside* this layer can put an [`Actor`](crate::Actor), a [`Tenant`] or a [`Reason`] into the
/// request's extensions. Below the layer it is too late for that, as the context is built by then; there, an
/// authenticating middleware, extractor or handler calls [`AuditContext::set_actor`].
///
/// # What it does not reach
///
/// Tasks that a handler spawns: use [`audit_spawn`](crate::audit_spawn) or [`AuditContext::carry`]. A WebSocket's
/// callback is such a task.
///
/// # Bounds
///
/// Headers are the client's word. Texts are cut to 1,024 bytes, and dropped when they are not UTF-8 or hold a control
/// character; an `x-request-id` that is not 1 to 128 visible ASCII characters is replaced; a `traceparent` that breaks the
/// W3C grammar is ignored. No header's value is ever logged.
#[derive(Clone)]
pub struct AuditLayer {
    audit: Audit,
    echo_request_id: bool,
    peer_warning: Arc<Once>,
}

/// The tenant of a request, put into its extensions by a middleware outside [`AuditLayer`].
///
/// ```
/// use axum::{extract::Request, middleware::Next, response::Response};
/// use ftn_audit::web::Tenant;
///
/// async fn tenant(mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(Tenant("acme".to_owned()));
///     next.run(request).await
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(
    /// Its name or id; cut to 1,024 bytes.
    pub String,
);

/// The reason of a request, put into its extensions by a middleware outside [`AuditLayer`], as for [`Tenant`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(
    /// Free text; cut to 1,024 bytes.
    pub String,
);

impl AuditLayer {
    /// A layer whose requests are recorded by this handle.
    pub fn new(audit: &Audit) -> Self {
        Self { audit: audit.clone(), echo_request_id: false, peer_warning: Arc::new(Once::new()) }
    }

    /// Whether the response says the request's id, in `x-request-id`. Off at first.
    #[must_use]
    pub fn echo_request_id(mut self, echo: bool) -> Self {
        self.echo_request_id = echo;
        self
    }

    pub(super) fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(super) fn echoes_request_id(&self) -> bool {
        self.echo_request_id
    }

    pub(super) fn context<B>(&self, request: &Request<B>, routes: &Routes) -> AuditContext {
        let extensions = request.extensions();
        let outer = extensions.get::<AuditContext>();
        let mut context = outer.map_or_else(AuditContext::builder, AuditContext::to_builder);

        // A nested router strips its prefix from the request's own URI.
        let uri = extensions.get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
        context = context.http_method(headers::cut(request.method().as_str())).path(headers::cut(uri.path()));
        if let Some(template) = extensions.get::<MatchedPath>().map(MatchedPath::as_str) {
            let Route { template, raw } = routes.find(request.method(), template);
            context = context.known_route(template, raw);
        }

        let sent = request.headers();
        if outer.and_then(AuditContext::request_id).is_none() {
            context = match headers::request_id(sent) {
                Some(id) => context.request_id(id),
                None => context.request_id(Uuid::now_v7().to_string()),
            };
        }
        if let Some(parent) = headers::trace_parent(sent) {
            context = context.trace(parent.trace_id, parent.span_id, parent.flags);
        }
        if let Some(agent) = headers::text(sent, &http::header::USER_AGENT) {
            context = context.user_agent(agent);
        }
        if let Some(app) = headers::text(sent, &UI_APP) {
            context = context.ui_app(app);
        }
        if let Some(flow) = headers::text(sent, &UI_FLOW) {
            context = context.ui_flow(flow);
        }

        match extensions.get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(peer)) => context = context.client_address(peer.ip().to_canonical()),
            None => self.warn_of_missing_peer(),
        }
        if let Some(actor) = extensions.get::<Actor>() {
            context = context.actor(actor.clone());
        }
        if let Some(Tenant(tenant)) = extensions.get() {
            context = context.tenant(headers::cut(tenant));
        }
        if let Some(Reason(reason)) = extensions.get() {
            context = context.reason(headers::cut(reason));
        }
        context.build()
    }

    fn warn_of_missing_peer(&self) {
        self.peer_warning.call_once(|| {
            tracing::warn!(
                target: "ftn_audit",
                "requests come without the peer's address, so records will not have `client.address`: serve the \
                 router by `into_make_service_with_connect_info::<SocketAddr>()`"
            );
        });
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> AuditService<S> {
        AuditService::new(inner, self.clone())
    }
}
