//! Scenarios that run a part of the Python library by itself: routes, values, start-up, its API, and OTLP.

mod delivery;
mod routes;
mod startup;
mod values;

use crate::{scenario::Scenario, verdict::Verdict};

/// Why these parts differ on purpose.
const REASONS: &[(&str, &str)] = &[
    ("route refused", "mistake 14: a template that cannot be understood is an error that shows the place"),
    ("route mended", "mistake 14: where the template was mangled, it is right"),
    ("plain number", "a decimal is written out, without an exponent"),
    ("text is text", "a text is not quoted again"),
    ("sorted map", "the keys of a JSON value are in the order of their names; they have no other"),
    (
        "linked, not imported",
        "formatters are compiled in and found by the linker: no module can fail to be imported",
    ),
    (
        "hooks by handle",
        "whether hooks record is asked of the handle at every write; nothing is connected or disconnected",
    ),
    ("unknown event", "mistake 12: an event that there is not is refused, by the compiler or at start-up"),
    (
        "failed export",
        "mistake 13: a failed export is seen, retried and then given to the fallback, and no log has its data",
    ),
    ("service name", "mistake 13: the resource has the service's name"),
    ("event name", "records carry an event name beside what that library's have"),
    ("whole user", "a record says all four fields of the user, whatever the formatter left out"),
];

pub fn reason(rule: &str) -> Option<&'static str> {
    REASONS.iter().find(|(known, _)| *known == rule).map(|(_, reason)| *reason)
}

pub async fn judge(scenario: &Scenario) -> Verdict {
    match scenario.name().split([':', '_']).next().unwrap_or_default() {
        "canonicalize" => routes::judge(scenario),
        "serialize" => values::judge(scenario).await,
        "startup" => startup::judge(scenario),
        "api" => startup::judge_api(scenario),
        "otlp" => delivery::judge(scenario).await,
        _ => Verdict::Wrong(vec!["a part that is not known".to_owned()]),
    }
}
