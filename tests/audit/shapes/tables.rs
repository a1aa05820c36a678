//! Tables that know more than their entity, and the entity formats.

/// A column that the database computes, one under another name, and columns in the table that the entity lacks.
pub mod receipt {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "receipt")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub net: i32,
        #[sea_orm(column_name = "grossAmount")]
        pub gross: i32,
        #[sea_orm(column_name = "userPIN")]
        pub user_code: Option<String>,
    }
}

/// A table that is a word of SQL, with columns that are.
pub mod order {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "order")]
    #[audit(mask(select))]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub group: i32,
        pub r#where: String,
        pub select: Option<String>,
        pub buyer_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(belongs_to = "Entity", from = "Column::BuyerId", to = "Column::Group")]
        Buyer,
    }
}
