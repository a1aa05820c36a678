//! What both frameworks can be told, and the context that follows from it.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Once},
};

use http::HeaderName;
use uuid::Uuid;

use super::{
    RequestHead,
    client_address::Proxies,
    headers::{self, REQUEST_ID, UI_APP, UI_FLOW},
    routes::Route,
};
use crate::{
    Actor, Audit, AuditContext,
    context::{AuditContextBuilder, RequestFacts, Trace},
};

/// The tenant of a request, put into its extensions by a middleware outside the audit's.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # mod example {
/// use axum::{extract::Request, middleware::Next, response::Response};
/// use ftn_audit::web::Tenant;
///
/// async fn tenant(mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(Tenant("acme".to_owned()));
///     next.run(request).await
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(
    /// Its name or id; cut to 1,024 bytes.
    pub String,
);

/// The reason of a request, put into its extensions by a middleware outside the audit's, as for [`Tenant`].
///
/// ```
/// use ftn_audit::web::Reason;
///
/// let mut extensions = http::Extensions::new();
/// extensions.insert(Reason("ticket 4711".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(
    /// Free text; cut to 1,024 bytes.
    pub String,
);

type Asked = Pin<Box<dyn Future<Output = Result<Option<Actor>, ()>> + Send>>;

type Question = dyn Fn(&RequestHead<'_>) -> Asked + Send + Sync;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) audit: Audit,
    pub(super) echo_request_id: bool,
    pub(super) request_id: HeaderName,
    pub(super) ui_app: HeaderName,
    pub(super) ui_flow: HeaderName,
    pub(super) proxies: Proxies,
    pub(super) late_actor: Option<Arc<Question>>,
    missing_peer: Arc<Once>,
}

impl Settings {
    pub(super) fn new(audit: &Audit) -> Self {
        Self {
            audit: audit.clone(),
            echo_request_id: false,
            request_id: REQUEST_ID,
            ui_app: UI_APP,
            ui_flow: UI_FLOW,
            proxies: Proxies::default(),
            late_actor: None,
            missing_peer: Arc::new(Once::new()),
        }
    }

    pub(super) fn ask_late_actor<Q, F, E>(&mut self, question: Q)
    where
        Q: Fn(&RequestHead<'_>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Actor>, E>> + Send + 'static,
    {
        self.late_actor = Some(Arc::new(move |head| {
            let asked = question(head);
            Box::pin(async { asked.await.map_err(drop) })
        }));
    }

    /// The context of a request, which goes on with one that a layer outside made of it.
    pub(super) fn context(
        &self,
        head: &RequestHead<'_>,
        route: Option<Route>,
        peer: Option<IpAddr>,
    ) -> AuditContext {
        let outer: Option<AuditContext> = head.extension();
        let outer = outer.as_ref();
        let mut context =
            outer.map_or_else(AuditContext::builder, AuditContext::to_builder_of_the_same_request);
        let made;
        let request_id = match outer.and_then(AuditContext::request_id) {
            Some(_) => None,
            None => Some(match headers::request_id(head, &self.request_id) {
                Some(id) => id,
                None => {
                    made = Uuid::now_v7().to_string();
                    &made
                }
            }),
        };
        if peer.is_none() {
            self.warn_of_missing_peer();
        }
        context.read(RequestFacts {
            handle: &self.audit,
            method: headers::cut(head.method()),
            path: headers::cut(head.path()),
            route: route.map(|Route { template, raw }| (template, raw)),
            request_id,
            trace: Trace::current().or_else(|| headers::trace_parent(head)),
            user_agent: headers::text(head, &http::header::USER_AGENT),
            ui_app: headers::text(head, &self.ui_app),
            ui_flow: headers::text(head, &self.ui_flow),
            client_address: peer.map(|peer| self.proxies.client(peer, head)),
        });
        if let Some(Tenant(tenant)) = head.extension() {
            context = context.tenant(tenant);
        }
        if let Some(Reason(reason)) = head.extension() {
            context = context.reason(reason);
        }
        self.with_actor(context, head, outer).build()
    }

    fn with_actor(
        &self,
        context: AuditContextBuilder,
        head: &RequestHead<'_>,
        outer: Option<&AuditContext>,
    ) -> AuditContextBuilder {
        if let Some(actor) = head.extension() {
            return context.actor(actor);
        }
        match &self.late_actor {
            Some(question) if !outer.is_some_and(AuditContext::provides_actor) => {
                context.late_actor(question(head))
            }
            _ => context,
        }
    }

    fn warn_of_missing_peer(&self) {
        self.missing_peer.call_once(|| {
            tracing::warn!(
                target: "ftn_audit",
                "requests come without the peer's address, so records will not have `client.address`: serve an axum \
                 router by `into_make_service_with_connect_info::<SocketAddr>()`; over a Unix socket there is none"
            );
        });
    }
}

/// The methods of both layers that change [`Settings`].
macro_rules! settings_methods {
    ($layer:ident) => {
        impl $layer {
            /// Whether the response says the request's id, under the name that a request has it. Off at first.
            #[must_use]
            pub fn echo_request_id(mut self, echo: bool) -> Self {
                self.settings.echo_request_id = echo;
                self
            }

            /// The header with the request's id; `x-request-id` at first.
            #[must_use]
            pub fn request_id_header(mut self, name: $crate::web::HeaderName) -> Self {
                self.settings.request_id = name;
                self
            }

            /// The header with the user interface that sent the request; `x-ui-app` at first.
            #[must_use]
            pub fn ui_app_header(mut self, name: $crate::web::HeaderName) -> Self {
                self.settings.ui_app = name;
                self
            }

            /// The header with the flow in the user interface; `x-ui-flow` at first.
            #[must_use]
            pub fn ui_flow_header(mut self, name: $crate::web::HeaderName) -> Self {
                self.settings.ui_flow = name;
                self
            }

            /// The networks of your proxies. When the peer is in one of them, the client's address is taken from
            /// `Forwarded` (RFC 7239) or `X-Forwarded-For`: walking from the right, the first address that is in none
            /// of the networks. Where an entry is no address, the walk ends at the proxy that wrote it. None at first:
            /// the address is the peer's, whatever headers say.
            ///
            /// A proxy writes one of the two headers, and may let through what a client wrote into the other: where
            /// they contradict each other, neither is believed, and the address is the proxy's.
            /// [`client_address_header`](Self::client_address_header) says which one is yours.
            #[must_use]
            pub fn trusted_proxies(
                mut self,
                networks: impl IntoIterator<Item = impl Into<$crate::web::IpNet>>,
            ) -> Self {
                self.settings.proxies.networks.extend(networks.into_iter().map(Into::into));
                self
            }

            /// The one header in which [trusted proxies](Self::trusted_proxies) note the client's address: `forwarded`,
            /// with its own grammar, or any other with a list of addresses, such as `x-forwarded-for`.
            #[must_use]
            pub fn client_address_header(mut self, name: $crate::web::HeaderName) -> Self {
                self.settings.proxies.header = Some(name);
                self
            }

            /// Who will know the actor of a request, where finding it out costs more than most requests should pay. The
            /// closure takes what it needs from the request's head; the future that it returns is run when an event
            /// finds no actor, once, and not at all where there is no event. See
            /// [`late_actor`](crate::context::AuditContextBuilder::late_actor) for what becomes of failures.
            #[must_use]
            pub fn late_actor<Q, F, E>(mut self, question: Q) -> Self
            where
                Q: Fn(&$crate::web::RequestHead<'_>) -> F + Send + Sync + 'static,
                F: Future<Output = Result<Option<$crate::Actor>, E>> + Send + 'static,
            {
                self.settings.ask_late_actor(question);
                self
            }
        }
    };
}
pub(super) use settings_methods;
