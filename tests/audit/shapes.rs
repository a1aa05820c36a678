//! Entities as they come: every kind of value and key, tables that know more than their entity, generated entities.
//! Whatever an entity looks like, both ways to capture tell the same of it.

mod generated;
mod keys;
mod tables;
mod values;

use std::str::FromStr;

use ftn_audit_sea::{AttributeValue, AuditRecord};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, IntoActiveModel, Schema,
    prelude::{
        BigDecimal, ChronoDate, ChronoDateTime, ChronoDateTimeWithTimeZone, IpNetwork, TimeDate,
        TimeDateTime, TimeTime, Uuid,
    },
};

use self::{
    keys::*,
    tables::{order, receipt},
    values::{host, meter, parcel},
};
use crate::database::{Kind, TestDatabase, on};

on! { Sqlite Postgres MariaDb:
    every_kind_of_value
    keys_of_one_to_twelve_columns
    columns_that_the_database_computes_or_the_entity_lacks
    names_that_are_words_of_sql
    generated_entities
}

on! { MariaDb: unsigned_numbers }

on! { Postgres: arrays_addresses_and_a_schema }

/// A row's life on the audited connection, and by hooks on the plain one: both must tell the same.
macro_rules! life {
    ($database:expr, $module:ident, $new:expr, $change:expr) => {{
        let TestDatabase { db, bare, audit, .. } = $database;
        macro_rules! live {
            ($connection:expr) => {{
                let stored = $new.insert($connection).await.unwrap();
                let mut change = $module::ActiveModel::from(stored);
                let () = $change(&mut change);
                let stored = change.update($connection).await.unwrap();
                stored.into_active_model().delete($connection).await.unwrap();
            }};
        }
        live!(db);
        let captured = $database.take();
        audit.scope(async { live!(bare) }).await;
        same(&captured, &$database.take());
        let events: Vec<_> = captured.iter().map(|record| record.event_type().as_str()).collect();
        assert_eq!(events, ["creation", "update", "deletion"]);
        captured
    }};
}

#[track_caller]
fn same(captured: &[AuditRecord], hooked: &[AuditRecord]) {
    let told = |record: &AuditRecord| {
        let mut changeset = record.attributes();
        for key in record.attributes().iter().map(|(key, _)| key.to_owned()) {
            if !key.starts_with("audit.changeset.") {
                changeset.remove(&key);
            }
        }
        (record.event_type().clone(), record.model().to_owned(), record.pk().to_owned(), changeset)
    };
    let told = |records: &[AuditRecord]| records.iter().map(told).collect::<Vec<_>>();
    assert_eq!(told(captured), told(hooked));
}

fn value(record: &AuditRecord, key: &str) -> AttributeValue {
    record.attribute(&format!("audit.changeset.{key}")).unwrap_or_default()
}

async fn create<E: sea_orm::EntityTrait>(database: &TestDatabase, entity: E) {
    let schema = Schema::new(database.kind.backend());
    database.bare.execute(&schema.create_table_from_entity(entity)).await.unwrap();
}

/// A day of 2026.
fn day(ordinal: u16) -> TimeDate {
    TimeDate::from_ordinal_date(2026, ordinal).unwrap()
}

async fn every_kind_of_value(database: &TestDatabase) {
    create(database, parcel::Entity).await;
    let new = || parcel::ActiveModel {
        id: Set(Uuid::from_u128(7)),
        small: Set(-300),
        large: Set(i64::MAX),
        single: Set(0.5),
        worth: Set(BigDecimal::from_str("12.5").unwrap()),
        size: Set(parcel::Size::ExtraLarge),
        level: Set(parcel::Level::Low),
        maybe_size: Set(None),
        sku: Set(parcel::Sku("A-1".into())),
        grams: Set(parcel::Grams(250)),
        address: Set(parcel::Address { street: "Hill".into(), floor: None }),
        stops: Set(Some(parcel::Stops(vec!["north".into(), "south".into()]))),
        sent_on: Set(day(59)),
        sent_at: Set(TimeTime::from_hms(8, 30, 0).unwrap()),
        packed: Set(TimeDateTime::new(day(59), TimeTime::from_hms(8, 30, 0).unwrap())),
        arrived: Set(Some(TimeDateTime::new(day(60), TimeTime::from_hms(9, 0, 0).unwrap()).assume_utc())),
        chrono_packed: Set(ChronoDateTime::from_str("2026-02-28T08:30:00").unwrap()),
        chrono_arrived: Set(ChronoDateTimeWithTimeZone::from_str("2026-03-01T09:00:00+00:00").unwrap()),
        seal: Set(vec![0, 255]),
        remark: Set(None),
    };
    let records = life!(database, parcel, new(), |change: &mut parcel::ActiveModel| {
        change.worth = Set(BigDecimal::from_str("13.25").unwrap());
        change.size = Set(parcel::Size::Small);
        change.level = Set(parcel::Level::High);
        change.maybe_size = Set(Some(parcel::Size::Small));
        change.sku = Set(parcel::Sku("A-2".into()));
        change.grams = Set(parcel::Grams(251));
        change.address = Set(parcel::Address { street: "Hill".into(), floor: Some(2) });
        change.stops = Set(None);
        change.sent_on = Set(day(60));
        change.arrived = Set(None);
        change.seal = Set(vec![1]);
        change.remark = Set(Some("late".into()));
    });
    let created = &records[0];
    for (key, expected) in [
        ("small", "-300"),
        ("large", "9223372036854775807"),
        ("single", "0.5"),
        ("size", "extraLarge"),
        ("level", "1"),
        ("sku", "A-1"),
        ("grams", "250"),
        ("address", r#"{"floor":null,"street":"Hill"}"#),
        ("stops", r#"["north","south"]"#),
        ("sent_on", "2026-02-28"),
        ("chrono_packed", "2026-02-28T08:30:00"),
        ("chrono_arrived", "2026-03-01T09:00:00+00:00"),
        ("seal", "00ff"),
    ] {
        assert_eq!(value(created, &format!("{key}.new")), expected, "{key}");
    }
    for (key, start) in [
        ("worth", "12.5"),
        ("sent_at", "08:30:00"),
        ("packed", "2026-02-28 08:30:00"),
        ("arrived", "2026-03-01 09:00:00"),
    ] {
        let text = value(created, &format!("{key}.new")).to_string();
        assert!(text.starts_with(start), "{key} {text}");
    }
    assert_eq!(created.pk(), "00000000-0000-0000-0000-000000000007");
    let changed = records[1].attributes();
    let changed = changed.iter().filter(|(key, _)| key.starts_with("audit.changeset."));
    // Twelve columns, four of which are NULL before or after.
    assert_eq!(changed.count(), 20, "{:#?}", records[1]);
    assert_eq!(value(&records[1], "level.old"), "1");
    assert_eq!(value(&records[1], "level.new"), "20");
}

async fn unsigned_numbers(database: &TestDatabase) {
    create(database, meter::Entity).await;
    let new = || meter::ActiveModel {
        id: Set(u32::MAX),
        tiny: Set(-7),
        byte: Set(255),
        short: Set(65535),
        long: Set(7),
    };
    let records = life!(database, meter, new(), |change: &mut meter::ActiveModel| {
        change.long = Set(u64::MAX);
    });
    assert_eq!(records[0].pk(), "4294967295");
    for (key, expected) in [("tiny", "-7"), ("byte", "255"), ("short", "65535"), ("long", "7")] {
        assert_eq!(value(&records[0], &format!("{key}.new")), expected);
    }
    assert_eq!(value(&records[1], "long.new"), u64::MAX.to_string());
}

async fn arrays_addresses_and_a_schema(database: &TestDatabase) {
    for statement in [
        "CREATE SCHEMA net",
        "CREATE TYPE host_role AS ENUM ('web', 'db')",
        "CREATE TABLE net.host (id int PRIMARY KEY, names text[] NOT NULL, ports int[], roles host_role[] NOT NULL, \
         address inet NOT NULL, mac macaddr, labels jsonb NOT NULL)",
    ] {
        database.bare.execute_unprepared(statement).await.unwrap();
    }
    let new = || host::ActiveModel {
        id: Set(1),
        names: Set(vec!["a".into(), "b, c".into()]),
        ports: Set(None),
        roles: Set(vec![host::Role::Web]),
        address: Set("10.0.0.1/24".parse::<IpNetwork>().unwrap()),
        mac: Set(Some(mac_address::MacAddress::new([0, 1, 2, 3, 4, 255]))),
        labels: Set(serde_json::json!({"rack": 7})),
    };
    let records = life!(database, host, new(), |change: &mut host::ActiveModel| {
        change.names = Set(Vec::new());
        change.ports = Set(Some(vec![80, 443]));
        change.roles = Set(vec![host::Role::Db, host::Role::Web]);
    });
    assert_eq!(value(&records[0], "names.new").to_json(), serde_json::json!(["a", "b, c"]));
    assert_eq!(value(&records[0], "roles.new").to_json(), serde_json::json!(["web"]));
    assert_eq!(value(&records[0], "address.new"), "10.0.0.1/24");
    assert_eq!(value(&records[0], "mac.new"), "00:01:02:03:04:FF");
    assert_eq!(value(&records[0], "labels.new"), r#"{"rack":7}"#);
    assert_eq!(value(&records[1], "names.new").to_json(), serde_json::json!([]));
    assert_eq!(value(&records[1], "ports.new").to_json(), serde_json::json!([80, 443]));
    assert_eq!((records[1].event_name().as_str(), records[1].pk()), ("audit.host.update", "1"));
}

async fn keys_of_one_to_twelve_columns(database: &TestDatabase) {
    macro_rules! key {
        ($module:ident { $($column:ident: $value:expr),+ } $pk:expr) => {
            create(database, $module::Entity).await;
            let new = || $module::ActiveModel { $($column: Set($value),)+ note: Set("x".into()) };
            let records = life!(database, $module, new(), |change: &mut $module::ActiveModel| {
                change.note = Set("y".into());
            });
            for record in &records {
                assert_eq!(record.pk(), $pk);
            }
            assert_eq!(value(&records[1], "note.old"), "x");
        };
    }
    if database.kind != Kind::MariaDb {
        // MariaDB wants a length for a text in a key.
        key!(one { a: "k 1".into() } "k 1");
        key!(two { a: 1, b: "x,y".into() } "1,x,y");
    }
    key!(three { a: 1, b: -2, c: true } "1,-2,true");
    let day = ChronoDate::from_ymd_opt(2026, 2, 28).unwrap();
    key!(four { a: Number(7), b: Grade::High, c: day, d: -4 } "7,20,2026-02-28,-4");
    key!(five { a: 1, b: 2, c: 3, d: 4, e: 5 } "1,2,3,4,5");
    key!(six { a: 1, b: 2, c: 3, d: 4, e: 5, f: Uuid::nil() } "1,2,3,4,5,00000000-0000-0000-0000-000000000000");
    key!(seven { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7 } "1,2,3,4,5,6,7");
    key!(eight { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8 } "1,2,3,4,5,6,7,8");
    key!(nine { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9 } "1,2,3,4,5,6,7,8,9");
    key!(ten { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10 } "1,2,3,4,5,6,7,8,9,10");
    key!(eleven { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10, k: 11 } "1,2,3,4,5,6,7,8,9,10,11");
    key!(twelve { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10, k: 11, l: 12 } "1,2,3,4,5,6,7,8,9,10,11,12");
}

async fn columns_that_the_database_computes_or_the_entity_lacks(database: &TestDatabase) {
    let id = match database.kind {
        Kind::Sqlite => "id INTEGER PRIMARY KEY",
        Kind::Postgres => "id serial PRIMARY KEY",
        Kind::MariaDb => "id int AUTO_INCREMENT PRIMARY KEY",
    };
    let quote = if database.kind == Kind::MariaDb { '`' } else { '"' };
    let table = format!(
        "CREATE TABLE receipt ({id}, net int NOT NULL, {quote}grossAmount{quote} int GENERATED ALWAYS AS (net * 2) STORED, \
         {quote}userPIN{quote} text, cashier varchar(20) NOT NULL DEFAULT 'nobody', noted_at timestamp DEFAULT \
         CURRENT_TIMESTAMP)"
    );
    database.bare.execute_unprepared(&table).await.unwrap();
    let new = || receipt::ActiveModel {
        id: Set(1),
        net: Set(10),
        gross: NotSet,
        user_code: Set(Some("4711".into())),
    };
    let records = life!(database, receipt, new(), |change: &mut receipt::ActiveModel| {
        change.net = Set(11);
        change.gross = NotSet;
    });
    assert_eq!(value(&records[0], "grossAmount.new"), "20");
    assert_eq!(value(&records[0], "userPIN.new"), "***");
    assert_eq!(value(&records[0], "cashier.new"), AttributeValue::Null);
    assert_eq!(value(&records[1], "grossAmount.old"), "20");
    assert_eq!(value(&records[1], "grossAmount.new"), "22");
    assert!(database.audit.describe().contains("Receipt (table receipt); userPIN mask unasked"));
}

async fn names_that_are_words_of_sql(database: &TestDatabase) {
    create(database, order::Entity).await;
    let new = || order::ActiveModel {
        group: Set(1),
        r#where: Set("here".into()),
        select: Set(None),
        buyer_id: Set(None),
    };
    let records = life!(database, order, new(), |change: &mut order::ActiveModel| {
        change.r#where = Set("there".into());
        change.select = Set(Some("hidden".into()));
    });
    assert_eq!(value(&records[1], "where.new"), "there");
    assert_eq!(value(&records[1], "select.new"), "***");
}

async fn generated_entities(database: &TestDatabase) {
    use self::generated::{
        FORMATS,
        compact::{compact_skill, compact_worker, compact_worker_skill},
        dense::{dense_skill, dense_worker, dense_worker_skill},
        expanded::{expanded_skill, expanded_worker, expanded_worker_skill},
    };

    for table in FORMATS.iter().flat_map(|(format, _)| generated::tables(format)) {
        database.bare.execute(&table).await.unwrap();
    }
    macro_rules! check {
        ($format:literal $worker:ident $skill:ident $worker_skill:ident) => {
            let skill = $skill::ActiveModel { id: Set(2), name: Set("SQL".into()) };
            skill.insert(&database.bare).await.unwrap();
            let new = || $worker::ActiveModel {
                id: Set(1),
                name: Set("Ann".into()),
                iban: Set(Some("DE89".into())),
                cache: Set(None),
                api_token: Set(Some("shown".into())),
            };
            let records = life!(database, $worker, new(), |change: &mut $worker::ActiveModel| {
                change.name = Set("Anna".into());
                change.iban = Set(Some("DE90".into()));
                change.cache = Set(Some("x".into()));
            });
            let model = concat!("Employee/", $format);
            assert_eq!(records[1].description(), format!("Updated {model} #1 (full_name, iban)"));
            assert_eq!(value(&records[0], "iban.new"), "***");
            assert_eq!(value(&records[0], "api_token.new"), "shown");

            new().insert(&database.bare).await.unwrap();
            let link = $worker_skill::ActiveModel { worker_id: Set(1), skill_id: Set(2) };
            link.insert(&database.db).await.unwrap();
            let record = database.one();
            assert_eq!(
                (record.event_type().as_str(), record.model(), record.pk()),
                ("collection_update", model, "1")
            );
            assert_eq!(record.attribute("audit.field_name").unwrap(), "skills");
            assert_eq!(record.attribute("audit.pk_set").unwrap(), "[2]");
        };
    }
    check!("compact" compact_worker compact_skill compact_worker_skill);
    check!("dense" dense_worker dense_skill dense_worker_skill);
    check!("expanded" expanded_worker expanded_skill expanded_worker_skill);
}

#[test]
fn generated_entities_are_those_of_the_generator() {
    generated::unchanged();
}
