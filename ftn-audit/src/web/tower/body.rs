//! The response body, which may work long after the handler returned.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Audit, AuditContext};

pin_project! {
    /// A response body that runs, and is dropped, with the context and the handle of its request.
    pub struct AuditBody<B> {
        // Empty only while it is dropped.
        #[pin]
        inner: Option<B>,
        audit: Audit,
        context: AuditContext,
    }

    impl<B> PinnedDrop for AuditBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.audit.sync_scope(|| this.context.sync_scope(|| this.inner.set(None)));
        }
    }
}

impl<B> AuditBody<B> {
    pub(super) fn new(inner: B, audit: Audit, context: AuditContext) -> Self {
        Self { inner: Some(inner), audit, context }
    }
}

impl<B: Body> Body for AuditBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Ready(None) };
        this.audit.sync_scope(|| this.context.sync_scope(|| inner.poll_frame(cx)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}
