//! Links of an entity with itself, whose two sides are two relations.

use sea_orm::{ActiveValue::Set, ConnectionTrait};

use crate::{
    database::{TestDatabase, on_every_database},
    entities::*,
};

on_every_database! { each_direction_is_a_relation_of_its_own }

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
