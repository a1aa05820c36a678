//! Links as an application writes them, and what goes with a row that is deleted.

use std::pin::Pin;

use sea_orm::{ActiveValue::Set, DbErr, prelude::*, sea_query::OnConflict};
use serde_json::{Map, Value as Json};

use crate::{
    connection::Db,
    entities::*,
    interpreter::{Stop, model},
};

#[derive(Clone, Copy, PartialEq)]
pub enum Junction {
    Tags,
    Peers,
    Unlisted,
}

macro_rules! junction {
    ($($kind:ident $module:ident $column:ident $key:ident)*) => {
        impl Junction {
            /// The rows linked to one, from either side.
            pub async fn linked(self, db: Db<'_>, key: i32, reverse: bool) -> Result<Vec<i32>, DbErr> {
                match self {$(
                    Self::$kind => {
                        let column = if reverse { $module::Column::$column } else { $module::Column::ItemId };
                        let rows = $module::Entity::find().filter(column.eq(key)).all(&db).await?;
                        Ok(rows.iter().map(|row| if reverse { row.item_id } else { row.$key }).collect())
                    }
                )*}
            }

            /// Rows that are there stay as they are.
            pub async fn add(self, db: Db<'_>, pairs: Vec<(i32, i32)>) -> Result<(), DbErr> {
                match self {$(
                    Self::$kind => {
                        let row = |(item, key)| $module::ActiveModel { item_id: Set(item), $key: Set(key) };
                        if !db.captures_statements() {
                            for pair in pairs {
                                row(pair).insert(&db).await?;
                            }
                        } else if !pairs.is_empty() {
                            let keys = [$module::Column::ItemId, $module::Column::$column];
                            $module::Entity::insert_many(pairs.into_iter().map(row))
                                .on_conflict(OnConflict::columns(keys).do_nothing().to_owned())
                                .exec_without_returning(&db)
                                .await?;
                        }
                    }
                )*}
                Ok(())
            }

            pub async fn remove(self, db: Db<'_>, pairs: Vec<(i32, i32)>) -> Result<(), DbErr> {
                match self {$(
                    Self::$kind => {
                        if !db.captures_statements() {
                            for (item, key) in pairs {
                                $module::ActiveModel { item_id: Set(item), $key: Set(key) }.delete(&db).await?;
                            }
                            return Ok(());
                        }
                        let mut pairs = pairs;
                        while let Some((owner, _)) = pairs.first().copied() {
                            let (own, rest): (Vec<_>, Vec<_>) =
                                pairs.into_iter().partition(|pair| pair.0 == owner);
                            pairs = rest;
                            $module::Entity::delete_many()
                                .filter($module::Column::ItemId.eq(owner))
                                .filter($module::Column::$column.is_in(own.into_iter().map(|pair| pair.1)))
                                .exec(&db)
                                .await?;
                        }
                    }
                )*}
                Ok(())
            }
        }
    };
}

junction! {
    Tags item_tag TagId tag_id
    Peers item_peer PeerId peer_id
    Unlisted item_label TagId tag_id
}

/// All links of a model's rows.
pub async fn unlink_all(model: &str, db: Db<'_>) -> Result<(), DbErr> {
    if matches!(model, "Item" | "Tag") {
        item_label::Entity::delete_many().exec(&db).await?;
        item_tag::Entity::delete_many().exec(&db).await?;
    }
    if model == "Item" {
        item_peer::Entity::delete_many().exec(&db).await?;
    }
    Ok(())
}

/// Django deletes in code what refers to a row, the youngest first; so does the application here.
pub fn delete_referring<'a>(
    name: &'a str,
    key: &'a Json,
    db: Db<'a>,
) -> Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>> {
    Box::pin(async move {
        let Some(number) = key.as_i64().map(|key| key as i32) else { return Ok(()) };
        match name {
            "Item" | "ItemProxy" => {
                for junction in [Junction::Tags, Junction::Unlisted, Junction::Peers] {
                    let linked = junction.linked(db, number, false).await?;
                    junction.remove(db, linked.into_iter().map(|key| (number, key)).collect()).await?;
                }
                let peers = Junction::Peers.linked(db, number, true).await?;
                Junction::Peers.remove(db, peers.into_iter().map(|key| (key, number)).collect()).await?;
            }
            "Tag" => {
                for junction in [Junction::Tags, Junction::Unlisted] {
                    let linked = junction.linked(db, number, true).await?;
                    junction.remove(db, linked.into_iter().map(|key| (key, number)).collect()).await?;
                }
            }
            "Owner" => {
                for referring in ["Line", "PlainItem", "Item"] {
                    let lookup = Map::from_iter([("owner".to_owned(), key.clone())]);
                    let mut rows = model(referring)?.find(db, &lookup).await?;
                    rows.sort_by_key(|row| std::cmp::Reverse(row.key().as_i64()));
                    for mut row in rows {
                        delete_referring(referring, &row.key(), db).await?;
                        row.delete(db).await?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    })
}
