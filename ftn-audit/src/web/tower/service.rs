//! The service around the application's own.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_service::Service;

use super::{AuditBody, AuditLayer};
use crate::{Audit, AuditContext, web::routes::Routes};

/// What [`AuditLayer`] makes of a service.
#[derive(Clone)]
pub struct AuditService<S> {
    inner: S,
    shared: Arc<Shared>,
}

struct Shared {
    layer: AuditLayer,
    routes: Routes,
}

impl<S> AuditService<S> {
    pub(super) fn new(inner: S, layer: AuditLayer) -> Self {
        Self { inner, shared: Arc::new(Shared { layer, routes: Routes::default() }) }
    }
}

impl<S, B, R> Service<Request<B>> for AuditService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<AuditBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Shared { layer, routes } = &*self.shared;
        let audit = &layer.settings().audit;
        let context = layer.context(&request, routes);
        request.extensions_mut().insert(context.clone());
        // A service may do its work here already, and not in the future that it returns.
        let inner = audit.sync_scope(|| context.sync_scope(|| self.inner.call(request)));
        ResponseFuture {
            inner: audit.task_scope(context.task_scope(inner)),
            audit: audit.clone(),
            context,
            echo: layer.settings().echo_request_id.then(|| layer.settings().request_id.clone()),
        }
    }
}

pin_project! {
    /// The future of [`AuditService`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: TaskLocalFuture<Audit, TaskLocalFuture<AuditContext, F>>,
        audit: Audit,
        context: AuditContext,
        echo: Option<HeaderName>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<AuditBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match ready!(this.inner.poll(cx)) {
            Ok(response) => response,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Some(name) = this.echo.take()
            && let Some(id) = this.context.request_id().and_then(|id| HeaderValue::from_str(id).ok())
        {
            response.headers_mut().insert(name, id);
        }
        Poll::Ready(Ok(response.map(|body| AuditBody::new(body, this.audit.clone(), this.context.clone()))))
    }
}
