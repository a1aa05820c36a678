use ftn_audit_sea::entity::*;

#[derive(Auditable)]
struct Model(i32);

fn main() {}
