//! An application that is told once and served by both frameworks.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use ftn_audit::{
    Actor, Audit, AuditContext,
    web::{HeaderName, IpNet, Reason, RequestHead, Tenant},
};
use futures_util::Stream;

use crate::{actix_server, axum_server, recording, told};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    Axum,
    Actix,
}

/// One test a framework, from a function that takes the framework.
macro_rules! both {
    ($($test:ident)+) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn axum() {
                super::$test(crate::framework::Framework::Axum).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn actix() {
                super::$test(crate::framework::Framework::Actix).await;
            }
        }
    )+};
}
pub(crate) use both;

pub enum Answer {
    Text(String),
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>),
}

pub type Handler = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// A handler, of a function that gives an answer.
pub fn handler<F>(function: impl Fn() -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Answer> + Send + 'static,
{
    Arc::new(move || Box::pin(function()))
}

/// Answers what the context says.
pub fn telling() -> Handler {
    handler(async || Answer::Text(told()))
}

/// Answers it after an event.
pub fn recorded(audit: &Audit) -> Handler {
    let audit = audit.clone();
    handler(move || {
        let audit = audit.clone();
        async move {
            audit.event("noted").subject("Note", 1).record(&audit).await;
            Answer::Text(told())
        }
    })
}

pub type Found = Pin<Box<dyn Future<Output = Result<Option<Actor>, std::io::Error>> + Send>>;

type Question = dyn Fn(&RequestHead<'_>) -> Found + Send + Sync;

#[derive(Clone)]
pub struct App {
    pub audit: Audit,
    pub echo: bool,
    pub request_id: Option<HeaderName>,
    pub ui_app: Option<HeaderName>,
    pub ui_flow: Option<HeaderName>,
    pub proxies: Vec<IpNet>,
    pub address: Option<HeaderName>,
    pub late: Option<Arc<Question>>,
    /// For every method.
    pub routes: Vec<(&'static str, Handler)>,
    pub nested: Vec<(&'static str, Vec<(&'static str, Handler)>)>,
    /// A layer around each of the nested, too.
    pub twice: bool,
    /// Answers each message with what the context says, on the template `/socket/{room}`.
    pub socket: bool,
    /// What a middleware outside puts into the request's extensions.
    pub outside: (Option<Actor>, Option<Tenant>, Option<Reason>),
    /// Whom a middleware below finds.
    pub below: Option<Actor>,
    /// Opens a span outside the audit's layer.
    pub traced: bool,
    /// Whether a request ever began in the context of another.
    pub leaked: Arc<AtomicBool>,
}

impl App {
    pub fn new() -> Self {
        Self::of(&recording().0)
    }

    pub fn of(audit: &Audit) -> Self {
        Self {
            audit: audit.clone(),
            echo: false,
            request_id: None,
            ui_app: None,
            ui_flow: None,
            proxies: Vec::new(),
            address: None,
            late: None,
            routes: Vec::new(),
            nested: Vec::new(),
            twice: false,
            socket: false,
            outside: (None, None, None),
            below: None,
            traced: false,
            leaked: Arc::default(),
        }
    }

    /// Tells what the context says, under one template.
    pub fn items() -> Self {
        Self::new().route("/items/{id}", telling())
    }

    pub fn route(mut self, template: &'static str, handler: Handler) -> Self {
        self.routes.push((template, handler));
        self
    }

    pub fn late(mut self, question: impl Fn(&RequestHead<'_>) -> Found + Send + Sync + 'static) -> Self {
        self.late = Some(Arc::new(question));
        self
    }

    /// Before every request, outside the audit's layer.
    pub fn look_for_a_leak(&self) {
        self.leaked.fetch_or(AuditContext::current().is_some() || Audit::current().is_some(), SeqCst);
    }

    pub async fn serve(self, framework: Framework) -> SocketAddr {
        match framework {
            Framework::Axum => axum_server::serve(self).await,
            Framework::Actix => actix_server::serve(self).await,
        }
    }
}

/// The settings of an application on the layer of either framework.
macro_rules! configured {
    ($layer:ident, $app:ident) => {{
        let mut layer =
            $layer::new(&$app.audit).echo_request_id($app.echo).trusted_proxies($app.proxies.clone());
        if let Some(name) = &$app.request_id {
            layer = layer.request_id_header(name.clone());
        }
        if let Some(name) = &$app.ui_app {
            layer = layer.ui_app_header(name.clone());
        }
        if let Some(name) = &$app.ui_flow {
            layer = layer.ui_flow_header(name.clone());
        }
        if let Some(name) = &$app.address {
            layer = layer.client_address_header(name.clone());
        }
        if let Some(late) = $app.late.clone() {
            layer = layer.late_actor(move |head| late(head));
        }
        layer
    }};
}
pub(crate) use configured;
