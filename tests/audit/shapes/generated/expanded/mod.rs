//! As generated.

pub mod expanded_skill;
pub mod expanded_worker;
pub mod expanded_worker_skill;
