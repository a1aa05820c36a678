//! One session after the other, and in each one batch after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};

use super::{
    super::{Arrived, Consumer, Engine, EngineError, PREFETCH, Settlement},
    batch::Judge,
};
use crate::relay::Pace;

pub(super) struct Lane {
    engine: Arc<dyn Engine>,
    judge: Judge,
    pace: Arc<Pace>,
    /// Sessions that failed one after the other, without a batch between them.
    failures: u32,
}

/// The longest wait of a lane whose broker does not answer.
const BROKER_AWAY: Duration = Duration::from_secs(15);

/// How long messages are held while the sink refuses. A broker takes messages back that are held for too long, and counts
/// that as a delivery.
const HOLD: Duration = Duration::from_secs(60);

/// What ends a session.
enum End {
    Stopped,
    /// The sink is not to be asked for longer than messages may be held.
    Paused,
}

impl Lane {
    pub(super) fn new(engine: Arc<dyn Engine>, judge: Judge, pace: Arc<Pace>) -> Self {
        Self { engine, judge, pace, failures: 0 }
    }

    /// Until told to stop. A sender that is gone tells nothing more, and does not count as a stop.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            if let Some(moment) = self.pace.not_before() {
                tokio::select! {
                    () = sleep_until(moment.into()) => {}
                    () = told(&mut stopped) => return,
                }
            }
            let opened = tokio::select! {
                opened = self.engine.consumer() => opened,
                () = told(&mut stopped) => return,
            };
            let ended = match opened {
                Ok(mut consumer) => self.session(&mut *consumer, &mut stopped).await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(End::Stopped) => return,
                Ok(End::Paused) => {}
                Err(error) => {
                    let wait = self.failed(&error);
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = told(&mut stopped) => return,
                    }
                }
            }
        }
    }

    async fn session(
        &mut self,
        consumer: &mut dyn Consumer,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<End, EngineError> {
        let most = usize::from(PREFETCH);
        let mut end = None;
        loop {
            if end.is_none() {
                end = self.turn(stopped).await;
                if end.is_some() {
                    consumer.cancel().await?;
                }
            }
            let arrived = if end.is_some() {
                consumer.receive(most).await?
            } else {
                tokio::select! {
                    // A stop is looked for first, so that a full queue does not keep a worker from it.
                    biased;
                    () = told(stopped) => continue,
                    arrived = consumer.receive(most) => arrived?,
                }
            };
            match end {
                Some(end) if arrived.is_empty() => return Ok(end),
                _ => self.work(consumer, arrived).await?,
            }
        }
    }

    /// Waits until the sink may be asked; says why not to go on.
    async fn turn(&self, stopped: &mut watch::Receiver<bool>) -> Option<End> {
        if *stopped.borrow() {
            return Some(End::Stopped);
        }
        let moment = self.pace.not_before()?;
        if moment.saturating_duration_since(Instant::now()) > HOLD {
            return Some(End::Paused);
        }
        tokio::select! {
            () = sleep_until(moment.into()) => None,
            () = told(stopped) => Some(End::Stopped),
        }
    }

    async fn work(&mut self, consumer: &mut dyn Consumer, arrived: Vec<Arrived>) -> Result<(), EngineError> {
        // Of those that come again, one may be what a worker died of. Each goes alone, after the others, so that it takes
        // none with it that could have been settled.
        let (new, again): (Vec<_>, Vec<_>) = arrived.into_iter().partition(|arrived| arrived.deliveries == 0);
        let batches = std::iter::once(new).chain(again.into_iter().map(|arrived| vec![arrived]));
        for batch in batches.filter(|batch| !batch.is_empty()) {
            let settled = match self.pace.not_before() {
                Some(moment) => postponed(&batch, moment),
                None => self.judge.batch(batch).await,
            };
            consumer.settle(settled).await?;
            self.failures = 0;
        }
        Ok(())
    }

    /// How long to wait before the next session.
    fn failed(&mut self, error: &EngineError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let (engine, failures) = (self.engine.name(), self.failures);
        if error.needs_operator() {
            tracing::error!(
                target: "ftn_audit::worker",
                engine, failures, why = %error,
                "a worker cannot go on until an operator mends this; it tries again"
            );
        } else {
            tracing::warn!(
                target: "ftn_audit::worker",
                engine, failures, why = %error,
                "a worker has no session with the broker; it tries again"
            );
        }
        self.judge.backoff(failures).min(BROKER_AWAY).max(Duration::from_millis(50))
    }
}

/// What came while the sink is not to be asked.
fn postponed(arrived: &[Arrived], moment: Instant) -> Vec<(super::super::Ticket, Settlement)> {
    let until = SystemTime::now() + moment.saturating_duration_since(Instant::now());
    arrived
        .iter()
        .map(|arrived| (arrived.ticket, Settlement::Later { until, attempts: arrived.content.attempts() }))
        .collect()
}

/// Ends when a stop is told; never when the one who could tell it is gone.
async fn told(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
