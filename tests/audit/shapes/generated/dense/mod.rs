//! As generated.

pub mod dense_skill;
pub mod dense_worker;
pub mod dense_worker_skill;
