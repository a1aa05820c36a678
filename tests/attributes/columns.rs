//! `hash`, `mask`, `ignore` and `columns = "allow"` in what records say.

use ftn_audit_sea::AttributeValue;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, prelude::Expr};

use crate::{
    database::{TestDatabase, changed, on_every_database},
    entities::*,
};

on_every_database! {
    equal_values_have_equal_hashes
    a_hidden_key_tells_rows_apart
    only_named_columns_are_recorded
    ignored_columns_make_no_event
    one_event_for_many_rows_names_them_by_hashes
}

async fn equal_values_have_equal_hashes(test: &TestDatabase) {
    let new = |phone: &str| guest::ActiveModel {
        phone: Set(phone.to_owned()),
        room: Set("12".to_owned()),
        ..Default::default()
    };
    let first = new("+49 30 1234").insert(&test.db).await.unwrap();
    new("+49 30 1234").insert(&test.db).await.unwrap();
    let mut other: guest::ActiveModel = first.into();
    other.phone = Set("+49 30 5678".to_owned());
    other.update(&test.db).await.unwrap();

    let records = test.take();
    let value =
        |index: usize, key: &str| records[index].attribute(&format!("audit.changeset.{key}")).unwrap();
    let hash = &test.audit.hashes_of("+49 30 1234")[0];
    assert!(hash.starts_with("hmac:k1:") && hash.len() == "hmac:k1:".len() + 64, "{hash}");
    assert_eq!(value(0, "phone.new"), *hash);
    assert_eq!(value(1, "phone.new"), *hash);
    assert_eq!(value(2, "phone.old"), *hash);
    assert_eq!(value(2, "phone.new"), test.audit.hashes_of("+49 30 5678")[0]);
    assert_eq!(value(0, "room.new"), "***");
}

async fn a_hidden_key_tells_rows_apart(test: &TestDatabase) {
    let new = guest::ActiveModel { phone: Set("1".into()), room: Set("1".into()), ..Default::default() };
    let first = new.clone().insert(&test.db).await.unwrap();
    let second = new.insert(&test.db).await.unwrap();
    let records = test.take();
    let pk = |id: i32| test.audit.hashes_of(id).remove(0);
    assert_eq!((records[0].pk(), records[1].pk()), (pk(first.id).as_str(), pk(second.id).as_str()));
    assert_eq!(records[0].attribute("audit.model_pk").unwrap(), pk(first.id));
    assert_eq!(records[0].attribute("audit.changeset.id.new").unwrap(), pk(first.id));
    assert_eq!(records[0].description(), format!("Created Guest #{}", pk(first.id)));

    // A masked key is hashed, too, where records name rows by it.
    let person = person::ActiveModel { name: Set("Ann".into()), ..Default::default() };
    let person = person.insert(&test.db).await.unwrap();
    let record = test.one();
    assert_eq!(record.pk(), pk(person.id));
    assert_eq!(record.attribute("audit.changeset.id.new").unwrap(), "***");
}

async fn only_named_columns_are_recorded(test: &TestDatabase) {
    let new = patient::ActiveModel {
        ward: Set("3".into()),
        days: Set(2),
        name: Set("Ann".into()),
        insurance: Set("A-123".into()),
        diagnosis: Set("flu".into()),
        ..Default::default()
    };
    let stored = new.insert(&test.db).await.unwrap();
    let record = test.one();
    assert_eq!(changed(&record), ["id", "ward", "stay", "name", "insurance"]);
    assert!(!record.to_json().to_string().contains("flu"));

    let mut change: patient::ActiveModel = stored.clone().into();
    change.diagnosis = Set("cold".into());
    change.days = Set(3);
    change.update(&test.db).await.unwrap();
    let record = test.one();
    assert_eq!(changed(&record), ["stay"]);

    // As with `skip`: that something changed is said.
    let mut change: patient::ActiveModel = stored.into();
    change.diagnosis = Set("measles".into());
    change.update(&test.db).await.unwrap();
    let record = test.one();
    assert_eq!((record.event_type().as_str(), changed(&record).len()), ("update", 0));
    assert_eq!(patient::Entity::find().all(&test.plain).await.unwrap()[0].diagnosis, "measles");
}

async fn use_badge(db: &impl ConnectionTrait) {
    let new = badge::ActiveModel {
        code: Set("b-1".into()),
        door: Set("north".into()),
        uses: Set(0),
        last_day: Set(1),
    };
    let stored = new.insert(db).await.unwrap();
    let mut change: badge::ActiveModel = stored.into();
    change.uses = Set(1);
    let mut change: badge::ActiveModel = change.update(db).await.unwrap().into();
    change.last_day = Set(2);
    let mut change: badge::ActiveModel = change.update(db).await.unwrap().into();
    change.uses = Set(2);
    change.last_day = Set(3);
    change.door = Set("south".into());
    badge::ActiveModel::from(change.update(db).await.unwrap()).delete(db).await.unwrap();
}

async fn ignored_columns_make_no_event(test: &TestDatabase) {
    use_badge(&test.db).await;
    let captured = test.take();
    test.hooked(use_badge(&test.plain)).await;
    for records in [captured, test.take()] {
        let events: Vec<_> = records.iter().map(|record| record.event_type().to_string()).collect();
        assert_eq!(events, ["creation", "update", "deletion"]);
        assert_eq!(changed(&records[1]), ["door"]);
    }
}

async fn one_event_for_many_rows_names_them_by_hashes(test: &TestDatabase) {
    let codes = ["PLANTED-1", "PLANTED-2", "PLANTED-3"];
    let badges = codes.map(|code| badge::ActiveModel {
        code: Set(code.into()),
        door: Set("north".into()),
        uses: Set(0),
        last_day: Set(1),
    });
    badge::Entity::insert_many(badges).exec(&test.db).await.unwrap();
    let doors = badge::Entity::update_many().col_expr(badge::Column::Door, Expr::value("south"));
    doors.exec(&test.db).await.unwrap();
    badge::Entity::delete_many().exec(&test.db).await.unwrap();

    let mut hashes = codes.map(|code| test.audit.hashes_of(code).remove(0));
    hashes.sort();
    let records = test.take();
    let events: Vec<_> = records.iter().map(|record| record.event_type().to_string()).collect();
    assert_eq!(events, ["creation", "update", "deletion"]);
    for record in records {
        let Some(AttributeValue::List(keys)) = record.attribute("audit.pk_set") else {
            panic!("{record:#?}");
        };
        let mut keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
        keys.sort();
        assert_eq!(keys, hashes);
        assert!(!format!("{record:?} {}", record.to_json()).contains("PLANTED"), "{record:#?}");
    }
}
