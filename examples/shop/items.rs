//! The handlers: plain SeaORM, with no word about auditing.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, EntityLoaderTrait, IntoActiveModel, QueryOrder,
    TransactionTrait, entity::prelude::*,
};
use serde::{Deserialize, Serialize};

use crate::{
    Shop,
    entities::{item, tag},
    failure::Failure,
};

#[derive(Serialize)]
pub struct Item {
    id: i32,
    title: String,
    price: Decimal,
    owner_id: i32,
    tags: Vec<String>,
}

impl Item {
    fn new(item: item::Model, tags: impl IntoIterator<Item = String>) -> Self {
        Self {
            id: item.id,
            title: item.name,
            price: item.price,
            owner_id: item.owner_id,
            tags: tags.into_iter().collect(),
        }
    }
}

#[derive(Deserialize)]
pub struct NewItem {
    title: String,
    price: Decimal,
    owner_id: Option<i32>,
    supplier_note: Option<String>,
}

#[derive(Deserialize)]
pub struct ItemChange {
    title: Option<String>,
    price: Option<Decimal>,
    supplier_note: Option<String>,
}

#[derive(Deserialize)]
pub struct Pace {
    /// How long to sleep.
    #[serde(default = "two_seconds")]
    millis: u64,
    /// `1`: sleep after the commit instead of before.
    #[serde(default)]
    after: u8,
}

fn two_seconds() -> u64 {
    2000
}

pub async fn list(State(shop): State<Shop>) -> Result<Json<Vec<Item>>, Failure> {
    let items = item::Entity::load().with(tag::Entity).order_by_asc(item::Column::Id).all(&shop.db).await?;
    Ok(Json(items.into_iter().map(loaded).collect()))
}

pub async fn show(State(shop): State<Shop>, Path(id): Path<i32>) -> Result<Json<Item>, Failure> {
    let item = item::Entity::load().filter_by_id(id).with(tag::Entity).one(&shop.db).await?;
    Ok(Json(loaded(item.ok_or(Failure::NotFound)?)))
}

pub async fn create(
    State(shop): State<Shop>,
    Json(new): Json<NewItem>,
) -> Result<(StatusCode, Json<Item>), Failure> {
    let item = item::ActiveModel {
        name: Set(new.title),
        price: Set(new.price),
        owner_id: Set(new.owner_id.unwrap_or(1)),
        supplier_note: Set(new.supplier_note),
        updated_at: Set(ChronoUtc::now()),
        ..Default::default()
    };
    let item = item.insert(&shop.db).await?;
    Ok((StatusCode::CREATED, Json(Item::new(item, []))))
}

pub async fn change(
    State(shop): State<Shop>,
    Path(id): Path<i32>,
    Json(change): Json<ItemChange>,
) -> Result<Json<Item>, Failure> {
    let item = apply(&shop.db, id, change).await?;
    Ok(Json(Item::new(item, [])))
}

pub async fn remove(State(shop): State<Shop>, Path(id): Path<i32>) -> Result<StatusCode, Failure> {
    let txn = shop.db.begin().await?;
    let item = find(&txn, id).await?;
    replace_tags(&txn, item.clone(), Vec::new()).await?;
    item.delete(&txn).await?;
    txn.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn tag(
    State(shop): State<Shop>,
    Path(id): Path<i32>,
    Json(mut names): Json<Vec<String>>,
) -> Result<Json<Item>, Failure> {
    names.sort();
    names.dedup();
    let txn = shop.db.begin().await?;
    let item = find(&txn, id).await?;
    replace_tags(&txn, item.clone(), names.clone()).await?;
    txn.commit().await?;
    Ok(Json(Item::new(item, names)))
}

/// Writes, then fails: the rollback takes the record with it.
pub async fn change_and_fail(
    State(shop): State<Shop>,
    Path(id): Path<i32>,
    Json(change): Json<ItemChange>,
) -> Result<Json<Item>, Failure> {
    let txn = shop.db.begin().await?;
    apply(&txn, id, change).await?;
    Err(Failure::OnPurpose)
}

/// Takes its time, so that a client can hang up: before the commit there is no record, after it there is.
pub async fn change_slowly(
    State(shop): State<Shop>,
    Path(id): Path<i32>,
    Query(pace): Query<Pace>,
    Json(change): Json<ItemChange>,
) -> Result<Json<Item>, Failure> {
    let nap = Duration::from_millis(pace.millis);
    let txn = shop.db.begin().await?;
    let item = apply(&txn, id, change).await?;
    if pace.after == 0 {
        tokio::time::sleep(nap).await;
    }
    txn.commit().await?;
    if pace.after == 1 {
        tokio::time::sleep(nap).await;
    }
    Ok(Json(Item::new(item, [])))
}

fn loaded(item: item::ModelEx) -> Item {
    let tags: Vec<_> = item.tags.iter().map(|tag| tag.name.clone()).collect();
    Item::new(item.into(), tags)
}

async fn find(db: &impl ConnectionTrait, id: i32) -> Result<item::Model, Failure> {
    item::Entity::find_by_id(id).one(db).await?.ok_or(Failure::NotFound)
}

async fn apply(db: &impl ConnectionTrait, id: i32, change: ItemChange) -> Result<item::Model, Failure> {
    let mut item = find(db, id).await?.into_active_model();
    if let Some(title) = change.title {
        item.name = Set(title);
    }
    if let Some(price) = change.price {
        item.price = Set(price);
    }
    if let Some(note) = change.supplier_note {
        item.supplier_note = Set(Some(note));
    }
    item.updated_at = Set(ChronoUtc::now());
    Ok(item.update(db).await?)
}

async fn replace_tags<C>(db: &C, item: item::Model, names: Vec<String>) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    let known = tag::Entity::find().filter(tag::Column::Name.is_in(&names)).all(db).await?;
    let new = names
        .into_iter()
        .filter(|name| !known.iter().any(|tag| tag.name == *name))
        .map(|name| tag::ActiveModel { name: Set(name), ..Default::default() }.into_ex());
    let tags = known.iter().cloned().map(|tag| tag.into_active_model().into_ex()).chain(new).collect();
    let mut item = item.into_active_model().into_ex();
    item.tags = ActiveHasMany::Replace(tags);
    item.save(db).await?;
    Ok(())
}
