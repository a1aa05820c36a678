//! Clients that belong to a tokio runtime.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Handle, Id};

/// A client that is made when it is first needed, and anew in another runtime: the tasks behind a client end with
/// the runtime that it was made in, and a sink that is kept in a `static` outlives runtimes.
pub(super) struct PerRuntime<T>(Mutex<Option<(Id, T)>>);

impl<T: Clone> PerRuntime<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Only inside a runtime.
    pub(super) fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let current = Handle::current().id();
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((runtime, client)) = &*made
            && *runtime == current
        {
            return Ok(client.clone());
        }
        let client = make()?;
        *made = Some((current, client.clone()));
        Ok(client)
    }

    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
