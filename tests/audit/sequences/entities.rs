//! Tables with every way in which rows hang together: generated keys and given ones, a unique column, a foreign key
//! with an action, links.

pub mod thing {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "thing")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(unique)]
        #[audit(plain)]
        pub code: Option<String>,
        pub amount: Option<i32>,
        #[sea_orm(has_many)]
        pub parts: HasMany<super::part::Entity>,
        #[sea_orm(has_many, via = "thing_word")]
        #[audit(link)]
        pub words: HasMany<super::word::Entity>,
    }
}

pub mod cell {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "cell")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub x: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub y: i32,
        pub value: i32,
    }
}

pub mod part {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "part")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub thing_id: Option<i32>,
        pub size: i32,
        #[sea_orm(belongs_to, from = "thing_id", to = "id", on_delete = "Cascade", on_update = "Cascade")]
        pub thing: BelongsTo<Option<super::thing::Entity>>,
    }
}

pub mod word {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "word")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub text: String,
        #[sea_orm(has_many, via = "thing_word")]
        pub things: HasMany<super::thing::Entity>,
    }
}

pub mod thing_word {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "thing_word")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub thing_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub word_id: i32,
        #[sea_orm(belongs_to, from = "thing_id", to = "id", on_delete = "Cascade", on_update = "Cascade")]
        pub thing: BelongsTo<super::thing::Entity>,
        #[sea_orm(belongs_to, from = "word_id", to = "id")]
        pub word: BelongsTo<super::word::Entity>,
    }
}
