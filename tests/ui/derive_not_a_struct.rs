use ftn_audit_sea::entity::*;

#[derive(Auditable)]
enum Model {
    A,
}

fn main() {}
