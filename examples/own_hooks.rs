//! An entity with hooks of its own, on an audited connection and on a plain one:
//!
//! ```text
//! cargo run --example own_hooks
//! ```

use std::error::Error;

use ftn_audit_sea::{prelude::*, testing::*};
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, Schema, prelude::*};

mod letter {
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

    // Without `#[audited]` this would be a compile error: plain connections would record nothing.
    #[audited]
    #[async_trait::async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_save<C: ConnectionTrait>(mut self, _db: &C, _insert: bool) -> Result<Self, DbErr> {
            if self.text.try_as_ref().is_some_and(|text| text.is_empty()) {
                return Err(DbErr::Custom("a letter has a text".to_owned()));
            }
            self.version = Set(self.version.try_as_ref().copied().unwrap_or_default() + 1);
            Ok(self)
        }

        async fn before_delete<C: ConnectionTrait>(self, _db: &C) -> Result<Self, DbErr> {
            match self.version.try_as_ref() {
                Some(version) if *version > 2 => Err(DbErr::Custom("a sent letter stays".to_owned())),
                _ => Ok(self),
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recorder = Recorder::new();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
    let plain = Database::connect(options).await?;
    let schema = Schema::new(plain.get_database_backend());
    plain.execute(&schema.create_table_from_entity(letter::Entity)).await?;
    let audited = recorder.audit().connect(plain.clone()).await?;

    // On an audited connection the letter's hooks run, and the statement itself is recorded.
    write(&audited).await?;
    check(&recorder, 1, false);
    recorder.clear();

    // On a plain one the hooks record, too: the letter's first, then those of the audit.
    recorder.audit().scope(write(&plain)).await?;
    check(&recorder, 2, true);
    println!("{}", recorder.snapshot());
    Ok(())
}

async fn write(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let letter = letter::ActiveModel { text: Set("Dear Ann".to_owned()), ..Default::default() };
    let letter = letter.insert(db).await?;
    let mut longer: letter::ActiveModel = letter.into();
    longer.text = Set("Dear Ann and Ben".to_owned());
    let letter = longer.update(db).await?;

    // What a hook of the letter refuses has not happened, and no record says that it has.
    let mut empty: letter::ActiveModel = letter.clone().into();
    empty.text = Set(String::new());
    assert!(empty.update(db).await.is_err(), "its own hook refuses it");

    letter.delete(db).await?;
    Ok(())
}

fn check(recorder: &Recorder, id: i32, by_hooks: bool) {
    // The version that the letter's hook set is the one on record.
    assert_audited!(recorder, letter::Entity, creation, id = id, text: "Dear Ann", version: 1);
    assert_audited!(recorder, letter::Entity, update, id = id, text: "Dear Ann" => "Dear Ann and Ben", version: 1 => 2);
    assert_audited!(recorder, letter::Entity, deletion, id = id, version: 2);
    assert_not_audited!(recorder, letter::Entity, update, text: "");
    let records = recorder.records();
    assert_eq!(records.len(), 3);
    let marked = |record: &AuditRecord| record.attribute("audit.capture").is_some();
    assert!(records.iter().all(|record| marked(record) == by_hooks), "{records:#?}");
}
