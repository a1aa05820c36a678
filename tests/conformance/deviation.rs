//! In what this library's events deviate from those of the file.

use crate::{interpreter::Told, prediction::Event, scenario::Scenario, scene::Seen, truth::What};

/// One thing that is not as the Python library had it.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "what no rule asks for is shown where no rule explains it")]
pub enum Deviation {
    /// An event of the file that is none here.
    Missing(Event),
    /// An event here that the file does not have.
    Extra(Told),
    Description {
        told: Told,
        file: String,
        here: String,
    },
    Attribute {
        told: Told,
        key: String,
        file: Option<String>,
        here: Option<String>,
    },
    /// The same attributes in another order.
    Order,
    /// The event was handed over during another operation.
    During {
        told: Told,
        file: String,
    },
    Status {
        file: i64,
        here: i64,
    },
    Rows {
        table: &'static str,
    },
}

/// What tells which event of the file is which here: model, key and kind, where its formatter left them in.
fn is_same(file: &Event, told: &Told) -> bool {
    let Some(model) = file.attribute("audit.model") else { return true };
    let fact = &told.fact;
    let key = file.attribute("audit.model_pk") == Some(&*fact.key);
    let event = file.attribute("audit.event_type") == Some(fact.what.event());
    let action = match (&fact.what, file.attribute("audit.action")) {
        (What::Linked { field, .. }, Some(action)) => {
            action == "post_add" && file.attribute("audit.field_name") == Some(field)
        }
        (What::Unlinked { field, .. }, Some(action)) => {
            action != "post_add" && file.attribute("audit.field_name") == Some(field)
        }
        (_, action) => action.is_none(),
    };
    model == fact.model && key && event && action
}

/// Pairs of events that are the same, as many as keep their order.
fn pairs(file: &[Event], here: &[(Told, Event)]) -> Vec<(usize, usize)> {
    let mut longest = vec![vec![0; here.len() + 1]; file.len() + 1];
    for left in (0..file.len()).rev() {
        for right in (0..here.len()).rev() {
            longest[left][right] = match is_same(&file[left], &here[right].0) {
                true => 1 + longest[left + 1][right + 1],
                false => longest[left + 1][right].max(longest[left][right + 1]),
            };
        }
    }
    let (mut left, mut right, mut pairs) = (0, 0, Vec::new());
    while left < file.len() && right < here.len() {
        if is_same(&file[left], &here[right].0) {
            pairs.push((left, right));
            (left, right) = (left + 1, right + 1);
        } else if longest[left + 1][right] >= longest[left][right + 1] {
            left += 1;
        } else {
            right += 1;
        }
    }
    pairs
}

/// Everything in which the expectation for here deviates from the file.
pub fn deviations(scenario: &Scenario, here: &[(Told, Event)], seen: &Seen) -> Vec<Deviation> {
    // What the Python library could not send either is no event of it.
    let (mut file, mut during) = (Vec::new(), Vec::new());
    for event in scenario.ordered().get("events").items() {
        let told_during = event.get("emitted_during_op").as_str().unwrap_or_default();
        if let Some(event) = Event::of_file(event) {
            file.push(event);
            during.push(told_during);
        }
    }
    let pairs = pairs(&file, here);
    let mut all = Vec::new();
    for (position, event) in file.iter().enumerate() {
        match pairs.iter().find(|(left, _)| *left == position) {
            None => all.push(Deviation::Missing(event.clone())),
            Some((_, right)) => {
                let (told, ours) = &here[*right];
                compare(told, event, ours, &mut all);
                if during[position] != told.during {
                    all.push(Deviation::During { told: told.clone(), file: during[position].to_owned() });
                }
            }
        }
    }
    let extra = here.iter().enumerate().filter(|(right, _)| !pairs.iter().any(|(_, paired)| paired == right));
    all.extend(extra.map(|(_, (told, _))| Deviation::Extra(told.clone())));
    all.extend(outcome(scenario, seen));
    all
}

/// In what the status and the rows deviate.
pub fn outcome(scenario: &Scenario, seen: &Seen) -> Vec<Deviation> {
    let mut all = Vec::new();
    if let (Some(file), Some(here)) = (scenario.outcome()["status"].as_i64(), seen.status.map(i64::from))
        && file != here
    {
        all.push(Deviation::Status { file, here });
    }
    let after = &seen.after;
    for (table, count) in [
        ("Item", after.rows("Item")),
        ("Owner", after.rows("Owner")),
        ("Tag", after.rows("Tag")),
        ("item_tags", after.item_tags(scenario.lists("tags"))),
    ] {
        let expected = &scenario.outcome()["rows_after"][table];
        if expected.as_u64().is_some_and(|expected| expected != count as u64) {
            all.push(Deviation::Rows { table });
        }
    }
    all
}

fn compare(told: &Told, file: &Event, here: &Event, all: &mut Vec<Deviation>) {
    let before = all.len();
    if file.description != here.description {
        let (file, here) = (file.description.clone(), here.description.clone());
        all.push(Deviation::Description { told: told.clone(), file, here });
    }
    let mut keys: Vec<_> = file.attributes.iter().map(|(key, _)| key).collect();
    keys.extend(here.attributes.iter().map(|(key, _)| key).filter(|key| file.attribute(key).is_none()));
    for key in keys {
        let (file, here) = (file.attribute(key), here.attribute(key));
        if file != here {
            let (file, here) = (file.map(str::to_owned), here.map(str::to_owned));
            all.push(Deviation::Attribute { told: told.clone(), key: key.clone(), file, here });
        }
    }
    if all.len() == before && file != here {
        all.push(Deviation::Order);
    }
}
