//! How a context is made.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use super::{AuditContext, Facts, Inner, Trace, actor_slot::ActorSlot};
use crate::{Actor, AttributeValue, Audit, RawRoute};

/// Builds an [`AuditContext`]; texts longer than 1,024 bytes and attributes beyond the 32nd are cut, as a context
/// is often filled from a request's headers.
///
/// ```
/// use ftn_audit::{Actor, AuditContext};
///
/// let context = AuditContext::builder().actor(Actor::system()).reason("clean-up").attribute("shop.till", 3).build();
/// assert_eq!(context.reason(), Some("clean-up"));
/// ```
#[derive(Default)]
#[must_use]
pub struct AuditContextBuilder {
    pub(super) facts: Facts,
    pub(super) actor: Arc<ActorSlot>,
    pub(super) handle: Option<Audit>,
}

pub(crate) const MAX_TEXT_BYTES: usize = 1024;
const MAX_ATTRIBUTES: usize = 32;

/// What a layer reads of a request. A context is large, and a request would pay for handing it from method to method.
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) struct RequestFacts<'a> {
    pub(crate) handle: &'a Audit,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Both spellings, as they are: they come from the router, not from a request.
    pub(crate) route: Option<(Arc<str>, Arc<str>)>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) trace: Option<Trace>,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) ui_app: Option<&'a str>,
    pub(crate) ui_flow: Option<&'a str>,
    pub(crate) client_address: Option<IpAddr>,
}

/// Cut to what a context keeps of a text.
pub(crate) fn bounded(text: impl Into<String>) -> String {
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
        self.actor = Arc::new(ActorSlot::of(actor));
        self
    }

    /// Who will know: asked once, at the first event that finds no actor, and never where there is no event. Nobody
    /// knows by `Ok(None)`. An error, a panic, or no answer in
    /// [time](crate::AuditBuilder::late_actor_timeout) leaves the actor unknown and is counted; the error itself is not
    /// logged, as it may name the person. A question that reads the database does so on a connection of its own: a
    /// transaction that writes holds one meanwhile.
    ///
    /// ```
    /// use ftn_audit::{Actor, AuditContext};
    ///
    /// # async fn session_user(session: &str) -> Result<Option<u64>, std::io::Error> { Ok(Some(42)) }
    /// let context = AuditContext::builder()
    ///     .late_actor(async { Ok::<_, std::io::Error>(session_user("s-1").await?.map(Actor::user)) })
    ///     .build();
    /// assert!(context.actor().is_none());
    /// ```
    pub fn late_actor<E>(
        mut self,
        question: impl Future<Output = Result<Option<Actor>, E>> + Send + 'static,
    ) -> Self {
        let question = async { question.await.map_err(drop) };
        self.actor = Arc::new(ActorSlot::asking(Box::pin(question)));
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
        let route = bounded(route.as_ref());
        self.facts.raw_route = Some(
            RawRoute::parse(&route).map_or_else(|_| route.as_str().into(), |route| route.as_str().into()),
        );
        self
    }

    /// The route template as the web framework spells it.
    pub fn http_route(mut self, template: impl Into<String>) -> Self {
        self.facts.http_route = Some(bounded(template).into());
        self
    }

    /// What a layer reads, in place of what an outer one read where it is there.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn read(&mut self, request: RequestFacts<'_>) {
        fn put(fact: &mut Option<String>, text: Option<&str>) {
            if let Some(text) = text {
                *fact = Some(bounded(text));
            }
        }
        self.handle = Some(request.handle.clone());
        let facts = &mut self.facts;
        put(&mut facts.http_method, Some(request.method));
        put(&mut facts.path, Some(request.path));
        put(&mut facts.request_id, request.request_id);
        put(&mut facts.user_agent, request.user_agent);
        put(&mut facts.ui_app, request.ui_app);
        put(&mut facts.ui_flow, request.ui_flow);
        if let Some((template, raw)) = request.route {
            facts.http_route = Some(template);
            facts.raw_route = Some(raw);
        }
        facts.trace = request.trace.or(facts.trace);
        facts.client_address = request.client_address.or(facts.client_address);
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
                value @ (AttributeValue::List(_) | AttributeValue::Json(_)) => {
                    let text = value.to_string();
                    if text.len() > MAX_TEXT_BYTES { bounded(text).into() } else { value }
                }
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
        AuditContext(Arc::new(Inner {
            facts: self.facts,
            actor: self.actor,
            handle: self.handle,
            attributes: OnceLock::new(),
        }))
    }
}
