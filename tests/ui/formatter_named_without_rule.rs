mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }
}

use ftn_audit_sea::prelude::*;

#[derive(Default)]
struct Described;

impl AuditFormatter for Described {
    type Subject = item::Model;
}

fn main() {
    let _ = Audit::builder().formatter::<Described>();
}
