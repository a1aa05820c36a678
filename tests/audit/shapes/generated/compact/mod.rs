//! As generated.

pub mod compact_skill;
pub mod compact_worker;
pub mod compact_worker_skill;
