//! Items: the entity, what a formatter says of it, and the handlers, which know nothing of auditing.

use actix_web::{
    HttpResponse, Result,
    error::{ErrorInternalServerError, ErrorNotFound},
    web::{Data, Json, Path},
};
use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, prelude::*};
use serde::Deserialize;

pub mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[sea_orm(column_type = "Decimal(Some((12, 2)))")]
        pub price: Decimal,
    }
}

#[audit_formatter(route = "POST|/items", event = "creation")]
fn created(change: &Change<item::Model>) -> Formatted {
    Formatted::new(format!("New item {}", change.subject().title))
}

#[derive(Deserialize)]
pub struct NewItem {
    title: String,
    price: Decimal,
}

#[derive(Deserialize)]
pub struct NewPrice {
    price: Decimal,
}

pub async fn create(db: Data<AuditedConnection>, Json(new): Json<NewItem>) -> Result<HttpResponse> {
    let item = item::ActiveModel { title: Set(new.title), price: Set(new.price), ..Default::default() };
    let item = item.insert(&**db).await.map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Created().body(item.id.to_string()))
}

pub async fn change(
    db: Data<AuditedConnection>,
    id: Path<i32>,
    Json(new): Json<NewPrice>,
) -> Result<HttpResponse> {
    let mut item: item::ActiveModel = find(&db, *id).await?.into();
    item.price = Set(new.price);
    item.update(&**db).await.map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn remove(db: Data<AuditedConnection>, id: Path<i32>) -> Result<HttpResponse> {
    find(&db, *id).await?.delete(&**db).await.map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn find(db: &AuditedConnection, id: i32) -> Result<item::Model> {
    let found = item::Entity::find_by_id(id).one(db).await.map_err(ErrorInternalServerError)?;
    found.ok_or_else(|| ErrorNotFound("no such item"))
}
