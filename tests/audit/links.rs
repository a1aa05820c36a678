//! Many-to-many relations.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ftn_audit_sea::prelude::*;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel, TransactionTrait,
};

use crate::{
    database::{Kind, TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    through_the_relation
    through_the_relation_by_hooks
    what_is_merged
    more_links_than_a_record_lists
    relations_that_are_not_on_the_list
    what_is_rolled_back
    deleting_the_owner
    the_owner_is_for_formatters
}

async fn tags(database: &TestDatabase, count: usize) -> Vec<tag::Model> {
    let mut tags = Vec::new();
    for number in 1..=count {
        tags.push(stored_tag(database, &format!("tag {number}")).await);
    }
    tags
}

/// An item whose tags are these.
fn tagged(item: &item::Model, tags: &[&tag::Model]) -> item::ActiveModelEx {
    let mut ex = item.clone().into_ex().into_active_model();
    ex.tags.replace_all(tags.iter().map(|tag| (*tag).clone().into_ex().into_active_model()));
    ex
}

/// Adds, adds again, replaces and removes.
async fn relink<C: TransactionTrait + ConnectionTrait>(db: &C, item: &item::Model, tags: &[tag::Model]) {
    let ex = || item.clone().into_ex().into_active_model();
    let add =
        |ex: item::ActiveModelEx, number: usize| ex.add_tag(tags[number - 1].clone().into_active_model());
    add(add(add(ex(), 10), 2), 9).save(db).await.unwrap();
    // 2 and 9 are there already.
    add(add(add(ex(), 2), 9), 1).save(db).await.unwrap();
    add(ex(), 2).save(db).await.unwrap();
    tagged(item, &[&tags[8], &tags[2]]).save(db).await.unwrap();
    tagged(item, &[]).save(db).await.unwrap();
}

async fn through_the_relation(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tags = tags(database, 10).await;
    relink(&database.db, &item, &tags).await;
    let records = database.take();
    let all: Vec<_> = records.iter().map(linked).collect();
    assert_eq!(all, ["add [2,9,10]", "add [1]", "remove [1,2,10]", "add [3]", "remove [3,9]"]);
    for record in &records {
        assert_eq!((record.model(), record.pk(), record.table()), ("Item", "1", "item"));
        assert_eq!(record.attribute("audit.field_name").unwrap(), "tags");
        assert_eq!(record.attribute("audit.pk_set_truncated"), None);
        assert_eq!(record.attribute("audit.commit_confirmed"), None);
    }
}

/// An event a row, and the same rows.
async fn through_the_relation_by_hooks(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tags = tags(database, 10).await;
    database.audit.scope(relink(&database.bare, &item, &tags)).await;
    let records = database.take();
    let mut all: Vec<_> = records.iter().map(linked).collect();
    let mut expected = vec![
        "add [10]",
        "add [2]",
        "add [9]",
        "add [1]",
        "remove [1]",
        "remove [2]",
        "remove [10]",
        "add [3]",
        "remove [3]",
        "remove [9]",
    ];
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
    for record in &records {
        assert_eq!((record.model(), record.pk()), ("Item", "1"));
        assert_eq!(record.attribute("audit.capture").unwrap(), "hook");
        assert_eq!(record.attribute("audit.commit_confirmed").unwrap(), false, "ActiveModelEx opens one");
    }
}

fn pair(item: &item::Model, tag: &tag::Model) -> item_tag::ActiveModel {
    item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) }
}

async fn what_is_merged(database: &TestDatabase) {
    let (one, two) = (stored_item(database, "one").await, stored_item(database, "two").await);
    let tags = tags(database, 5).await;
    let txn = database.db.begin().await.unwrap();
    for (item, tag) in [(&one, 2), (&one, 0), (&two, 0), (&one, 1)] {
        pair(item, &tags[tag]).insert(&txn).await.unwrap();
    }
    pair(&one, &tags[3]).insert(&txn).await.unwrap();
    renamed(&two, "other").update(&txn).await.unwrap();
    pair(&one, &tags[4]).insert(&txn).await.unwrap();
    pair(&one, &tags[4]).delete(&txn).await.unwrap();
    txn.commit().await.unwrap();
    pair(&two, &tags[3]).insert(&database.db).await.unwrap();
    pair(&two, &tags[4]).insert(&database.db).await.unwrap();
    let records = database.take();
    let all: Vec<_> = records
        .iter()
        .map(|record| match record.event_type() == "update" {
            true => "update".to_owned(),
            false => format!("{} {}", record.pk(), linked(record)),
        })
        .collect();
    let expected = [
        "1 add [1,3]",
        "2 add [1]",
        "1 add [2,4]",
        "update",
        "1 add [5]",
        "1 remove [5]",
        "2 add [4]",
        "2 add [5]",
    ];
    assert_eq!(all, expected);
    assert_eq!(records[0].transaction_count(), Some(6), "counted as handed over");
}

async fn more_links_than_a_record_lists(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let new =
        (0..600).map(|number| tag::ActiveModel { name: Set(format!("{number}")), ..Default::default() });
    tag::Entity::insert_many(new).exec(&database.bare).await.unwrap();
    let tags = tag::Entity::find().all(&database.bare).await.unwrap();
    let txn = database.db.begin().await.unwrap();
    let links = tags.iter().rev().map(|tag| pair(&item, tag));
    item_tag::Entity::insert_many(links).exec_without_returning(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let check = |record: &AuditRecord, action: &str| {
        assert_eq!(record.attribute("audit.action").unwrap(), action);
        let keys = record.attribute("audit.pk_set").unwrap().to_json();
        let keys = keys.as_array().unwrap().clone();
        assert_eq!((keys.len(), keys[0].as_i64(), keys[499].as_i64()), (500, Some(1), Some(500)));
        assert_eq!(record.attribute("audit.pk_set_truncated").unwrap(), true);
        assert_eq!(record.attribute("audit.pk_set_total").unwrap(), 600);
    };
    check(&database.one(), "add");
    item_tag::Entity::delete_many().exec(&database.db).await.unwrap();
    check(&database.one(), "remove");
}

/// Labels have no `#[audit(link)]`, nor have the items of a tag.
async fn relations_that_are_not_on_the_list(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let label = label::ActiveModel { name: Set("x".into()), ..Default::default() };
    let label = label.insert(&database.bare).await.unwrap();
    let ex = item.clone().into_ex().into_active_model().add_label(label.into_active_model());
    ex.save(&database.db).await.unwrap();
    database.silent();
    let tag = stored_tag(database, "hot").await;
    let ex = tag.into_ex().into_active_model().add_item(item.into_active_model());
    ex.save(&database.db).await.unwrap();
    let record = database.one();
    assert_eq!((record.model(), linked(&record)), ("Item", "add [1]".to_owned()));
}

async fn what_is_rolled_back(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tags = tags(database, 2).await;
    let txn = database.db.begin().await.unwrap();
    pair(&item, &tags[0]).insert(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    pair(&item, &tags[1]).insert(&inner).await.unwrap();
    inner.rollback().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(linked(&database.one()), "add [1]");
    let txn = database.db.begin().await.unwrap();
    pair(&item, &tags[1]).insert(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    database.silent();
}

async fn deleting_the_owner(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    for tag in tags(database, 3).await {
        pair(&item, &tag).insert(&database.bare).await.unwrap();
    }
    item.cascade_delete(&database.db).await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["collection_update Item 1", "deletion Item 1"]);
    assert_eq!(linked(&records[0]), "remove [1,2,3]");
}

#[audit_formatter(route = "POST|/linked", event = "collection_update")]
fn linked_item(change: &Change<item::Model>) -> Formatted {
    let link = change.link().expect("a collection_update has a link");
    Formatted::new(format!("{} {} {}", link.action().as_str(), change.subject().name, link.total()))
}

/// It costs a SELECT, so it is loaded only where somebody looks at it.
async fn the_owner_is_for_formatters(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let tags = tags(database, 2).await;
    let statements = Arc::new(AtomicUsize::new(0));
    let mut counted = database.bare.clone();
    let counter = statements.clone();
    counted.set_metric_callback(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let db = database.audit.connect(counted).await.unwrap();
    statements.store(0, Ordering::SeqCst);
    pair(&item, &tags[0]).insert(&db).await.unwrap();
    let without = statements.swap(0, Ordering::SeqCst);
    assert_eq!(database.one().description(), "add on Item #1.tags");
    let context = AuditContext::builder().raw_route("POST /linked").build();
    context.scope(pair(&item, &tags[1]).insert(&db)).await.unwrap();
    assert_eq!(database.one().description(), "add Tea 1");
    let with = statements.load(Ordering::SeqCst);
    assert_eq!(with, without + 1);
    let expected = if database.kind == Kind::MariaDb { 3 } else { 1 };
    assert_eq!(without, expected, "MariaDB: INSERT, our look at the row, SeaORM's own");
}
