//! Links of an entity with itself, whose two sides are two relations, and links of a `compact_model`.

use sea_orm::{ActiveValue::Set, ConnectionTrait, ModelTrait};

use crate::{
    database::{TestDatabase, on_every_database},
    entities::*,
};

on_every_database! {
    each_direction_is_a_relation_of_its_own
    a_compact_model_has_columns_and_links
}

async fn write(db: &impl ConnectionTrait) {
    let link = sponsorship::ActiveModel { member_id: Set(1), sponsor_id: Set(2) };
    link.clone().insert(db).await.unwrap();
    link.delete(db).await.unwrap();
}

async fn each_direction_is_a_relation_of_its_own(test: &TestDatabase) {
    for id in [1, 2] {
        member::ActiveModel { id: Set(id) }.insert(&test.plain).await.unwrap();
    }
    let expected = ["add", "remove"].map(|action| {
        [
            format!("collection_update Member #2 {action} sponsored [1]"),
            format!("collection_update Member #1 {action} sponsors [2]"),
        ]
    });
    write(&test.db).await;
    assert_eq!(test.events(), expected.as_flattened());
    test.hooked(write(&test.plain)).await;
    assert_eq!(test.events(), expected.as_flattened());
}

async fn keep_a_book(db: &impl ConnectionTrait) {
    let shelf = shelf::ActiveModel { id: Set(1), lock: Set("PLANTED-1".into()) }.insert(db).await.unwrap();
    let link = shelf_book::ActiveModel { shelf_id: Set(1), book_id: Set(2) };
    link.clone().insert(db).await.unwrap();
    link.delete(db).await.unwrap();
    let mut change: shelf::ActiveModel = shelf.into();
    change.lock = Set("PLANTED-2".into());
    change.update(db).await.unwrap().delete(db).await.unwrap();
}

async fn a_compact_model_has_columns_and_links(test: &TestDatabase) {
    book::ActiveModel { id: Set(2) }.insert(&test.plain).await.unwrap();
    keep_a_book(&test.db).await;
    let captured = test.take();
    test.hooked(keep_a_book(&test.plain)).await;
    for records in [captured, test.take()] {
        let told: Vec<_> = records.iter().map(|record| record.description().to_owned()).collect();
        let expected = [
            "Created Shelf #1",
            "add on Shelf #1.books",
            "remove on Shelf #1.books",
            "Updated Shelf #1 (combination)",
            "Deleted Shelf #1",
        ];
        assert_eq!(told, expected);
        assert_eq!(records[1].attribute("audit.pk_set").unwrap(), "[2]");
        assert_eq!(records[3].attribute("audit.changeset.combination.new").unwrap(), "***");
        assert!(!format!("{records:?}").contains("PLANTED"), "{records:#?}");
    }
}
