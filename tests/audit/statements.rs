//! What applications send through an audited connection, and what becomes of it.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sea_orm::{
    ActiveValue::Set, DbBackend, ExecResult, QueryResult, Statement, StreamTrait, TransactionTrait,
    prelude::*,
};

use crate::{
    database::{Kind, TestDatabase, on, sql},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    one_record_a_change
    one_record_through_a_wrapper
    a_wrapper_that_stores_its_backend_is_recorded_twice
    nested_models_are_one_transaction
    a_cascade_tells_of_every_row
    inserts_of_several_rows
    writes_that_are_not_taken_apart
    writes_that_touch_nothing
    reads_and_other_tables
    writes_that_answer_with_rows
    an_insert_whose_answer_nobody_reads
    streams
    transaction_control_is_refused
    several_statements_in_one_text
    a_trigger_is_no_transaction_control
}
on! { Postgres: writes_of_postgres_alone }
on! { MariaDb: a_read_back_fixes_no_snapshot }

/// Where hooks would find a handle: they must be silent.
async fn one_record_a_change(database: &TestDatabase) {
    database.audit.scope(changes(&database.db)).await;
    assert_eq!(brief(&database.take()), EXPECTED);
    let txn = database.db.begin().await.unwrap();
    database.audit.scope(changes(&txn)).await;
    database.silent();
    txn.commit().await.unwrap();
    assert_eq!(brief(&database.take()), EXPECTED.map(|line| line.replace(" 1", " 2")));
}

const EXPECTED: [&str; 5] =
    ["creation Item 1", "update Item 1", "update Item 1", "update Item 1", "deletion Item 1"];

async fn changes(db: &impl ConnectionTrait) {
    let item = new_item("Tea").insert(db).await.unwrap();
    let item = renamed(&item, "Green tea").update(db).await.unwrap();
    let saved = renamed(&item, "Black tea").save(db).await.unwrap();
    let item: item::Model = saved.try_into().unwrap();
    let updated = renamed(&item, "Mate").update_without_returning(db).await.unwrap();
    assert_eq!(updated.rows_affected, 1);
    let gone: item::ActiveModel = item.into();
    assert_eq!(gone.delete(db).await.unwrap().rows_affected, 1);
}

/// An application's own connection type, which forwards all but a backend that it may have stored.
struct Wrapper<'a, C>(&'a C, Option<DbBackend>);

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Wrapper<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.1.unwrap_or_else(|| self.0.get_database_backend())
    }
    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }
    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }
    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(statement).await
    }
    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(statement).await
    }
    fn support_returning(&self) -> bool {
        self.0.support_returning()
    }
}

async fn one_record_through_a_wrapper(database: &TestDatabase) {
    let wrapper = Wrapper(&database.db, None);
    database.audit.scope(changes(&Wrapper(&wrapper, None))).await;
    let records = database.take();
    assert_eq!(brief(&records), EXPECTED);
    assert!(records.iter().all(|record| record.attribute("audit.capture").is_none()));
}

/// The hooks take it for a plain connection, so that every change is recorded by them, too. The README says so.
async fn a_wrapper_that_stores_its_backend_is_recorded_twice(database: &TestDatabase) {
    let wrapper = Wrapper(&database.db, Some(database.kind.backend()));
    database.audit.scope(changes(&wrapper)).await;
    let (hooks, statements): (Vec<_>, Vec<_>) =
        database.take().into_iter().partition(|record| record.attribute("audit.capture").is_some());
    assert_eq!(brief(&statements), EXPECTED);
    assert_eq!(brief(&hooks), EXPECTED);
}

fn nested() -> item::ActiveModelEx {
    item::ActiveModel::builder()
        .set_name("Tea")
        .set_price(price(300))
        .set_owner(owner::ActiveModel::builder().set_name("Ann"))
        .add_tag(tag::ActiveModel::builder().set_name("hot"))
        .add_tag(tag::ActiveModel::builder().set_name("green"))
}

async fn nested_models_are_one_transaction(database: &TestDatabase) {
    nested().save(&database.db).await.unwrap();
    let records = database.take();
    let events = ["creation Owner 1", "creation Item 1", "creation Tag 1", "creation Tag 2"];
    assert_eq!(brief(&records)[..4], events);
    assert_eq!(brief(&records)[4..], ["collection_update Item 1"]);
    assert_eq!(linked(&records[4]), "add [1,2]");
    for (record, sequence) in records.iter().zip(1..) {
        assert_eq!(record.transaction_id(), records[0].transaction_id());
        assert_eq!((record.sequence(), record.transaction_count()), (Some(sequence), Some(5)));
    }
    nested().save(&database.db).await.unwrap();
    assert_ne!(database.take()[0].transaction_id(), records[0].transaction_id());
}

async fn a_cascade_tells_of_every_row(database: &TestDatabase) {
    nested().save(&database.bare).await.unwrap();
    let owner = owner::Entity::find_by_id(1).one(&database.bare).await.unwrap().unwrap();
    let item = item::Entity::find_by_id(1).one(&database.bare).await.unwrap().unwrap();
    item.cascade_delete(&database.db).await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["collection_update Item 1", "deletion Item 1"]);
    assert_eq!(linked(&records[0]), "remove [1,2]");
    owner.cascade_delete(&database.db).await.unwrap();
    assert_eq!(brief(&database.take()), ["deletion Owner 1"]);
}

async fn inserts_of_several_rows(database: &TestDatabase) {
    let tags = ["a", "b", "c"].map(|name| tag::ActiveModel { name: Set(name.into()), ..Default::default() });
    tag::Entity::insert_many(tags).exec(&database.db).await.unwrap();
    assert_eq!(brief(&database.take()), ["creation Tag 1", "creation Tag 2", "creation Tag 3"]);
    let stocks = [1, 2].map(|slot| stock::ActiveModel {
        shelf: Set("A".into()),
        slot: Set(slot),
        amount: Set(1),
        code: Set("x".into()),
    });
    stock::Entity::insert_many(stocks).exec_without_returning(&database.db).await.unwrap();
    assert_eq!(brief(&database.take()), ["creation Stock A,1", "creation Stock A,2"]);
}

/// The one event of a statement that is not taken apart; its fingerprint.
#[track_caller]
fn unparsed(database: &TestDatabase) -> String {
    let record = database.one();
    assert_eq!((record.event_type().as_str(), record.table(), record.pk()), ("unparsed_write", "item", ""));
    let statement = record.attribute("audit.statement").expect("a fingerprint").to_string();
    assert!(!format!("{statement} {}", record.description()).contains("4711"), "{record:#?}");
    statement
}

async fn writes_that_are_not_taken_apart(database: &TestDatabase) {
    let db = &database.db;
    for name in ["Tea", "Mate", "Milk"] {
        stored_item(database, name).await;
    }
    let mut texts = vec![
        "WITH named AS (SELECT 1 AS id) UPDATE item SET name = '4711' WHERE id IN (SELECT id FROM named)",
        "INSERT INTO item (name, price) SELECT '4711', price /* 4711 */ FROM item WHERE id = 1 -- 4711",
    ];
    match database.kind {
        Kind::Sqlite => texts.extend([
            "UPDATE OR REPLACE item SET name = '4711' WHERE id = 1",
            "UPDATE item SET name = t.name FROM (SELECT '4711' AS name) AS t",
        ]),
        Kind::MariaDb => {
            texts.remove(0);
            texts.extend([
                "UPDATE item, label SET item.name = '4711' WHERE item.id = 1",
                "UPDATE LOW_PRIORITY item SET name = '4711'",
                "UPDATE IGNORE item SET name = '4711' WHERE id = 1",
                "DELETE QUICK FROM item WHERE name = '4711' AND id > 3",
                "UPDATE item SET name = '4711' WHERE id = (@x := 1)",
            ]);
            label::ActiveModel { name: Set("x".into()), ..Default::default() }
                .insert(&database.bare)
                .await
                .unwrap();
        }
        Kind::Postgres => texts.push("UPDATE ONLY item SET name = '4711' WHERE id = 1"),
    }
    for text in texts {
        let txn = db.begin().await.unwrap();
        txn.execute_raw(sql(&txn, text)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        txn.commit().await.unwrap();
        let fingerprint = unparsed(database);
        assert!(!fingerprint.contains("47"), "{fingerprint}");
    }
    stored_item(database, "Tea").await;
    database.bare.execute_unprepared("DROP TABLE item_tag").await.unwrap();
    database.bare.execute_unprepared("DROP TABLE item_label").await.unwrap();
    let emptied = if database.kind == Kind::Sqlite { "DROP TABLE item" } else { "TRUNCATE TABLE item" };
    db.execute_unprepared(emptied).await.unwrap();
    unparsed(database);
}

async fn writes_that_touch_nothing(database: &TestDatabase) {
    let db = &database.db;
    stored_item(database, "Tea").await;
    db.execute_unprepared("UPDATE item SET name = 'x' WHERE id = 4711").await.unwrap();
    db.execute_unprepared("DELETE FROM item WHERE name = 'x'").await.unwrap();
    db.execute_unprepared("INSERT INTO item (name, price) SELECT 'x', 1 FROM item WHERE id = 4711")
        .await
        .unwrap();
    item::Entity::update_many()
        .col_expr(item::Column::Name, Expr::value("x"))
        .filter(item::Column::Id.eq(4711))
        .filter(item::Column::Name.eq("x"))
        .exec(db)
        .await
        .unwrap();
    if database.kind != Kind::MariaDb {
        let rows = item::Entity::update_many()
            .col_expr(item::Column::Name, Expr::value("x"))
            .filter(item::Column::Name.eq("x"))
            .exec_with_returning(db)
            .await
            .unwrap();
        assert!(rows.is_empty());
    }
    database.silent();
}

async fn reads_and_other_tables(database: &TestDatabase) {
    let db = &database.db;
    stored_item(database, "Tea").await;
    item::Entity::find().all(db).await.unwrap();
    db.query_one_raw(sql(db, "WITH x AS (SELECT * FROM item) SELECT * FROM x")).await.unwrap();
    db.execute_unprepared("SELECT 1; SELECT 'DELETE FROM item'").await.unwrap();
    label::ActiveModel { name: Set("x".into()), ..Default::default() }.insert(db).await.unwrap();
    db.execute_unprepared("INSERT INTO label (name) SELECT name FROM item").await.unwrap();
    db.execute_unprepared("UPDATE label SET name = 'item'; DELETE FROM label").await.unwrap();
    database.silent();
}

/// Asked for rows, a write without RETURNING gives none, and has written all the same.
async fn writes_that_answer_with_rows(database: &TestDatabase) {
    let db = &database.db;
    let item = stored_item(database, "Tea").await;
    let parameter = |text: &str, values: Vec<sea_orm::Value>| {
        let text = if database.kind == Kind::Postgres {
            text.to_owned()
        } else {
            text.replace("$1", "?").replace("$2", "?")
        };
        Statement::from_sql_and_values(database.kind.backend(), text, values)
    };
    let update =
        |name: &str| parameter("UPDATE item SET name = $1 WHERE id = $2", vec![name.into(), item.id.into()]);
    db.query_all_raw(update("Mate")).await.unwrap();
    assert_eq!(titles(&database.one()), ("Tea".to_owned(), "Mate".to_owned()));
    db.query_one_raw(update("Milk")).await.unwrap();
    assert_eq!(titles(&database.one()), ("Mate".to_owned(), "Milk".to_owned()));
    db.query_one_raw(update("Milk")).await.unwrap();
    db.query_one_raw(parameter("UPDATE item SET name = $1 WHERE id = $2", vec!["x".into(), 4711.into()]))
        .await
        .unwrap();
    db.query_one_raw(parameter("DELETE FROM item WHERE id = $1", vec![4711.into()])).await.unwrap();
    database.silent();
    db.query_all_raw(sql(db, "UPDATE item SET name = 'x' WHERE id > 0")).await.unwrap();
    assert_eq!(titles(&database.one()), ("Milk".to_owned(), "x".to_owned()));
    db.query_one_raw(parameter("DELETE FROM item WHERE id = $1", vec![item.id.into()])).await.unwrap();
    assert_eq!(brief(&database.take()), ["deletion Item 1"]);
    if database.kind == Kind::MariaDb {
        return;
    }
    // Only the first of the deleted rows is asked for.
    let (one, two) = (stored_tag(database, "a").await, stored_tag(database, "b").await);
    let item = stored_item(database, "Tea").await;
    for tag in [one, two] {
        let link = item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) };
        link.insert(&database.bare).await.unwrap();
    }
    db.query_one_raw(parameter("DELETE FROM item_tag WHERE item_id = $1 RETURNING *", vec![item.id.into()]))
        .await
        .unwrap();
    assert_eq!(linked(&database.one()), "remove [1,2]");
}

async fn streams(database: &TestDatabase) {
    let db = &database.db;
    for name in ["Tea", "Mate"] {
        stored_item(database, name).await;
    }
    let txn = db.begin().await.unwrap();
    {
        let read: Vec<_> = item::Entity::find().stream(db).await.unwrap().try_collect().await.unwrap();
        assert_eq!(read.len(), 2);
        let read: Vec<_> = item::Entity::find().stream(&txn).await.unwrap().try_collect().await.unwrap();
        assert_eq!(read.len(), 2);
    }
    txn.commit().await.unwrap();
    database.silent();
    let write = sql(db, "UPDATE item SET name = 'x' WHERE id > 0");
    let rows: Vec<_> = db.stream_raw(write).await.unwrap().try_collect().await.unwrap();
    assert!(rows.is_empty());
    assert_eq!(brief(&database.take()), ["update Item 1", "update Item 2"]);
    let txn = db.begin().await.unwrap();
    drop(txn.stream_raw(sql(db, "UPDATE item SET name = 'y'")).await.unwrap());
    txn.commit().await.unwrap();
    assert_eq!(brief(&database.take()), ["update Item 1", "update Item 2"]);
}

async fn transaction_control_is_refused(database: &TestDatabase) {
    let db = &database.db;
    let txn = db.begin().await.unwrap();
    for text in [
        "BEGIN",
        "START TRANSACTION",
        "COMMIT",
        "ROLLBACK",
        "ROLLBACK TO SAVEPOINT a",
        "SAVEPOINT a",
        "RELEASE SAVEPOINT a",
        "begin; update item set name = 'x'; commit",
        " -- so it goes\n COMMIT",
        "END",
        "ABORT",
        "BEGIN IMMEDIATE",
        "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'",
        "XA START 'x'",
        "XA COMMIT 'x'",
        "COMMIT AND CHAIN",
    ] {
        for result in [
            db.execute_unprepared(text).await.map(|_| ()),
            txn.execute_unprepared(text).await.map(|_| ()),
            txn.execute_raw(sql(db, text)).await.map(|_| ()),
            txn.query_all_raw(sql(db, text)).await.map(|_| ()),
            txn.stream_raw(sql(db, text)).await.map(|_| ()),
        ] {
            let error = result.expect_err(text).to_string();
            assert!(error.contains("use `begin()`, `commit()` and `rollback()`"), "{text}: {error}");
        }
    }
    new_item("Tea").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(brief(&database.take()), ["creation Item 1"]);
}

async fn several_statements_in_one_text(database: &TestDatabase) {
    stored_item(database, "Tea").await;
    stored_tag(database, "hot").await;
    let text = "UPDATE item SET name = 'SECRET'; SELECT 1; DELETE FROM tag WHERE name = 'SECRET'";
    database.db.execute_unprepared(text).await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["unparsed_write Item ", "unparsed_write Tag "]);
    assert!(!format!("{records:?}").contains("SECRET"));
    assert_eq!(stored(database, 1).await.unwrap().name, "SECRET");
}

/// Its BEGIN and END are not the caller's.
async fn a_trigger_is_no_transaction_control(database: &TestDatabase) {
    let body = "BEGIN UPDATE label SET name = 'x'; END";
    let texts = match database.kind {
        Kind::Sqlite => vec![format!("CREATE TRIGGER touched AFTER UPDATE ON item FOR EACH ROW {body}")],
        Kind::MariaDb => vec![
            format!("CREATE TRIGGER touched AFTER UPDATE ON item FOR EACH ROW {body}"),
            format!("CREATE PROCEDURE touch() {body}"),
        ],
        Kind::Postgres => vec![
            "CREATE FUNCTION touch() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END".to_owned(),
            "DO $$ BEGIN PERFORM 1; END $$".to_owned(),
        ],
    };
    for text in texts {
        database.db.execute_unprepared(&text).await.unwrap();
    }
}

async fn writes_of_postgres_alone(database: &TestDatabase) {
    let db = &database.db;
    let item = stored_item(database, "Tea").await;
    let merge = "MERGE INTO item USING (VALUES (1, '4711')) AS source (id, name) ON item.id = source.id \
                 WHEN MATCHED THEN UPDATE SET name = source.name";
    for text in [
        merge,
        "WITH changed AS (UPDATE item SET name = '4711' RETURNING id) SELECT count(*) FROM changed",
        "UPDATE item SET name = t.name FROM (VALUES ('4711')) AS t (name)",
        "EXPLAIN ANALYZE UPDATE item SET name = '4711'",
        "EXPLAIN (ANALYZE, COSTS OFF) UPDATE item SET name = '4711'",
        "UPDATE item SET name = E'4711', internal = $$4711$$ WHERE setseed(0.5) IS NOT NULL",
    ] {
        db.execute_unprepared(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        let fingerprint = unparsed(database);
        assert!(!fingerprint.contains("4711"), "{fingerprint}");
    }
    db.execute_unprepared(&merge.replace("(1,", "(4711,")).await.unwrap();
    db.execute_unprepared("EXPLAIN UPDATE item SET name = '4711'").await.unwrap();
    database.silent();
    assert_eq!(stored(database, item.id).await.unwrap().name, "4711");
    db.execute_unprepared("TRUNCATE item CASCADE").await.unwrap();
    unparsed(database);
}

/// REPEATABLE READ: what a transaction sees is fixed by its own first read, and not by one of ours.
async fn a_read_back_fixes_no_snapshot(database: &TestDatabase) {
    let (one, two) = (stored_item(database, "Tea").await, stored_item(database, "Mate").await);
    let txn = database.db.begin().await.unwrap();
    renamed(&one, "Green tea").update_without_returning(&txn).await.unwrap();
    renamed(&two, "Milk").update(&database.bare).await.unwrap();
    let seen = item::Entity::find_by_id(two.id).one(&txn).await.unwrap().unwrap();
    txn.commit().await.unwrap();
    assert_eq!(seen.name, "Milk", "as on a bare connection");
    assert_eq!(titles(&database.one()), ("Tea".to_owned(), "Green tea".to_owned()));
}

/// A count is all that `execute` gives of the rows that the statement returns.
async fn an_insert_whose_answer_nobody_reads(database: &TestDatabase) {
    let insert = "INSERT INTO tag (name) VALUES ('a') RETURNING id, name";
    database.db.execute_unprepared(insert).await.unwrap();
    database.db.execute_raw(sql(&database.db, insert)).await.unwrap();
    let txn = database.db.begin().await.unwrap();
    txn.execute_unprepared(insert).await.unwrap();
    txn.commit().await.unwrap();
    match database.kind {
        // It counts nothing then, and gives no key.
        Kind::MariaDb => assert_eq!(brief(&database.take()), ["unparsed_write Tag "; 3]),
        _ => assert_eq!(brief(&database.take()), ["creation Tag 1", "creation Tag 2", "creation Tag 3"]),
    }
    database.db.execute_unprepared("DELETE FROM tag WHERE id = 1 RETURNING id").await.unwrap();
    assert_eq!(brief(&database.take()), ["deletion Tag 1"]);
}
