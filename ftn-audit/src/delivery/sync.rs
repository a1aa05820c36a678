//! Delivery before the write returns.
//!
//! Two threads: one on which sinks run, and one that does nothing but keep the time, so that even a sink which blocks
//! its thread holds no write up beyond the timeout.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

use super::{
    ledger::{Launch, Ledger},
    log::Voice,
    send::{Answer, Plan},
    worker::{ATTEMPT_LIMIT, AttemptLog, later, runtime},
};
use crate::{AuditRecord, metrics::Reason, sink::Sink};

/// The most records in one request.
const MOST: usize = 512;

pub(super) struct Direct {
    launches: tokio::sync::mpsc::UnboundedSender<Launch>,
    /// All attempts have the same timeout, so they end in the order in which they began.
    deadlines: mpsc::Sender<(Instant, u64)>,
    timeout: Duration,
}

impl Direct {
    pub(super) fn start(ledger: Arc<Ledger>, sink: Arc<dyn Sink>, timeout: Duration) -> io::Result<Self> {
        let runtime = runtime()?;
        let (launches, mut launched) = tokio::sync::mpsc::unbounded_channel::<Launch>();
        let (deadlines, due) = mpsc::channel::<(Instant, u64)>();
        let keeper = ledger.clone();
        let voice = Voice::of_caller();
        let voice_of_keeper = voice.clone();
        thread::Builder::new().name("ftn-audit-timeout".to_owned()).spawn(move || {
            let _voice = voice_of_keeper.take_over();
            for (deadline, launch) in due {
                thread::sleep(deadline.saturating_duration_since(Instant::now()));
                keeper.expire(launch, Reason::Timeout);
            }
        })?;
        thread::Builder::new().name("ftn-audit-sync".to_owned()).spawn(move || {
            let _voice = voice.take_over();
            let log = Arc::new(AttemptLog::default());
            runtime.block_on(async {
                let mut flights = JoinSet::new();
                loop {
                    tokio::select! {
                        launch = launched.recv() => match launch {
                            Some(launch) => {
                                flights.spawn(fly(ledger.clone(), sink.clone(), log.clone(), launch));
                            }
                            None => break,
                        },
                        Some(_) = flights.join_next() => {}
                    }
                }
                while flights.join_next().await.is_some() {}
            });
            drop(sink);
            runtime.shutdown_background();
        })?;
        Ok(Self { launches, deadlines, timeout })
    }

    /// Begins the attempt. It is over when the receiver says that its sender is gone.
    pub(super) fn send(&self, ledger: &Ledger, records: Vec<AuditRecord>) -> Option<watch::Receiver<()>> {
        let launch = ledger.launch(records)?;
        let (id, landed) = (launch.id, launch.landed.clone());
        let due = later(Instant::now(), self.timeout).unwrap_or_else(Instant::now);
        // Both threads live as long as this; if one is gone all the same, its records must not wait for it.
        if self.deadlines.send((due, id)).is_err() || self.launches.send(launch).is_err() {
            ledger.expire(id, Reason::NoWorker);
        }
        Some(landed)
    }
}

async fn fly(ledger: Arc<Ledger>, sink: Arc<dyn Sink>, log: Arc<AttemptLog>, launch: Launch) {
    let Some(mut taken) = ledger.board(&launch) else { return };
    let sink = &*sink;
    let mut plan = Plan::new(sink, &taken.records, MOST);
    while let Some(part) = plan.head().cloned() {
        let answer = tokio::select! {
            biased;
            answer = plan.attempt(sink, &taken.records, ATTEMPT_LIMIT) => answer,
            _ = taken.landed.changed() => return,
        };
        ledger.metrics.sink_answered(matches!(answer, Answer::Refused(_)));
        let fate = match answer {
            Answer::Split => continue,
            Answer::Settled(fate, why) => {
                log.settled(sink, &taken.records[part.range.clone()], fate, why);
                fate
            }
            // A sink that takes nothing now gets nothing more of this transaction either.
            Answer::Refused(refusal) => {
                log.refused(sink, &part, &refusal, None);
                ledger.settle(&taken, part.range.start..taken.records.len(), refusal.fate(), false);
                return;
            }
        };
        plan.settled(part.range.len());
        if !ledger.settle(&taken, part.range, fate, false) {
            return;
        }
    }
}
