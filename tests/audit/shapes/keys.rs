//! Keys of one to twelve columns.

macro_rules! keyed {
    ($name:ident $table:literal: $($column:ident $ty:ty),+) => {
        pub mod $name {
            use ftn_audit_sea::entity::*;
            use sea_orm::entity::prelude::*;

            #[sea_orm::model]
            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $(
                    #[sea_orm(primary_key, auto_increment = false)]
                    pub $column: $ty,
                )+
                pub note: String,
            }
        }
    };
}

keyed!(one "keyed_1": a String);
keyed!(two "keyed_2": a i32, b String);
keyed!(three "keyed_3": a i32, b i64, c bool);
keyed!(six "keyed_6": a i32, b i32, c i32, d i32, e i32, f Uuid);
keyed!(twelve "keyed_12": a i32, b i32, c i32, d i32, e i32, f i32, g i32, h i32, i i32, j i32, k i32, l i32);
