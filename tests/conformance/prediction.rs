//! What is expected of this library, from what really happened: written down here a second time, without it.

use crate::{
    formatters::{Kind, Registered},
    interpreter::Told,
    ordered::Ordered,
    scenario::Scenario,
    truth::{Column, Fact, What, flatten},
    web::{Asked, MADE_ID, named_if_made},
};

/// A record in the `Seed` encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub description: String,
    pub attributes: Vec<(String, String)>,
}

impl Event {
    /// What the Python library sent; `None` for what it could not send.
    pub fn of_file(json: &Ordered) -> Option<Self> {
        let attributes = json.get("otlp_attributes").texts()?;
        Some(Self { description: json.get("description").as_str()?.to_owned(), attributes })
    }

    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// The start-up of a scenario: which problems there must be.
pub struct Startup {
    /// Formatters of one route, event and priority, or for an event that there is not.
    pub problems: usize,
    /// The settings cannot be.
    pub refused: bool,
}

impl Startup {
    pub fn of(scenario: &Scenario) -> Self {
        let all = registered(scenario);
        let mut problems = all.iter().filter(|formatter| formatter.refused().is_some()).count();
        for (position, formatter) in all.iter().enumerate() {
            let same = |other: &Registered| {
                other.model == formatter.model
                    && other.canonical() == formatter.canonical()
                    && other.event == formatter.event
                    && other.priority == formatter.priority
            };
            problems += usize::from(all[..position].iter().any(same));
        }
        let mode = scenario.setting("AUDIT_DELIVERY_MODE");
        let refused = mode.is_some_and(|mode| !["noop", "sync", "queue"].contains(&mode.as_str()));
        Self { problems, refused }
    }
}

/// Those that reach the builder: the macro refuses a route that it does not understand.
fn registered(scenario: &Scenario) -> Vec<Registered> {
    Registered::all(scenario).into_iter().filter(|formatter| formatter.canonical().is_ok()).collect()
}

/// Whether nothing is recorded at all.
pub fn is_off(scenario: &Scenario) -> bool {
    scenario.setting("AUDIT_ENABLED").as_deref() == Some("false")
        || scenario.setting("AUDIT_DELIVERY_MODE").as_deref() == Some("noop")
}

/// The events of a run.
pub fn events(scenario: &Scenario, told: &[Told], asked: Option<&Asked>) -> Vec<(Told, Event)> {
    if is_off(scenario) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for told in told {
        let mut told = told.clone();
        if scenario.setting("AUDIT_CHANGESET_CHECK_RELATIONSHIP").as_deref() == Some("false")
            && let What::Updated(columns) = &mut told.fact.what
        {
            columns.retain(|column| column.name != "owner");
            if columns.is_empty() {
                continue;
            }
        }
        let event = event(scenario, &told, asked.filter(|_| told.who.is_some()));
        all.push((told, event));
    }
    all
}

fn event(scenario: &Scenario, told: &Told, asked: Option<&Asked>) -> Event {
    let fact = &told.fact;
    let nobody = Default::default();
    let who = told.who.as_ref().unwrap_or(&nobody);
    let route = asked.map(Asked::raw_route);
    let generic =
        Event { description: description(fact), attributes: attributes(fact, route.as_deref(), who) };
    let Some(formatter) = chosen(scenario, fact, route.as_deref()) else { return generic };
    let (event, model, key) = (fact.what.event(), fact.model, &fact.key);
    let Event { description, mut attributes } = generic.clone();
    match &formatter.kind {
        Kind::Failing => generic,
        Kind::Tag(tag) => {
            attributes.push(("formatter".to_owned(), tag.clone()));
            Event { description: format!("{tag}:{event}:{model}#{key}"), attributes }
        }
        Kind::CtxDump => Event { description: "ctx".to_owned(), attributes: context(asked, who) },
        Kind::PriceOnly => {
            let price = |key: &str| key.starts_with("audit.changeset.price.");
            let said = attributes.iter().any(|(key, _)| price(key));
            attributes.retain(|(key, _)| !key.starts_with("audit.changeset.") || price(key));
            let named = if said { "['price']" } else { "[]" };
            Event { description: format!("PriceOnly {named}"), attributes }
        }
        Kind::Duck => Event {
            description: format!("duck {event} {key}"),
            attributes: vec![("duck".to_owned(), "true".to_owned())],
        },
        Kind::NoAttrs => Event { description: "no attributes".to_owned(), attributes },
        Kind::NoDesc => Event { description, attributes: vec![("own".to_owned(), "true".to_owned())] },
        Kind::Payload => {
            let mut attributes = Vec::new();
            let file = scenario.events().first().and_then(|event| event["attributes"].as_object());
            for (key, value) in file.into_iter().flatten() {
                flatten(key.clone(), value, &mut attributes);
            }
            Event { description: "payload".to_owned(), attributes }
        }
        Kind::Linked => match (&fact.what, &formatter.field) {
            (What::Linked { field, .. }, Some(of)) if field == of => {
                Event { description: format!("COLL:{event}:post_add:{field}"), attributes }
            }
            (What::Unlinked { field, .. }, Some(of)) if field == of => {
                Event { description: format!("COLL:{event}:post_remove:{field}"), attributes }
            }
            _ => generic,
        },
    }
}

/// Route and event, then route, then event, then any; inside, the highest priority, of equal ones the first.
pub fn chosen(scenario: &Scenario, fact: &Fact, route: Option<&str>) -> Option<Registered> {
    let fits = |formatter: &Registered| {
        let event = formatter.event.as_deref().is_none_or(|event| event == fact.what.event());
        let canonical = formatter.canonical().ok().flatten();
        let here = canonical.is_none() || canonical.as_deref() == route;
        formatter.model == fact.model && event && here
    };
    let tier =
        |formatter: &Registered| (formatter.route.is_some(), formatter.event.is_some(), formatter.priority);
    let mut best: Option<Registered> = None;
    for formatter in registered(scenario).into_iter().filter(fits) {
        if best.as_ref().is_none_or(|best| tier(&formatter) > tier(best)) {
            best = Some(formatter);
        }
    }
    best
}

fn description(Fact { model, key, what }: &Fact) -> String {
    match what {
        What::Created => format!("Created {model} #{key}"),
        What::Deleted => format!("Deleted {model} #{key}"),
        What::Updated(columns) => {
            let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
            format!("Updated {model} #{key} ({})", names.join(", "))
        }
        What::Linked { field, .. } => format!("post_add on {model} #{key}.{field}"),
        What::Unlinked { field, .. } => format!("post_remove on {model} #{key}.{field}"),
    }
}

fn attributes(fact: &Fact, route: Option<&str>, who: &[Option<String>; 4]) -> Vec<(String, String)> {
    let mut all = vec![
        ("audit.event_type".to_owned(), fact.what.event().to_owned()),
        ("audit.model".to_owned(), fact.model.to_owned()),
        ("audit.model_pk".to_owned(), fact.key.clone()),
    ];
    if let Some(route) = route {
        all.push(("audit.raw_route".to_owned(), route.to_owned()));
    }
    all.extend(user(who));
    match &fact.what {
        What::Updated(columns) => {
            for Column { attributes, .. } in columns {
                let named =
                    |(key, value): &(String, String)| (format!("audit.changeset.{key}"), value.clone());
                all.extend(attributes.iter().map(named));
            }
        }
        What::Linked { field, keys } => all.extend(link(field, "post_add", keys)),
        What::Unlinked { field, keys } => all.extend(link(field, "post_remove", keys)),
        What::Created | What::Deleted => {}
    }
    all
}

fn user(who: &[Option<String>; 4]) -> Vec<(String, String)> {
    let names = ["user_id", "user_email", "user_first_name", "user_last_name"];
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    names.into_iter().zip(who).map(|(name, text)| (name.to_owned(), value(text))).collect()
}

pub const MOST_KEYS: usize = 500;

fn link(field: &str, action: &str, keys: &[i32]) -> Vec<(String, String)> {
    let listed: Vec<_> = keys.iter().take(MOST_KEYS).map(i32::to_string).collect();
    let mut all = vec![
        ("audit.field_name".to_owned(), field.to_owned()),
        ("audit.action".to_owned(), action.to_owned()),
        ("audit.pk_set".to_owned(), format!("[{}]", listed.join(", "))),
    ];
    if keys.len() > MOST_KEYS {
        all.push(("audit.pk_set_truncated".to_owned(), "true".to_owned()));
        all.push(("audit.pk_set_total".to_owned(), keys.len().to_string()));
    }
    all
}

/// Whether a request's id is taken over.
pub fn is_sane_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The most bytes of a text that comes from outside.
pub const MOST_BYTES: usize = 1024;

/// The context's fields: of the request what is sane, of the client's address what the connection says.
fn context(asked: Option<&Asked>, who: &[Option<String>; 4]) -> Vec<(String, String)> {
    let header = |name: &str| {
        let text = asked.and_then(|asked| asked.header(name)).unwrap_or_default().trim();
        let text = if text.chars().any(char::is_control) { "" } else { text };
        text[..text.floor_char_boundary(MOST_BYTES)].to_owned()
    };
    // On the wire, blanks around a value are no part of it.
    let id = asked.and_then(|asked| asked.header("x-request-id")).map(str::trim);
    let id = match asked {
        Some(_) => id.filter(|id| is_sane_id(id)).map_or(MADE_ID, named_if_made),
        None => "null",
    };
    let trace = asked.and_then(|asked| asked.header("traceparent"));
    let trace = trace.and_then(|parent| parent.split('-').nth(1)).filter(|id| id.len() == 32);
    let mut all = user(who);
    let mut put = |key: &str, value: String| all.push((key.to_owned(), value));
    put("http_method", asked.map_or(String::new(), |asked| asked.method.clone()));
    put("route", asked.map_or(String::new(), |asked| asked.path.clone()));
    put("raw_route", asked.map_or(String::new(), Asked::raw_route));
    put("client_ip", asked.map_or("null".to_owned(), |asked| asked.peer.ip().to_canonical().to_string()));
    put("user_agent", header("user-agent"));
    put("ui_app", header("x-ui-app"));
    put("ui_flow", header("x-ui-flow"));
    put("request_id", id.to_owned());
    put("trace_id", trace.unwrap_or("null").to_owned());
    all
}
