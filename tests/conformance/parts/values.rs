//! `serialize:*`: a value that a formatter attaches, and what leaves of it.

use serde_json::{Value as Json, json};

use crate::{
    python::Python,
    scenario::Scenario,
    scene::{Capture, play},
    verdict::Verdict,
    web::Framework,
};

pub async fn judge(scenario: &Scenario) -> Verdict {
    let Some(text) = scenario.setup("input_python_repr").as_str() else {
        return Verdict::Wrong(vec!["a value in Python is missing".to_owned()]);
    };
    let value = Python::read(text).filter(|value| !value.holds_a_set());
    if value.and_then(|value| value.to_attribute()).is_none() {
        return Verdict::NotApplicable("the value is of a type that only Python has");
    }
    let Some(expected) = scenario.ordered().get("result").get("flattened").texts() else {
        return Verdict::NotApplicable("the Python library could not send the value");
    };
    let made = Scenario::made(&json!({
        "scenario": scenario.name(),
        "setup": {
            "formatters": [{"model": "Item", "formatter": "Payload"}],
            "context": "request",
            "request": {"method": "POST", "path": "/items/"},
            "ops": [{"op": "create", "model": "Item", "fields": {"name": "A"}}],
            "payload_python_repr": format!("{{'k': {text}}}"),
        },
        "events": [],
    }));
    let seen = play(&made, Capture::Audited(Framework::Axum)).await;
    let [event] = seen.events.as_slice() else {
        return Verdict::Wrong(vec![format!("one event, not {:?}", seen.events)]);
    };
    if event.attributes == expected {
        return Verdict::Equal;
    }
    let rule = match (event.attributes.as_slice(), expected.as_slice()) {
        ([(_, here)], [(_, file)]) if Json::from(here.as_str()).to_string().as_str() == file => {
            Some("text is text")
        }
        (here, file) if sorted(here) == sorted(file) => Some("sorted map"),
        (here, file) if text.contains("Decimal(") && plain(here) == plain(file) => Some("plain number"),
        _ => None,
    };
    match rule {
        Some(rule) => Verdict::Different(vec![rule]),
        None => Verdict::Wrong(vec![format!("{text}: {:?} is not {expected:?}", event.attributes)]),
    }
}

/// Decimals as numbers, in lists and maps too.
fn plain(attributes: &[(String, String)]) -> Vec<(String, Json)> {
    fn numbers(json: Json) -> Json {
        match json {
            Json::Number(number) => number.as_f64().into(),
            Json::String(text) => text.parse::<f64>().map_or(Json::String(text), Json::from),
            Json::Array(values) => values.into_iter().map(numbers).collect(),
            Json::Object(map) => map
                .into_iter()
                .map(|(key, value)| (key, numbers(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }
    let read = |text: Result<Json, String>| numbers(text.unwrap_or_else(Json::String));
    sorted(attributes).into_iter().map(|(key, text)| (key, read(text))).collect()
}

/// The order of a map's keys is the only thing that may differ.
fn sorted(attributes: &[(String, String)]) -> Vec<(String, Result<Json, String>)> {
    let read = |text: &str| serde_json::from_str::<Json>(text).map_err(|_| text.to_owned());
    let mut all: Vec<_> = attributes.iter().map(|(key, value)| (key.clone(), read(value))).collect();
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}
