//! How records leave: encodings, and the bounds on them.

use std::collections::HashMap;

use ftn_audit_sea::{ActorField, AuditBuilder, Encoding, prelude::*};
use sea_orm::{ActiveValue::Set, prelude::*};

use crate::{database::Kind, entities::*};

fn builder(sink: &MemorySink, variables: &[(&str, &str)]) -> AuditBuilder {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Audit::builder()
        .sink(sink.clone())
        .delivery(Delivery::sync())
        .environment(move |name| variables.get(name).cloned())
}

fn refusal(variable: &str, value: &str) -> String {
    let refused = builder(&MemorySink::new(), &[(variable, value)]).build();
    refused.map(|audit| audit.describe()).expect_err("the value is refused").to_string()
}

/// The record of an update from Tea to Coffee.
async fn updated(
    configure: impl FnOnce(AuditBuilder) -> AuditBuilder,
    variables: &[(&str, &str)],
) -> AuditRecord {
    let database = Kind::Sqlite.database().await.expect("SQLite is always there");
    let sink = MemorySink::new();
    let audit = configure(builder(&sink, variables)).build().expect("the settings are good");
    let db = audit.connect(database.bare.clone()).await.expect("the database answers");
    let ann = Actor::user(42).email("ann@example.org").first_name("Ann").last_name("Lee");
    let context = AuditContext::builder().actor(ann).raw_route("PATCH|/items/:id").build();
    context
        .scope(async {
            let tea =
                item::ActiveModel { name: Set("Tea".into()), price: Set(Decimal::ONE), ..Default::default() };
            let mut coffee: item::ActiveModel = tea.insert(&db).await.unwrap().into();
            coffee.name = Set("Coffee".into());
            coffee.owner_id = Set(None);
            coffee.update(&db).await.unwrap();
        })
        .await;
    sink.records().pop().expect("the update has a record")
}

#[tokio::test]
async fn flat_is_the_default_and_all_columns_are_text() {
    let record = updated(|builder| builder, &[]).await;
    let flat = record.encoded_attributes();
    assert_eq!(flat.get("audit.changeset.title.old").unwrap(), "Tea");
    assert!(
        flat.iter()
            .filter(|(key, _)| key.starts_with("audit.changeset."))
            .all(|(_, value)| value.as_str().is_some())
    );
}

#[tokio::test]
async fn nested_json_and_seed_by_builder_and_environment() {
    let expected = serde_json::json!({"title": {"old": "Tea", "new": "Coffee"}});
    for record in [
        updated(|builder| builder.encoding(Encoding::Nested), &[]).await,
        updated(|builder| builder, &[("AUDIT_ENCODING", "nested")]).await,
    ] {
        assert_eq!(record.encoded_attributes().get("audit.changeset").unwrap().to_json(), expected);
    }
    let json = updated(|builder| builder, &[("AUDIT_ENCODING", "json")]).await.encoded_attributes();
    let text = json.get("audit.changeset").unwrap().as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);

    let seed = updated(|builder| builder, &[("AUDIT_ENCODING", "seed")]).await.encoded_attributes();
    let pairs: Vec<_> = seed.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
    let expected = [
        ("audit.event_type", "update"),
        ("audit.model", "Item"),
        ("audit.model_pk", "1"),
        ("audit.raw_route", "PATCH|/items/:id"),
        ("user_id", "42"),
        ("user_email", "ann@example.org"),
        ("user_first_name", "Ann"),
        ("user_last_name", "Lee"),
        ("audit.changeset.title.old", "Tea"),
        ("audit.changeset.title.new", "Coffee"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(pairs, expected);
    assert!(refusal("AUDIT_ENCODING", "xml").contains("flat, nested, json, seed"));
}

#[tokio::test]
async fn max_attributes_cuts_and_marks() {
    for record in [
        updated(|builder| builder.max_attributes(8), &[]).await,
        updated(|builder| builder, &[("AUDIT_MAX_ATTRIBUTES", "8")]).await,
    ] {
        let cut = record.encoded_attributes();
        assert_eq!(cut.len(), 8);
        assert!(cut.contains_key("audit.attributes_dropped") && cut.contains_key("audit.model_pk"));
    }
    let seed = updated(|builder| builder.encoding(Encoding::Seed).max_attributes(9), &[]).await;
    let seed = seed.encoded_attributes();
    assert_eq!((seed.len(), seed.get("audit.attributes_dropped").unwrap().to_string().as_str()), (9, "2"));
    assert!(refusal("AUDIT_MAX_ATTRIBUTES", "0").contains("whole numbers from 1"));
}

#[tokio::test]
async fn record_bytes_cut_the_longest_value_and_name_it() {
    let database = Kind::Sqlite.database().await.expect("SQLite is always there");
    for (variables, limit) in [(vec![], 64 * 1024), (vec![("AUDIT_RECORD_BYTES", "500")], 500)] {
        let sink = MemorySink::new();
        let audit = builder(&sink, &variables).build().unwrap();
        let db = audit.connect(database.bare.clone()).await.unwrap();
        let long = owner::ActiveModel { name: Set("x".repeat(100_000)), ..Default::default() };
        long.insert(&db).await.unwrap();
        let record = &sink.records()[0];
        let name = record.attribute("audit.changeset.name.new").unwrap().to_string();
        assert!(name.len() <= limit, "{} in {limit}", name.len());
        assert_eq!(record.attribute("audit.truncated").unwrap(), r#"["audit.changeset.name.new"]"#);
        assert_eq!(record.attribute("audit.changeset.id.new").unwrap().to_string(), record.pk());
    }
    // An event of the application's is bounded as a row's is.
    let sink = MemorySink::new();
    let audit = builder(&sink, &[]).record_bytes(500).build().unwrap();
    audit
        .event("exported")
        .description("d".repeat(9000))
        .attr("query", "q".repeat(9000))
        .record(&audit)
        .await;
    let record = &sink.records()[0];
    let texts = record.description().len() + record.attribute("query").unwrap().to_string().len();
    assert!((200..=500).contains(&texts), "{texts}");
    assert_eq!(record.attribute("audit.truncated").unwrap(), r#"["query","description"]"#);
    assert!(refusal("AUDIT_RECORD_BYTES", "-1").contains("whole numbers from 1"));
}

#[tokio::test]
async fn actor_fields_say_what_of_a_user_leaves() {
    let all = updated(|builder| builder, &[]).await;
    assert_eq!(all.attribute("user.full_name").unwrap(), "Ann Lee");
    for record in [
        updated(|builder| builder.actor_fields([ActorField::Id]), &[]).await,
        updated(|builder| builder, &[("AUDIT_ACTOR_FIELDS", "id")]).await,
    ] {
        assert_eq!(record.attribute("user.id").unwrap(), "42");
        assert_eq!(record.attribute("audit.actor.type").unwrap(), "user");
        assert!(record.attribute("user.email").is_none() && record.attribute("user.full_name").is_none());
    }
    let none = updated(|builder| builder, &[("AUDIT_ACTOR_FIELDS", "none")]).await;
    assert!(none.attribute("user.id").is_none());
    // In the Python library's form, what must not leave is as what is not known.
    let seed =
        updated(|builder| builder.encoding(Encoding::Seed).actor_fields([ActorField::Email]), &[]).await;
    let seed = seed.encoded_attributes();
    let user =
        ["user_id", "user_email", "user_first_name", "user_last_name"].map(|key| seed.get(key).unwrap());
    assert_eq!(user.map(ToString::to_string), ["null", "ann@example.org", "null", "null"]);
    assert!(refusal("AUDIT_ACTOR_FIELDS", "id,shoe_size").contains("id, email, name"));
}
