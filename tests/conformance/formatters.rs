//! The formatters of the scenarios.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use ftn_audit_sea::{
    AttributeValue, RawRoute, Subject,
    formatter::{FormatterRegistration, Rule},
    prelude::*,
};
use serde_json::Value as Json;

use crate::{entities::*, python::Python, scenario::Scenario, web};

/// What a formatter of the file is called, and what it does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `tag:X`
    Tag(String),
    /// The context's fields.
    CtxDump,
    /// Only the price counts.
    PriceOnly,
    /// An object of no base class there; whatever has the trait here.
    Duck,
    /// Fails, in one of the ways in which Python code can.
    Failing,
    /// Has no attributes of its own.
    NoAttrs,
    /// Has no description of its own.
    NoDesc,
    Payload,
    /// For links.
    Linked,
}

impl Kind {
    /// `None` for what cannot be written in Rust, or is not known.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "CtxDump" => Self::CtxDump,
            "PriceOnly" => Self::PriceOnly,
            "Duck" => Self::Duck,
            "RaisesExc" | "NotImpl" | "RaisesTE" | "RaisesTEAttr" | "CollExc" => Self::Failing,
            "NoAttrs" => Self::NoAttrs,
            "NoDesc" => Self::NoDesc,
            "Payload" => Self::Payload,
            "CollTag" => Self::Linked,
            name => Self::Tag(name.strip_prefix("tag:")?.to_owned()),
        })
    }
}

/// A formatter of the file with its rule.
#[derive(Clone, Debug)]
pub struct Registered {
    pub model: String,
    pub kind: Kind,
    pub route: Option<String>,
    pub event: Option<String>,
    pub priority: i32,
    /// For the links of one field.
    pub field: Option<String>,
}

/// A rule that is no rule here.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// The route is not understood.
    Route,
    /// There is no such event.
    Event,
}

impl Registered {
    /// Those of a scenario, in the order of registration.
    pub fn all(scenario: &Scenario) -> Vec<Self> {
        let text =
            |json: &Json, key: &str| json[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let mut all = Vec::new();
        for json in scenario.list("formatters") {
            all.extend(Kind::of(json["formatter"].as_str().unwrap_or_default()).map(|kind| Self {
                model: text(json, "model").unwrap_or_default(),
                kind,
                route: text(json, "raw_route"),
                event: text(json, "event_type"),
                priority: json["priority"].as_i64().map_or(0, |priority| priority as i32),
                field: None,
            }));
        }
        let listed = scenario.list("collections");
        for (position, json) in listed.iter().enumerate() {
            let again = |other: &Json| other["owner"] == json["owner"] && other["field"] == json["field"];
            let Some(kind) = json["formatter"].as_str().and_then(Kind::of) else { continue };
            if listed[position + 1..].iter().any(again) {
                continue;
            }
            all.push(Self {
                model: text(json, "owner").unwrap_or_default(),
                kind,
                route: None,
                event: Some("collection_update".to_owned()),
                priority: 0,
                field: text(json, "field"),
            });
        }
        all
    }

    /// The route in canonical spelling, as the macro makes it.
    pub fn canonical(&self) -> Result<Option<String>, Refused> {
        let Some(route) = &self.route else { return Ok(None) };
        RawRoute::parse(route).map(|route| Some(route.as_str().to_owned())).map_err(|_| Refused::Route)
    }

    pub fn refused(&self) -> Option<Refused> {
        const EVENTS: [&str; 6] =
            ["creation", "update", "deletion", "restoration", "collection_update", "unparsed_write"];
        let unknown = self.event.as_deref().is_some_and(|event| !EVENTS.contains(&event));
        self.canonical().err().or(unknown.then_some(Refused::Event))
    }

    /// What the application gives to the builder; `None` where the macro would have refused the route.
    pub fn registration(
        &self,
        number: usize,
        payload: &Attributes,
        ran: &Arc<AtomicUsize>,
    ) -> Option<FormatterRegistration> {
        let route = self.canonical().ok()?.map(|route| &*route.leak());
        let event = self.event.clone().map(|event| &*event.leak());
        let line = u32::try_from(number).expect("few formatters");
        let rule = Rule { route, event, priority: self.priority, file: file!(), line };
        Some(match self.model.as_str() {
            "Item" | "ItemProxy" => self.with::<item::Model>(rule, payload, ran),
            "PlainItem" => self.with::<plain_item::Model>(rule, payload, ran),
            "Owner" => self.with::<owner::Model>(rule, payload, ran),
            "Tag" => self.with::<tag::Model>(rule, payload, ran),
            "Line" => self.with::<line::Model>(rule, payload, ran),
            "IntKey" => self.with::<int_key::Model>(rule, payload, ran),
            "Gadget" => self.with::<gadget::Model>(rule, payload, ran),
            other => panic!("no entity {other}"),
        })
    }

    fn with<M: Subject>(
        &self,
        rule: Rule,
        payload: &Attributes,
        ran: &Arc<AtomicUsize>,
    ) -> FormatterRegistration {
        let (registered, payload, ran) = (self.clone(), payload.clone(), ran.clone());
        let formatter = Formatter { registered, payload, ran, model: PhantomData::<fn() -> M> };
        FormatterRegistration::with(rule, formatter)
    }
}

/// What `Payload` attaches; `None` when it holds what only Python has.
pub fn payload(scenario: &Scenario) -> Option<Attributes> {
    let Some(text) = scenario.setup("payload_python_repr").as_str() else { return Some(Attributes::new()) };
    let Python::Dict(pairs) = Python::read(text)? else { return None };
    let pairs = pairs.into_iter().map(|(key, value)| Some((key, value.to_attribute()?)));
    Some(pairs.collect::<Option<Vec<_>>>()?.into_iter().collect())
}

struct Formatter<M> {
    registered: Registered,
    payload: Attributes,
    ran: Arc<AtomicUsize>,
    model: PhantomData<fn() -> M>,
}

impl<M: Subject> AuditFormatter for Formatter<M> {
    type Subject = M;

    fn description(&self, change: &Change<M>) -> String {
        self.ran.fetch_add(1, Relaxed);
        let (event, model, pk) = (change.event_type(), &M::model().name, change.pk());
        match &self.registered.kind {
            Kind::Tag(tag) => format!("{tag}:{event}:{model}#{pk}"),
            Kind::CtxDump => "ctx".to_owned(),
            Kind::PriceOnly => {
                let fields = change.changeset().iter().map(|column| column.name());
                let fields: Vec<_> = fields.filter(|name| *name == "price").collect();
                format!("PriceOnly {fields:?}").replace('"', "'")
            }
            Kind::Duck => format!("duck {event} {pk}"),
            Kind::Failing => panic!("a formatter of a scenario fails on purpose"),
            Kind::NoAttrs => "no attributes".to_owned(),
            Kind::Payload => "payload".to_owned(),
            Kind::NoDesc => change.default_description(),
            Kind::Linked => match change.link().filter(|link| self.is_for(link.field())) {
                Some(link) => format!("COLL:{event}:post_{}:{}", link.action().as_str(), link.field()),
                None => change.default_description(),
            },
        }
    }

    fn attributes(&self, change: &Change<M>) -> Attributes {
        let all = change.default_attributes();
        let is_price =
            |key: &str| !key.starts_with("audit.changeset.") || key.starts_with("audit.changeset.price.");
        match &self.registered.kind {
            Kind::Tag(tag) => all.with("formatter", tag.as_str()),
            Kind::CtxDump => context(change.context()),
            Kind::PriceOnly => all.into_iter().filter(|(key, _)| is_price(key)).collect(),
            Kind::Duck => Attributes::new().with("duck", true),
            Kind::NoDesc => Attributes::new().with("own", true),
            Kind::Payload => self.payload.clone(),
            _ => all,
        }
    }
}

impl<M> Formatter<M> {
    fn is_for(&self, field: &str) -> bool {
        self.registered.field.as_deref() == Some(field)
    }
}

/// The thirteen fields that the Python library's context has. Texts of the request that are not there are empty in it.
fn context(context: Option<&AuditContext>) -> Attributes {
    let actor = context.and_then(AuditContext::actor);
    let field = |get: fn(&AuditContext) -> Option<&str>| context.and_then(get);
    let text = |get: fn(&AuditContext) -> Option<&str>| AttributeValue::from(field(get).unwrap_or_default());
    let trace = context.and_then(AuditContext::trace_id);
    Attributes::new()
        .with("user_id", actor.and_then(Actor::id))
        .with("user_email", actor.and_then(Actor::email_address))
        .with("user_first_name", actor.and_then(Actor::given_name))
        .with("user_last_name", actor.and_then(Actor::family_name))
        .with("http_method", text(AuditContext::http_method))
        .with("route", text(AuditContext::path))
        .with("raw_route", text(AuditContext::raw_route))
        .with("client_ip", context.and_then(AuditContext::client_address).map(|address| address.to_string()))
        .with("user_agent", text(AuditContext::user_agent))
        .with("ui_app", text(AuditContext::ui_app))
        .with("ui_flow", text(AuditContext::ui_flow))
        .with("request_id", field(AuditContext::request_id).map(web::named_if_made))
        .with("trace_id", trace.map(|id| id.map(|byte| format!("{byte:02x}")).concat()))
}
