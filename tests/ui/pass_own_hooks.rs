//! `#[audited]` on hooks in the forms in which they are written.

#![deny(warnings, unreachable_pub, unused_qualifications)]

macro_rules! entity {
    ($name:ident { $($hooks:tt)* }) => {
        mod $name {
            use ftn_audit_sea::entity::*;
            use sea_orm::entity::prelude::*;

            #[sea_orm::model]
            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
            #[sea_orm(table_name = "item")]
            #[audit(own_hooks)]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub name: String,
            }

            $($hooks)*
        }
    };
}

entity!(empty {
    #[audited]
    impl ActiveModelBehavior for ActiveModel {}
});

entity!(not_async {
    #[audited]
    impl ActiveModelBehavior for ActiveModel {
        fn new() -> Self {
            Self { name: sea_orm::ActiveValue::Set("new".to_owned()), ..<Self as ActiveModelTrait>::default() }
        }
    }
});

entity!(every_hook {
    use async_trait::async_trait;

    #[audited]
    #[async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_save<C>(mut self, db: &C, mut insert: bool) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            insert &= self.name.is_set();
            if insert && super::refused(db).await? {
                return Err(DbErr::Custom("refused".into()));
            }
            self.name = sea_orm::ActiveValue::NotSet;
            Ok(self)
        }

        async fn after_save<C: ConnectionTrait>(model: Model, db: &C, _insert: bool) -> Result<Model, DbErr> {
            super::refused(db).await.map(|_| model)
        }

        async fn before_delete<Conn: ConnectionTrait>(self, _: &Conn) -> Result<Self, DbErr> {
            Ok(self)
        }

        #[allow(unused_variables)]
        async fn after_delete<C: ConnectionTrait>(self, db: &C) -> Result<Self, DbErr> {
            Ok(self)
        }
    }
});

/// The hooks of an entity in another module.
mod apart {
    use ftn_audit_sea::entity::audited;
    use sea_orm::{ActiveModelBehavior, ConnectionTrait, DbErr};

    entity!(item {});

    #[audited]
    #[async_trait::async_trait]
    impl ActiveModelBehavior for item::ActiveModel {
        async fn before_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            Ok(self)
        }
    }
}

async fn refused<C: sea_orm::ConnectionTrait>(db: &C) -> Result<bool, sea_orm::DbErr> {
    Ok(db.is_mock_connection())
}

fn main() {}
