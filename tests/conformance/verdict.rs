//! How a scenario is judged.

use crate::{
    deviation::{Deviation, deviations, outcome},
    differences::{DIFFERENCES, not_applicable},
    formatters::payload,
    interpreter::Told,
    parts,
    prediction::{self, Event, MOST_KEYS, Startup, is_off},
    scenario::Scenario,
    scene::{Capture, Seen, play},
    web::{Asked, Framework},
};

pub enum Verdict {
    /// To the letter what the Python library sent.
    Equal,
    /// To the letter what is expected here, by the rules named.
    Different(Vec<&'static str>),
    NotApplicable(&'static str),
    Wrong(Vec<String>),
}

/// Why a rule is one.
pub fn reason(rule: &str) -> &'static str {
    let known = DIFFERENCES.iter().find(|known| known.name == rule).map(|rule| rule.reason);
    known.or_else(|| parts::reason(rule)).expect("a rule of a table")
}

pub async fn of(scenario: &Scenario) -> Verdict {
    if scenario.result().is_some() {
        return parts::judge(scenario).await;
    }
    if let Some(reason) = not_applicable(scenario) {
        return Verdict::NotApplicable(reason);
    }
    if payload(scenario).is_none() {
        return Verdict::NotApplicable("the formatter's values are of types that only Python has");
    }
    let seen = play(scenario, Capture::Audited(Framework::Axum)).await;
    let mut wrong = Vec::new();
    if let Some(unknown) = &seen.report.unknown {
        wrong.push(format!("not interpreted: {unknown}"));
    }
    check_startup(scenario, &seen, &mut wrong);
    let asked = scenario.is_in_request().then(|| Asked::of(scenario));
    let mut expected = prediction::events(scenario, &seen.report.told, asked.as_ref());
    if is_off(scenario) && seen.ran > 0 {
        wrong.push(format!("switched off, {} formatters ran", seen.ran));
    }
    check_fallback(scenario, &seen, &expected, &mut wrong);
    let mut rules: Vec<_> =
        DIFFERENCES.iter().filter(|rule| (rule.always)(scenario)).map(|rule| rule.name).collect();
    if !scenario.setup("enqueue").is_null() {
        // With every record in the fallback, there are none to compare, there and here.
        expected.clear();
    }
    let equal = is_equal(scenario, &seen);
    if !equal || !rules.is_empty() {
        let ours: Vec<_> = expected.iter().map(|(_, event)| event.clone()).collect();
        if !same(&ours, &seen.events, scenario) {
            wrong.push(format!("expected {ours:?}"));
            wrong.push(format!("recorded {:?}", seen.events));
        }
    }
    if !equal {
        for deviation in deviations(scenario, &expected, &seen) {
            match DIFFERENCES.iter().find(|rule| (rule.explains)(scenario, &deviation)) {
                Some(rule) if rules.contains(&rule.name) => {}
                Some(rule) => rules.push(rule.name),
                None => wrong.push(format!("not explained: {}", shortened(&deviation))),
            }
        }
        if rules.is_empty() && wrong.is_empty() {
            wrong.push("the events differ from the file, and nothing tells in what".to_owned());
        }
    }
    if wrong.is_empty() && asked.is_some() {
        check_other_framework(scenario, &seen, &mut wrong).await;
    }
    if wrong.is_empty() && hooks_see(scenario) {
        check_hooks(scenario, &seen, &mut wrong).await;
    }
    if let (false, Some(error)) = (wrong.is_empty(), &seen.report.failed) {
        wrong.push(format!("an operation failed: {error}"));
    }
    match (wrong.is_empty(), rules.is_empty()) {
        (false, _) => Verdict::Wrong(wrong),
        (true, true) => Verdict::Equal,
        (true, false) => Verdict::Different(rules),
    }
}

fn shortened(deviation: &Deviation) -> String {
    format!("{deviation:?}").chars().take(600).collect()
}

/// Whether everything is as in the file: events to the letter and in order, when they were handed over, rows, status.
fn is_equal(scenario: &Scenario, seen: &Seen) -> bool {
    let file: Vec<_> = scenario.ordered().get("events").items().iter().map(Event::of_file).collect();
    let during = scenario.events().iter().map(|event| event["emitted_during_op"].as_str());
    let here: Vec<_> = seen.events.iter().cloned().map(Some).collect();
    let arrived = seen.report.arrived.iter().map(|during| Some(during.as_str()));
    file == here && during.eq(arrived) && outcome(scenario, seen).is_empty()
}

/// The keys of a map in JSON have no order that would be kept: where a formatter attaches one, its attributes are a set.
fn same(expected: &[Event], recorded: &[Event], scenario: &Scenario) -> bool {
    if !scenario.setup("payload_python_repr").is_string() {
        return expected == recorded;
    }
    let sorted = |events: &[Event]| {
        let mut events = events.to_vec();
        for event in &mut events {
            event.attributes.sort();
            for (_, value) in &mut event.attributes {
                if let Ok(json) = serde_json::from_str::<serde_json::Value>(value) {
                    *value = json.to_string();
                }
            }
        }
        events
    };
    sorted(expected) == sorted(recorded)
}

fn check_startup(scenario: &Scenario, seen: &Seen, wrong: &mut Vec<String>) {
    let startup = Startup::of(scenario);
    let strict = scenario.setting("AUDIT_STRICT_FORMATTER_VALIDATION").as_deref() != Some("false");
    let expected = usize::from(startup.refused) + if strict { startup.problems } else { 0 };
    if seen.problems.len() != expected {
        wrong.push(format!("start-up has {expected} problems, and told {:?}", seen.problems));
    }
    if startup.refused && !seen.problems.iter().any(|problem| problem.contains("queue")) {
        wrong.push(format!("the modes that there are are not named: {:?}", seen.problems));
    }
}

fn check_fallback(scenario: &Scenario, seen: &Seen, expected: &[(Told, Event)], wrong: &mut Vec<String>) {
    let expected: Vec<_> = match scenario.setup("enqueue").is_null() {
        true => Vec::new(),
        false => expected.iter().map(|(_, event)| event.description.clone()).collect(),
    };
    if seen.fallback != expected || seen.failed != expected.len() as u64 {
        let (kept, failed) = (&seen.fallback, seen.failed);
        wrong.push(format!("the fallback holds {kept:?} of {failed} failures, not {expected:?}"));
    }
}

/// Hooks are told neither of a rollback nor of what runs past an `ActiveModel`.
fn hooks_see(scenario: &Scenario) -> bool {
    let statements = ["bulk_create", "qs_update", "qs_delete", "try", "raise"];
    let past_them = scenario.operations().iter().any(|operation| {
        operation.get("then").is_some_and(|then| then != "commit")
            || operation.get("fields").is_some_and(|fields| fields.to_string().contains("\"$F\""))
    });
    !scenario.has_operation(&statements) && !past_them && scenario.setup("enqueue").is_null()
}

/// A request means the same in both frameworks.
async fn check_other_framework(scenario: &Scenario, axum: &Seen, wrong: &mut Vec<String>) {
    let actix = play(scenario, Capture::Audited(Framework::Actix)).await;
    if (&actix.events, actix.status) != (&axum.events, axum.status) {
        wrong.push(format!("through axum: {:?} {:?}", axum.status, axum.events));
        wrong.push(format!("through actix-web: {:?} {:?}", actix.status, actix.events));
    }
}

async fn check_hooks(scenario: &Scenario, audited: &Seen, wrong: &mut Vec<String>) {
    let hooks = play(scenario, Capture::Hooks).await;
    let off = ["AUDIT_AUTO_CONNECT_SIGNALS", "AUDIT_HOOKS"];
    let off = off.iter().any(|setting| scenario.setting(setting).as_deref() == Some("false"));
    let expected = if off { Vec::new() } else { merged(audited.events.clone()) };
    let recorded = merged(hooks.events);
    if recorded != expected {
        wrong.push(format!("an audited connection recorded {expected:?}"));
        wrong.push(format!("hooks recorded {recorded:?}"));
    }
}

/// Hooks see links a row at a time: what follows of one owner, field and action is put together.
fn merged(events: Vec<Event>) -> Vec<Event> {
    const KEYS: &str = "audit.pk_set";
    let without = |event: &Event| {
        let keys = event.attributes.iter().filter(|(key, _)| !key.starts_with(KEYS));
        (event.description.clone(), keys.cloned().collect::<Vec<_>>())
    };
    let keys = |event: &Event| -> Vec<i64> {
        let list = event.attribute(KEYS).and_then(|list| serde_json::from_str(list).ok());
        list.unwrap_or_default()
    };
    let mut all: Vec<(Event, Vec<i64>)> = Vec::new();
    for event in events {
        let more = keys(&event);
        match all.last_mut() {
            Some((last, known)) if event.attribute(KEYS).is_some() && without(last) == without(&event) => {
                known.extend(more);
                known.sort_unstable();
            }
            _ => all.push((event, more)),
        }
    }
    let put = |(mut event, keys): (Event, Vec<i64>)| {
        event.attributes.retain(|(key, _)| !key.starts_with("audit.pk_set_t"));
        if let Some((_, list)) = event.attributes.iter_mut().find(|(key, _)| key == KEYS) {
            let listed: Vec<_> = keys.iter().take(MOST_KEYS).map(i64::to_string).collect();
            *list = format!("[{}]", listed.join(", "));
        }
        event
    };
    all.into_iter().map(put).collect()
}
