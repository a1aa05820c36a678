//! The service around the application's own.

use std::{
    cell::RefCell,
    collections::HashMap,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;

use super::ActixAuditBody;
use crate::{
    Audit, AuditContext, RawRoute,
    web::{
        RequestHead,
        routes::{Route, Routes},
        settings::Settings,
    },
};

/// What [`AuditMiddleware`](super::AuditMiddleware) makes of a service.
pub struct AuditMiddlewareService<S> {
    inner: S,
    settings: Settings,
    echo: Option<HeaderName>,
    /// By template. They are the application's own, so there is an end to them.
    routes: RefCell<HashMap<String, Routes>>,
}

impl<S> AuditMiddlewareService<S> {
    pub(super) fn new(inner: S, settings: Settings) -> Self {
        // Both crates named `http` have the same grammar of names.
        let echo = settings.echo_request_id.then(|| settings.request_id.as_str().parse().ok()).flatten();
        Self { inner, settings, echo, routes: RefCell::default() }
    }

    fn route(&self, request: &ServiceRequest) -> Option<Route> {
        let template = request.match_pattern()?;
        let mut routes = self.routes.borrow_mut();
        let method = request.method().as_str();
        if let Some(known) = routes.get(&template) {
            return Some(known.find(method, &template, RawRoute::from_actix));
        }
        let route = routes.entry(template.clone()).or_default();
        Some(route.find(method, &template, RawRoute::from_actix))
    }
}

impl<S, B> Service<ServiceRequest> for AuditMiddlewareService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<ActixAuditBody<B>>;
    type Error = Error;
    type Future = ActixResponseFuture<S::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let route = self.route(&request);
        let context = self.settings.context(&RequestHead::of_actix(&request), route, peer);
        request.extensions_mut().insert(context.clone());
        let audit = &self.settings.audit;
        // A service may do its work here already, and not in the future that it returns.
        let inner = audit.sync_scope(|| context.sync_scope(|| self.inner.call(request)));
        ActixResponseFuture {
            inner: audit.task_scope(context.task_scope(inner)),
            audit: audit.clone(),
            context,
            echo: self.echo.clone(),
        }
    }
}

pin_project! {
    /// The future of [`AuditMiddlewareService`].
    pub struct ActixResponseFuture<F> {
        #[pin]
        inner: TaskLocalFuture<Audit, TaskLocalFuture<AuditContext, F>>,
        audit: Audit,
        context: AuditContext,
        echo: Option<HeaderName>,
    }
}

impl<F, B> Future for ActixResponseFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<ActixAuditBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(name) = this.echo.take()
            && let Some(id) = this.context.request_id().and_then(|id| HeaderValue::from_str(id).ok())
        {
            response.headers_mut().insert(name, id);
        }
        let (audit, context) = (this.audit.clone(), this.context.clone());
        Poll::Ready(Ok(response.map_body(|_, body| ActixAuditBody::new(body, audit, context))))
    }
}
