//! The entities that the tests write.

pub mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    #[audit(name = "Item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[audit(name = "title")]
        pub name: String,
        #[sea_orm(column_type = "Decimal(Some((12, 2)))")]
        pub price: Decimal,
        pub owner_id: Option<i32>,
        #[audit(mask)]
        pub supplier_note: Option<String>,
        pub api_token: Option<String>,
        #[audit(skip)]
        pub internal: Option<String>,
        pub updated_at: Option<DateTimeUtc>,
        #[sea_orm(belongs_to, from = "owner_id", to = "id")]
        pub owner: BelongsTo<Option<super::owner::Entity>>,
        #[sea_orm(has_many, via = "item_tag")]
        #[audit(link)]
        pub tags: HasMany<super::tag::Entity>,
        #[sea_orm(has_many, via = "item_label")]
        pub labels: HasMany<super::label::Entity>,
    }
}

pub mod owner {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "owner")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many)]
        pub items: HasMany<super::item::Entity>,
    }
}

pub mod tag {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "tag")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
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
    #[sea_orm(table_name = "item_tag")]
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

/// A relation that is not on the allow-list, through an unaudited junction.
pub mod label {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "label")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many, via = "item_label")]
        pub items: HasMany<super::item::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod item_label {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "item_label")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub label_id: i32,
        #[sea_orm(belongs_to, from = "item_id", to = "id")]
        pub item: BelongsTo<super::item::Entity>,
        #[sea_orm(belongs_to, from = "label_id", to = "id")]
        pub label: BelongsTo<super::label::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The old format, with a composite key of two types.
pub mod stock {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "stock")]
    #[audit(mask(code))]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub shelf: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub slot: i32,
        pub amount: i64,
        pub code: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

/// Every kind of column that a record has to carry.
pub mod gadget {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
    pub enum Color {
        #[sea_orm(string_value = "red")]
        Red,
        #[sea_orm(string_value = "green")]
        Green,
    }

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "Enum", db_type = "Enum", enum_name = "gadget_state")]
    pub enum State {
        #[sea_orm(string_value = "new")]
        New,
        #[sea_orm(string_value = "sold")]
        Sold,
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "gadget")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        #[sea_orm(column_name = "caption")]
        pub label: String,
        pub color: Color,
        pub state: State,
        pub made_on: Date,
        pub opens_at: Time,
        pub seen_at: DateTimeUtc,
        pub weight: f64,
        pub parts: Json,
        pub raw: Vec<u8>,
        pub active: bool,
        pub r#type: Option<i64>,
    }
}
