//! What a relay does beside sending: counting, and bounding the age of rows in every state.

use std::time::Duration;

use ftn_audit::relay::Courier;
use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use tokio::{sync::watch, time::sleep};

use super::lane::told;
use crate::outbox::{
    retention::{State, expire, prune},
    status::observe,
    without_data,
};

const EVERY: Duration = Duration::from_secs(30);

/// At intervals, until told to stop.
pub(super) async fn run<C>(databases: Vec<C>, courier: Courier, mut stopped: watch::Receiver<bool>)
where
    C: ConnectionTrait + TransactionTrait,
{
    loop {
        once(&databases, &courier).await;
        tokio::select! {
            () = sleep(EVERY.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
            () = told(&mut stopped) => return,
        }
    }
}

pub(super) async fn once<C>(databases: &[C], courier: &Courier)
where
    C: ConnectionTrait + TransactionTrait,
{
    let (mut waiting, mut parked, mut oldest) = (0, 0, Duration::ZERO);
    for database in databases {
        if let Err(error) = keep(database, courier).await {
            tracing::warn!(
                target: "ftn_audit::relay",
                why = without_data(&error),
                "old rows of an outbox could not be removed; it is tried again"
            );
        }
        if let Ok(seen) = observe(database).await {
            waiting += seen.waiting;
            parked += seen.parked;
            oldest = oldest.max(seen.oldest);
        }
    }
    courier.observe(waiting, parked, oldest);
}

async fn keep<C>(database: &C, courier: &Courier) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let settings = courier.settings();
    let expired = expire(database, settings.max_age).await?;
    if expired > 0 {
        courier.count_dead(expired, true);
        tracing::error!(
            target: "ftn_audit::relay",
            rows = expired,
            "audit records waited longer than `max_age` for a sink that takes them: they are dead letters now"
        );
    }
    for (state, keep) in [
        (State::Sent, settings.keep_sent),
        (State::Dead, settings.keep_dead),
        (State::Discarded, settings.keep_dead),
    ] {
        let pruned = prune(database, state, keep).await?;
        if pruned > 0 {
            tracing::info!(
                target: "ftn_audit::relay",
                rows = pruned, state = state.as_str(),
                "rows of the outbox were removed, as old as they may become"
            );
        }
    }
    Ok(())
}
