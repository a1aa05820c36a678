//! A model instance as Django has it, played by an entity's `ActiveModel`: `save` writes every column.

use std::{collections::BTreeSet, str::FromStr};

use async_trait::async_trait;
use sea_orm::{
    ActiveValue, ColumnType, Iterable, PrimaryKeyToColumn, Value, prelude::*, sea_query::SimpleExpr,
};
use serde_json::{Map, Value as Json};

use crate::{connection::Db, entities::*};

/// The clock of the runs.
pub const NOW: &str = "2026-01-01T00:00:00Z";

#[async_trait]
pub trait Instance: Send {
    fn key(&self) -> Json;
    fn set(&mut self, field: &str, value: &Json);
    /// All columns, or those named.
    async fn save(&mut self, db: Db<'_>, only: Option<&[String]>) -> Result<(), DbErr>;
    async fn save_changed(&mut self, db: Db<'_>) -> Result<(), DbErr>;
    async fn delete(&mut self, db: Db<'_>) -> Result<(), DbErr>;
    async fn refresh(&mut self, db: Db<'_>) -> Result<(), DbErr>;
}

/// A model by its name.
#[async_trait]
pub trait Table: Send + Sync {
    fn make(&self, fields: &Map<String, Json>) -> Box<dyn Instance>;
    async fn get(&self, db: Db<'_>, key: &Json) -> Result<Option<Box<dyn Instance>>, DbErr>;
    async fn find(&self, db: Db<'_>, lookup: &Map<String, Json>) -> Result<Vec<Box<dyn Instance>>, DbErr>;
    async fn insert_many(&self, db: Db<'_>, rows: &[Map<String, Json>]) -> Result<(), DbErr>;
    async fn update_all(&self, db: Db<'_>, fields: &Map<String, Json>) -> Result<(), DbErr>;
    async fn delete_all(&self, db: Db<'_>) -> Result<(), DbErr>;
}

struct Held<A> {
    row: A,
    stored: bool,
    changed: BTreeSet<String>,
    /// Columns that a save gives an expression of the database's.
    expressions: Vec<(String, SimpleExpr)>,
}

struct TableOf<E>(std::marker::PhantomData<fn() -> E>);

fn column<E: EntityTrait>(field: &str) -> Option<E::Column> {
    E::Column::from_str(field).or_else(|_| E::Column::from_str(&format!("{field}_id"))).ok()
}

/// A value of the file, as the column's type has it.
fn value_of(column: &ColumnType, json: &Json) -> Value {
    let tagged =
        |object: &Map<String, Json>| object.iter().next().map(|(tag, inner)| (tag.clone(), inner.clone()));
    let inner = json.as_object().and_then(tagged).filter(|(tag, _)| tag.starts_with('$'));
    let text = match inner {
        Some((_, Json::String(text))) => text,
        Some((_, other)) => other.to_string(),
        None => json.as_str().map_or_else(|| json.to_string(), str::to_owned),
    };
    let some = !json.is_null();
    let number = || text.parse::<f64>().expect("a number");
    match column {
        ColumnType::Integer => Value::Int(some.then(|| text.parse().expect("a whole number"))),
        // Of durations alone: seconds in the file.
        ColumnType::BigInteger => Value::BigInt(some.then(|| (number() * 1e6).round() as i64)),
        ColumnType::Double => Value::Double(some.then(number)),
        ColumnType::Boolean => Value::Bool(some.then_some(matches!(text.as_str(), "true" | "1"))),
        ColumnType::Decimal(_) => Value::Decimal(some.then(|| text.parse().expect("a decimal"))),
        ColumnType::Date => Value::ChronoDate(some.then(|| text.parse().expect("a date"))),
        ColumnType::Time => Value::ChronoTime(some.then(|| text.parse().expect("a time"))),
        ColumnType::TimestampWithTimeZone | ColumnType::Timestamp => {
            Value::ChronoDateTimeUtc(some.then(|| text.parse().expect("a moment")))
        }
        ColumnType::Uuid => Value::Uuid(some.then(|| text.parse().expect("a UUID"))),
        ColumnType::Blob | ColumnType::VarBinary(_) | ColumnType::Binary(_) => {
            Value::Bytes(some.then(|| text.into_bytes()))
        }
        ColumnType::Json | ColumnType::JsonBinary => Value::Json(some.then(|| Box::new(json.clone()))),
        _ => Value::String(some.then_some(text)),
    }
}

fn expression<E: EntityTrait>(json: &Json) -> Option<SimpleExpr> {
    use sea_orm::sea_query::ExprTrait;

    let [field, number] = json.get("$F")?.as_array()?.as_slice() else { return None };
    let column = column::<E>(field.as_str()?)?;
    let number = number.get("$decimal").unwrap_or(number);
    let number = number.as_f64().or_else(|| number.as_str()?.parse().ok())?;
    Some(Expr::col(column).add(number))
}

/// What Django fills in.
fn defaults<A: ActiveModelTrait>(row: &mut A) {
    type Column<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Column;
    for (field, value) in [("created_at", NOW), ("updated_at", NOW), ("price", "0"), ("color", "red")] {
        if let Ok(column) = Column::<A>::from_str(field) {
            row.set(column, value_of(column.def().get_column_type(), &value.into()));
        }
    }
}

macro_rules! model {
    ($($name:literal $module:ident)*) => {
        pub fn table(model: &str) -> Option<Box<dyn Table>> {
            match model {
                $($name => Some(Box::new(TableOf::<$module::Entity>(std::marker::PhantomData))),)*
                // A proxy is the same table under another name.
                "ItemProxy" => table("Item"),
                _ => None,
            }
        }

        $(
            impl Held<$module::ActiveModel> {
                fn key_column() -> $module::Column {
                    $module::PrimaryKey::iter().next().expect("a key").into_column()
                }

                fn loaded(model: $module::Model) -> Self {
                    Self { row: model.into(), stored: true, changed: BTreeSet::new(), expressions: Vec::new() }
                }

                /// What is written: named columns are set, all others are left alone.
                fn writing(&self, writes: impl Fn(&str) -> bool) -> $module::ActiveModel {
                    let mut row = self.row.clone();
                    for column in $module::Column::iter() {
                        let key = $module::PrimaryKey::from_column(column).is_some();
                        let expression = self.expressions.iter().any(|(name, _)| name == column.as_str());
                        let Some(value) = row.get(column).into_value() else { continue };
                        if key || (writes(column.as_str()) && !expression) {
                            // As an assignment, also where it is the value that was loaded.
                            row.not_set(column);
                            row.set(column, value);
                        } else {
                            row.not_set(column);
                        }
                    }
                    row
                }

                async fn update(&mut self, db: Db<'_>, writes: impl Fn(&str) -> bool) -> Result<(), DbErr> {
                    let row = self.writing(writes);
                    if self.expressions.is_empty() {
                        return row.update(&db).await.map(|_| ());
                    }
                    let key = row.get(Self::key_column()).into_value().expect("a stored row has a key");
                    let mut update = $module::Entity::update_many().filter(Self::key_column().eq(key));
                    for column in $module::Column::iter() {
                        let key = column.as_str() == Self::key_column().as_str();
                        if let (ActiveValue::Set(value), false) = (row.get(column), key) {
                            update = update.col_expr(column, Expr::value(value));
                        }
                    }
                    for (name, expression) in self.expressions.drain(..) {
                        update = update.col_expr($module::Column::from_str(&name).expect("a column"), expression);
                    }
                    update.exec(&db).await.map(|_| ())
                }

                async fn insert(&mut self, db: Db<'_>) -> Result<(), DbErr> {
                    *self = Self::loaded(self.row.clone().insert(&db).await?);
                    Ok(())
                }
            }

            #[async_trait]
            impl Instance for Held<$module::ActiveModel> {
                fn key(&self) -> Json {
                    match self.row.get(Self::key_column()).into_value() {
                        Some(Value::Int(Some(key))) => key.into(),
                        Some(Value::Uuid(Some(key))) => key.to_string().into(),
                        _ => Json::Null,
                    }
                }

                fn set(&mut self, field: &str, value: &Json) {
                    let column = column::<$module::Entity>(field)
                        .unwrap_or_else(|| panic!("{} has no column {field}", $name));
                    let name = column.as_str().to_owned();
                    self.changed.insert(name.clone());
                    self.expressions.retain(|(present, _)| *present != name);
                    match expression::<$module::Entity>(value) {
                        Some(expression) => self.expressions.push((name, expression)),
                        None => self.row.set(column, value_of(column.def().get_column_type(), value)),
                    }
                }

                async fn save(&mut self, db: Db<'_>, only: Option<&[String]>) -> Result<(), DbErr> {
                    if only.is_some_and(<[String]>::is_empty) {
                        return Ok(());
                    }
                    if !self.stored {
                        let (key, table) = (self.key(), TableOf::<$module::Entity>(std::marker::PhantomData));
                        if key.is_null() || table.get(db, &key).await?.is_none() {
                            return self.insert(db).await;
                        }
                    }
                    let writes = |name: &str| only.is_none_or(|only| {
                        only.iter().any(|field| {
                            column::<$module::Entity>(field).is_some_and(|column| column.as_str() == name)
                        })
                    });
                    self.update(db, &writes).await?;
                    self.stored = true;
                    self.changed.retain(|name| !writes(name));
                    Ok(())
                }

                async fn save_changed(&mut self, db: Db<'_>) -> Result<(), DbErr> {
                    let changed: Vec<_> = self.changed.iter().cloned().collect();
                    self.save(db, Some(&changed)).await
                }

                async fn delete(&mut self, db: Db<'_>) -> Result<(), DbErr> {
                    self.row.clone().delete(&db).await?;
                    self.stored = false;
                    Ok(())
                }

                async fn refresh(&mut self, db: Db<'_>) -> Result<(), DbErr> {
                    let key = self.row.get(Self::key_column()).into_value().expect("a stored row has a key");
                    let row = $module::Entity::find().filter(Self::key_column().eq(key)).one(&db).await?;
                    *self = Self::loaded(row.expect("the row is there"));
                    Ok(())
                }
            }

            #[async_trait]
            impl Table for TableOf<$module::Entity> {
                fn make(&self, fields: &Map<String, Json>) -> Box<dyn Instance> {
                    let mut held = Held {
                        row: <$module::ActiveModel as Default>::default(),
                        stored: false,
                        changed: BTreeSet::new(),
                        expressions: Vec::new(),
                    };
                    defaults(&mut held.row);
                    for (field, value) in fields {
                        held.set(field, value);
                    }
                    let key = Held::<$module::ActiveModel>::key_column();
                    if *key.def().get_column_type() == ColumnType::Uuid && held.key().is_null() {
                        held.row.set(key, Value::Uuid(Some(uuid::Uuid::new_v4())));
                    }
                    Box::new(held)
                }

                async fn get(&self, db: Db<'_>, key: &Json) -> Result<Option<Box<dyn Instance>>, DbErr> {
                    let column = Held::<$module::ActiveModel>::key_column();
                    let key = value_of(column.def().get_column_type(), key);
                    let row = $module::Entity::find().filter(column.eq(key)).one(&db).await?;
                    Ok(row.map(|row| Box::new(Held::<$module::ActiveModel>::loaded(row)) as Box<dyn Instance>))
                }

                async fn find(
                    &self,
                    db: Db<'_>,
                    lookup: &Map<String, Json>,
                ) -> Result<Vec<Box<dyn Instance>>, DbErr> {
                    let mut find = $module::Entity::find();
                    for (field, value) in lookup {
                        let column = column::<$module::Entity>(field).expect("a column");
                        let value = value_of(column.def().get_column_type(), value);
                        find = find.filter(column.eq(value));
                    }
                    let boxed = |row| Box::new(Held::<$module::ActiveModel>::loaded(row)) as Box<dyn Instance>;
                    Ok(find.all(&db).await?.into_iter().map(boxed).collect())
                }

                async fn insert_many(&self, db: Db<'_>, rows: &[Map<String, Json>]) -> Result<(), DbErr> {
                    let rows = rows.iter().map(|fields| {
                        let mut row = <$module::ActiveModel as Default>::default();
                        defaults(&mut row);
                        for (field, value) in fields {
                            let column = column::<$module::Entity>(field).expect("a column");
                            row.set(column, value_of(column.def().get_column_type(), value));
                        }
                        row
                    });
                    let rows: Vec<_> = rows.collect();
                    $module::Entity::insert_many(rows).exec_with_returning(&db).await.map(|_| ())
                }

                async fn update_all(&self, db: Db<'_>, fields: &Map<String, Json>) -> Result<(), DbErr> {
                    let mut update = $module::Entity::update_many();
                    for (field, value) in fields {
                        let column = column::<$module::Entity>(field).expect("a column");
                        let value = expression::<$module::Entity>(value)
                            .unwrap_or_else(|| Expr::value(value_of(column.def().get_column_type(), value)));
                        update = update.col_expr(column, value);
                    }
                    update.exec(&db).await.map(|_| ())
                }

                async fn delete_all(&self, db: Db<'_>) -> Result<(), DbErr> {
                    $module::Entity::delete_many().exec(&db).await.map(|_| ())
                }
            }
        )*
    };
}

model! {
    "Item" item
    "PlainItem" plain_item
    "Owner" owner
    "Tag" tag
    "Line" line
    "IntKey" int_key
    "Gadget" gadget
}
