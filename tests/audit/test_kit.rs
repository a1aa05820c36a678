//! The kit for users' own tests: what passes, what fails and with which words.

mod failures;
mod snapshots;

use ftn_audit_sea::{prelude::*, testing::*};
use sea_orm::{ActiveValue::Set, TransactionTrait, prelude::*};

use crate::{
    database::{TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb: every_form_passes composite_keys links_of_a_relation }
on! { Sqlite: side_by_side an_application_with_settings }

/// A tea that became a mate, and is gone.
async fn life(database: &TestDatabase) {
    let db = &database.db;
    let mut tea = new_item("Tea");
    tea.supplier_note = Set(Some("secret".to_owned()));
    let tea = tea.insert(db).await.unwrap();
    let mut mate = renamed(&tea, "Mate");
    mate.price = Set(price(1250));
    mate.supplier_note = Set(None);
    mate.update(db).await.unwrap();
    item::Entity::delete_by_id(tea.id).exec(db).await.unwrap();
}

async fn every_form_passes(database: &TestDatabase) {
    life(database).await;
    let recorder = &database.recorder;
    assert_audited!(recorder, item::Entity);
    assert_audited!(recorder, item::Entity, creation);
    assert_audited!(recorder, item::Entity, creation, id = 1, title: "Tea", price: price(1050), owner_id: None);
    let update = assert_audited!(
        recorder,
        item::Entity,
        update,
        id = 1,
        title: "Tea" => "Mate",
        price: "10.50" => Decimal::new(125, 1),
        supplier_note: "***" => None,
    );
    assert_eq!(update.event_type(), "update");
    assert_audited!(recorder, item::Entity, update, title: "Mate");
    assert_audited!(recorder, crate::entities::item::Entity, deletion, id = 1, "title": "Mate");

    assert_not_audited!(recorder, owner::Entity);
    assert_not_audited!(recorder, item::Entity, collection_update);
    assert_not_audited!(recorder, item::Entity, update, id = 2);
    assert_not_audited!(recorder, item::Entity, update, id = 1, title: "Tea" => "Milk");
    recorder.clear();
    assert_not_audited!(recorder, item::Entity);
}

async fn composite_keys(database: &TestDatabase) {
    let stock = |amount| stock::ActiveModel {
        shelf: Set("a".to_owned()),
        slot: Set(7),
        amount: Set(amount),
        code: Set("c".to_owned()),
    };
    stock(1).insert(&database.db).await.unwrap();
    stock(2).update(&database.db).await.unwrap();
    let recorder = &database.recorder;
    assert_audited!(recorder, stock::Entity, creation, slot = 7, shelf = "a", amount: 1, code: "***");
    assert_audited!(recorder, stock::Entity, update, shelf = "a", slot = 7, amount: 1 => 2);
}

async fn links_of_a_relation(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let txn = database.db.begin().await.unwrap();
    for name in ["hot", "green"] {
        let tag = stored_tag_in(&txn, name).await;
        item_tag::ActiveModel { item_id: Set(item.id), tag_id: Set(tag.id) }.insert(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
    let recorder = &database.recorder;
    // Between them came the creation of the second tag, so they are two events.
    assert_audited!(recorder, item::Entity, collection_update, id = 1, tags: add [1]);
    assert_audited!(recorder, item::Entity, collection_update, id = 1, tags: add [2]);
    assert_not_audited!(recorder, item::Entity, collection_update, tags: remove [1]);
    assert_audited!(recorder, tag::Entity, creation, name: "green");
}

async fn stored_tag_in(db: &impl ConnectionTrait, name: &str) -> tag::Model {
    tag::ActiveModel { name: Set(name.to_owned()), ..Default::default() }.insert(db).await.unwrap()
}

/// What one handle records, the other's recorder does not see.
async fn side_by_side(database: &TestDatabase) {
    let others: Vec<_> = (0..8).map(|_| Recorder::new()).collect();
    let work = others.iter().enumerate().map(|(number, recorder)| async move {
        let db = recorder.audit().connect(database.bare.clone()).await.unwrap();
        new_item(&format!("tea {number}")).insert(&db).await.unwrap();
        recorder.audit().scope(new_item(&format!("mate {number}")).insert(&database.bare)).await.unwrap();
    });
    futures_util::future::join_all(work).await;
    for (number, recorder) in others.iter().enumerate() {
        assert_eq!(recorder.records().len(), 2);
        assert_audited!(recorder, item::Entity, creation, title: format!("tea {number}"));
        assert_audited!(recorder, item::Entity, creation, title: format!("mate {number}"));
    }
    assert_not_audited!(database.recorder, item::Entity);
}

/// Its settings stay; what would keep records from the recorder does not.
async fn an_application_with_settings(database: &TestDatabase) {
    let builder = Audit::builder()
        .service_name("shop")
        .delivery(Delivery::outbox())
        .enabled(false)
        .changeset_relationships(false);
    let recorder = Recorder::with(builder);
    let db = recorder.audit().connect(database.bare.clone()).await.unwrap();
    let owner = owner::ActiveModel { name: Set("Ann".to_owned()), ..Default::default() };
    let owner = owner.insert(&db).await.unwrap();
    let tea = new_item("Tea").insert(&db).await.unwrap();
    let mut owned: item::ActiveModel = tea.into();
    owned.owner_id = Set(Some(owner.id));
    owned.update(&db).await.unwrap();
    assert_audited!(recorder, item::Entity, creation, title: "Tea");
    assert_not_audited!(recorder, item::Entity, update);
}
