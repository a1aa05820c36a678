//! How old rows may become, in every state.

use std::time::Duration;

use ftn_audit::stored::FORMAT;
use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};

use super::{
    claim::micros,
    schema::{TABLE, now},
    statement::{Text, change},
};

/// Few enough that a batch is over before anybody waits for it.
const BATCH: u64 = 1000;

/// A row that waits no more.
///
/// ```
/// assert_eq!(ftn_audit_sea::outbox::State::Dead.as_str(), "dead");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The sink has it.
    Sent,
    /// The sink will never take it, or it waited too long.
    Dead,
    /// An operator decided that it is not sent.
    Discarded,
}

impl State {
    /// The value of the column `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }
}

/// Removes rows that came into a state longer than `age` ago, in small batches, and says how many.
///
/// # Errors
///
/// When the database refuses; the batches before are removed.
pub async fn prune<C>(connection: &C, state: State, age: Duration) -> Result<u64, DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let mut pruned = 0;
    loop {
        let batch = prune_batch(connection, state, age).await?;
        pruned += batch;
        if batch < BATCH {
            return Ok(pruned);
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn prune_batch<C>(connection: &C, state: State, age: Duration) -> Result<u64, DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let now = now(connection.get_database_backend());
    let (state, age) = (state.as_str(), micros(age));
    let old = format!("state = '{state}' AND due_at <= {now} - ?");
    let find = Text::new(format!("SELECT id FROM {TABLE} WHERE {old} LIMIT {BATCH}"), [age.into()]);
    let ids = ids(connection, find).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let remove = Text::new(format!("DELETE FROM {TABLE} WHERE {old} AND id IN "), [age.into()]).list(ids);
    change(connection, remove).await
}

/// Makes dead letters of rows that have waited longer than `age`, by the database's clock, and says how many. Not of
/// those that a relay has, nor of those whose format is too new to be judged.
pub(super) async fn expire<C>(connection: &C, age: Duration) -> Result<u64, DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let now = now(connection.get_database_backend());
    let clock = Text::new(format!("SELECT {now}"), []).rows(connection).await?;
    let Some(clock) = clock.first() else { return Ok(0) };
    let cut = clock.try_get_by_index::<i64>(0)?.saturating_sub(micros(age));
    let Ok(cut_micros) = u64::try_from(cut) else { return Ok(0) };
    // An id begins with the time at which the record was made, in milliseconds: the oldest are found by it, for
    // no index has the times of all waiting rows in order.
    let milliseconds = cut_micros / 1000;
    let before = format!("{:08x}-{:04x}", milliseconds >> 16, milliseconds & 0xffff);
    let old = format!(
        "state = 'waiting' AND recorded_at <= ? AND format <= {FORMAT} AND (lease_owner IS NULL OR due_at <= {now})"
    );
    let mut expired = 0;
    loop {
        let find = Text::new(
            format!("SELECT id FROM {TABLE} WHERE id < ? AND {old} ORDER BY id LIMIT {BATCH}"),
            [before.as_str().into(), cut.into()],
        );
        let ids = ids(connection, find).await?;
        if ids.is_empty() {
            return Ok(expired);
        }
        let bury = Text::new(
            format!(
                "UPDATE {TABLE} SET state = 'dead', due_at = {now}, lease_owner = NULL, \
                 last_error = 'waited longer than max_age' WHERE {old} AND id IN "
            ),
            [cut.into()],
        );
        expired += change(connection, bury.list(ids)).await?;
    }
}

async fn ids<C: ConnectionTrait>(connection: &C, find: Text) -> Result<Vec<String>, DbErr> {
    let rows = find.rows(connection).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
