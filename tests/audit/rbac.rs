//! SeaORM's role-based access control on an audited connection: refused where the bare connection refuses, recorded
//! where it allows.

use ftn_audit_sea::prelude::*;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, RestrictedConnection, Statement, TransactionTrait,
    entity::prelude::*,
    rbac::{RbacContext, RbacUserId},
    sea_query::Expr,
};

use crate::{
    database::{TestDatabase, on, recording},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    a_user_with_rights_is_recorded
    old_values_need_no_right_of_the_user
    refusals_are_those_of_the_bare_connection
    a_restricted_connection_can_be_wrapped_itself
}

const EDITOR: RbacUserId = RbacUserId(1);
const WRITER: RbacUserId = RbacUserId(2);
const NOBODY: RbacUserId = RbacUserId(3);

/// The editor may do everything, the writer update and delete items and see nothing, nobody nothing.
async fn rules(database: &TestDatabase) {
    let db = &database.bare;
    sea_orm::rbac::schema::create_tables(db, Default::default()).await.unwrap();
    let mut context = RbacContext::load(db).await.unwrap();
    context.add_tables(db, &["item", "item_tag"]).await.unwrap();
    context.add_crud_permissions(db).await.unwrap();
    context.add_roles(db, &["editor", "writer", "nobody"]).await.unwrap();
    context.assign_user_role(db, &[(1, "editor"), (2, "writer"), (3, "nobody")]).await.unwrap();
    let every = ["select", "insert", "update", "delete"];
    context.add_role_permissions(db, "editor", &every, &["item", "item_tag"]).await.unwrap();
    context.add_role_permissions(db, "writer", &["update", "delete"], &["item"]).await.unwrap();
    db.load_rbac().await.unwrap();
}

async fn a_user_with_rights_is_recorded(database: &TestDatabase) {
    rules(database).await;
    let db = database.db.restricted_for(EDITOR).unwrap();
    assert_eq!(db.inner().user_id(), EDITOR);

    let item = new_item("Tea").insert(&db).await.unwrap();
    assert_eq!(database.one().event_type(), "creation");
    renamed(&item, "Mate").update(&db).await.unwrap();
    assert_eq!(titles(&database.one()), ("Tea".to_owned(), "Mate".to_owned()));

    let txn = db.begin().await.unwrap();
    renamed(&item, "Cocoa").update(&txn).await.unwrap();
    let savepoint = txn.begin().await.unwrap();
    renamed(&item, "Coffee").update(&savepoint).await.unwrap();
    savepoint.rollback().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(titles(&database.one()), ("Mate".to_owned(), "Cocoa".to_owned()));

    let many = item::Entity::update_many().col_expr(item::Column::Name, Expr::value("Water"));
    many.filter(item::Column::Id.eq(item.id)).exec(&db).await.unwrap();
    assert_eq!(titles(&database.one()), ("Cocoa".to_owned(), "Water".to_owned()));
    item::Entity::delete_by_id(item.id).exec(&db).await.unwrap();
    let record = database.one();
    assert_eq!(record.event_type(), "deletion");
    assert_eq!(titles(&record).0, "Water");
}

async fn old_values_need_no_right_of_the_user(database: &TestDatabase) {
    rules(database).await;
    let item = stored_item(database, "Tea").await;
    let db = database.db.restricted_for(WRITER).unwrap();
    renamed(&item, "Mate").update_without_returning(&db).await.unwrap();
    let record = database.one();
    assert_eq!(titles(&record), ("Tea".to_owned(), "Mate".to_owned()));
    assert!(record.attribute("audit.old_confirmed").is_none(), "{record:#?}");
    item.delete(&db).await.unwrap();
    assert_eq!(titles(&database.one()).0, "Mate");
}

/// What was tried, and what came of it.
async fn attempts<C>(db: &C, item: &item::Model) -> Vec<Result<(), String>>
where
    C: ConnectionTrait + TransactionTrait,
{
    let text = |error: DbErr| format!("{error:?}");
    let raw = Statement::from_string(db.get_database_backend(), "UPDATE item SET name = 'raw'");
    let many = item::Entity::update_many().col_expr(item::Column::Name, Expr::value("many"));
    let mut outcomes = vec![
        new_item("new").insert(db).await.map(|_| ()).map_err(text),
        renamed(item, "two").update_without_returning(db).await.map(|_| ()).map_err(text),
        many.exec(db).await.map(|_| ()).map_err(text),
        item::Entity::find().all(db).await.map(|_| ()).map_err(text),
        item::Entity::insert_many([new_item("a"), new_item("b")])
            .exec_without_returning(db)
            .await
            .map(|_| ())
            .map_err(text),
        db.execute_raw(raw.clone()).await.map(|_| ()).map_err(text),
        db.query_one_raw(raw.clone()).await.map(|_| ()).map_err(text),
        db.query_all_raw(raw).await.map(|_| ()).map_err(text),
        db.execute_unprepared("UPDATE item SET name = 'raw'").await.map(|_| ()).map_err(text),
        db.execute_unprepared("BEGIN").await.map(|_| ()).map_err(text),
        tag::Entity::delete_many().exec(db).await.map(|_| ()).map_err(text),
    ];
    let txn = db.begin().await.unwrap();
    outcomes.push(item.clone().delete(&txn).await.map(|_| ()).map_err(text));
    outcomes.push(txn.execute_unprepared("DELETE FROM item").await.map(|_| ()).map_err(text));
    drop(txn);
    outcomes
}

async fn refusals_are_those_of_the_bare_connection(database: &TestDatabase) {
    rules(database).await;
    let item = stored_item(database, "Tea").await;
    for user in [EDITOR, WRITER, NOBODY] {
        let bare = attempts(&database.bare.restricted_for(user).unwrap(), &item).await;
        database.silent();
        let audited = attempts(&database.db.restricted_for(user).unwrap(), &item).await;
        assert_eq!(audited, bare, "{user:?}");
        assert_eq!(database.take().is_empty(), user == NOBODY);
    }
}

/// Without rules there is no restricted connection, audited or not; and `connect` takes one, too.
async fn a_restricted_connection_can_be_wrapped_itself(database: &TestDatabase) {
    let expected = database.bare.restricted_for(WRITER).unwrap_err().to_string();
    assert_eq!(database.db.restricted_for(WRITER).unwrap_err().to_string(), expected);
    rules(database).await;
    let item = stored_item(database, "Tea").await;
    let (audit, sink) = recording();
    let restricted: RestrictedConnection = database.bare.restricted_for(WRITER).unwrap();
    let db: AuditedConnection<RestrictedConnection> = audit.connect(restricted).await.unwrap();
    renamed(&item, "Mate").update_without_returning(&db).await.unwrap();
    let records = sink.records();
    assert_eq!(records.len(), 1);
    assert_eq!(titles(&records[0]), ("Tea".to_owned(), "Mate".to_owned()));
}
