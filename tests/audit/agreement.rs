//! Where hooks and an audited connection see the same write, they say the same of it.

use ftn_audit_sea::prelude::*;
use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait,
};

use crate::{
    database::Kind,
    entities::{item, item_tag, stock, tag},
    samples::*,
};

/// What an application does with the row of a number, if there is one.
#[derive(Clone, Debug)]
enum Act {
    Insert(String),
    Update(i32, String),
    UpdateWithoutReturning(i32, String),
    Save(i32, Option<i64>),
    Touch(i32),
    Hide(i32, Option<String>),
    Delete(i32),
    DeleteModel(i32),
    Stock(i32, i64),
    Link(i32, i32),
    Unlink(i32, i32),
}

fn act() -> impl Strategy<Value = Act> {
    let id = 1..4_i32;
    let name = prop_oneof!["[ab]", Just("it's \"Tea\" \\ é".to_owned())];
    prop_oneof![
        name.clone().prop_map(Act::Insert),
        (id.clone(), name.clone()).prop_map(|(id, name)| Act::Update(id, name)),
        (id.clone(), name.clone()).prop_map(|(id, name)| Act::UpdateWithoutReturning(id, name)),
        (id.clone(), prop::option::of(0..3_i64)).prop_map(|(id, cents)| Act::Save(id, cents)),
        id.clone().prop_map(Act::Touch),
        (id.clone(), prop::option::of(name)).prop_map(|(id, note)| Act::Hide(id, note)),
        id.clone().prop_map(Act::Delete),
        id.clone().prop_map(Act::DeleteModel),
        (id.clone(), 0..3_i64).prop_map(|(slot, amount)| Act::Stock(slot, amount)),
        (id.clone(), id.clone()).prop_map(|(item, tag)| Act::Link(item, tag)),
        (id.clone(), id).prop_map(|(item, tag)| Act::Unlink(item, tag)),
    ]
}

/// Errors are part of the game: both see the same ones.
async fn perform(db: &impl ConnectionTrait, act: &Act) -> Result<(), sea_orm::DbErr> {
    let find = async |id: i32| item::Entity::find_by_id(id).one(db).await;
    match act.clone() {
        Act::Insert(name) => drop(new_item(&name).insert(db).await?),
        Act::Update(id, name) => {
            let change = item::ActiveModel { id: Set(id), name: Set(name), ..Default::default() };
            change.update(db).await?;
        }
        Act::UpdateWithoutReturning(id, name) => {
            let change = item::ActiveModel { id: Set(id), name: Set(name), ..Default::default() };
            change.update_without_returning(db).await?;
        }
        Act::Save(id, cents) => {
            if let Some(item) = find(id).await? {
                let mut change = item.into_active_model();
                if let Some(cents) = cents {
                    change.price = Set(price(cents));
                }
                change.save(db).await?;
            }
        }
        Act::Touch(id) => {
            if let Some(item) = find(id).await? {
                let mut change = item.into_active_model();
                change.updated_at = Set(Some("2026-03-01T00:00:01Z".parse().expect("a time")));
                change.update(db).await?;
            }
        }
        Act::Hide(id, note) => {
            let change = item::ActiveModel {
                id: Set(id),
                supplier_note: Set(note.clone()),
                internal: Set(note),
                ..Default::default()
            };
            change.update(db).await?;
        }
        Act::Delete(id) => {
            item::ActiveModel { id: Set(id), ..Default::default() }.delete(db).await?;
        }
        Act::DeleteModel(id) => {
            if let Some(item) = find(id).await? {
                ModelTrait::delete(item, db).await?;
            }
        }
        Act::Stock(slot, amount) => {
            let stock = stock::ActiveModel {
                shelf: Set("A".to_owned()),
                slot: Set(slot),
                amount: Set(amount),
                code: Set(format!("code {amount}")),
            };
            if stock::Entity::find_by_id(("A".to_owned(), slot)).one(db).await?.is_some() {
                ActiveModelTrait::reset_all(stock).update(db).await?;
            } else {
                stock.insert(db).await?;
            }
        }
        Act::Link(item, tag) => {
            item_tag::ActiveModel { item_id: Set(item), tag_id: Set(tag) }.insert(db).await?;
        }
        Act::Unlink(item, tag) => {
            item_tag::ActiveModel { item_id: Set(item), tag_id: Set(tag) }.delete(db).await?;
        }
    }
    Ok(())
}

/// What must be the same: event, model, key, description, changeset and links.
fn said(records: Vec<AuditRecord>) -> Vec<String> {
    records
        .iter()
        .map(|record| {
            let told: Vec<_> = record
                .encoded_attributes()
                .iter()
                .filter(|(key, _)| {
                    let links = ["audit.field_name", "audit.action", "audit.pk_set"];
                    key.starts_with("audit.changeset.") || links.contains(key)
                })
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            let (event, table) = (record.event_type(), record.event_name());
            format!("{event} {table} {} {} {} {told:?}", record.model(), record.pk(), record.description())
        })
        .collect()
}

async fn run(acts: &[Act]) -> Result<(), TestCaseError> {
    let database = Kind::Sqlite.database().await.expect("SQLite is always there");
    let other = Kind::Sqlite.database().await.expect("SQLite is always there");
    for database in [&database, &other] {
        for name in ["a", "b"] {
            tag::ActiveModel { name: Set(name.to_owned()), ..Default::default() }
                .insert(&database.bare)
                .await
                .expect("a tag");
        }
    }
    for act in acts {
        let audited = perform(&database.db, act).await;
        let plain = other.audit.scope(perform(&other.bare, act)).await;
        prop_assert_eq!(audited, plain, "{:?}", act);
        prop_assert_eq!(said(database.take()), said(other.take()), "{:?}", act);
    }
    Ok(())
}

#[test]
fn hooks_and_statements_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(act(), 1..20), |acts| runtime.block_on(run(&acts)))
        .unwrap();
}
