//! The dense format, with every attribute.

#![deny(warnings, unreachable_pub, unused_qualifications)]
#![forbid(unsafe_code)]

/// An item.
pub mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    #[audit(name = "Item")]
    #[audit(mask(vendor), skip(cache), plain(api_token), ignore(seen, r#move), rename(price = "amount", type = "kind"))]
    #[audit(link(field = "labels", to = super::label::Entity))]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        #[audit(mask)]
        pub id: i32,
        #[audit(name = "title")]
        pub name: String,
        pub price: i32,
        pub owner_id: i32,
        #[audit(mask, ignore)]
        #[audit(name = "note")]
        pub supplier_note: Option<String>,
        pub vendor: String,
        pub cache: String,
        pub api_token: String,
        #[audit(plain)]
        pub password_hint: String,
        #[audit(skip)]
        #[sea_orm(enum_name = "RowVersion", column_name = "xmin")]
        pub version: i32,
        pub r#type: String,
        pub r#move: i32,
        pub self_: i32,
        #[audit(ignore)]
        pub updated_at: i64,
        pub seen: i64,
        #[sea_orm(belongs_to, from = "owner_id", to = "id")]
        pub owner: BelongsTo<super::owner::Entity>,
        #[sea_orm(has_many, via = "item_tag")]
        #[audit(link)]
        pub tags: HasMany<super::tag::Entity>,
        #[sea_orm(has_many, via = "item_label::Item")]
        pub labels: HasMany<super::label::Entity>,
    }
}

/// Nothing is said of it.
pub mod owner {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "owner")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[sea_orm(has_many)]
        pub items: HasMany<super::item::Entity>,
    }
}

/// The other side.
pub mod tag {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "tag")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(has_many, via = "item_tag")]
        #[audit(link)]
        pub items: HasMany<super::item::Entity>,
    }
}

/// A junction.
pub mod item_tag {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item_tag")]
    #[audit(junction)]
    pub struct Model {
        /// One key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: i32,
        /// The other.
        #[sea_orm(primary_key, auto_increment = false)]
        pub tag_id: i32,
        #[sea_orm(belongs_to, from = "item_id", to = "id")]
        pub item: BelongsTo<super::item::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub tag: BelongsTo<super::tag::Entity>,
    }
}

/// An entity that is not audited, as the target of a link.
pub mod label {
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "label")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(has_many, via = "item_label::Label")]
        pub items: HasMany<super::item::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A junction with relations of chosen names.
pub mod item_label {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item_label")]
    #[audit(name = "ItemLabel", junction)]
    pub struct Model {
        /// One key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: i32,
        /// The other.
        #[sea_orm(primary_key, auto_increment = false)]
        pub label_id: i32,
        #[sea_orm(belongs_to, relation_enum = "Item", from = "item_id", to = "id")]
        pub item: BelongsTo<super::item::Entity>,
        #[sea_orm(belongs_to, relation_enum = "Label", from = "label_id", to = "id")]
        pub label: BelongsTo<super::label::Entity>,
    }
}

/// Linked with itself, in both directions.
pub mod user {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        #[audit(mask)]
        pub email: String,
        #[sea_orm(self_ref, via = "user_follower", from = "User", to = "Follower")]
        #[audit(link)]
        pub followers: HasMany<Entity>,
        #[sea_orm(self_ref, via = "user_follower", reverse)]
        #[audit(link)]
        pub following: HasMany<Entity>,
    }
}

/// Its junction.
pub mod user_follower {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "user_follower")]
    #[audit(junction)]
    pub struct Model {
        /// One key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: i32,
        /// The other.
        #[sea_orm(primary_key, auto_increment = false)]
        pub follower_id: i32,
        #[sea_orm(belongs_to, relation_enum = "User", from = "user_id", to = "id")]
        pub user: BelongsTo<super::user::Entity>,
        #[sea_orm(belongs_to, relation_enum = "Follower", from = "follower_id", to = "id")]
        pub follower: BelongsTo<super::user::Entity>,
    }
}

fn main() {
    use sea_orm::{ActiveModelTrait, DatabaseConnection, DatabaseTransaction};

    fn spawned(_: impl Future + Send) {}

    fn row() -> item::ActiveModel {
        Default::default()
    }

    // The methods named here are the inherent ones; their futures must be fit for `tokio::spawn`.
    fn sends(db: DatabaseConnection, txn: DatabaseTransaction) {
        spawned(row().insert(&db));
        spawned(row().update(&txn));
        spawned(row().save(&db));
        spawned(row().delete(&db));
        spawned(row().update_without_returning(&db));
        spawned(row().into_ex().save(&db));
        spawned(ActiveModelTrait::insert(row(), &db));
    }
    let _ = sends;
}
