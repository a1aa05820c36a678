//! Who and where: the context in which changes happen.

mod actor_slot;
mod builder;
mod carry;
mod payload;
mod trace;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use thiserror::Error;

use self::actor_slot::ActorSlot;
#[cfg(any(feature = "axum", feature = "actix", test))]
pub(crate) use self::builder::MAX_TEXT_BYTES;
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) use self::builder::RequestFacts;
pub(crate) use self::{actor_slot::NoAnswer, builder::bounded, trace::Trace};
pub use self::{
    builder::AuditContextBuilder,
    carry::{audit_carry, audit_spawn, audit_spawn_blocking},
};
use crate::{Actor, AttributeValue, Attributes, Audit, attribute_names as names};

tokio::task_local! {
    static CURRENT: AuditContext;
}

/// Who makes changes, through which route, in which request and trace, and why.
///
/// Immutable but for the actor, which may come later, once ([`set_actor`](Self::set_actor),
/// [`late_actor`](AuditContextBuilder::late_actor)); cheap to clone, and clones share that actor. A context is current
/// for the futures that run in its [`scope`](Self::scope); the one around is current again when that ends.
///
/// It can be serialised, as a part of a job's payload: texts are bounded, a number says the format, and fields that
/// a reader does not know are skipped. A reader refuses a format that is newer than its own, so that the job is tried
/// again where it is understood, rather than done in nobody's name. What is not carried is a late actor that was
/// not asked yet: [`Audit::resolve_actor`](crate::Audit::resolve_actor) asks it.
///
/// ```
/// use ftn_audit::{Actor, AuditContext};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let context = AuditContext::builder()
///     .actor(Actor::user("42"))
///     .tenant("acme")
///     .raw_route("PATCH|/items/:id")
///     .reason("ticket 4711")
///     .build();
/// context
///     .scope(async {
///         assert_eq!(AuditContext::current().unwrap().tenant(), Some("acme"));
///     })
///     .await;
/// assert!(AuditContext::current().is_none());
/// # });
/// ```
#[derive(Clone)]
pub struct AuditContext(Arc<Inner>);

struct Inner {
    facts: Facts,
    actor: Arc<ActorSlot>,
    /// Of the layer that made the context: what it is carried into starts without any task-local.
    handle: Option<Audit>,
    attributes: OnceLock<Arc<Attributes>>,
}

#[derive(Clone, Default, PartialEq)]
struct Facts {
    on_behalf_of: Option<Actor>,
    tenant: Option<String>,
    session_id: Option<String>,
    http_method: Option<String>,
    path: Option<String>,
    http_route: Option<Arc<str>>,
    raw_route: Option<Arc<str>>,
    client_address: Option<IpAddr>,
    user_agent: Option<String>,
    ui_app: Option<String>,
    ui_flow: Option<String>,
    request_id: Option<String>,
    trace: Option<Trace>,
    reason: Option<String>,
    attributes: Attributes,
}

/// Why an actor could not be set.
///
/// ```
/// use ftn_audit::{Actor, AuditContext, context::ContextError};
///
/// assert_eq!(AuditContext::set_actor(Actor::user("42")), Err(ContextError::NoContext));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContextError {
    /// No context is current.
    #[error(
        "no audit context is current: call this inside `AuditLayer`, `AuditContext::scope` or a carried future"
    )]
    NoContext,
    /// The context has an actor already.
    #[error("the audit context has an actor already: to act as somebody else, use `AuditContext::act_as`")]
    ActorAlreadySet,
}

impl AuditContext {
    /// Starts a context.
    pub fn builder() -> AuditContextBuilder {
        AuditContextBuilder::default()
    }

    /// A builder that starts from what this context says, for what a handler learns on its way, such as the reason
    /// in a request's body. The actor is taken over where it is known, or can be asked for; one that is set
    /// later is set in one of the two alone.
    ///
    /// ```
    /// use ftn_audit::{Actor, AuditContext};
    ///
    /// let request = AuditContext::builder().tenant("acme").actor(Actor::user("42")).build();
    /// let justified = request.to_builder().reason("ticket 4711").build();
    /// assert_eq!((justified.tenant(), justified.reason()), (Some("acme"), Some("ticket 4711")));
    /// assert_eq!(justified.actor(), request.actor());
    /// ```
    pub fn to_builder(&self) -> AuditContextBuilder {
        let mut builder = self.to_builder_of_the_same_request();
        // Else a context that many requests are made from would take the first one's actor for that of all.
        if !self.0.actor.is_provided() {
            builder.actor = Arc::default();
        }
        builder
    }

    /// [`to_builder`](Self::to_builder) for more of the same request: an actor that is set in the one is set in the
    /// other.
    pub(crate) fn to_builder_of_the_same_request(&self) -> AuditContextBuilder {
        let Inner { facts, actor, handle, .. } = &*self.0;
        AuditContextBuilder { facts: facts.clone(), actor: actor.clone(), handle: handle.clone() }
    }

    /// The same, done by another on behalf of who did it so far: a worker that goes on with what a user began. Who
    /// acts on somebody's behalf already goes on doing so.
    ///
    /// ```
    /// use ftn_audit::{Actor, AuditContext};
    ///
    /// let request = AuditContext::builder().actor(Actor::user("42")).build();
    /// let job = request.delegated_to(Actor::service("mailer"));
    /// assert_eq!(job.actor(), Some(&Actor::service("mailer")));
    /// assert_eq!(job.on_behalf_of(), Some(&Actor::user("42")));
    /// ```
    #[must_use]
    pub fn delegated_to(&self, actor: Actor) -> Self {
        let mut builder = self.to_builder();
        builder.facts.on_behalf_of = builder.facts.on_behalf_of.or_else(|| self.actor().cloned());
        builder.actor(actor).build()
    }

    /// The context of the running task, if there is one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs a future with this context current; whatever was current around it is so again afterwards, also when
    /// the future panics or is dropped.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), future)
    }

    /// [`scope`](Self::scope) with a type that can be named.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn task_scope<F: Future>(&self, future: F) -> tokio::task::futures::TaskLocalFuture<Self, F> {
        CURRENT.scope(self.clone(), future)
    }

    /// Runs a closure with this context current: for `spawn_blocking` and other synchronous code.
    pub fn sync_scope<R>(&self, closure: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self.clone(), closure)
    }

    /// Gives a future this context wherever it runs, as for `tokio::spawn(context.carry(work))`, and with it the handle
    /// that is current here, else the one of the layer that made the context.
    pub fn carry<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let handle = self.handle_to_carry();
        let future = self.scope(future);
        async move {
            match handle {
                Some(handle) => handle.scope(future).await,
                None => future.await,
            }
        }
    }

    fn handle_to_carry(&self) -> Option<Audit> {
        Audit::of_task().or_else(|| self.0.handle.clone())
    }

    /// Runs a future as another actor, all else unchanged: sudo, re-authentication, or a job's sub-step.
    pub async fn act_as<F: Future>(actor: Actor, future: F) -> F::Output {
        let builder = Self::current().map_or_else(Self::builder, |context| context.to_builder());
        builder.actor(actor).build().scope(future).await
    }

    /// Says who it is, once authentication knows. Applies to what is recorded from then on, in this context and
    /// all its clones.
    ///
    /// # Errors
    ///
    /// [`ContextError::NoContext`] outside a context, [`ContextError::ActorAlreadySet`] when somebody said it before.
    pub fn set_actor(actor: Actor) -> Result<(), ContextError> {
        let context = Self::current().ok_or(ContextError::NoContext)?;
        if context.0.actor.set(actor) { Ok(()) } else { Err(ContextError::ActorAlreadySet) }
    }

    /// The actor, as far as known by now.
    pub fn actor(&self) -> Option<&Actor> {
        self.0.actor.actor().map(AsRef::as_ref)
    }

    /// Whether an actor is known, or can be asked for.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn provides_actor(&self) -> bool {
        self.0.actor.is_provided()
    }

    /// Whether there is a late actor that [`ask_actor`](Self::ask_actor) would ask.
    pub(crate) fn awaits_actor(&self) -> bool {
        self.0.actor.is_open()
    }

    /// Asks the late actor, if nobody did.
    pub(crate) async fn ask_actor(&self, patience: Duration) -> Result<(), NoAnswer> {
        self.0.actor.ask(patience).await
    }

    /// For capture: the context as it is now. An actor that is set later is not its actor.
    #[must_use]
    pub fn as_of_now(&self) -> Self {
        if self.actor().is_some() {
            return self.clone();
        }
        let Inner { facts, handle, attributes, .. } = &*self.0;
        Self(Arc::new(Inner {
            facts: facts.clone(),
            actor: Arc::default(),
            handle: handle.clone(),
            attributes: attributes.clone(),
        }))
    }

    /// For capture: whether two contexts, as of now, say the same.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.actor() == other.actor() && self.0.facts == other.0.facts)
    }

    pub(crate) fn shared_actor(&self) -> Option<Arc<Actor>> {
        self.0.actor.actor().cloned()
    }

    /// For whom the actor acts.
    pub fn on_behalf_of(&self) -> Option<&Actor> {
        self.0.facts.on_behalf_of.as_ref()
    }

    /// The tenant.
    pub fn tenant(&self) -> Option<&str> {
        self.0.facts.tenant.as_deref()
    }

    /// The session's id.
    pub fn session_id(&self) -> Option<&str> {
        self.0.facts.session_id.as_deref()
    }

    /// The request's method.
    pub fn http_method(&self) -> Option<&str> {
        self.0.facts.http_method.as_deref()
    }

    /// The request's path, without the query.
    pub fn path(&self) -> Option<&str> {
        self.0.facts.path.as_deref()
    }

    /// The route template as the web framework spells it.
    pub fn http_route(&self) -> Option<&str> {
        self.0.facts.http_route.as_deref()
    }

    /// The canonical route, `METHOD|/template/:param`.
    pub fn raw_route(&self) -> Option<&str> {
        self.0.facts.raw_route.as_deref()
    }

    /// The client's address.
    pub fn client_address(&self) -> Option<IpAddr> {
        self.0.facts.client_address
    }

    /// The client's user agent.
    pub fn user_agent(&self) -> Option<&str> {
        self.0.facts.user_agent.as_deref()
    }

    /// The user interface that sent the request.
    pub fn ui_app(&self) -> Option<&str> {
        self.0.facts.ui_app.as_deref()
    }

    /// The flow in the user interface that led to the request.
    pub fn ui_flow(&self) -> Option<&str> {
        self.0.facts.ui_flow.as_deref()
    }

    /// The request's id.
    pub fn request_id(&self) -> Option<&str> {
        self.0.facts.request_id.as_deref()
    }

    /// The request's trace.
    pub fn trace_id(&self) -> Option<[u8; 16]> {
        self.0.facts.trace.map(|trace| trace.trace_id)
    }

    /// The request's span.
    pub fn span_id(&self) -> Option<[u8; 8]> {
        self.0.facts.trace.map(|trace| trace.span_id)
    }

    pub(crate) fn trace(&self) -> Option<Trace> {
        self.0.facts.trace
    }

    /// Why it is done.
    pub fn reason(&self) -> Option<&str> {
        self.0.facts.reason.as_deref()
    }

    /// What the application added.
    pub fn attributes(&self) -> &Attributes {
        &self.0.facts.attributes
    }

    /// What every record of this context has in common, made once.
    pub(crate) fn record_attributes(&self) -> Arc<Attributes> {
        self.0.attributes.get_or_init(|| Arc::new(self.0.facts.record_attributes())).clone()
    }
}

impl fmt::Debug for AuditContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditContext")
            .field("actor", &self.actor())
            .field("tenant", &self.tenant())
            .field("raw_route", &self.raw_route())
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

impl Facts {
    fn record_attributes(&self) -> Attributes {
        let mut all = Attributes::new();
        let mut put = |key: &'static str, value: AttributeValue| {
            if !value.is_null() {
                all.push(key, value);
            }
        };
        put(names::TENANT, self.tenant.clone().into());
        put(names::REASON, self.reason.clone().into());
        put(names::REQUEST_ID, self.request_id.clone().into());
        if let Some(actor) = &self.on_behalf_of {
            put(names::ON_BEHALF_OF_TYPE, actor.kind().as_str().into());
            put(names::ON_BEHALF_OF_ID, actor.id().into());
        }
        put(names::SESSION_ID, self.session_id.clone().into());
        put(names::CLIENT_ADDRESS, self.client_address.map(|address| address.to_string()).into());
        put(names::USER_AGENT, self.user_agent.clone().into());
        put(names::HTTP_METHOD, self.http_method.clone().into());
        put(names::HTTP_ROUTE, self.http_route.as_deref().into());
        put(names::URL_PATH, self.path.clone().into());
        put(names::UI_APP, self.ui_app.clone().into());
        put(names::UI_FLOW, self.ui_flow.clone().into());
        for (key, value) in self.attributes.iter() {
            if !all.contains_key(key) {
                all.push(key.to_owned(), value.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nested_scope_is_restored_not_cleared() {
        let outer = AuditContext::builder().tenant("outer").build();
        let inner = AuditContext::builder().tenant("inner").build();
        let tenant = || AuditContext::current().and_then(|context| context.tenant().map(str::to_owned));
        outer
            .scope(async {
                inner.scope(async { assert_eq!(tenant().as_deref(), Some("inner")) }).await;
                assert_eq!(tenant().as_deref(), Some("outer"));
            })
            .await;
        assert_eq!(tenant(), None);
    }

    #[tokio::test]
    async fn late_actor_is_written_once_and_shared_by_carried_tasks() {
        assert_eq!(AuditContext::set_actor(Actor::user(1)), Err(ContextError::NoContext));
        let context = AuditContext::builder().build();
        context
            .scope(async {
                let spawned = audit_spawn(async {
                    AuditContext::set_actor(Actor::user(1)).unwrap();
                });
                spawned.await.unwrap();
                assert_eq!(AuditContext::set_actor(Actor::user(2)), Err(ContextError::ActorAlreadySet));
                AuditContext::act_as(Actor::service("import"), async {
                    assert_eq!(AuditContext::current().unwrap().actor().unwrap().id(), Some("import"));
                })
                .await;
            })
            .await;
        assert_eq!(context.actor().unwrap().id(), Some("1"));
    }

    #[test]
    fn texts_from_outside_are_bounded() {
        let context = AuditContext::builder().user_agent("ä".repeat(5000)).build();
        assert!(context.user_agent().unwrap().len() <= MAX_TEXT_BYTES);
    }
}
