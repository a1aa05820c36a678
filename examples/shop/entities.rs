//! Items with an owner and tags.

pub mod owner {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "shop_owner")]
    #[audit(name = "Owner")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(unique)]
        pub name: String,
        #[audit(mask)]
        pub phone: Option<String>,
        #[sea_orm(has_many)]
        pub items: HasMany<super::item::Entity>,
    }
}

pub mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "shop_item")]
    #[audit(name = "Item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        // Shows in records as it did before the column was renamed.
        #[audit(name = "title")]
        pub name: String,
        #[sea_orm(column_type = "Decimal(Some((10, 2)))")]
        pub price: Decimal,
        pub owner_id: i32,
        #[audit(mask)]
        pub supplier_note: Option<String>,
        // Makes no event by itself.
        pub updated_at: DateTimeUtc,
        #[sea_orm(belongs_to, from = "owner_id", to = "id")]
        pub owner: BelongsTo<super::owner::Entity>,
        #[sea_orm(has_many, via = "item_tag")]
        #[audit(link)]
        pub tags: HasMany<super::tag::Entity>,
    }
}

pub mod tag {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "shop_tag")]
    #[audit(name = "Tag")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(unique)]
        pub name: String,
        #[sea_orm(has_many, via = "item_tag")]
        pub items: HasMany<super::item::Entity>,
    }
}

pub mod item_tag {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "shop_item_tag")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tag_id: i32,
        #[sea_orm(belongs_to, from = "item_id", to = "id")]
        pub item: BelongsTo<super::item::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub tag: BelongsTo<super::tag::Entity>,
    }
}
