//! Tables that are not what the entity says: the write is the bare one, and the record says what it could not know.

use ftn_audit_sea::prelude::*;
use sea_orm::{
    ActiveValue::Set, DatabaseConnection, FromQueryResult, JsonValue, Statement, TransactionTrait, prelude::*,
};

use crate::{
    database::{TestDatabase, connect, on, sql},
    samples::*,
};

on! { Postgres:
    rows_that_a_policy_hides
    a_key_that_is_not_unique
    a_key_that_changes_under_a_waiting_statement
    rules_that_do_more
    views
    partitions
    a_column_that_is_dropped
    an_upsert_on_a_partitioned_table
}
on! { Postgres MariaDb: columns_that_may_not_be_read }
on! { Sqlite Postgres: more_columns_reach_nobody }
on! { Sqlite Postgres MariaDb: tables_made_later }

pub mod note {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub text: String,
        pub hidden: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

async fn run(db: &DatabaseConnection, texts: &[&str]) {
    for text in texts {
        db.execute_unprepared(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

/// Audited and bare connections of somebody with no rights but those given.
async fn somebody(database: &TestDatabase, rights: &[&str]) -> (AuditedConnection, DatabaseConnection) {
    let name = format!("somebody_{}", uuid::Uuid::new_v4().simple());
    let name = &name[..24];
    let mut texts = vec![if database.kind == crate::database::Kind::Postgres {
        format!("CREATE ROLE {name} LOGIN")
    } else {
        format!("CREATE USER {name}@'%'")
    }];
    texts.extend(rights.iter().map(|rights| format!("GRANT {rights} TO {name}")));
    for text in &texts {
        run(&database.bare, &[text]).await;
    }
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    let bare = connect(&format!("{scheme}://{name}@{place}")).await;
    (database.audit.connect(bare.clone()).await.unwrap(), bare)
}

/// Until another session waits for a lock.
async fn a_statement_waits(database: &TestDatabase) {
    crate::database::until("the statement waits", async || {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        let row = database.bare.query_one_raw(sql(&database.bare, waits)).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap() > 0
    })
    .await;
}

fn texts(record: &AuditRecord) -> (String, String) {
    let side = |side: &str| {
        let value = record.attribute(&format!("audit.changeset.text.{side}"));
        value.map_or_else(|| "-".to_owned(), |value| value.to_string())
    };
    (side("old"), side("new"))
}

fn pair(old: &str, new: &str) -> (String, String) {
    (old.to_owned(), new.to_owned())
}

const NOTES: &str = "CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL, hidden boolean NOT NULL)";

async fn rows_that_a_policy_hides(database: &TestDatabase) {
    run(
        &database.bare,
        &[
            NOTES,
            "INSERT INTO note SELECT n, 'a', n > 3 FROM generate_series(1, 6) AS n",
            "ALTER TABLE note ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY seen ON note FOR SELECT USING (NOT hidden)",
            "CREATE POLICY written ON note FOR UPDATE USING (true)",
            "CREATE POLICY made ON note FOR INSERT WITH CHECK (true)",
        ],
    )
    .await;
    let (db, bare) = somebody(database, &["SELECT, INSERT, UPDATE ON note"]).await;
    let bare_rows = bare.execute_unprepared("UPDATE note SET text = 'b'").await.unwrap().rows_affected();
    let rows = db.execute_unprepared("UPDATE note SET text = 'c'").await.unwrap().rows_affected();
    assert_eq!(rows, bare_rows);
    let records = database.take();
    assert_eq!(brief(&records)[..3], ["update Note 1", "update Note 2", "update Note 3"]);
    assert_eq!(texts(&records[0]), pair("b", "c"));
    if rows > 3 {
        assert_eq!(records[3].event_type(), "unparsed_write");
        assert_eq!(records[3].attribute("audit.rows_untold").unwrap().to_string(), (rows - 3).to_string());
    }
    // With RETURNING, such an insert is refused.
    let insert = "INSERT INTO note VALUES (7, 'd', true)";
    db.execute_unprepared(insert).await.unwrap();
    assert_eq!(database.one().event_type(), "unparsed_write");
    let hidden = note::ActiveModel { id: Set(8), text: Set("d".into()), hidden: Set(true) };
    let refused = note::Entity::insert(hidden.clone()).exec(&db).await.unwrap_err().to_string();
    assert_eq!(refused, note::Entity::insert(hidden).exec(&bare).await.unwrap_err().to_string());
}

async fn a_key_that_is_not_unique(database: &TestDatabase) {
    let table = "CREATE TABLE note (id integer, text text NOT NULL, hidden boolean NOT NULL)";
    run(&database.bare, &[table, "INSERT INTO note VALUES (1, 'a', false), (1, 'b', true), (2, 'c', false)"])
        .await;
    let db = &database.db;
    let rows = db.execute_unprepared("UPDATE note SET text = 'x' WHERE id = 1 AND NOT hidden").await.unwrap();
    assert_eq!(rows.rows_affected(), 1);
    let record = database.one();
    assert_eq!(record.event_type(), "unparsed_write");
    assert_eq!(record.attribute("audit.rows_untold").unwrap().to_string(), "1");
    let change = note::ActiveModel { id: Set(2), text: Set("y".into()), ..Default::default() };
    change.update(db).await.unwrap();
    assert_eq!(texts(&database.one()), pair("c", "y"));
    let both = note::ActiveModel { id: Set(1), text: Set("z".into()), ..Default::default() };
    both.update(db).await.unwrap();
    assert_eq!(database.one().event_type(), "unparsed_write");
    let stored = note::Entity::find().filter(note::Column::Text.eq("z")).all(&database.bare).await.unwrap();
    assert_eq!(stored.len(), 2, "as on a bare connection");
}

async fn a_key_that_changes_under_a_waiting_statement(database: &TestDatabase) {
    run(&database.bare, &[NOTES, "INSERT INTO note VALUES (1, 'a', false)"]).await;
    for (text, found) in [
        ("UPDATE note SET text = 'mine' WHERE text = 'a'", 1),
        ("UPDATE note SET text = 'b' WHERE id = 1", 0),
    ] {
        let other = database.bare.begin().await.unwrap();
        other.execute_unprepared("UPDATE note SET id = id + 1").await.unwrap();
        let db = database.db.clone();
        let waiting = tokio::spawn(async move { db.execute_unprepared(text).await });
        a_statement_waits(database).await;
        other.commit().await.unwrap();
        let rows = waiting.await.unwrap().unwrap().rows_affected();
        assert_eq!(rows, found, "{text}");
        let records = database.take();
        assert_eq!(records.len() as u64, found);
        if let [record] = records.as_slice() {
            assert_eq!((record.pk(), texts(record)), ("2", pair("a", "mine")));
        }
        run(&database.bare, &["UPDATE note SET id = 1"]).await;
    }
    // The one-statement way.
    let other = database.bare.begin().await.unwrap();
    other.execute_unprepared("UPDATE note SET id = 5").await.unwrap();
    let db = database.db.clone();
    let change = note::ActiveModel { id: Set(1), text: Set("z".into()), ..Default::default() };
    let waiting = tokio::spawn(async move { change.update(&db).await });
    a_statement_waits(database).await;
    other.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Err(DbErr::RecordNotUpdated));
    database.silent();
}

async fn columns_that_may_not_be_read(database: &TestDatabase) {
    let notes = NOTES.replace("text text", "text varchar(20)");
    run(&database.bare, &[&notes, "INSERT INTO note VALUES (1, 'a', false), (2, 'a', true)"]).await;
    let rights = ["SELECT (id, hidden) ON note", "UPDATE (text, hidden) ON note", "DELETE ON note"];
    let (db, bare) = somebody(database, &rights).await;
    for (text, rows) in [
        ("UPDATE note SET text = 'b'", 2),
        ("UPDATE note SET text = 'c', hidden = NOT hidden WHERE id = 1", 1),
        ("DELETE FROM note WHERE hidden", 2),
    ] {
        let txn = db.begin().await.unwrap();
        assert_eq!(txn.execute_unprepared(text).await.unwrap().rows_affected(), rows, "{text}");
        txn.commit().await.unwrap();
        let records = database.take();
        assert!(!records.is_empty() || text.ends_with("'b'"), "{text}");
        for record in records {
            let left_out =
                record.attribute("audit.columns_left_out").expect("a column is missing").to_string();
            assert_eq!(left_out, r#"["text"]"#);
            assert_eq!(record.attribute("audit.changeset.text.old"), None);
            if record.event_type() == "update" {
                assert_eq!(record.attribute("audit.changeset.hidden.old").unwrap().to_string(), "false");
            }
        }
    }
    let denied = "UPDATE note SET id = 3";
    let error = db.execute_unprepared(denied).await.unwrap_err().to_string();
    assert_eq!(error, bare.execute_unprepared(denied).await.unwrap_err().to_string());
    database.silent();
}

async fn rules_that_do_more(database: &TestDatabase) {
    run(
        &database.bare,
        &[
            NOTES,
            "CREATE TABLE done (what text)",
            "INSERT INTO note VALUES (1, 'a', false)",
            "CREATE RULE also AS ON UPDATE TO note DO ALSO INSERT INTO done VALUES ('updated')",
            "CREATE RULE never AS ON DELETE TO note DO INSTEAD NOTHING",
        ],
    )
    .await;
    database.db.execute_unprepared("CREATE TABLE unrelated (id integer)").await.unwrap();
    let change = note::ActiveModel { id: Set(1), text: Set("b".into()), ..Default::default() };
    note::Entity::update_many().set(change).filter(note::Column::Id.eq(1)).exec(&database.db).await.unwrap();
    assert_eq!(texts(&database.one()), pair("a", "b"));
    note::Entity::delete_by_id(1).exec(&database.db).await.unwrap();
    database.silent();
    let done = database.bare.query_all_raw(sql(&database.bare, "SELECT * FROM done")).await.unwrap();
    assert_eq!(done.len(), 1);
}

async fn views(database: &TestDatabase) {
    run(
        &database.bare,
        &[
            "CREATE TABLE everything (id integer PRIMARY KEY, text text NOT NULL, hidden boolean NOT NULL)",
            "CREATE VIEW note AS SELECT * FROM everything WHERE NOT hidden",
            "INSERT INTO everything VALUES (1, 'a', false), (2, 'a', true)",
        ],
    )
    .await;
    let change = note::ActiveModel { id: Set(1), text: Set("b".into()), ..Default::default() };
    change.update(&database.db).await.unwrap();
    let record = database.one();
    assert_eq!(texts(&record), pair("a", "b"));
    assert_eq!(record.attribute("audit.old_confirmed").unwrap(), false);
    let rows = database.db.execute_unprepared("UPDATE note SET text = 'c'").await.unwrap().rows_affected();
    assert_eq!(rows, 1);
    assert_eq!(database.take().len(), 1);
}

async fn partitions(database: &TestDatabase) {
    run(
        &database.bare,
        &[
            "CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL, hidden boolean NOT NULL) PARTITION BY RANGE (id)",
            "CREATE TABLE note_low PARTITION OF note FOR VALUES FROM (0) TO (10)",
            "CREATE TABLE note_high PARTITION OF note FOR VALUES FROM (10) TO (20)",
        ],
    )
    .await;
    let db = &database.db;
    let made =
        note::ActiveModel { id: Set(1), text: Set("a".into()), hidden: Set(false) }.insert(db).await.unwrap();
    let mut change: note::ActiveModel = made.into();
    change.text = Set("b".into());
    change.update(db).await.unwrap();
    db.execute_unprepared("UPDATE note SET id = 15 WHERE id = 1").await.unwrap();
    note::Entity::delete_many().exec(db).await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["creation Note 1", "update Note 1", "update Note 15", "deletion Note 15"]);
    assert_eq!(texts(&records[1]), pair("a", "b"));
}

async fn an_upsert_on_a_partitioned_table(database: &TestDatabase) {
    run(
        &database.bare,
        &[
            "CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL, hidden boolean NOT NULL) PARTITION BY RANGE (id)",
            "CREATE TABLE note_low PARTITION OF note FOR VALUES FROM (0) TO (10)",
        ],
    )
    .await;
    let text = "INSERT INTO note VALUES (1, 'a', false) ON CONFLICT (id) DO UPDATE SET text = 'b'";
    let named = text.replace("note VALUES", "note (id, text, hidden) VALUES");
    database.db.execute_unprepared(&named).await.unwrap();
    assert_eq!(brief(&database.take()), ["upsert Note 1"]);
    database.db.execute_unprepared(&named).await.unwrap();
    assert_eq!(texts(&database.one()), pair("a", "b"));
}

/// An old program during a roll-out: what the catalogue said is no longer so.
async fn a_column_that_is_dropped(database: &TestDatabase) {
    run(&database.bare, &[NOTES, "INSERT INTO note VALUES (1, 'a', false)"]).await;
    let db = &database.db;
    db.execute_unprepared("UPDATE note SET text = 'b'").await.unwrap();
    assert_eq!(database.take().len(), 1);
    run(&database.bare, &["ALTER TABLE note DROP COLUMN hidden"]).await;
    let text = "UPDATE note SET text = 'c'";
    db.execute_unprepared(text).await.unwrap();
    let record = database.one();
    assert_eq!(texts(&record), pair("b", "c"));
    assert_eq!(record.attribute("audit.columns_left_out").unwrap().to_string(), r#"["hidden"]"#);
}

/// A raw statement's answer may be read as a whole.
async fn more_columns_reach_nobody(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let db = &database.db;
    let backend = database.kind.backend();
    let parameter = if database.kind == crate::database::Kind::Postgres { "$1" } else { "?" };
    for text in [
        format!("UPDATE item SET name = 'x' WHERE id = {parameter} RETURNING id"),
        format!("UPDATE item SET name = 'y' WHERE id = {parameter} RETURNING *"),
        format!("DELETE FROM item WHERE id = {parameter} RETURNING id, name"),
    ] {
        let statement = Statement::from_sql_and_values(backend, &text, [item.id.into()]);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        let json = JsonValue::from_query_result(&row, "").unwrap().to_string();
        assert!(!json.contains("ftn_"), "{json}");
        if text.ends_with("RETURNING id") {
            assert_eq!(json, r#"{"id":1}"#);
        }
        let mut names = row.column_names();
        names.dedup();
        assert_eq!(names.len(), row.column_names().len());
    }
    assert_eq!(brief(&database.take()), ["update Item 1", "update Item 1", "deletion Item 1"]);
}

async fn tables_made_later(database: &TestDatabase) {
    let notes = NOTES.replace("text text", "text varchar(20)");
    run(&database.bare, &[&notes]).await;
    let made = note::ActiveModel { id: Set(1), text: Set("a".into()), hidden: Set(false) };
    made.insert(&database.db).await.unwrap();
    note::Entity::delete_many().exec(&database.db).await.unwrap();
    assert_eq!(brief(&database.take()), ["creation Note 1", "deletion Note 1"]);
}
