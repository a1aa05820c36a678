//! Junctions with columns beside the keys by which they link.

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, EntityTrait, ModelTrait, TransactionTrait};

use crate::{
    database::{TestDatabase, changed, on_every_database},
    entities::*,
};

on_every_database! {
    a_row_is_links_and_its_other_columns_are_its_own
    hooks_tell_the_same
    owners_with_hidden_keys_stay_apart
}

/// A formatter of a junction can be chosen for updates, and only for those.
#[audit_formatter(event = "update")]
fn level_changed(change: &Change<person_topic::Model>) -> Formatted {
    Formatted::new(format!("level {}", change.subject().level))
}

struct Rows {
    ann: String,
    ben: String,
    people: Vec<person::Model>,
    topics: Vec<topic::Model>,
}

async fn rows(test: &TestDatabase) -> Rows {
    let mut people = Vec::new();
    let mut topics = Vec::new();
    for name in ["Ann", "Ben"] {
        let person = person::ActiveModel { name: Set(name.into()), ..Default::default() };
        people.push(person.insert(&test.db).await.unwrap());
        let topic = topic::ActiveModel { name: Set(name.into()), ..Default::default() };
        topics.push(topic.insert(&test.db).await.unwrap());
    }
    test.take();
    let hash = |index: usize| test.audit.hashes_of(people[index].id).remove(0);
    Rows { ann: hash(0), ben: hash(1), people, topics }
}

fn link(person: &person::Model, topic: &topic::Model) -> person_topic::ActiveModel {
    person_topic::ActiveModel {
        person_id: Set(person.id),
        topic_id: Set(topic.id),
        level: Set(1),
        ..Default::default()
    }
}

async fn a_row_is_links_and_its_other_columns_are_its_own(test: &TestDatabase) {
    let Rows { ann, ben, people, topics } = rows(test).await;
    let (first, second) = (topics[0].id, topics[1].id);
    let stored = link(&people[0], &topics[0]).insert(&test.db).await.unwrap();
    assert_eq!(
        test.events(),
        [
            format!("collection_update Person #{ann} add topics [{first}]"),
            format!("collection_update Topic #{first} add people [\"{ann}\"]"),
        ]
    );

    let mut change: person_topic::ActiveModel = stored.into();
    change.level = Set(2);
    let stored = change.update(&test.db).await.unwrap();
    let record = test.one();
    assert_eq!((record.event_type().as_str(), record.model()), ("update", "PersonTopic"));
    assert_eq!((record.pk(), record.description()), (stored.id.to_string().as_str(), "level 2"));
    assert_eq!(changed(&record), ["level"]);

    // Another key in the same row is another link; what else changed is the row's own.
    let mut change: person_topic::ActiveModel = stored.into();
    change.person_id = Set(people[1].id);
    change.level = Set(3);
    let stored = change.update(&test.db).await.unwrap();
    assert_eq!(
        test.events(),
        [
            format!("collection_update Person #{ann} remove topics [{first}]"),
            format!("collection_update Topic #{first} remove people [\"{ann}\"]"),
            format!("collection_update Person #{ben} add topics [{first}]"),
            format!("collection_update Topic #{first} add people [\"{ben}\"]"),
            format!("update PersonTopic #{}", stored.id),
        ]
    );

    let mut change: person_topic::ActiveModel = stored.into();
    change.topic_id = Set(second);
    let stored = change.update(&test.db).await.unwrap();
    let events = test.events();
    assert_eq!(events.len(), 4, "{events:#?}");
    assert!(events.iter().all(|event| event.starts_with("collection_update")), "{events:#?}");

    stored.delete(&test.db).await.unwrap();
    assert_eq!(
        test.events(),
        [
            format!("collection_update Person #{ben} remove topics [{second}]"),
            format!("collection_update Topic #{second} remove people [\"{ben}\"]"),
        ]
    );
}

async fn hooks_tell_the_same(test: &TestDatabase) {
    let Rows { ann, ben, people, topics } = rows(test).await;
    let first = topics[0].id;
    let id = test
        .hooked(async {
            let stored = link(&people[0], &topics[0]).insert(&test.plain).await.unwrap();
            let mut change: person_topic::ActiveModel = stored.into();
            change.level = Set(2);
            let stored = change.update(&test.plain).await.unwrap();
            let mut change: person_topic::ActiveModel = stored.into();
            change.person_id = Set(people[1].id);
            let stored = change.update(&test.plain).await.unwrap();
            let id = stored.id;
            stored.delete(&test.plain).await.unwrap();
            id
        })
        .await;
    assert_eq!(
        test.events(),
        [
            format!("collection_update Person #{ann} add topics [{first}]"),
            format!("collection_update Topic #{first} add people [\"{ann}\"]"),
            format!("update PersonTopic #{id}"),
            format!("collection_update Person #{ann} remove topics [{first}]"),
            format!("collection_update Topic #{first} remove people [\"{ann}\"]"),
            format!("collection_update Person #{ben} add topics [{first}]"),
            format!("collection_update Topic #{first} add people [\"{ben}\"]"),
            format!("collection_update Person #{ben} remove topics [{first}]"),
            format!("collection_update Topic #{first} remove people [\"{ben}\"]"),
        ]
    );
}

async fn owners_with_hidden_keys_stay_apart(test: &TestDatabase) {
    let Rows { ann, ben, people, topics } = rows(test).await;
    let links = [link(&people[0], &topics[0]), link(&people[1], &topics[0])];
    let txn = test.db.begin().await.unwrap();
    for link in links {
        link.insert(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
    test.take();
    person_topic::Entity::delete_many().exec(&test.db).await.unwrap();
    let first = topics[0].id;
    let mut events = test.events();
    events.retain(|event| event.contains("Person"));
    events.sort();
    let mut expected = [ann, ben].map(|pk| format!("collection_update Person #{pk} remove topics [{first}]"));
    expected.sort();
    assert_eq!(events, expected);
}
