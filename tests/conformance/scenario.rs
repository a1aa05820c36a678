//! One line of the file.

use serde_json::{Map, Value as Json};

use crate::ordered::Ordered;

/// What was run, and what the Python library did.
#[derive(Clone)]
pub struct Scenario {
    json: Json,
    ordered: Ordered,
}

static NOTHING: Json = Json::Null;

impl Scenario {
    /// The scenarios of a file; its first line explains the others.
    pub fn all(text: &str) -> Vec<Self> {
        let scenarios = text.lines().filter(|line| !line.trim().is_empty());
        let scenarios = scenarios.map(Self::read);
        scenarios.filter(|scenario: &Self| scenario.name() != "_meta").collect()
    }

    fn read(line: &str) -> Self {
        let (json, ordered) = (serde_json::from_str(line), serde_json::from_str(line));
        Self { json: json.expect("a line is JSON"), ordered: ordered.expect("a line is JSON") }
    }

    /// A scenario that is not in the file.
    pub fn made(json: &Json) -> Self {
        Self::read(&json.to_string())
    }

    /// The line with its maps in order.
    pub fn ordered(&self) -> &Ordered {
        &self.ordered
    }

    pub fn name(&self) -> &str {
        self.json["scenario"].as_str().expect("a scenario has a name")
    }

    /// Whether the name begins so.
    pub fn is_of(&self, family: &str) -> bool {
        self.name().starts_with(family)
    }

    pub fn setup(&self, key: &str) -> &Json {
        self.json["setup"].get(key).unwrap_or(&NOTHING)
    }

    pub fn list(&self, key: &str) -> &[Json] {
        self.setup(key).as_array().map_or(&[], Vec::as_slice)
    }

    pub fn setting(&self, key: &str) -> Option<String> {
        match self.setup("settings").get(key)? {
            Json::String(text) => Some(text.clone()),
            Json::Null => None,
            other => Some(other.to_string()),
        }
    }

    pub fn is_in_request(&self) -> bool {
        self.setup("context") == "request"
    }

    pub fn events(&self) -> &[Json] {
        self.json["events"].as_array().map_or(&[], Vec::as_slice)
    }

    pub fn outcome(&self) -> &Json {
        &self.json["outcome"]
    }

    pub fn result(&self) -> Option<&Json> {
        self.json.get("result")
    }

    pub fn has_log(&self, text: &str) -> bool {
        let logs = self.json["logs"].as_array().into_iter().flatten();
        logs.filter_map(|log| log["message"].as_str()).any(|message| message.contains(text))
    }

    /// Every operation, those inside of others too.
    pub fn operations(&self) -> Vec<&Map<String, Json>> {
        let mut all = Vec::new();
        collect(self.list("ops"), &mut all);
        collect(self.list("post_ops_outside_request"), &mut all);
        all
    }

    pub fn has_operation(&self, names: &[&str]) -> bool {
        self.operations().iter().any(|operation| names.iter().any(|name| operation["op"] == *name))
    }

    /// The registered formatters, by name.
    pub fn formatters(&self) -> impl Iterator<Item = &str> {
        let formatters = self.list("formatters").iter().chain(self.list("collections"));
        formatters.filter_map(|formatter| formatter["formatter"].as_str())
    }

    pub fn has_formatter(&self, names: &[&str]) -> bool {
        self.formatters().any(|formatter| names.contains(&formatter))
    }

    /// Whether an item's relation is on the allow-list.
    pub fn lists(&self, field: &str) -> bool {
        self.list("collections").iter().any(|listed| listed["owner"] == "Item" && listed["field"] == field)
    }

    /// Whether a formatter is registered for the model, without which the Python library recorded nothing of it.
    pub fn registers(&self, model: &str) -> bool {
        self.list("formatters").iter().any(|formatter| formatter["model"] == model)
    }
}

fn collect<'a>(operations: &'a [Json], all: &mut Vec<&'a Map<String, Json>>) {
    for operation in operations.iter().filter_map(Json::as_object) {
        all.push(operation);
        if let Some(inner) = operation.get("ops").and_then(Json::as_array) {
            collect(inner, all);
        }
    }
}
