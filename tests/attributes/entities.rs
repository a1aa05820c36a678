//! The entities that the tests write.

/// A key that is a secret, and secrets of every kind.
pub mod account {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "account")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(64))")]
        #[audit(hash)]
        pub login: String,
        pub title: String,
        #[audit(hash)]
        pub email: Option<String>,
        #[audit(mask)]
        pub notes: Option<String>,
        #[audit(mask)]
        pub balance: i64,
        #[audit(mask)]
        pub profile: Json,
        #[audit(mask)]
        pub photo: Vec<u8>,
        #[audit(mask)]
        pub rate: f64,
        #[audit(mask)]
        pub seen_at: Option<DateTimeUtc>,
        pub password_hash: String,
        #[sea_orm(column_name = "apiToken")]
        pub api_token: Option<String>,
        pub token_count: i32,
    }
}

/// Treated on the container, as generated entities are.
pub mod guest {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "guest")]
    #[audit(hash(id, phone), mask(room))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub phone: String,
        pub room: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

/// Only what is named is recorded.
pub mod patient {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "patient")]
    #[audit(columns = "allow", plain(ward))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub ward: String,
        #[audit(name = "stay")]
        pub days: i32,
        #[audit(mask)]
        pub name: String,
        #[audit(hash)]
        pub insurance: String,
        pub diagnosis: String,
        pub updated_at: Option<DateTimeUtc>,
    }
}

pub mod document {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "document")]
    #[audit(soft_delete = "deleted_at", on_failure = "best_effort", reason = "required")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub deleted_at: Option<DateTimeUtc>,
    }
}

/// Marked as deleted by a truth value, in a column that by its name makes no event.
pub mod flagged {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "flagged")]
    #[audit(soft_delete = "modified")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub modified: bool,
    }
}

/// The owner of links, whose key and whose targets' keys are hidden.
pub mod person {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "person")]
    pub struct Model {
        #[sea_orm(primary_key)]
        #[audit(mask)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many, via = "person_topic")]
        #[audit(link)]
        pub topics: HasMany<super::topic::Entity>,
    }
}

pub mod topic {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "topic")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many, via = "person_topic")]
        #[audit(link)]
        pub people: HasMany<super::person::Entity>,
    }
}

/// A junction with a key of its own, and with columns beside the links.
pub mod person_topic {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "person_topic")]
    #[audit(junction, mask(person_id))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub person_id: i32,
        pub topic_id: i32,
        pub level: i32,
        pub updated_at: Option<DateTimeUtc>,
        #[sea_orm(belongs_to, from = "person_id", to = "id")]
        pub person: BelongsTo<super::person::Entity>,
        #[sea_orm(belongs_to, from = "topic_id", to = "id")]
        pub topic: BelongsTo<super::topic::Entity>,
    }
}

/// A key that is a secret, columns that change with every use, and one event for many rows.
pub mod badge {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "badge")]
    #[audit(bulk = "summary", ignore(uses))]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(32))")]
        #[audit(hash)]
        pub code: String,
        pub door: String,
        pub uses: i32,
        #[audit(ignore)]
        pub last_day: i32,
    }
}

/// Linked with itself, in both directions.
pub mod member {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "member")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[sea_orm(self_ref, via = "sponsorship", from = "Member", to = "Sponsor")]
        #[audit(link)]
        pub sponsors: HasMany<Entity>,
        #[sea_orm(self_ref, via = "sponsorship", reverse)]
        #[audit(link)]
        pub sponsored: HasMany<Entity>,
    }
}

pub mod sponsorship {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "sponsorship")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub member_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub sponsor_id: i32,
        #[sea_orm(belongs_to, relation_enum = "Member", from = "member_id", to = "id")]
        pub member: BelongsTo<super::member::Entity>,
        #[sea_orm(belongs_to, relation_enum = "Sponsor", from = "sponsor_id", to = "id")]
        pub sponsor: BelongsTo<super::member::Entity>,
    }
}

/// The format between the old one and the dense one: relation fields, and the `Relation` enum by hand.
pub mod shelf {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "shelf")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[audit(mask, name = "combination")]
        pub lock: String,
        #[audit(link)]
        pub books: HasMany<super::book::Entity>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl Related<super::book::Entity> for Entity {
        fn to() -> RelationDef {
            super::shelf_book::Relation::Book.def()
        }

        fn via() -> Option<RelationDef> {
            Some(super::shelf_book::Relation::Shelf.def().rev())
        }
    }
}

pub mod book {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "book")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

pub mod shelf_book {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::compact_model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "shelf_book")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub shelf_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub book_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::shelf::Entity",
            from = "Column::ShelfId",
            to = "super::shelf::Column::Id"
        )]
        Shelf,
        #[sea_orm(
            belongs_to = "super::book::Entity",
            from = "Column::BookId",
            to = "super::book::Column::Id"
        )]
        Book,
    }
}

/// Two entities on one table: this one is followed.
pub mod product {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "product")]
    #[audit(primary)]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[audit(mask)]
        pub cost: Option<i32>,
    }
}

pub mod product_name {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "product")]
    #[audit(name = "ProductName")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }
}

/// Hooks of its own, some of which fail on demand.
pub mod letter {
    use ftn_audit_sea::entity::*;
    use sea_orm::{ActiveValue::Set, entity::prelude::*};

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "letter")]
    #[audit(own_hooks)]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        pub version: i32,
    }

    #[audited]
    #[async_trait::async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_save<C>(mut self, _db: &C, insert: bool) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            if insert {
                self.version = Set(1);
                return Ok(self);
            }
            let version = self.version.try_as_ref().copied().unwrap_or_default();
            if version < 0 {
                Err(DbErr::Custom("a letter has no negative version".to_owned()))?;
            }
            self.version = Set(version + 1);
            Ok(self)
        }

        async fn after_save<C: ConnectionTrait>(
            mut model: Model,
            _: &C,
            _insert: bool,
        ) -> Result<Model, DbErr> {
            if model.text == "fail after save" {
                return Err(DbErr::Custom("on demand".to_owned()));
            }
            model.text.push_str(", as read");
            Ok(model)
        }
    }
}

/// Hooks of its own, and audited connections only.
pub mod sealed {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "sealed")]
    #[audit(own_hooks = "unaudited")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
