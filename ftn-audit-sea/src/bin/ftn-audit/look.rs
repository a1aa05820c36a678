//! Looking, without changing anything.

use ftn_audit_sea::outbox::{Model, Selection};
use serde_json::{Value, json};

use crate::{
    Outbox,
    arguments::{List, Show},
    failure::Failure,
    output::{Output, time},
};

pub async fn status(outbox: &Outbox, output: &Output) -> Result<(), Failure> {
    let status = outbox.status().await?;
    let states: serde_json::Map<_, _> =
        status.states.iter().map(|(state, rows)| (state.clone(), json!(rows))).collect();
    let object = json!({
        "states": states,
        "parked": status.parked,
        "newer_format": status.newer_format,
        "oldest_waiting_seconds": status.oldest_waiting.as_secs_f64(),
    });
    let mut lines: Vec<_> = status.states.iter().map(|(state, rows)| format!("{state:<10} {rows}")).collect();
    if lines.is_empty() {
        lines.push("the outbox is empty".to_owned());
    }
    lines.push(format!("with a relay or parked: {}", status.parked));
    lines.push(format!("in a format newer than this version: {}", status.newer_format));
    lines.push(format!("oldest waiting: {:.1} s", status.oldest_waiting.as_secs_f64()));
    output.answer(&object, lines);
    Ok(())
}

pub async fn list(outbox: &Outbox, list: List, output: &Output) -> Result<(), Failure> {
    let rows = outbox.list(&list.rows.selection(Vec::new()), list.limit).await?;
    let lines = rows.iter().map(|row| {
        format!(
            "{}  {}  {:<9}  {} {}  attempts {}  {}",
            row.id,
            time(row.recorded_at),
            row.state,
            row.event,
            row.model,
            row.attempts,
            row.last_error.as_deref().unwrap_or_default()
        )
    });
    output.answer(&json!({ "rows": rows.iter().map(about).collect::<Vec<_>>() }), lines);
    Ok(())
}

/// What is known of a row beside its record's data.
fn about(row: &Model) -> Value {
    json!({
        "id": row.id,
        "transaction_id": row.transaction_id,
        "sequence": row.sequence,
        "transaction_count": row.transaction_count,
        "tenant": row.tenant,
        "model": row.model,
        "event": row.event,
        "format": row.format,
        "occurred_at": time(row.occurred_at),
        "recorded_at": time(row.recorded_at),
        "state": row.state,
        "due_at": time(row.due_at),
        "leased": row.lease_owner.is_some(),
        "attempts": row.attempts,
        "last_error": row.last_error,
    })
}

pub async fn show(outbox: &Outbox, show: Show, output: &Output) -> Result<(), Failure> {
    let selection = Selection { ids: vec![show.id.clone()], ..Selection::default() };
    let row = outbox.list(&selection, 1).await?.pop().ok_or(Failure::UnknownId(show.id))?;
    let mut object = about(&row);
    let mut record = outbox.record(&row)?.to_json();
    if !show.reveal {
        mask(&mut record);
    }
    object["record"] = record;
    let text = serde_json::to_string_pretty(&object).unwrap_or_default();
    output.answer(&object, [text]);
    Ok(())
}

/// What an event is stays; what it says of rows and people does not.
fn mask(record: &mut Value) {
    const SHOWN: [&str; 12] = [
        "log.record.uid",
        "audit.event_type",
        "audit.model",
        "audit.raw_route",
        "audit.field_name",
        "audit.action",
        "audit.transaction_id",
        "audit.sequence",
        "audit.transaction_count",
        "audit.actor.type",
        "http.request.method",
        "http.route",
    ];
    for field in ["pk", "description"] {
        record[field] = "***".into();
    }
    if let Some(attributes) = record["attributes"].as_object_mut() {
        for (key, value) in attributes {
            if !SHOWN.contains(&key.as_str()) && !key.starts_with("db.") {
                *value = "***".into();
            }
        }
    }
}
