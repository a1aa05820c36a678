mod item {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use ftn_audit_sea::prelude::*;

#[audit_formatter()]
fn described(_: &Change<item::Model>) -> Formatted {
    Formatted::new("text")
}

fn main() {}
