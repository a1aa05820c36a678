//! `startup_*` and `api_*`: what is found, and what is refused.

use ftn_audit_sea::{
    formatter::{FormatterRegistration, Rule},
    prelude::*,
};

use crate::{entities::item, scenario::Scenario, verdict::Verdict};

/// The one rule that the linker finds.
#[audit_formatter(route = "GET|/found/by/the/linker", event = "creation")]
fn found(change: &Change<item::Model>) -> Formatted {
    Formatted::new(format!("Found {}", change.subject().name))
}

pub fn judge(scenario: &Scenario) -> Verdict {
    let Some(result) = scenario.result() else {
        return Verdict::Wrong(vec!["a result is missing".to_owned()]);
    };
    let setting = |name: &'static str| {
        let value = scenario.setup(name).as_bool().map(|value| value.to_string());
        (name, value.or_else(|| scenario.setting(name)))
    };
    let settings = ["AUDIT_AUTO_CONNECT_SIGNALS", "AUDIT_AUTO_DISCOVER_FORMATTERS"].map(setting);
    let audit = Audit::builder()
        .sink(MemorySink::new())
        .environment(move |name| settings.iter().find(|(known, _)| *known == name)?.1.clone())
        .build();
    let audit = match audit {
        Ok(audit) => audit,
        Err(error) => return Verdict::Wrong(vec![error.to_string()]),
    };
    let mut wrong = Vec::new();
    let description = audit.describe();
    let (_, formatters) = description.split_once("formatters:\n").unwrap_or_default();
    let rules = formatters.lines().filter(|line| line.trim_start().starts_with("Item ")).count() as u64;
    let expected = result["rules"]["Item"].as_u64().unwrap_or_default();
    if rules != expected {
        wrong.push(format!("{rules} rules of Item, not {expected}: {description}"));
    }
    let connected = result["receivers"]["post_save"].as_u64() != Some(0);
    if audit.records_hooks() != connected {
        wrong.push(format!("hooks record: {}", audit.records_hooks()));
    }
    let warned = result["logs"].as_array().is_some_and(|logs| !logs.is_empty());
    match (wrong.is_empty(), warned) {
        (false, _) => Verdict::Wrong(wrong),
        (true, true) => Verdict::Different(vec!["linked, not imported"]),
        (true, false) if !connected => Verdict::Different(vec!["hooks by handle"]),
        (true, false) => Verdict::Equal,
    }
}

pub fn judge_api(scenario: &Scenario) -> Verdict {
    let code = scenario.setup("code").as_str().unwrap_or_default();
    let event = code.split_once("event_type='").and_then(|(_, rest)| rest.split('\'').next());
    let Some(event) = event else {
        return Verdict::NotApplicable("what Python finds when it runs is the compiler's to find (tests/ui)");
    };
    let rule =
        Rule { route: None, event: Some(event.to_owned().leak()), priority: 0, file: file!(), line: line!() };
    let build = Audit::builder()
        .sink(MemorySink::new())
        .environment(|_| None)
        .registration(FormatterRegistration::with(rule, Any))
        .build();
    let known = ["creation", "update", "deletion", "collection_update"].contains(&event);
    match build {
        Ok(_) if known => Verdict::Equal,
        Err(error) if !known && error.to_string().contains("there is no such event") => {
            Verdict::Different(vec!["unknown event"])
        }
        Ok(_) => Verdict::Wrong(vec![format!("a formatter for {event} was taken")]),
        Err(error) => Verdict::Wrong(vec![error.to_string()]),
    }
}

struct Any;

impl AuditFormatter for Any {
    type Subject = item::Model;
}
