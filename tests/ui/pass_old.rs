//! The format that `sea-orm-cli` generates, everything said on the struct.

#![deny(warnings)]

mod cake {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "cake", schema_name = "bakery", rename_all = "camelCase")]
    #[audit(
        name = "Cake",
        mask(id, secret),
        skip(cache),
        plain(token),
        ignore(seen_at),
        rename(name = "title", r#type = "kind"),
        link(field = "fillings", to = super::filling::Entity),
        link(field = "similar", to = Entity, via = super::similar_cake::Entity),
        link(field = "similar_to", to = Entity, via = super::similar_cake::Entity, reverse)
    )]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub secret: String,
        pub cache: String,
        pub token: String,
        pub seen_at: i64,
        pub r#type: String,
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

    impl RelatedSelfVia<super::similar_cake::Entity> for Entity {
        fn to() -> RelationDef {
            super::similar_cake::Relation::Similar.def()
        }

        fn via() -> RelationDef {
            super::similar_cake::Relation::Cake.def().rev()
        }
    }
}

/// What the derive adds to a public entity is documented.
#[deny(missing_docs)]
pub mod filling {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "filling")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

mod cake_filling {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "cake_filling")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub cake_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub filling_id: String,
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

mod similar_cake {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "similar_cake")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub cake_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub similar_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(belongs_to = "super::cake::Entity", from = "Column::CakeId", to = "super::cake::Column::Id")]
        Cake,
        #[sea_orm(belongs_to = "super::cake::Entity", from = "Column::SimilarId", to = "super::cake::Column::Id")]
        Similar,
    }
}

/// The oldest format: every piece written out, the names still SeaORM's.
mod fruit {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Copy, Clone, Default, Debug, DeriveEntity)]
    pub struct Entity;

    impl EntityName for Entity {
        fn table_name(&self) -> &'static str {
            "fruit"
        }
    }

    #[derive(Clone, Debug, PartialEq, Eq, DeriveModel, DeriveActiveModel, Auditable)]
    pub struct Model {
        #[audit(name = "number")]
        pub id: i32,
        #[audit(mask)]
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
    pub enum Column {
        Id,
        Name,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DerivePrimaryKey)]
    pub enum PrimaryKey {
        Id,
    }

    impl PrimaryKeyTrait for PrimaryKey {
        type ValueType = i32;

        fn auto_increment() -> bool {
            true
        }
    }

    #[derive(Copy, Clone, Debug, EnumIter)]
    pub enum Relation {}

    impl RelationTrait for Relation {
        fn def(&self) -> RelationDef {
            match *self {}
        }
    }

    impl ColumnTrait for Column {
        type EntityName = Entity;

        fn def(&self) -> ColumnDef {
            match self {
                Self::Id => ColumnType::Integer.def(),
                Self::Name => ColumnType::Text.def(),
            }
        }
    }
}

fn main() {}
