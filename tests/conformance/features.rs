//! What rules recognise scenarios and deviations by.

use serde_json::Value as Json;

use crate::{
    deviation::Deviation::{self, *},
    formatters::{Kind, Registered},
    interpreter::Told,
    prediction::chosen,
    scenario::Scenario,
    web::Asked,
};

pub fn attribute(deviation: &Deviation, name: &str) -> bool {
    matches!(deviation, Attribute { key, .. } if key == name)
}

pub fn key_starts(deviation: &Deviation, start: &str) -> bool {
    matches!(deviation, Attribute { key, .. } if key.starts_with(start))
}

/// Whether it is about which columns an update changed.
pub fn changeset(deviation: &Deviation) -> bool {
    match deviation {
        Extra(told) | Description { told, .. } => told.fact.what.is_update(),
        deviation => key_starts(deviation, "audit.changeset."),
    }
}

/// What authentication said, in every place where it speaks.
pub fn authenticated(scenario: &Scenario) -> Vec<&Json> {
    let operations = scenario.operations();
    let said =
        operations.iter().filter_map(|operation| operation.get("auth").or_else(|| operation.get("user")));
    said.chain(scenario.setup("drf_auth").get("auth")).collect()
}

pub fn rolls_back(scenario: &Scenario) -> bool {
    let operations = scenario.operations();
    let mut ends = operations.iter().filter_map(|operation| operation.get("then"));
    scenario.has_operation(&["try", "raise"]) || ends.any(|then| then != "commit")
}

pub fn same_number(one: &str, two: &str) -> bool {
    matches!((one.parse::<f64>(), two.parse::<f64>()), (Ok(one), Ok(two)) if one == two)
}

pub fn same_json(one: &str, two: &str) -> bool {
    let read = |text: &str| {
        serde_json::from_str::<Json>(text).ok().filter(|json| json.is_array() || json.is_object())
    };
    matches!((read(one), read(two)), (Some(one), Some(two)) if one == two)
}

pub fn keys(list: &str) -> Vec<&str> {
    list.trim_matches(['[', ']']).split(", ").filter(|key| !key.is_empty()).collect()
}

/// Whether some operation assigned such a value.
pub fn assigned(scenario: &Scenario, such: impl Fn(&Json) -> bool) -> bool {
    let operations = scenario.operations();
    let fields = operations.iter().filter_map(|operation| operation.get("fields")?.as_object());
    fields.flat_map(|fields| fields.values()).any(such)
}

pub fn is_text(value: &Json, text: &str) -> bool {
    match value {
        Json::String(assigned) => assigned == text,
        Json::Number(_) | Json::Bool(_) => value.to_string().as_str() == text,
        _ => false,
    }
}

/// Whether it is the doing of a formatter of such a kind: an event that it lost, or an error that reached the request
/// or the row.
pub fn of_formatters(scenario: &Scenario, deviation: &Deviation, such: impl Fn(&Kind) -> bool) -> bool {
    match deviation {
        Extra(told) => chosen_for(scenario, told).is_some_and(|formatter| such(&formatter.kind)),
        Status { file: 500, .. } | Rows { .. } => {
            Registered::all(scenario).iter().any(|formatter| such(&formatter.kind))
        }
        _ => false,
    }
}

fn chosen_for(scenario: &Scenario, told: &Told) -> Option<Registered> {
    let route = Asked::of(scenario).raw_route();
    chosen(scenario, &told.fact, told.who.is_some().then_some(route.as_str()))
}

/// Whether the file has a deletion of more than one model, which is where an order can be another.
pub fn deletes_the_same(scenario: &Scenario) -> bool {
    let models =
        scenario.events().iter().filter(|event| event["attributes"]["audit.event_type"] == "deletion");
    let mut models: Vec<_> = models.filter_map(|event| event["attributes"]["audit.model"].as_str()).collect();
    models.sort_unstable();
    models.dedup();
    models.len() > 1
}
