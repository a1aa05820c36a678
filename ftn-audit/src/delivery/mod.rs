//! stub
#![allow(missing_docs)]
use std::{sync::Arc, time::Duration};
use crate::{AuditRecord, metrics::Metrics, sink::Sink};
#[derive(Clone, Debug)]
pub struct Delivery(u8);
impl Delivery {
    pub fn noop() -> Self { Self(0) }
    pub fn sync() -> Self { Self(1) }
    pub fn queue() -> Self { Self(2) }
    pub(crate) fn problems(&self) -> Vec<String> { vec![] }
    pub(crate) fn is_noop(&self) -> bool { self.0 == 0 }
    pub(crate) fn name(&self) -> &'static str { "queue" }
}
#[derive(Clone, Debug)]
pub struct Fallback;
impl Fallback { pub fn structured_log() -> Self { Self }
    pub(crate) fn name(&self) -> &'static str { "structured_log" } }
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ShutdownReport { pub drained: u64, pub failed: u64, pub left: u64 }
pub(crate) struct Dispatcher(Arc<dyn Sink>);
impl Dispatcher {
    pub(crate) fn start(_: Delivery, sink: Arc<dyn Sink>, _: Fallback, _: Arc<Metrics>) -> Self { Self(sink) }
    pub(crate) async fn hand_over(&self, records: Vec<AuditRecord>) { self.0.deliver(&records).await; }
    pub(crate) async fn shutdown(&self, _: Duration) -> ShutdownReport { ShutdownReport::default() }
    pub(crate) async fn flush(&self, _: Duration) -> bool { true }
}
