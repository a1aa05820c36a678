//! What a transaction owns goes to the outbox: all of it before COMMIT, and a part earlier when it grows.

use ftn_audit::{Audit, AuditRecord, OutboxFull};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::{Outbox, writer::insert};
use crate::{
    capture,
    connection::Shared,
    error::{AuditError, sql_state},
    scope::{Entry, Scope},
};

/// Writes what the outermost frame owns, numbered and counted: before the commit, or before a statement that makes the database
/// commit.
///
/// # Errors
///
/// When a record cannot be stored that its change must not be without. The scope keeps the records: they go when the caller
/// rolls back, and are asked for again where it does not.
pub(crate) async fn store<T: ConnectionTrait>(
    inner: &T,
    scope: &Scope,
    shared: &Shared,
    outbox: &Outbox,
) -> Result<(), DbErr> {
    let mut records = capture::finish(&shared.audit, scope.take_entries(0));
    if records.is_empty() {
        return Ok(());
    }
    let count = scope.number(0, &mut records);
    for record in &mut records {
        if let (Some(transaction), Some(sequence)) = (record.transaction_id(), record.sequence()) {
            record.set_place(transaction, sequence, Some(count));
        }
    }
    if let Err(error) = reasoned(&records) {
        scope.put_back(0, entries(records));
        return Err(error);
    }
    if outbox.limit.is_reached(inner).await {
        return full(records, scope, shared);
    }
    let (best_effort, mut needed): (Vec<_>, Vec<_>) =
        records.into_iter().partition(AuditRecord::is_best_effort);
    if let Err(error) = insert(inner, &needed).await {
        needed.extend(best_effort);
        needed.sort_by_key(AuditRecord::sequence);
        scope.put_back(0, entries(needed));
        scope.statement_failed(&error);
        return Err(AuditError::Outbox(error).into_db_err());
    }
    let mut stored = needed.len();
    if !best_effort.is_empty() {
        stored += best_effort.len();
        if let Err(error) = insert_if_possible(inner, scope, &best_effort).await {
            if ends_the_transaction(shared.backend, &error) {
                shared.audit.discard(stored);
                return Err(error);
            }
            stored -= best_effort.len();
            tracing::error!(
                target: "ftn_audit::delivery",
                records = best_effort.len(), why = super::without_data(&error),
                "the outbox does not take audit records: they go to the fallback"
            );
            scope.outside(best_effort);
        }
    }
    scope.count_stored(stored);
    Ok(())
}

/// A record without the reason that its entity demands is not stored, and so its change is not made.
pub(crate) fn reasoned(records: &[AuditRecord]) -> Result<(), DbErr> {
    match records.iter().find(|record| record.lacks_reason() && !record.is_best_effort()) {
        Some(record) => Err(AuditError::ReasonMissing { model: record.model().to_owned() }.into_db_err()),
        None => Ok(()),
    }
}

fn full(records: Vec<AuditRecord>, scope: &Scope, shared: &Shared) -> Result<(), DbErr> {
    let full = shared.audit.outbox_settings().map(|settings| settings.full).unwrap_or_default();
    if full == OutboxFull::StopRecording {
        tracing::error!(
            target: "ftn_audit::delivery",
            records = records.len(),
            "the outbox is full: audit records go to the fallback; start relays, or see why they do not deliver"
        );
        shared.audit.not_stored(records, true);
        return Ok(());
    }
    scope.put_back(0, entries(records));
    Err(AuditError::OutboxFull.into_db_err())
}

/// Inside a savepoint, so that a failure leaves the transaction as it was. Only here, where nobody else has the
/// connection any more: `ROLLBACK TO` would undo what another task wrote.
async fn insert_if_possible<T: ConnectionTrait>(
    inner: &T,
    scope: &Scope,
    records: &[AuditRecord],
) -> Result<(), DbErr> {
    if scope.has_ended() {
        return insert(inner, records).await;
    }
    inner.execute_unprepared("SAVEPOINT ftn_audit_outbox").await?;
    let stored = insert(inner, records).await;
    let end = match stored {
        Ok(()) => "RELEASE SAVEPOINT ftn_audit_outbox",
        Err(_) => "ROLLBACK TO SAVEPOINT ftn_audit_outbox",
    };
    inner.execute_unprepared(end).await?;
    stored
}

/// MySQL answers a deadlock by rolling everything back: then there is nothing left that could be committed.
pub(crate) fn ends_the_transaction(backend: DbBackend, error: &DbErr) -> bool {
    backend == DbBackend::MySql && sql_state(error).as_deref() == Some("40001")
}

/// Writes the records of the innermost frame when the transaction's records take too much memory. They are rows of
/// the same transaction and savepoint: a rollback takes them back. The last one is kept, so that the commit has a row
/// to say the count in.
pub(crate) async fn spill<T: ConnectionTrait>(
    inner: &T,
    scope: &Scope,
    audit: &Audit,
    backend: DbBackend,
) -> Result<(), DbErr> {
    let Some(settings) = audit.outbox_settings() else { return Ok(()) };
    if scope.bytes() <= settings.scope_bytes {
        return Ok(());
    }
    let innermost = scope.depth().saturating_sub(1);
    // Numbers are given in the order of the statements, so the outer frames' come first.
    for frame in 0..innermost {
        let mut records = capture::finish(audit, scope.take_entries(frame));
        scope.number(frame, &mut records);
        scope.put_back(frame, entries(records));
    }
    let mut records = capture::finish(audit, scope.take_entries(innermost));
    scope.number(innermost, &mut records);
    if let Err(error) = reasoned(&records) {
        scope.put_back(innermost, entries(records));
        return Err(error);
    }
    let (mut kept, mut needed): (Vec<_>, Vec<_>) = records.into_iter().partition(AuditRecord::is_best_effort);
    let last = needed.pop();
    let stored = insert(inner, &needed).await;
    match &stored {
        Ok(()) => scope.spilled(innermost, needed.len()),
        Err(error) => {
            scope.statement_failed(error);
            if ends_the_transaction(backend, error) {
                // Their work is undone: nothing of it may be told.
                audit.discard(needed.len() + kept.len() + usize::from(last.is_some()));
                return stored.map_err(|error| AuditError::Outbox(error).into_db_err());
            }
            kept.append(&mut needed);
        }
    }
    kept.extend(last);
    kept.sort_by_key(AuditRecord::sequence);
    scope.put_back(innermost, entries(kept));
    stored.map_err(|error| AuditError::Outbox(error).into_db_err())
}

fn entries(records: Vec<AuditRecord>) -> Vec<Entry> {
    records.into_iter().map(|record| Entry::Record(Box::new(record))).collect()
}
