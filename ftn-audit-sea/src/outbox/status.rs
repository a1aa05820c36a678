//! What waits in an outbox, at a cost that does not grow with it.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};

use super::{
    schema::{TABLE, now},
    statement::Text,
};

/// How many rows are looked at.
const BOUND: u64 = 100_000;

/// A look at the waiting rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) waiting: u64,
    /// Not due yet: with a relay, or to be tried again.
    pub(super) parked: u64,
    pub(super) oldest: Duration,
}

pub(super) async fn observe<C: ConnectionTrait>(connection: &C) -> Result<Seen, DbErr> {
    let now = now(connection.get_database_backend());
    let text = Text::new(
        format!(
            "SELECT COUNT(*), COUNT(CASE WHEN due_at > {now} THEN 1 END), COALESCE({now} - MIN(recorded_at), 0) \
             FROM (SELECT due_at, recorded_at FROM {TABLE} WHERE state = 'waiting' ORDER BY due_at LIMIT {BOUND}) \
             AS seen"
        ),
        [],
    );
    let Some(row) = text.rows(connection).await?.pop() else { return Ok(Seen::default()) };
    let number = |index| row.try_get_by_index::<i64>(index).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(Seen { waiting: number(0)?, parked: number(1)?, oldest: Duration::from_micros(number(2)?) })
}
