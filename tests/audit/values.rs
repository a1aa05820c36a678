//! What records say of values: every kind of column, masks, and the difference between nothing and something.

use ftn_audit_sea::AttributeValue;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ConnectionTrait, DbErr, EntityTrait, JsonValue,
    prelude::{ChronoDate, ChronoDateTimeUtc, ChronoTime, Uuid},
};

use crate::{
    database::{TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    every_kind_of_column
    a_renamed_column_has_two_names
    composite_keys_are_written_with_a_comma
    secrets_appear_nowhere
    the_value_is_the_stored_one
    what_changes_nothing_is_no_event
    what_is_not_there_is_no_event
}

fn new_gadget() -> gadget::Model {
    gadget::Model {
        id: Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0),
        label: "Lamp".to_owned(),
        color: gadget::Color::Red,
        state: gadget::State::New,
        made_on: ChronoDate::from_ymd_opt(2026, 2, 28).unwrap(),
        opens_at: ChronoTime::from_hms_opt(8, 30, 0).unwrap(),
        seen_at: "2026-02-28T12:00:00Z".parse::<ChronoDateTimeUtc>().unwrap(),
        weight: 1.25,
        parts: serde_json::json!({"bulb": [1, 2], "socket": null}),
        raw: vec![0, 10, 255],
        active: true,
        r#type: None,
    }
}

async fn every_kind_of_column(database: &TestDatabase) {
    let db = &database.db;
    let new: gadget::ActiveModel = new_gadget().into();
    let stored = new.reset_all().insert(db).await.unwrap();
    let record = database.one();
    assert_eq!((record.event_type().as_str(), record.model()), ("creation", "Gadget"));
    assert_eq!(record.pk(), "12345678-9abc-def0-1234-56789abcdef0");
    let new = |column: &str| record.attribute(&format!("audit.changeset.{column}.new"));
    assert_eq!(new("id").unwrap(), record.pk());
    assert_eq!(new("caption").unwrap(), "Lamp");
    assert_eq!(new("color").unwrap(), "red");
    assert_eq!(new("state").unwrap(), "new");
    assert_eq!(new("made_on").unwrap(), "2026-02-28");
    assert_eq!(new("opens_at").unwrap(), "08:30:00");
    assert_eq!(new("seen_at").unwrap(), "2026-02-28T12:00:00+00:00");
    assert_eq!(new("weight").unwrap(), AttributeValue::from(1.25));
    assert_eq!(
        new("parts").unwrap().to_json(),
        serde_json::json!({"bulb": [1, 2], "socket": null}),
        "{:?}",
        new("parts")
    );
    assert_eq!(new("raw").unwrap(), "000aff");
    assert_eq!(new("active").unwrap(), true);
    assert_eq!(new("type"), None);
    assert!(record.attributes().iter().all(|(name, _)| !name.ends_with(".old")), "{record:#?}");

    let mut change: gadget::ActiveModel = stored.clone().into();
    change.label = Set("Torch".to_owned());
    change.color = Set(gadget::Color::Green);
    change.state = Set(gadget::State::Sold);
    change.made_on = Set(ChronoDate::from_ymd_opt(2026, 3, 1).unwrap());
    change.opens_at = Set(ChronoTime::from_hms_opt(9, 0, 0).unwrap());
    change.seen_at = Set("2026-03-01T00:00:01Z".parse().unwrap());
    change.weight = Set(-0.5);
    change.parts = Set(JsonValue::Array(Vec::new()));
    change.raw = Set(Vec::new());
    change.active = Set(false);
    change.r#type = Set(Some(-7));
    let stored = change.update(db).await.unwrap();
    let record = database.one();
    let both = |column: &str| {
        let side = |side: &str| {
            record.encoded_attributes().get(&format!("audit.changeset.{column}.{side}")).cloned()
        };
        (side("old").map(|value| value.to_string()), side("new").map(|value| value.to_string()))
    };
    let pair = |old: &str, new: &str| (Some(old.to_owned()), Some(new.to_owned()));
    assert_eq!(both("caption"), pair("Lamp", "Torch"));
    assert_eq!(both("color"), pair("red", "green"));
    assert_eq!(both("state"), pair("new", "sold"));
    assert_eq!(both("made_on"), pair("2026-02-28", "2026-03-01"));
    assert_eq!(both("opens_at"), pair("08:30:00", "09:00:00"));
    assert_eq!(both("seen_at"), pair("2026-02-28T12:00:00+00:00", "2026-03-01T00:00:01+00:00"));
    assert_eq!(both("weight"), pair("1.25", "-0.5"));
    assert_eq!(both("parts").1.unwrap(), "[]");
    assert_eq!(both("raw"), pair("000aff", ""));
    assert_eq!(both("active"), pair("true", "false"));
    assert_eq!(both("type"), (None, Some("-7".to_owned())));
    assert_eq!(both("id"), (None, None));

    let gone: gadget::ActiveModel = stored.into();
    gone.delete(db).await.unwrap();
    let record = database.one();
    assert_eq!(record.event_type(), "deletion");
    assert_eq!(record.attribute("audit.changeset.caption.old").unwrap(), "Torch");
    assert_eq!(record.attribute("audit.changeset.color.old").unwrap(), "green");
    assert_eq!(record.attribute("audit.changeset.type.old").unwrap(), -7);
    assert!(record.attributes().iter().all(|(name, _)| !name.ends_with(".new")), "{record:#?}");
}

async fn a_renamed_column_has_two_names(database: &TestDatabase) {
    let item = new_item("Tea").insert(&database.db).await.unwrap();
    renamed(&item, "Mate").update(&database.db).await.unwrap();
    let [creation, update] = database.take().try_into().unwrap();
    assert_eq!(creation.attribute("audit.changeset.title.new").unwrap(), "Tea");
    assert_eq!(creation.attribute("audit.changeset.name.new"), None);
    assert_eq!(titles(&update), ("Tea".to_owned(), "Mate".to_owned()));
    assert_eq!(update.description(), format!("Updated Item #{} (title)", item.id));
    assert_eq!(update.attribute("audit.changeset.price.new"), None);
}

async fn composite_keys_are_written_with_a_comma(database: &TestDatabase) {
    let stock = stock::Model { shelf: "1".to_owned(), slot: 2, amount: 5, code: "open sesame".to_owned() };
    let new: stock::ActiveModel = stock.into();
    let stored = new.reset_all().insert(&database.db).await.unwrap();
    let neighbour = stock::Model { slot: 3, ..stored.clone() };
    let neighbour: stock::ActiveModel = neighbour.into();
    neighbour.reset_all().insert(&database.bare).await.unwrap();
    let mut change: stock::ActiveModel = stored.clone().into();
    change.amount = Set(6);
    change.code = Set("close sesame".to_owned());
    let stored = change.update(&database.db).await.unwrap();
    let gone: stock::ActiveModel = stored.into();
    gone.delete(&database.db).await.unwrap();
    let records = database.take();
    assert_eq!(brief(&records), ["creation Stock 1,2", "update Stock 1,2", "deletion Stock 1,2"]);
    assert_eq!(records[1].attribute("audit.changeset.amount.old").unwrap(), 5);
    assert_eq!(records[1].attribute("audit.changeset.amount.new").unwrap(), 6);
    for record in &records {
        assert!(!record.to_json().to_string().contains("sesame"), "{record:#?}");
        assert!(record.to_json().to_string().contains("***"), "{record:#?}");
    }
}

async fn secrets_appear_nowhere(database: &TestDatabase) {
    let db = &database.db;
    let mut item = new_item("Tea");
    item.supplier_note = Set(Some("SECRET-1".to_owned()));
    item.internal = Set(Some("SECRET-2".to_owned()));
    let item = item.insert(db).await.unwrap();
    let mut change: item::ActiveModel = item.into();
    change.supplier_note = Set(Some("SECRET-3".to_owned()));
    change.api_token = Set(Some("SECRET-4".to_owned()));
    let item = change.update(db).await.unwrap();
    let mut change: item::ActiveModel = item.into();
    change.internal = Set(Some("SECRET-5".to_owned()));
    let item = change.update(db).await.unwrap();
    item.delete_by_trait(db).await;
    let records = database.take();
    let [creation, update, hidden, deletion] = records.as_slice() else { panic!("{records:#?}") };
    for record in &records {
        assert!(!format!("{} {record:?}", record.to_json()).contains("SECRET"), "{record:#?}");
        assert!(!record.to_json().to_string().contains("internal"), "{record:#?}");
    }
    assert_eq!(creation.attribute("audit.changeset.supplier_note.new").unwrap(), "***");
    assert_eq!(creation.attribute("audit.changeset.api_token.new"), None);
    assert_eq!(update.attribute("audit.changeset.supplier_note.old").unwrap(), "***");
    assert_eq!(update.attribute("audit.changeset.supplier_note.new").unwrap(), "***");
    assert_eq!(update.attribute("audit.changeset.api_token.old"), None);
    assert_eq!(update.attribute("audit.changeset.api_token.new").unwrap(), "***");
    assert!(hidden.description().ends_with("(no fields)"), "{hidden:#?}");
    assert_eq!(deletion.attribute("audit.changeset.api_token.old").unwrap(), "***");
}

/// `model.delete(db)` as generic code calls it.
trait DeleteByTrait {
    async fn delete_by_trait(self, db: &impl ConnectionTrait);
}

impl DeleteByTrait for item::Model {
    async fn delete_by_trait(self, db: &impl ConnectionTrait) {
        sea_orm::ModelTrait::delete(self, db).await.unwrap();
    }
}

async fn the_value_is_the_stored_one(database: &TestDatabase) {
    let mut item = new_item("Tea");
    item.price = Set(sea_orm::prelude::Decimal::new(105, 1));
    let id = item.insert(&database.db).await.unwrap().id;
    let record = database.one();
    let stored = stored(database, id).await.unwrap();
    // On SQLite, too, which keeps a float.
    assert_eq!(record.attribute("audit.changeset.price.new").unwrap(), "10.50");
    // Rounded by the database, and so no change at all.
    let mut change: item::ActiveModel = stored.into();
    change.price = Set(sea_orm::prelude::Decimal::new(105, 1));
    change.update(&database.db).await.unwrap();
    database.silent();
}

async fn what_changes_nothing_is_no_event(database: &TestDatabase) {
    let db = &database.db;
    let item = stored_item(database, "Tea").await;
    renamed(&item, "Tea").update(db).await.unwrap();
    let unchanged: item::ActiveModel = item.clone().into();
    unchanged.update(db).await.unwrap();
    let mut touched: item::ActiveModel = item.clone().into();
    touched.updated_at = Set(Some("2026-03-01T00:00:01Z".parse().unwrap()));
    touched.clone().update(db).await.unwrap();
    touched.updated_at = Set(Some("2026-03-01T00:00:02Z".parse().unwrap()));
    touched.update_without_returning(db).await.unwrap();
    database.silent();
    let mut both = renamed(&item, "Mate");
    both.updated_at = Set(Some("2026-03-01T00:00:03Z".parse().unwrap()));
    both.update(db).await.unwrap();
    let record = database.one();
    assert_eq!(record.attribute("audit.changeset.updated_at.new"), None);
    assert_eq!(titles(&record), ("Tea".to_owned(), "Mate".to_owned()));
}

async fn what_is_not_there_is_no_event(database: &TestDatabase) {
    let db = &database.db;
    let item = stored_item(database, "Tea").await;
    let ghost: item::ActiveModel = item::Model { id: item.id + 1, ..item }.into();
    assert_eq!(ghost.clone().delete(db).await.unwrap().rows_affected, 0);
    assert_eq!(item::Entity::delete_by_id(99).exec(db).await.unwrap().rows_affected, 0);
    let mut change = ghost;
    change.name = Set("Mate".to_owned());
    let bare = change.clone().update(&database.bare).await.unwrap_err();
    let audited = change.update(db).await.unwrap_err();
    assert_eq!(bare, DbErr::RecordNotUpdated);
    assert_eq!(audited, bare);
    database.silent();
}
