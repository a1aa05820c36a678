//! Every way in which SeaORM, and raw text, write rows: each gives an event a row, with true old values.

use ftn_audit_sea::prelude::*;
use sea_orm::{
    ActiveValue::Set,
    QueryOrder, QuerySelect, QueryTrait, Statement, TransactionTrait,
    prelude::*,
    sea_query::{ExprTrait, OnConflict},
};

use crate::{
    database::{Kind, TestDatabase, on, sql},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    updates_of_many
    deletions_of_many
    raw_writes
    inserts_through_the_entity
    generated_keys_without_returning
    keys_that_change
    conditions_with_sub_queries
    a_limit_and_an_order
    a_skipped_conflict
    an_upsert
    an_upsert_of_several_rows
    replaced_rows
    rows_are_told_in_a_transaction_too
}

/// Old and new title of each record.
fn all_titles(records: &[AuditRecord]) -> Vec<String> {
    records.iter().map(titles).map(|(old, new)| format!("{old} -> {new}")).collect()
}

async fn three(database: &TestDatabase) {
    for name in ["Tea", "Mate", "Milk"] {
        stored_item(database, name).await;
    }
}

async fn updates_of_many(database: &TestDatabase) {
    three(database).await;
    let rows = item::Entity::update_many()
        .col_expr(item::Column::Name, Expr::value("x"))
        .filter(item::Column::Id.gt(1))
        .exec(&database.db)
        .await
        .unwrap();
    assert_eq!(rows.rows_affected, 2);
    let records = database.take();
    assert_eq!(brief(&records), ["update Item 2", "update Item 3"]);
    assert_eq!(all_titles(&records), ["Mate -> x", "Milk -> x"]);
    assert!(records.iter().all(|record| record.attribute("audit.old_confirmed").is_none()), "{records:#?}");
    // Of three rows one has the value already.
    item::Entity::update_many()
        .col_expr(item::Column::Name, Expr::value("Tea"))
        .exec(&database.db)
        .await
        .unwrap();
    assert_eq!(all_titles(&database.take()), ["x -> Tea", "x -> Tea"]);
    item::Entity::update_many()
        .col_expr(item::Column::Price, Expr::col(item::Column::Price).mul(2))
        .exec(&database.db)
        .await
        .unwrap();
    let records = database.take();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0].attribute("audit.changeset.price.new").unwrap().to_string(), "21.00");
    if database.kind != Kind::MariaDb {
        let rows = item::Entity::update_many()
            .col_expr(item::Column::Name, Expr::value("y"))
            .exec_with_returning(&database.db)
            .await
            .unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(all_titles(&database.take()), ["Tea -> y"; 3]);
    }
    let update = item::ActiveModel { id: Set(1), name: Set("z".into()), ..Default::default() };
    item::Entity::update(update).exec(&database.db).await.unwrap();
    let (_, new) = titles(&database.one());
    assert_eq!(new, "z");
}

async fn deletions_of_many(database: &TestDatabase) {
    three(database).await;
    let db = &database.db;
    item::Entity::delete_by_id(2).exec(db).await.unwrap();
    assert_eq!(brief(&database.take()), ["deletion Item 2"]);
    let deleted =
        item::Entity::delete_many().filter(item::Column::Name.is_in(["Tea", "Milk"])).exec(db).await;
    assert_eq!(deleted.unwrap().rows_affected, 2);
    let records = database.take();
    assert_eq!(brief(&records), ["deletion Item 1", "deletion Item 3"]);
    assert_eq!(all_titles(&records), ["Tea -> -", "Milk -> -"]);
    if database.kind != Kind::MariaDb {
        three(database).await;
        let rows = item::Entity::delete_many().exec_with_returning(db).await.unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(database.take().len(), 3);
    }
    item::Entity::delete_many().exec(db).await.unwrap();
    database.silent();
}

async fn raw_writes(database: &TestDatabase) {
    three(database).await;
    let db = &database.db;
    for (text, titles) in [
        ("UPDATE item SET name = 'x' WHERE id = 1", vec!["Tea -> x"]),
        ("/* a */ UPDATE item SET name = 'Tea' WHERE id = 1 -- b", vec!["x -> Tea"]),
        ("update item set name = concat('a', 'b') where name like 'M%'", vec!["Mate -> ab", "Milk -> ab"]),
        ("UPDATE item AS i SET name = 'c' WHERE i.id IN (1, 2)", vec!["Tea -> c", "ab -> c"]),
        (
            "UPDATE item SET name = 'd', price = 3 WHERE price > 1 AND (id = 3 OR name = 'nothing')",
            vec!["ab -> d"],
        ),
        ("DELETE FROM item WHERE id IN (1, 3)", vec!["c -> -", "d -> -"]),
        ("DELETE FROM item", vec!["c -> -"]),
        ("INSERT INTO item (id, name, price) VALUES (7, 'e', 1)", vec!["- -> e"]),
    ] {
        if database.kind == Kind::Sqlite && text.contains("concat") {
            db.execute_unprepared("UPDATE item SET name = 'ab' WHERE name LIKE 'M%'").await.unwrap();
        } else if database.kind == Kind::MariaDb && text.starts_with("DELETE FROM item WHERE") {
            db.execute_raw(sql(db, text)).await.unwrap();
        } else {
            db.execute_unprepared(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        let records = database.take();
        if text.starts_with("INSERT") && records[0].event_type() == "unparsed_write" {
            // A literal key, and no RETURNING.
            panic!("{text}: {records:#?}");
        }
        assert_eq!(all_titles(&records), titles, "{text}");
    }
}

async fn inserts_through_the_entity(database: &TestDatabase) {
    let db = &database.db;
    let inserted = tag::Entity::insert(tag::ActiveModel { name: Set("a".into()), ..Default::default() });
    assert_eq!(inserted.exec(db).await.unwrap().last_insert_id, 1);
    assert_eq!(brief(&database.take()), ["creation Tag 1"]);
    let tags = || ["b", "c"].map(|name| tag::ActiveModel { name: Set(name.into()), ..Default::default() });
    tag::Entity::insert_many(tags()).exec(db).await.unwrap();
    assert_eq!(brief(&database.take()), ["creation Tag 2", "creation Tag 3"]);
    if database.kind != Kind::MariaDb {
        let rows = tag::Entity::insert_many(tags()).exec_with_returning(db).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(brief(&database.take()), ["creation Tag 4", "creation Tag 5"]);
        let keys = tag::Entity::insert_many(tags()).exec_with_returning_keys(db).await.unwrap();
        assert_eq!(keys, [6, 7]);
        let records = database.take();
        assert_eq!(brief(&records), ["creation Tag 6", "creation Tag 7"]);
        assert_eq!(records[1].attribute("audit.changeset.name.new").unwrap(), "c");
    }
}

async fn generated_keys_without_returning(database: &TestDatabase) {
    let db = &database.db;
    let tags =
        || ["a", "b", "c"].map(|name| tag::ActiveModel { name: Set(name.into()), ..Default::default() });
    assert_eq!(tag::Entity::insert_many(tags()).exec_without_returning(db).await.unwrap(), 3);
    assert_eq!(brief(&database.take()), ["creation Tag 1", "creation Tag 2", "creation Tag 3"]);
    let txn = db.begin().await.unwrap();
    let inner = txn.begin().await.unwrap();
    tag::Entity::insert_many(tags()).exec_without_returning(&inner).await.unwrap();
    inner.commit().await.unwrap();
    txn.execute_unprepared("INSERT INTO tag (name) VALUES ('d')").await.unwrap();
    txn.commit().await.unwrap();
    let expected = [4, 5, 6, 7].map(|id| format!("creation Tag {id}"));
    assert_eq!(brief(&database.take()), expected);
}

async fn keys_that_change(database: &TestDatabase) {
    three(database).await;
    let db = &database.db;
    item::Entity::update_many()
        .col_expr(item::Column::Id, Expr::value(10))
        .filter(item::Column::Id.eq(1))
        .exec(db)
        .await
        .unwrap();
    let record = database.one();
    assert_eq!((record.event_type().as_str(), record.pk()), ("update", "10"));
    assert_eq!(record.attribute("audit.changeset.id.old").unwrap().to_string(), "1");
    db.execute_unprepared("UPDATE item SET id = id + 100, name = 'x' WHERE id > 2").await.unwrap();
    let mut records = database.take();
    records.sort_by_key(|record| record.pk().to_owned());
    assert_eq!(brief(&records), ["update Item 103", "update Item 110"]);
    assert_eq!(all_titles(&records), ["Milk -> x", "Tea -> x"]);
}

async fn conditions_with_sub_queries(database: &TestDatabase) {
    three(database).await;
    let db = &database.db;
    let sub_query = item::Entity::find()
        .select_only()
        .column(item::Column::Name)
        .filter(item::Column::Id.eq(2))
        .into_query();
    let deleted =
        item::Entity::delete_many().filter(item::Column::Name.in_subquery(sub_query)).exec(db).await;
    match (database.kind, deleted) {
        (_, Ok(deleted)) => {
            assert_eq!(deleted.rows_affected, 1);
            assert_eq!(brief(&database.take()), ["deletion Item 2"]);
        }
        (kind, Err(error)) => panic!("{kind:?}: {error}"),
    }
    tag::ActiveModel { name: Set("Tea".into()), ..Default::default() }.insert(&database.bare).await.unwrap();
    let text = "UPDATE item SET name = 'x' WHERE EXISTS (SELECT 1 FROM tag WHERE tag.name = item.name)";
    db.execute_unprepared(text).await.unwrap();
    assert_eq!(all_titles(&database.take()), ["Tea -> x"]);
}

async fn a_limit_and_an_order(database: &TestDatabase) {
    if database.kind != Kind::MariaDb {
        return;
    }
    three(database).await;
    let db = &database.db;
    db.execute_unprepared("UPDATE item SET name = 'x' ORDER BY id DESC LIMIT 1").await.unwrap();
    assert_eq!(all_titles(&database.take()), ["Milk -> x"]);
    db.execute_unprepared("UPDATE item SET name = 'y' ORDER BY name DESC LIMIT 2").await.unwrap();
    assert_eq!(all_titles(&database.take()), ["Tea -> y", "x -> y"]);
    db.execute_unprepared("DELETE FROM item WHERE id > 0 ORDER BY name LIMIT 1").await.unwrap();
    assert_eq!(all_titles(&database.take()), ["Mate -> -"]);
}

fn stock_row(slot: i32, amount: i64) -> stock::ActiveModel {
    stock::ActiveModel { shelf: Set("A".into()), slot: Set(slot), amount: Set(amount), code: Set("c".into()) }
}

fn amounts(records: &[AuditRecord]) -> Vec<String> {
    let side = |record: &AuditRecord, side: &str| {
        let value = record.attribute(&format!("audit.changeset.amount.{side}"));
        value.map_or_else(|| "-".to_owned(), |value| value.to_string())
    };
    records
        .iter()
        .map(|record| {
            format!(
                "{} {} {} -> {}",
                record.event_type(),
                record.pk(),
                side(record, "old"),
                side(record, "new")
            )
        })
        .collect()
}

async fn a_skipped_conflict(database: &TestDatabase) {
    let db = &database.db;
    stock_row(1, 5).insert(&database.bare).await.unwrap();
    let keys = || [stock::Column::Shelf, stock::Column::Slot];
    let insert = |rows: Vec<stock::ActiveModel>| {
        stock::Entity::insert_many(rows)
            .on_conflict(OnConflict::columns(keys()).do_nothing_on(keys()).to_owned())
    };
    insert(vec![stock_row(1, 9)]).exec_without_returning(db).await.unwrap();
    database.silent();
    insert(vec![stock_row(1, 9), stock_row(2, 7)]).exec_without_returning(db).await.unwrap();
    assert_eq!(amounts(&database.take()), ["creation A,2 - -> 7"]);
    insert(vec![stock_row(2, 9), stock_row(3, 8)]).exec(db).await.unwrap();
    assert_eq!(amounts(&database.take()), ["creation A,3 - -> 8"]);
}

async fn an_upsert(database: &TestDatabase) {
    let db = &database.db;
    let upsert = |amount| {
        let keys = [stock::Column::Shelf, stock::Column::Slot];
        let update = OnConflict::columns(keys).update_column(stock::Column::Amount).to_owned();
        stock::Entity::insert(stock_row(1, amount)).on_conflict(update)
    };
    upsert(1).exec(db).await.unwrap();
    assert_eq!(amounts(&database.take()), ["creation A,1 - -> 1"]);
    upsert(2).exec(db).await.unwrap();
    assert_eq!(amounts(&database.take()), ["update A,1 1 -> 2"]);
    upsert(2).exec_without_returning(db).await.unwrap();
    database.silent();
    if database.kind != Kind::MariaDb {
        let row = upsert(3).exec_with_returning(db).await.unwrap();
        assert_eq!(row.amount, 3);
        assert_eq!(amounts(&database.take()), ["update A,1 2 -> 3"]);
    }
}

async fn an_upsert_of_several_rows(database: &TestDatabase) {
    let db = &database.db;
    stock_row(1, 5).insert(&database.bare).await.unwrap();
    stock_row(2, 6).insert(&database.bare).await.unwrap();
    let keys = [stock::Column::Shelf, stock::Column::Slot];
    let update = OnConflict::columns(keys).update_column(stock::Column::Amount).to_owned();
    let rows = [stock_row(1, 50), stock_row(2, 6), stock_row(3, 7)];
    stock::Entity::insert_many(rows).on_conflict(update).exec_without_returning(db).await.unwrap();
    let records = database.take();
    let created = match database.kind {
        // Two for a changed row, one for a new one, one for one that stays: three rows, and what each was is unsure.
        Kind::MariaDb => "upsert A,3 - -> 7",
        _ => "creation A,3 - -> 7",
    };
    assert_eq!(amounts(&records), ["update A,1 5 -> 50", created]);
}

async fn replaced_rows(database: &TestDatabase) {
    if database.kind == Kind::Postgres {
        return;
    }
    let db = &database.db;
    database.bare.execute_unprepared("CREATE UNIQUE INDEX stock_code ON stock (code)").await.unwrap();
    let mut other = stock_row(2, 6);
    other.code = Set("d".into());
    stock_row(1, 5).insert(&database.bare).await.unwrap();
    other.insert(&database.bare).await.unwrap();
    // The catalogue was read before the index was made.
    db.execute_unprepared("CREATE TABLE forgotten (id INTEGER)").await.unwrap();
    let verb = if database.kind == Kind::Sqlite { "INSERT OR REPLACE" } else { "REPLACE" };
    let text = format!("{verb} INTO stock (shelf, slot, amount, code) VALUES ('A', 1, 9, 'd')");
    db.execute_unprepared(&text).await.unwrap();
    let mut told = amounts(&database.take());
    told.sort();
    assert_eq!(told, ["deletion A,2 6 -> -", "update A,1 5 -> 9"]);
    let statement = Statement::from_sql_and_values(
        database.kind.backend(),
        format!("{verb} INTO stock (shelf, slot, amount, code) VALUES (?, ?, ?, ?)"),
        ["B".into(), 1.into(), 3_i64.into(), "e".into()],
    );
    db.execute_raw(statement).await.unwrap();
    assert_eq!(amounts(&database.take()), ["creation B,1 - -> 3"]);
}

async fn rows_are_told_in_a_transaction_too(database: &TestDatabase) {
    three(database).await;
    let txn = database.db.begin().await.unwrap();
    item::Entity::update_many().col_expr(item::Column::Name, Expr::value("x")).exec(&txn).await.unwrap();
    item::Entity::delete_many().filter(item::Column::Id.lt(3)).exec(&txn).await.unwrap();
    let left = item::Entity::find().order_by_asc(item::Column::Id).all(&txn).await.unwrap();
    assert_eq!(left.len(), 1);
    database.silent();
    txn.commit().await.unwrap();
    let records = database.take();
    assert_eq!(all_titles(&records), ["Tea -> x", "Mate -> x", "Milk -> x", "x -> -", "x -> -"]);
    assert!(records.iter().all(|record| record.transaction_count() == Some(5)));
}
