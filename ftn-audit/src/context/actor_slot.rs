//! Who it is in a context: said once, by whoever knows it first, or found out when an event wants to know.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use tokio::sync::Mutex;

use crate::Actor;

tokio::task_local! {
    /// Around a question: what it does to find the actor may itself be an event, which must not wait for the answer.
    static ASKING: ();
}

/// A future that finds out who it is. Its error is nobody's to see: it may name the person.
pub(super) type Question = Pin<Box<dyn Future<Output = Result<Option<Actor>, ()>> + Send>>;

/// Written once; shared by all contexts that were made of one.
#[derive(Default)]
pub(crate) struct ActorSlot {
    actor: OnceLock<Arc<Actor>>,
    question: Option<Mutex<Option<Question>>>,
}

/// Why a question had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    Timeout,
    Error,
    Panic,
}

impl NoAnswer {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Error => "error",
            Self::Panic => "panic",
        }
    }
}

impl ActorSlot {
    pub(super) fn of(actor: Actor) -> Self {
        Self { actor: OnceLock::from(Arc::new(actor)), question: None }
    }

    pub(super) fn asking(question: Question) -> Self {
        Self { actor: OnceLock::new(), question: Some(Mutex::new(Some(question))) }
    }

    pub(super) fn actor(&self) -> Option<&Arc<Actor>> {
        self.actor.get()
    }

    /// Whether an actor is known, or somebody can be asked.
    pub(super) fn is_provided(&self) -> bool {
        self.actor.get().is_some() || self.question.is_some()
    }

    /// False when there was an actor.
    pub(super) fn set(&self, actor: Actor) -> bool {
        self.actor.set(Arc::new(actor)).is_ok()
    }

    /// Whether [`ask`](Self::ask) may have to wait.
    pub(super) fn is_open(&self) -> bool {
        self.question.is_some() && self.actor.get().is_none()
    }

    /// Asks, if nobody did. Of callers at one time, one asks and the others wait for it; when that one gives up, the
    /// next goes on where it was.
    pub(super) async fn ask(&self, patience: Duration) -> Result<(), NoAnswer> {
        let Some(question) = self.question.as_ref().filter(|_| self.is_open()) else { return Ok(()) };
        if ASKING.try_with(|()| ()).is_ok() {
            return Ok(());
        }
        let mut question = question.lock().await;
        let Some(asked) = question.as_mut().filter(|_| self.actor.get().is_none()) else { return Ok(()) };
        let answer = ASKING.scope((), answered(asked, patience)).await;
        *question = None;
        // Somebody else may have said it meanwhile; the first word counts.
        if let Some(actor) = answer? {
            self.set(actor);
        }
        Ok(())
    }
}

async fn answered(question: &mut Question, patience: Duration) -> Result<Option<Actor>, NoAnswer> {
    let mut timed = pin!(async { tokio::time::timeout(patience, question.as_mut()).await });
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| timed.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(Ok(answer))) => Poll::Ready(answer.map_err(|()| NoAnswer::Error)),
        Ok(Poll::Ready(Err(_))) => Poll::Ready(Err(NoAnswer::Timeout)),
        Err(_) => Poll::Ready(Err(NoAnswer::Panic)),
    })
    .await
}
