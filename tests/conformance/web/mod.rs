//! The request of a scenario, over a socket and through the audit layer of either framework.

mod actix;
mod axum;
mod wire;

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, thread};

use actix_web::dev::ServerHandle;
use ftn_audit_sea::{RawRoute, prelude::*};
use serde_json::Value as Json;
use tokio::task::JoinHandle;

use crate::scenario::Scenario;

/// A made id has no name that two runs share.
pub const MADE_ID: &str = "<uuid4>";

/// The id as the file has it.
pub fn named_if_made(id: &str) -> &str {
    // Those that the runs sent themselves are of another version.
    let made = uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7);
    if made { MADE_ID } else { id }
}

/// Whom the application's authentication finds: what the token says, and else the session's user.
pub fn actor(auth: &Json, user: &Json) -> Option<Actor> {
    let filled = |mut actor: Actor, from: &Json, prefix: &str| {
        let field =
            |name: &str| from.get(format!("{prefix}{name}")).and_then(Json::as_str).map(str::to_owned);
        if let Some(email) = field("email") {
            actor = actor.email(email);
        }
        if let Some(name) = field("first_name") {
            actor = actor.first_name(name);
        }
        if let Some(name) = field("last_name") {
            actor = actor.last_name(name);
        }
        actor
    };
    if let Some(id) = auth.get("user_id").and_then(id) {
        return Some(filled(Actor::user(id), auth, "user_"));
    }
    if user.get("is_authenticated") != Some(&Json::Bool(true)) {
        return None;
    }
    let key = user.get("pk").and_then(id).or_else(|| user.get("id").and_then(id))?;
    Some(filled(Actor::user(key), user, ""))
}

/// Python's truth is a number.
fn id(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(u8::from(*value).to_string()),
        _ => None,
    }
}

/// Id, e-mail, first and last name.
pub fn fields(actor: Option<&Actor>) -> [Option<String>; 4] {
    let field = |get: fn(&Actor) -> Option<&str>| actor.and_then(get).map(str::to_owned);
    [field(Actor::id), field(Actor::email_address), field(Actor::given_name), field(Actor::family_name)]
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framework {
    Axum,
    Actix,
}

type Handler = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// An answer, and the server that gave it.
pub struct Answer {
    pub status: u16,
    server: Server,
}

enum Server {
    Axum(JoinHandle<io::Result<()>>),
    Actix(ServerHandle, thread::JoinHandle<io::Result<()>>),
}

impl Answer {
    /// Ends the server. What the handler left to its runtime ends with it, such as a connection on the way back to its
    /// pool.
    pub async fn end(self) {
        match self.server {
            Server::Axum(task) => task.abort(),
            Server::Actix(handle, runtime) => {
                handle.stop(false).await;
                let ended = tokio::task::spawn_blocking(|| runtime.join()).await.expect("a thread");
                ended.expect("no panic").expect("the server ran");
            }
        }
    }
}

/// The request of a scenario.
pub struct Asked {
    pub method: String,
    /// Without the query.
    pub path: String,
    uri: String,
    headers: Vec<(String, String)>,
    pub peer: SocketAddr,
    /// The route's template as axum has it.
    pub template: String,
    login: Option<Actor>,
}

impl Asked {
    pub fn of(scenario: &Scenario) -> Self {
        let request = scenario.setup("request");
        let uri = request["path"].as_str().unwrap_or("/").to_owned();
        let path = uri.split('?').next().unwrap_or_default().to_owned();
        let headers = request["headers"].as_object().into_iter().flatten();
        let headers = headers.filter_map(|(name, value)| {
            Some((name.to_lowercase().replace('_', "-"), value.as_str()?.to_owned()))
        });
        let peer = request["environ"]["REMOTE_ADDR"].as_str().and_then(|address| address.parse().ok());
        let peer = SocketAddr::new(peer.unwrap_or([127, 0, 0, 1].into()), 40_000);
        let login = scenario.setup("login");
        let login = login.is_object().then(|| {
            let mut user = login.clone();
            user["is_authenticated"] = true.into();
            user["pk"] = 1.into();
            actor(&Json::Null, &user)
        });
        Self {
            method: request["method"].as_str().unwrap_or("GET").to_owned(),
            template: template(&path, told_route(scenario)),
            headers: headers.collect(),
            login: login.flatten(),
            path,
            uri,
            peer,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn raw_route(&self) -> String {
        RawRoute::from_axum(&self.method, &self.template)
            .map_or_else(|_| format!("{}|{}", self.method, self.template), |route| route.as_str().to_owned())
    }

    /// Sends it; the handler's result is whether it succeeded.
    pub async fn send<F>(
        &self,
        framework: Framework,
        audit: &Audit,
        handler: impl Fn() -> F + Send + Sync + 'static,
    ) -> Answer
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let handler: Handler = Arc::new(move || Box::pin(handler()));
        match framework {
            Framework::Axum => axum::answer(self, audit, handler).await,
            Framework::Actix => actix::answer(self, audit, handler).await,
        }
    }
}

/// The raw route of the file, if an event tells it.
fn told_route(scenario: &Scenario) -> Option<&str> {
    scenario.events().iter().find_map(|event| {
        let attributes = &event["attributes"];
        attributes["audit.raw_route"].as_str().or_else(|| attributes["raw_route"].as_str())
    })
}

/// The template under which an axum router has what Django had under the told one: a parameter fills its segment, and
/// the last may take the rest.
fn template(path: &str, told: Option<&str>) -> String {
    let told = told.and_then(|route| route.split_once('|')).map(|(_, template)| template);
    let segments: Vec<_> = path.split('/').collect();
    let told: Vec<_> = told.map(|told| told.split('/').collect()).unwrap_or_default();
    let parameter = |segment: &str| {
        let name = segment.strip_prefix(':')?;
        let whole = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        whole.then(|| name.to_owned())
    };
    let mut template = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let told_here = told.get(number).copied();
        let takes_the_rest = number + 1 == told.len() && segments.len() > told.len();
        template.push(match told_here.map(|told| (told, parameter(told))) {
            Some((_, Some(name))) if takes_the_rest => {
                template.push(format!("{{*{name}}}"));
                break;
            }
            Some((_, Some(name))) => format!("{{{name}}}"),
            Some((literal, None)) if literal == *segment => literal.to_owned(),
            None if !segment.is_empty() && segment.chars().all(|c| c.is_ascii_digit()) => "{id}".to_owned(),
            None => (*segment).to_owned(),
            // The parameter of a template that was mangled there, or that no router of axum has.
            Some(_) if segment.is_empty() => String::new(),
            Some(_) => format!("{{part{number}}}"),
        });
    }
    template.join("/")
}
