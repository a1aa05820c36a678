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

pub struct Row<'a>(&'a str);

#[audit_formatter()]
fn described(_: &Change<Row<'_>>) -> Formatted {
    Formatted::new("text")
}

fn main() {}
