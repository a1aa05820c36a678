//! Whether anything is missing.

use std::{fs::File, io::BufReader, process::ExitCode};

use ftn_audit_sea::outbox::Export;
use serde_json::json;

use crate::{Outbox, arguments::Verify, failure::Failure, output::Output};

const INCOMPLETE: u8 = 3;

pub async fn run(outbox: &Outbox, verify: Verify, output: &Output) -> Result<ExitCode, Failure> {
    let spinner = output.spinner("verifying");
    let export = match verify.against {
        None => None,
        Some(path) => {
            let failed = |error| Failure::File(path.display().to_string(), error);
            let file = File::open(&path).map_err(failed)?;
            Some(Export::read(BufReader::new(file)).map_err(failed)?)
        }
    };
    let found = outbox.verify(export.as_ref(), verify.keep_sent).await?;
    spinner.finish_and_clear();
    let gaps: Vec<_> = found
        .gaps
        .iter()
        .map(|gap| json!({ "transaction_id": gap.transaction, "missing": gap.missing, "tail": gap.tail }))
        .collect();
    let states: serde_json::Map<_, _> =
        found.states.iter().map(|(state, rows)| (state.clone(), json!(rows))).collect();
    let object = json!({
        "complete": found.is_complete(),
        "states": states,
        "transactions": found.transactions,
        "gaps": gaps,
        "not_arrived": found.not_arrived,
        "unchecked_transactions": found.unchecked,
        "export": export.as_ref().map(|export| json!({
            "records": export.records(),
            "unreadable_lines": export.unreadable(),
        })),
    });
    let mut lines: Vec<_> = found.states.iter().map(|(state, rows)| format!("{state:<10} {rows}")).collect();
    lines.push(format!("transactions: {}, incomplete: {}", found.transactions, found.gaps.len()));
    for gap in &found.gaps {
        let tail = if gap.tail { ", and the end" } else { "" };
        lines.push(format!("  {}: missing {:?}{tail}", gap.transaction, gap.missing));
    }
    match &export {
        Some(export) => {
            lines.push(format!(
                "export: {} records, {} unreadable lines, sent but not in it: {}",
                export.records(),
                export.unreadable(),
                found.not_arrived.len()
            ));
            lines.extend(found.not_arrived.iter().map(|id| format!("  {id}")));
        }
        None => lines.push("not checked: whether sent records arrived (say `--against`)".to_owned()),
    }
    if found.unchecked > 0 {
        lines.push(format!(
            "not checked: {} transactions, whose missing records may have been sent and removed",
            found.unchecked
        ));
    }
    output.answer(&object, lines);
    Ok(if found.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
