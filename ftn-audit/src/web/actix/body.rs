//! The response body, which may work long after the handler returned.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use pin_project_lite::pin_project;

use crate::{Audit, AuditContext};

pin_project! {
    /// A response body that runs, and is dropped, with the context and the handle of its request.
    pub struct ActixAuditBody<B> {
        // Empty only while it is dropped.
        #[pin]
        inner: Option<B>,
        audit: Audit,
        context: AuditContext,
    }

    impl<B> PinnedDrop for ActixAuditBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.audit.sync_scope(|| this.context.sync_scope(|| this.inner.set(None)));
        }
    }
}

impl<B> ActixAuditBody<B> {
    pub(super) fn new(inner: B, audit: Audit, context: AuditContext) -> Self {
        Self { inner: Some(inner), audit, context }
    }
}

impl<B: MessageBody> MessageBody for ActixAuditBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.inner.as_ref().map_or(BodySize::None, MessageBody::size)
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Ready(None) };
        this.audit.sync_scope(|| this.context.sync_scope(|| inner.poll_next(cx)))
    }
}
