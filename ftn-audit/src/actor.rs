//! Who did it.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{Attributes, attribute_names as names, context::bounded};

/// What kind of actor stands behind a change.
///
/// ```
/// use ftn_audit::{Actor, ActorKind};
///
/// assert_eq!(Actor::service("importer").kind(), ActorKind::Service);
/// assert_eq!(ActorKind::Anonymous.to_string(), "anonymous");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActorKind {
    /// A person with an account.
    User,
    /// Another program.
    Service,
    /// This program itself, by its own code's word. Never guessed.
    System,
    /// A person who is known not to have signed in.
    Anonymous,
    /// Nobody said.
    Unknown,
}

impl ActorKind {
    /// The kind of a name; what is not known is not guessed.
    pub(crate) fn from_name(name: &str) -> Self {
        [Self::User, Self::Service, Self::System, Self::Anonymous]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .unwrap_or(Self::Unknown)
    }

    /// The value of `audit.actor.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::System => "system",
            Self::Anonymous => "anonymous",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who did it. Texts longer than 1,024 bytes are cut, as they may come from a token.
///
/// ```
/// use ftn_audit::Actor;
///
/// let ann = Actor::user("42").email("ann@example.org").first_name("Ann").last_name("Lee");
/// assert_eq!(ann.id(), Some("42"));
/// assert_eq!(ann.full_name().as_deref(), Some("Ann Lee"));
/// let importer = Actor::service("importer");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Actor {
    kind: ActorKind,
    id: Option<String>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl Actor {
    fn new(kind: ActorKind, id: Option<String>) -> Self {
        Self { kind, id, email: None, first_name: None, last_name: None }
    }

    /// As it was told by another process.
    pub(crate) fn of_kind(kind: ActorKind, id: Option<impl Into<String>>) -> Self {
        Self::new(kind, id.map(bounded))
    }

    /// A person, by the id that your accounts have.
    pub fn user(id: impl ToString) -> Self {
        Self::new(ActorKind::User, Some(bounded(id.to_string())))
    }

    /// Another program, by name.
    pub fn service(name: impl Into<String>) -> Self {
        Self::new(ActorKind::Service, Some(bounded(name)))
    }

    /// This program itself: migrations, scheduled clean-up.
    pub fn system() -> Self {
        Self::new(ActorKind::System, None)
    }

    /// A person who is known not to have signed in.
    pub fn anonymous() -> Self {
        Self::new(ActorKind::Anonymous, None)
    }

    /// Adds the e-mail address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(bounded(email));
        self
    }

    /// Adds the first name.
    #[must_use]
    pub fn first_name(mut self, name: impl Into<String>) -> Self {
        self.first_name = Some(bounded(name));
        self
    }

    /// Adds the last name.
    #[must_use]
    pub fn last_name(mut self, name: impl Into<String>) -> Self {
        self.last_name = Some(bounded(name));
        self
    }

    /// What kind of actor this is.
    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    /// The id of a user, the name of a service.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The e-mail address.
    pub fn email_address(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The first name.
    pub fn given_name(&self) -> Option<&str> {
        self.first_name.as_deref()
    }

    /// The last name.
    pub fn family_name(&self) -> Option<&str> {
        self.last_name.as_deref()
    }

    /// First and last name, as far as known.
    pub fn full_name(&self) -> Option<String> {
        match (&self.first_name, &self.last_name) {
            (Some(first), Some(last)) => Some(format!("{first} {last}")),
            (Some(name), None) | (None, Some(name)) => Some(name.clone()),
            (None, None) => None,
        }
    }

    pub(crate) fn append_to(&self, attributes: &mut Attributes) {
        attributes.set(names::ACTOR_TYPE, self.kind.as_str());
        if self.kind == ActorKind::User {
            attributes.set(names::USER_ID, self.id.clone());
            attributes.set(names::USER_EMAIL, self.email.clone());
            attributes.set(names::USER_FULL_NAME, self.full_name());
        } else {
            attributes.set(names::ACTOR_ID, self.id.clone());
        }
    }
}

/// Shows kind and id; e-mail and names are personal data and stay out of logs.
impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// An actor as job payloads and stored records carry it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SerializedActor<'a> {
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_name: Option<Cow<'a, str>>,
}

impl<'a> From<&'a Actor> for SerializedActor<'a> {
    fn from(actor: &'a Actor) -> Self {
        Self {
            kind: actor.kind().as_str().into(),
            id: actor.id().map(Cow::Borrowed),
            email: actor.email_address().map(Cow::Borrowed),
            first_name: actor.given_name().map(Cow::Borrowed),
            last_name: actor.family_name().map(Cow::Borrowed),
        }
    }
}

impl From<SerializedActor<'_>> for Actor {
    fn from(serialized: SerializedActor<'_>) -> Self {
        let mut actor = Self::of_kind(ActorKind::from_name(&serialized.kind), serialized.id);
        if let Some(email) = serialized.email {
            actor = actor.email(email);
        }
        if let Some(name) = serialized.first_name {
            actor = actor.first_name(name);
        }
        if let Some(name) = serialized.last_name {
            actor = actor.last_name(name);
        }
        actor
    }
}
