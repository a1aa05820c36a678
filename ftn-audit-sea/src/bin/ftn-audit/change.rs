//! What repeats or removes rows, a batch at a time.

use std::ops::AsyncFnMut;

use ftn_audit_sea::outbox::Selection;
use indicatif::ProgressBar;
use sea_orm::DbErr;
use serde_json::json;

use crate::{
    Outbox,
    arguments::{Chosen, Prune},
    failure::Failure,
    output::Output,
};

pub fn reasoned(reason: Option<&String>) -> Result<&str, Failure> {
    reason.map(|reason| reason.trim()).filter(|reason| !reason.is_empty()).ok_or(Failure::NoReason)
}

/// An id that nobody knows is a mistake, also among known ones.
async fn known(outbox: &Outbox, selection: &Selection) -> Result<(), Failure> {
    for id in &selection.ids {
        let one = Selection { ids: vec![id.clone()], ..Selection::default() };
        if outbox.count(&one).await? == 0 {
            return Err(Failure::UnknownId(id.clone()));
        }
    }
    Ok(())
}

async fn selected(outbox: &Outbox, chosen: Chosen) -> Result<(Selection, String), Failure> {
    let reason = reasoned(chosen.reason.as_ref())?.to_owned();
    let selection = chosen.rows.selection(chosen.ids);
    known(outbox, &selection).await?;
    Ok((selection, reason))
}

async fn batches(
    bar: ProgressBar,
    mut batch: impl AsyncFnMut() -> Result<u64, DbErr>,
) -> Result<u64, Failure> {
    let mut rows = 0;
    loop {
        let changed = batch().await?;
        if changed == 0 {
            bar.finish_and_clear();
            return Ok(rows);
        }
        rows += changed;
        bar.inc(changed);
    }
}

fn done(rows: u64, verb: &'static str, output: &Output) -> Result<(), Failure> {
    if rows == 0 {
        return Err(Failure::NoRow(verb));
    }
    output.answer(&json!({ verb: rows }), [format!("{rows} rows {verb}")]);
    Ok(())
}

pub async fn retry(outbox: &Outbox, chosen: Chosen, output: &Output) -> Result<(), Failure> {
    let (selection, reason) = selected(outbox, chosen).await?;
    let bar = output.bar(outbox.count(&selection).await?, "retrying");
    let rows = batches(bar, async || outbox.retry_batch(&selection, &reason).await).await?;
    done(rows, "retried", output)
}

pub async fn discard(outbox: &Outbox, chosen: Chosen, output: &Output) -> Result<(), Failure> {
    let (selection, reason) = selected(outbox, chosen).await?;
    let bar = output.bar(outbox.count(&selection).await?, "discarding");
    let rows = batches(bar, async || outbox.discard_batch(&selection, &reason).await).await?;
    done(rows, "discarded", output)
}

pub async fn prune(outbox: &Outbox, prune: Prune, output: &Output) -> Result<(), Failure> {
    let reason = reasoned(prune.reason.as_ref())?;
    let bar = output.spinner("pruning");
    let rows =
        batches(bar, async || outbox.prune_batch(prune.state.into(), prune.older_than, reason).await).await?;
    done(rows, "pruned", output)
}
