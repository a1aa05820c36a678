//! Who and where: the context in which changes happen.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use thiserror::Error;

use crate::{Actor, AttributeValue, Attributes, RawRoute, attribute_names as names};

tokio::task_local! {
    static CURRENT: AuditContext;
}

/// Who makes changes, through which route, in which request and trace, and why.
///
/// Immutable but for the actor, which may be set once, later ([`set_actor`](Self::set_actor)); cheap to clone, and
/// clones share that actor. A context is current for the futures that run in its [`scope`](Self::scope); the one
/// around is current again when that ends.
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
    actor: OnceLock<Arc<Actor>>,
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

/// Position in a W3C trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) flags: u8,
}

/// Why an actor could not be set.
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
        AuditContextBuilder { facts: Facts::default(), actor: None }
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
    #[cfg(feature = "axum")]
    pub(crate) fn task_scope<F: Future>(&self, future: F) -> tokio::task::futures::TaskLocalFuture<Self, F> {
        CURRENT.scope(self.clone(), future)
    }

    /// A builder that starts from what this context says.
    #[cfg(feature = "axum")]
    pub(crate) fn to_builder(&self) -> AuditContextBuilder {
        AuditContextBuilder { facts: self.0.facts.clone(), actor: self.actor().cloned() }
    }

    /// Runs a closure with this context current: for `spawn_blocking` and other synchronous code.
    pub fn sync_scope<R>(&self, closure: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self.clone(), closure)
    }

    /// Gives a future this context wherever it runs, as for `tokio::spawn(context.carry(work))`.
    pub fn carry<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.scope(future)
    }

    /// Runs a future as another actor, all else unchanged: sudo, re-authentication, or a job's sub-step.
    pub async fn act_as<F: Future>(actor: Actor, future: F) -> F::Output {
        let facts = Self::current().map(|context| context.0.facts.clone()).unwrap_or_default();
        let context = AuditContextBuilder { facts, actor: Some(actor) }.build();
        context.scope(future).await
    }

    /// Says who it is, once authentication knows. Applies to what is recorded from then on, in this context and
    /// all its clones.
    ///
    /// # Errors
    ///
    /// [`ContextError::NoContext`] outside a context, [`ContextError::ActorAlreadySet`] when somebody said it before.
    pub fn set_actor(actor: Actor) -> Result<(), ContextError> {
        let context = Self::current().ok_or(ContextError::NoContext)?;
        context.0.actor.set(Arc::new(actor)).map_err(|_| ContextError::ActorAlreadySet)
    }

    /// The actor, as far as known by now.
    pub fn actor(&self) -> Option<&Actor> {
        self.0.actor.get().map(AsRef::as_ref)
    }

    /// For capture: the context as it is now. An actor that is set later is not its actor.
    #[must_use]
    pub fn as_of_now(&self) -> Self {
        if self.actor().is_some() {
            return self.clone();
        }
        let Inner { facts, attributes, .. } = &*self.0;
        Self(Arc::new(Inner { facts: facts.clone(), actor: OnceLock::new(), attributes: attributes.clone() }))
    }

    /// For capture: whether two contexts, as of now, say the same.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.actor() == other.actor() && self.0.facts == other.0.facts)
    }

    pub(crate) fn shared_actor(&self) -> Option<Arc<Actor>> {
        self.0.actor.get().cloned()
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

/// Builds an [`AuditContext`]; texts longer than 1,024 bytes and attributes beyond the 32nd are cut, as a context
/// is often filled from a request's headers.
#[must_use]
pub struct AuditContextBuilder {
    facts: Facts,
    actor: Option<Actor>,
}

pub(crate) const MAX_TEXT_BYTES: usize = 1024;
const MAX_ATTRIBUTES: usize = 32;

fn bounded(text: impl Into<String>) -> String {
    let mut text = text.into();
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

macro_rules! text_setters {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $field(mut self, value: impl Into<String>) -> Self {
            self.facts.$field = Some(bounded(value));
            self
        }
    )*};
}

impl AuditContextBuilder {
    /// Who it is. Leave it out where authentication runs later, and call [`AuditContext::set_actor`] there.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// For whom the actor acts.
    pub fn on_behalf_of(mut self, actor: Actor) -> Self {
        self.facts.on_behalf_of = Some(actor);
        self
    }

    /// The canonical route; `PATCH /items/{id}` is understood as `PATCH|/items/:id`. What cannot be understood is
    /// kept as it is and matches no formatter.
    pub fn raw_route(mut self, route: impl AsRef<str>) -> Self {
        let route = route.as_ref();
        self.facts.raw_route = Some(
            RawRoute::parse(route).map_or_else(|_| bounded(route).into(), |route| route.as_str().into()),
        );
        self
    }

    /// The route template as the web framework spells it.
    pub fn http_route(mut self, template: impl Into<String>) -> Self {
        self.facts.http_route = Some(bounded(template).into());
        self
    }

    /// Both spellings of a route, as they are: they come from the router, not from a request.
    #[cfg(feature = "axum")]
    pub(crate) fn known_route(mut self, template: Arc<str>, raw: Arc<str>) -> Self {
        self.facts.http_route = Some(template);
        self.facts.raw_route = Some(raw);
        self
    }

    /// The client's address.
    pub fn client_address(mut self, address: IpAddr) -> Self {
        self.facts.client_address = Some(address);
        self
    }

    /// The request's position in a W3C trace.
    pub fn trace(mut self, trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Self {
        self.facts.trace = Some(Trace { trace_id, span_id, flags });
        self
    }

    /// An attribute of the application, on every record of this context.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<AttributeValue>) -> Self {
        if self.facts.attributes.len() < MAX_ATTRIBUTES {
            let value = match value.into() {
                AttributeValue::Text(text) if text.len() > MAX_TEXT_BYTES => bounded(text).into(),
                value => value,
            };
            self.facts.attributes.set(bounded(key), value);
        }
        self
    }

    text_setters! {
        /// The tenant.
        tenant,
        /// The session's id.
        session_id,
        /// The request's method.
        http_method,
        /// The request's path, without the query.
        path,
        /// The client's user agent.
        user_agent,
        /// The user interface that sent the request.
        ui_app,
        /// The flow in the user interface that led to the request.
        ui_flow,
        /// The request's id.
        request_id,
        /// Why it is done.
        reason,
    }

    /// The context.
    pub fn build(self) -> AuditContext {
        let actor = self.actor.map_or_else(OnceLock::new, |actor| OnceLock::from(Arc::new(actor)));
        AuditContext(Arc::new(Inner { facts: self.facts, actor, attributes: OnceLock::new() }))
    }
}

/// `tokio::spawn` with the current context, if there is one.
///
/// # Panics
///
/// Outside a Tokio runtime, as `tokio::spawn` does.
pub fn audit_spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match AuditContext::current() {
        Some(context) => tokio::spawn(context.carry(future)),
        None => tokio::spawn(future),
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
