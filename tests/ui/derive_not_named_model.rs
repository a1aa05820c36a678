use ftn_audit_sea::entity::*;

#[derive(Auditable)]
struct Item {
    id: i32,
}

fn main() {}
