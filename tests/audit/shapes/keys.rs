//! Keys of one to twelve columns.

#![allow(dead_code, reason = "what SeaORM writes inside a macro of ours counts as ours")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveValueType)]
pub struct Number(pub i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i32", db_type = "Integer")]
pub enum Grade {
    #[sea_orm(num_value = 1)]
    Low,
    #[sea_orm(num_value = 20)]
    High,
}

macro_rules! keyed {
    ($name:ident $table:literal: $($column:ident $ty:ty),+) => {
        pub mod $name {
            use ftn_audit_sea::entity::*;
            use sea_orm::entity::prelude::*;

            #[allow(unused_imports, reason = "most keys have columns of plain types")]
            use super::{Grade, Number};

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
keyed!(four "keyed_4": a Number, b Grade, c Date, d i16);
keyed!(five "keyed_5": a i32, b i32, c i32, d i32, e i32);
keyed!(six "keyed_6": a i32, b i32, c i32, d i32, e i32, f Uuid);
keyed!(seven "keyed_7": a i32, b i32, c i32, d i32, e i32, f i32, g i32);
keyed!(eight "keyed_8": a i32, b i32, c i32, d i32, e i32, f i32, g i32, h i32);
keyed!(nine "keyed_9": a i32, b i32, c i32, d i32, e i32, f i32, g i32, h i32, i i32);
keyed!(ten "keyed_10": a i32, b i32, c i32, d i32, e i32, f i32, g i32, h i32, i i32, j i32);
keyed!(eleven "keyed_11": a i32, b i32, c i32, d i32, e i32, f i32, g i32, h i32, i i32, j i32, k i32);
keyed!(twelve "keyed_12": a i32, b i32, c i32, d i32, e i32, f i32, g i32, h i32, i i32, j i32, k i32, l i32);
