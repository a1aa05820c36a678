//! The layer.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, OriginalUri};
use http::Request;
use tower_layer::Layer;

use super::AuditService;
use crate::{
    Audit, AuditContext, RawRoute,
    web::{
        RequestHead,
        routes::Routes,
        settings::{Settings, settings_methods},
    },
};

/// Gives every request an [`AuditContext`], and the handle to what runs inside.
///
/// The context says: method, path, the router's own template (`/items/{id}`) and the raw route made of it
/// (`PATCH|/items/:id`), `x-request-id` or a new id, the current OpenTelemetry span (feature `otel`) or else that of
/// `traceparent`, the client's address, `user-agent`, `x-ui-app` and `x-ui-flow`. It is current while the inner
/// service and its response body run, it is restored and not cleared around nested calls, and handlers also find it as
/// a request extension.
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
/// A middleware *outside* this layer can put an [`Actor`](crate::Actor), a [`Tenant`](crate::web::Tenant) or a
/// [`Reason`](crate::web::Reason) into the request's extensions. Below the layer it is too late for that, as the context is
/// built by then; there, an authenticating middleware, extractor or handler calls [`AuditContext::set_actor`]. Where
/// nobody does, [`late_actor`](Self::late_actor) is asked at the first event.
///
/// # What it does not reach
///
/// Tasks that a handler spawns: use [`audit_spawn`](crate::audit_spawn), or [`audit_carry`](crate::audit_carry) around
/// the future. A WebSocket's callback is such a task, so the context is taken along:
///
/// ```
/// # mod example {
/// use axum::{extract::ws::{WebSocket, WebSocketUpgrade}, response::Response};
/// use ftn_audit::AuditContext;
///
/// async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
///     let context = AuditContext::current().expect("below the layer");
///     upgrade.on_upgrade(move |socket| context.carry(talk(socket)))
/// }
///
/// async fn talk(socket: WebSocket) { /* changes here are recorded with the request's context */ }
/// # }
/// ```
///
/// # Bounds
///
/// Headers are the client's word. Texts are cut to 1,024 bytes, and dropped when they are not UTF-8 or hold a control
/// character; an `x-request-id` that is not 1 to 128 visible ASCII characters is replaced; a `traceparent` that breaks the
/// W3C grammar is ignored. No header's value is ever logged.
#[derive(Clone)]
pub struct AuditLayer {
    settings: Settings,
}

impl AuditLayer {
    /// A layer whose requests are recorded by this handle.
    pub fn new(audit: &Audit) -> Self {
        Self { settings: Settings::new(audit) }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn context<B>(&self, request: &Request<B>, routes: &Routes) -> AuditContext {
        let extensions = request.extensions();
        // A nested router strips its prefix from the request's own URI.
        let uri = extensions.get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
        let route = extensions
            .get::<MatchedPath>()
            .map(|path| routes.find(request.method().as_str(), path.as_str(), RawRoute::from_axum));
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        self.settings.context(&RequestHead::of_http(request, uri.path()), route, peer)
    }
}

settings_methods!(AuditLayer);

impl<S> Layer<S> for AuditLayer {
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> AuditService<S> {
        AuditService::new(inner, self.clone())
    }
}
