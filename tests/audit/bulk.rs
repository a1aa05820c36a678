//! Statements that write several rows of entities that want other than an event a row, and very many rows.

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, Schema, TransactionTrait, prelude::*};

use crate::{
    database::{Kind, TestDatabase, on, sql},
    samples::brief,
};

on! { Sqlite Postgres MariaDb:
    one_event_for_all
    one_row_is_an_event_of_its_own
    several_rows_are_refused
    more_rows_than_the_bound
}

pub mod reading {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "reading")]
    #[audit(bulk = "summary")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub secret: i32,
    }
}

pub mod account {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "account")]
    #[audit(bulk = "refuse")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub balance: i32,
    }
}

async fn tables(database: &TestDatabase) {
    let schema = Schema::new(database.kind.backend());
    database.bare.execute(&schema.create_table_from_entity(reading::Entity)).await.unwrap();
    database.bare.execute(&schema.create_table_from_entity(account::Entity)).await.unwrap();
}

fn readings(ids: impl IntoIterator<Item = i32>) -> Vec<reading::ActiveModel> {
    ids.into_iter().map(|id| reading::ActiveModel { id: Set(id), secret: Set(4711) }).collect()
}

/// What a summary says.
fn summary(record: &AuditRecord) -> (String, u64, String) {
    let rows = record.attribute("audit.rows").expect("a summary").to_string().parse().unwrap();
    let keys = record.attribute("audit.pk_set").map(|keys| keys.to_string()).unwrap_or_default();
    assert!(!format!("{record:?}").contains("4711"));
    assert!(record.attribute("audit.statement").is_some());
    (brief(std::slice::from_ref(record)).remove(0), rows, keys)
}

async fn one_event_for_all(database: &TestDatabase) {
    tables(database).await;
    let db = &database.db;
    reading::Entity::insert_many(readings(1..=3)).exec(db).await.unwrap();
    let (event, rows, keys) = summary(&database.one());
    assert_eq!((event.as_str(), rows), ("creation Reading ", 3));
    assert_eq!(keys, r#"["1","2","3"]"#);
    reading::Entity::update_many()
        .col_expr(reading::Column::Secret, Expr::value(47112))
        .filter(reading::Column::Id.gt(1))
        .exec(db)
        .await
        .unwrap();
    let (event, rows, keys) = summary(&database.one());
    assert_eq!((event.as_str(), rows, keys.as_str()), ("update Reading ", 2, r#"["2","3"]"#));
    let txn = db.begin().await.unwrap();
    txn.execute_raw(sql(&txn, "DELETE FROM reading")).await.unwrap();
    txn.commit().await.unwrap();
    let record = database.one();
    assert_eq!(record.description(), "deletion of 3 rows of Reading");
    assert_eq!(summary(&record).1, 3);
}

async fn one_row_is_an_event_of_its_own(database: &TestDatabase) {
    tables(database).await;
    let db = &database.db;
    readings([1]).remove(0).insert(db).await.unwrap();
    db.execute_unprepared("UPDATE reading SET secret = 1 WHERE secret > 0").await.unwrap();
    account::ActiveModel { id: Set(1), balance: Set(1) }.insert(db).await.unwrap();
    db.execute_unprepared("DELETE FROM account").await.unwrap();
    assert_eq!(
        brief(&database.take()),
        ["creation Reading 1", "update Reading 1", "creation Account 1", "deletion Account 1"]
    );
}

async fn several_rows_are_refused(database: &TestDatabase) {
    tables(database).await;
    let (db, bare) = (&database.db, &database.bare);
    bare.execute_unprepared("INSERT INTO account VALUES (1, 10), (2, 20)").await.unwrap();
    let two = [3, 4].map(|id| account::ActiveModel { id: Set(id), balance: Set(1) });
    let txn = db.begin().await.unwrap();
    for refused in [
        account::Entity::insert_many(two).exec(db).await.map(|_| ()),
        db.execute_unprepared("UPDATE account SET balance = 0").await.map(|_| ()),
        account::Entity::delete_many().exec(&txn).await.map(|_| ()),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("`Account` is `#[audit(bulk = \"refuse\")]`"), "{error}");
    }
    // The transaction goes on.
    db.execute_unprepared("SELECT 1").await.unwrap();
    txn.execute_unprepared("UPDATE account SET balance = 11 WHERE id = 1").await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(brief(&database.take()), ["update Account 1"]);
    assert_eq!(account::Entity::find_by_id(2).one(bare).await.unwrap().unwrap().balance, 20);
}

async fn more_rows_than_the_bound(database: &TestDatabase) {
    let audit = Audit::builder()
        .sink(database.recorder.sink().clone())
        .delivery(Delivery::sync())
        .bulk_rows(3)
        .build()
        .unwrap();
    let db = audit.connect(database.bare.clone()).await.unwrap();
    use crate::entities::tag;
    let tags = |count| (0..count).map(|_| tag::ActiveModel { name: Set("a".into()), ..Default::default() });
    tag::Entity::insert_many(tags(3)).exec(&db).await.unwrap();
    db.execute_unprepared("UPDATE tag SET name = 'b'").await.unwrap();
    assert_eq!(database.take().len(), 6);
    tag::Entity::insert_many(tags(4)).exec(&db).await.unwrap();
    assert_eq!(summary(&database.one()).1, 4);
    let rows =
        tag::Entity::update_many().col_expr(tag::Column::Name, Expr::value("c")).exec(&db).await.unwrap();
    assert_eq!(rows.rows_affected, 7);
    let (event, rows, keys) = summary(&database.one());
    assert_eq!((event.as_str(), rows), ("update Tag ", 7));
    assert_eq!(keys, r#"["1","2","3","4"]"#);
    tag::Entity::delete_many().exec(&db).await.unwrap();
    assert_eq!(summary(&database.one()).1, 7);
    if database.kind == Kind::Sqlite {
        let refused = Audit::builder().environment(|name| (name == "AUDIT_BULK_ROWS").then(|| "many".into()));
        let error = refused.sink(MemorySink::new()).build().err().unwrap().to_string();
        assert!(error.contains("AUDIT_BULK_ROWS=many is not understood"), "{error}");
    }
}
