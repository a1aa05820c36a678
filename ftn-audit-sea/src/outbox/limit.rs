//! How many rows may wait.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::schema::TABLE;

/// A count costs as much as there are rows, so one stands for a while.
const STANDS: Duration = Duration::from_secs(2);

/// Counts waiting rows now and then, and remembers whether they are too many.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    most: Option<u64>,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Limit {
    pub(crate) fn new(most: Option<u64>) -> Self {
        Self { most, last: Mutex::default() }
    }

    /// Whether as many rows wait as may. A count that fails is none: the insert after it will say what is wrong.
    pub(crate) async fn is_reached<C: ConnectionTrait>(&self, connection: &C) -> bool {
        let Some(most) = self.most else { return false };
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, reached)) = *last()
            && when.elapsed() < STANDS
        {
            return reached;
        }
        let reached = waiting(connection, most).await.is_ok_and(|count| count >= most);
        *last() = Some((Instant::now(), reached));
        reached
    }

    /// The first count, at start-up: fails where the role may not count.
    pub(crate) async fn check<C: ConnectionTrait>(&self, connection: &C) -> Result<(), DbErr> {
        match self.most {
            Some(_) => waiting(connection, 1).await.map(|_| ()),
            None => Ok(()),
        }
    }
}

/// How many rows wait, counted up to `most`.
async fn waiting<C: ConnectionTrait>(connection: &C, most: u64) -> Result<u64, DbErr> {
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT state FROM {TABLE} WHERE state = 'waiting' LIMIT {most}) AS counted"
    );
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let count: i64 = match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    };
    Ok(count.unsigned_abs())
}
