//! The Python library's meaning, kept: its observed behaviour, one scenario a line, interpreted and compared.
//!
//! The file is that of `FTN_AUDIT_ORACLE`, else `tests/data/seed_oracle.jsonl`. What differs on purpose stands, with its
//! reason, in [`differences`]; what has no counterpart in SeaORM is told as not applicable.

mod connection;
mod deviation;
mod differences;
mod entities;
mod features;
mod formatters;
mod instance;
mod interpreter;
mod links;
mod ordered;
mod parts;
mod prediction;
mod python;
mod scenario;
mod scene;
mod truth;
mod verdict;
mod web;

use std::collections::BTreeMap;

use crate::{scenario::Scenario, verdict::Verdict};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conformance() {
    let path = std::env::var("FTN_AUDIT_ORACLE")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/seed_oracle.jsonl").to_owned());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (mut equal, mut wrong) = (0, Vec::new());
    let mut different: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut not_applicable: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut all_different, mut all_not_applicable) = (0, 0);
    let scenarios = Scenario::all(&text);
    assert!(!scenarios.is_empty(), "{path} has no scenario");
    for scenario in scenarios {
        let name = scenario.name().to_owned();
        // A scenario that panics must not hide the others.
        let judged = tokio::spawn(async move { verdict::of(&scenario).await }).await;
        match judged.unwrap_or_else(|error| Verdict::Wrong(vec![format!("panicked: {error}")])) {
            Verdict::Equal => equal += 1,
            Verdict::Different(rules) => {
                all_different += 1;
                for rule in rules {
                    different.entry(rule).or_default().push(name.clone());
                }
            }
            Verdict::NotApplicable(reason) => {
                all_not_applicable += 1;
                not_applicable.entry(reason).or_default().push(name);
            }
            Verdict::Wrong(why) => wrong.push((name, why)),
        }
    }
    for (rule, scenarios) in &different {
        println!("different ({rule}): {}\n    {}", verdict::reason(rule), scenarios.join("\n    "));
    }
    for (reason, scenarios) in &not_applicable {
        println!("not applicable: {reason}\n    {}", scenarios.join("\n    "));
    }
    for (name, why) in &wrong {
        println!("WRONG {name}\n    {}", why.join("\n    "));
    }
    println!(
        "conformance: {equal} equal, {all_different} different on purpose, {all_not_applicable} not applicable, \
         {} wrong",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{} scenarios are wrong", wrong.len());
}
