//! For the tests of an application: a [`Recorder`] that keeps what a handle records, an [`Expectation`] of one record,
//! and a [`Snapshot`] in which nothing changes from run to run.
//!
//! `ftn_audit_sea::testing` has the macros `assert_audited!` and `assert_not_audited!`, which say the same of entities.

mod difference;
mod expectation;
mod recorder;
mod snapshot;

pub use self::{
    expectation::{Expectation, event},
    recorder::Recorder,
    snapshot::{Snapshot, SnapshotRecord},
};
