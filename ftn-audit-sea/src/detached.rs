//! Work that comes to its end, whatever becomes of the future that asked for it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use ftn_audit::{Audit, AuditContext};
use tokio::runtime::Handle;
use tracing::{Instrument, Span};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that goes on in a task of its own when whoever waits for it stops waiting. A statement that was sent is
/// answered and captured, a COMMIT is answered and its records are handed over.
pub(crate) struct Detached<T: Send + 'static> {
    future: Option<Boxed<T>>,
    runtime: Option<Handle>,
    place: Place,
    span: Span,
}

pub(crate) fn detached<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Detached<T> {
    Detached {
        future: Some(Box::pin(future)),
        runtime: Handle::try_current().ok(),
        place: Place::here(),
        span: Span::current(),
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        // What panicked has come to its end.
        let Some(future) = self.future.take().filter(|_| !std::thread::panicking()) else { return };
        let Some(runtime) = Handle::try_current().ok().or(self.runtime.take()) else { return };
        let span = std::mem::replace(&mut self.span, Span::none());
        runtime.spawn(self.place.around(future).instrument(span));
    }
}

/// The context and the handle of a task.
struct Place {
    context: Option<AuditContext>,
    audit: Option<Audit>,
}

impl Place {
    fn here() -> Self {
        Self { context: AuditContext::current(), audit: Audit::current() }
    }

    fn around<T: Send + 'static>(&mut self, future: Boxed<T>) -> Boxed<T> {
        let future = match self.context.take() {
            Some(context) => Box::pin(context.carry(future)),
            None => future,
        };
        match self.audit.take() {
            Some(audit) => Box::pin(audit.scope(future)),
            None => future,
        }
    }
}

/// A future with the context and the handle of the task that it was made in: what waits for a commit finds them in
/// another task, too.
pub(crate) fn carried<T: Send + 'static>(future: Boxed<T>) -> Boxed<T> {
    Place::here().around(future)
}
