//! What the database does to other rows by itself, because of a foreign key.

use ftn_audit_sea::{prelude::*, testing::*};
use sea_orm::{ActiveValue::Set, TransactionTrait, prelude::*};

use crate::{
    database::{Kind, TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    rows_that_go_along
    rows_that_lose_their_reference
    links_that_go_along
    references_that_follow_a_key
    what_did_not_happen_is_not_told
    a_tree
}

/// Gives the tables foreign keys of these actions.
async fn refer(database: &TestDatabase, item_owner: &str, link_item: &str) {
    let bare = &database.bare;
    if database.kind == Kind::Sqlite {
        // SQLite takes foreign keys with the table only.
        for text in [
            "DROP TABLE item_tag".to_owned(),
            "DROP TABLE item_label".to_owned(),
            "DROP TABLE item".to_owned(),
            format!(
                "CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, price REAL NOT NULL, \
                 owner_id INTEGER REFERENCES owner (id) {item_owner}, supplier_note TEXT, api_token TEXT, internal TEXT, \
                 updated_at TEXT)"
            ),
            format!(
                "CREATE TABLE item_tag (item_id INTEGER REFERENCES item (id) {link_item}, tag_id INTEGER REFERENCES tag \
                 (id), PRIMARY KEY (item_id, tag_id))"
            ),
        ] {
            bare.execute_unprepared(&text).await.unwrap();
        }
    } else {
        let drop = if database.kind == Kind::Postgres { "CONSTRAINT" } else { "FOREIGN KEY" };
        for (table, key, column, to, action) in [
            ("item", "fk-item-owner_id", "owner_id", "owner", item_owner),
            ("item_tag", "fk-item_tag-item_id", "item_id", "item", link_item),
        ] {
            let quote = if database.kind == Kind::Postgres { '"' } else { '`' };
            for text in [
                format!("ALTER TABLE {table} DROP {drop} {quote}{key}{quote}"),
                format!(
                    "ALTER TABLE {table} ADD CONSTRAINT {table}_{column} FOREIGN KEY ({column}) REFERENCES {to} (id) {action}"
                ),
            ] {
                bare.execute_unprepared(&text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
            }
        }
    }
    // What the catalogue said before is no longer so.
    database.db.execute_unprepared("CREATE TABLE something (id INTEGER)").await.unwrap();
}

/// An owner of two items, the first of which has two tags.
async fn owned(database: &TestDatabase) {
    let bare = &database.bare;
    owner::ActiveModel { name: Set("Ann".into()), ..Default::default() }.insert(bare).await.unwrap();
    for name in ["Tea", "Mate"] {
        let mut item = new_item(name);
        item.owner_id = Set(Some(1));
        item.insert(bare).await.unwrap();
    }
    for name in ["hot", "green"] {
        let tag = stored_tag(database, name).await;
        item_tag::ActiveModel { item_id: Set(1), tag_id: Set(tag.id) }.insert(bare).await.unwrap();
    }
}

fn causes(records: &[AuditRecord]) -> Vec<Option<usize>> {
    let position = |id: String| records.iter().position(|record| record.id().to_string() == id);
    records.iter().map(|record| position(record.attribute("audit.cause")?.to_string())).collect()
}

async fn rows_that_go_along(database: &TestDatabase) {
    refer(database, "ON DELETE CASCADE", "ON DELETE CASCADE").await;
    owned(database).await;
    owner::Entity::delete_by_id(1).exec(&database.db).await.unwrap();
    assert_audited!(database.recorder, item::Entity, collection_update, id = 1, tags: remove [1, 2]);
    assert_audited!(database.recorder, item::Entity, deletion, id = 1, title: "Tea", owner_id: 1);
    let records = database.take();
    assert_eq!(
        brief(&records),
        ["collection_update Item 1", "deletion Item 1", "deletion Item 2", "deletion Owner 1"]
    );
    assert_eq!(causes(&records), [Some(1), Some(3), Some(3), None]);
    assert!(records.iter().all(|record| record.transaction_id() == records[0].transaction_id()));
}

async fn rows_that_lose_their_reference(database: &TestDatabase) {
    refer(database, "ON DELETE SET NULL", "").await;
    owned(database).await;
    let txn = database.db.begin().await.unwrap();
    owner::Entity::delete_many().exec(&txn).await.unwrap();
    txn.commit().await.unwrap();
    assert_audited!(database.recorder, item::Entity, update, id = 1, owner_id: 1 => None);
    let records = database.take();
    assert_eq!(brief(&records), ["update Item 1", "update Item 2", "deletion Owner 1"]);
    assert_eq!(causes(&records), [Some(2), Some(2), None]);
}

async fn links_that_go_along(database: &TestDatabase) {
    refer(database, "", "ON DELETE CASCADE").await;
    owned(database).await;
    let item = stored(database, 1).await.unwrap();
    item.delete(&database.db).await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["collection_update Item 1", "deletion Item 1"]);
    assert_eq!((linked(&records[0]).as_str(), causes(&records)), ("remove [1,2]", vec![Some(1), None]));
}

async fn references_that_follow_a_key(database: &TestDatabase) {
    refer(database, "ON UPDATE CASCADE", "ON UPDATE CASCADE").await;
    owned(database).await;
    database.db.execute_unprepared("UPDATE owner SET id = 5 WHERE id = 1").await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["update Item 1", "update Item 2", "update Owner 5"]);
    assert_eq!(records[0].attribute("audit.changeset.owner_id.new").unwrap().to_string(), "5");
    assert_eq!(causes(&records), [Some(2), Some(2), None]);
    database.db.execute_unprepared("UPDATE item SET id = 9 WHERE id = 1").await.unwrap();
    let records = database.take();
    let links: Vec<_> = records.iter().filter(|record| record.event_type() == "collection_update").collect();
    assert_eq!(links.iter().map(|record| linked(record)).collect::<Vec<_>>(), ["remove [1,2]", "add [1,2]"]);
    assert_eq!(links.iter().map(|record| record.pk()).collect::<Vec<_>>(), ["1", "9"]);
}

async fn what_did_not_happen_is_not_told(database: &TestDatabase) {
    refer(database, "ON DELETE CASCADE", "").await;
    owned(database).await;
    // Its links hold the first item fast, and so its owner.
    let refused = owner::Entity::delete_by_id(1).exec(&database.db).await;
    assert!(refused.is_err());
    database.silent();
    if database.kind == Kind::Sqlite {
        let mut connection = sea_orm::ConnectOptions::new(&database.url);
        connection.sqlx_logging(false).map_sqlx_sqlite_opts(|options| options.foreign_keys(false));
        let careless = sea_orm::Database::connect(connection).await.unwrap();
        let db = database.audit.connect(careless).await.unwrap();
        owner::Entity::delete_by_id(1).exec(&db).await.unwrap();
        assert_eq!(brief(&database.take()), ["deletion Owner 1"]);
    }
}

pub mod branch {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "branch")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub parent_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

async fn a_tree(database: &TestDatabase) {
    let table = "CREATE TABLE branch (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES branch (id) ON DELETE CASCADE)";
    let table = match database.kind {
        // MariaDB overlooks what stands beside the column.
        Kind::MariaDb => {
            "CREATE TABLE branch (id INTEGER PRIMARY KEY, parent_id INTEGER, FOREIGN KEY (parent_id) REFERENCES branch \
             (id) ON DELETE CASCADE)"
        }
        _ => table,
    };
    database.bare.execute_unprepared(table).await.unwrap();
    database
        .bare
        .execute_unprepared("INSERT INTO branch VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, NULL)")
        .await
        .unwrap();
    branch::Entity::delete_by_id(1).exec(&database.db).await.unwrap();
    let records = database.take();
    assert_eq!(
        brief(&records),
        ["deletion Branch 4", "deletion Branch 3", "deletion Branch 2", "deletion Branch 1"]
    );
    assert_eq!(causes(&records), [Some(1), Some(2), Some(3), None]);
    // A branch of itself.
    database.bare.execute_unprepared("INSERT INTO branch VALUES (6, 6)").await.unwrap();
    branch::Entity::delete_by_id(6).exec(&database.db).await.unwrap();
    assert_eq!(brief(&database.take()), ["deletion Branch 6"]);
}
