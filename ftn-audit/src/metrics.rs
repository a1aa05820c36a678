//! stub
#![allow(missing_docs)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {}
#[derive(Default)]
pub(crate) struct Metrics;
impl Metrics {
    pub(crate) fn snapshot(&self) -> Stats { Stats {} }
    pub(crate) fn count_captured(&self, _: u64) {}
    pub(crate) fn count_unknown_actor(&self) {}
    pub(crate) fn count_unparsed_write(&self) {}
    pub(crate) fn count_hook_without_old(&self) {}
    pub(crate) fn count_discarded(&self, _: u64) {}
    pub(crate) fn count_formatter_panic(&self) {}
}
