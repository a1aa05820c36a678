//! `#[sea_orm::compact_model]`: relation fields without attributes of SeaORM's, the `Relation` enum by hand.

#![deny(warnings)]

mod cake {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "cake")]
    #[audit(name = "Cake", mask(secret), rename(kind = "sort"))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[audit(name = "title")]
        pub name: String,
        pub secret: String,
        #[audit(skip)]
        pub cache: String,
        #[audit(plain, ignore)]
        pub token: String,
        pub kind: String,
        #[sea_orm(ignore)]
        pub scratch: i32,
        #[audit(link)]
        pub fillings: HasMany<super::filling::Entity>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl Related<super::filling::Entity> for Entity {
        fn to() -> RelationDef {
            super::cake_filling::Relation::Filling.def()
        }

        fn via() -> Option<RelationDef> {
            Some(super::cake_filling::Relation::Cake.def().rev())
        }
    }
}

mod filling {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "filling")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

mod cake_filling {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "cake_filling")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub cake_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub filling_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(belongs_to = "super::cake::Entity", from = "Column::CakeId", to = "super::cake::Column::Id")]
        Cake,
        #[sea_orm(
            belongs_to = "super::filling::Entity",
            from = "Column::FillingId",
            to = "super::filling::Column::Id"
        )]
        Filling,
    }
}

fn main() {}
