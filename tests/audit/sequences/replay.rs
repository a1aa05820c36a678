//! The rows that records lead to.

use std::collections::{BTreeMap, BTreeSet};

use ftn_audit_sea::prelude::*;
use sea_orm::{DatabaseConnection, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn, Value};

use super::entities::*;

/// Rows by table and key, each by its columns; NULL left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<(String, String), BTreeMap<String, String>>);

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Int(value) => value.map(|value| value.to_string()),
        Value::String(value) => value.clone(),
        value => panic!("no column is a {value:?}"),
    }
}

impl Rows {
    /// The rows as they are stored.
    pub async fn stored(db: &DatabaseConnection) -> Self {
        let mut rows = Self::default();
        rows.add(thing::Entity, db).await;
        rows.add(cell::Entity, db).await;
        rows.add(part::Entity, db).await;
        rows.add(word::Entity, db).await;
        rows.add(thing_word::Entity, db).await;
        rows
    }

    async fn add<E: EntityTrait>(&mut self, entity: E, db: &DatabaseConnection) {
        for model in E::find().all(db).await.expect("rows can be read") {
            let key: Vec<_> =
                E::PrimaryKey::iter().filter_map(|key| text(&model.get(key.into_column()))).collect();
            let columns = E::Column::iter()
                .filter_map(|column| Some((column.as_str().to_owned(), text(&model.get(column))?)))
                .collect();
            self.0.insert((entity.table_name().to_owned(), key.join(",")), columns);
        }
    }

    /// What a record says happened.
    pub fn apply(&mut self, record: &AuditRecord) -> Result<(), String> {
        let table = record.table().to_owned();
        let columns = |side: &str| {
            record
                .attributes()
                .iter()
                .filter_map(|(name, value)| {
                    let column = name.strip_prefix("audit.changeset.")?.strip_suffix(side)?;
                    Some((column.to_owned(), value.to_string()))
                })
                .collect::<BTreeMap<_, _>>()
        };
        let (old, new) = (columns(".old"), columns(".new"));
        let key = (table.clone(), record.pk().to_owned());
        match record.event_type().as_str() {
            "creation" => match self.0.insert(key, new) {
                None => Ok(()),
                Some(row) => Err(format!("it was there: {row:?}")),
            },
            "upsert" => {
                self.0.entry(key).or_default().extend(new);
                Ok(())
            }
            "deletion" => match self.0.remove(&key) {
                Some(row) if row == old => Ok(()),
                row => Err(format!("deleted was {old:?}, there was {row:?}")),
            },
            "update" => {
                let old_key = self.key_before(&table, record.pk(), &old);
                let mut row = self.0.remove(&(table, old_key)).ok_or("there was no such row")?;
                let changed = old.keys().chain(new.keys()).cloned().collect::<BTreeSet<_>>();
                for column in changed {
                    if row.get(&column) != old.get(&column) {
                        return Err(format!(
                            "{column} was {:?}, told {:?}",
                            row.get(&column),
                            old.get(&column)
                        ));
                    }
                    match new.get(&column) {
                        Some(value) => row.insert(column, value.clone()),
                        None => row.remove(&column),
                    };
                }
                match self.0.insert(key, row) {
                    None => Ok(()),
                    Some(row) => Err(format!("another row was there: {row:?}")),
                }
            }
            "collection_update" => self.link(record),
            event => Err(format!("{event} tells nothing: {record:#?}")),
        }
    }

    /// The key of an updated row before.
    fn key_before(&self, table: &str, key: &str, old: &BTreeMap<String, String>) -> String {
        let names: &[&str] = if table == "cell" { &["x", "y"] } else { &["id"] };
        let parts = key.split(',').zip(names);
        let parts = parts.map(|(part, name)| old.get(*name).cloned().unwrap_or_else(|| part.to_owned()));
        parts.collect::<Vec<_>>().join(",")
    }

    fn link(&mut self, record: &AuditRecord) -> Result<(), String> {
        let keys = record.attribute("audit.pk_set").expect("keys").to_string();
        let add = record.attribute("audit.action").expect("an action") == "add";
        for word in keys.trim_matches(['[', ']']).split(',') {
            let key = ("thing_word".to_owned(), format!("{},{word}", record.pk()));
            let row = [("thing_id", record.pk()), ("word_id", word)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            let was = if add { self.0.insert(key.clone(), row.into()) } else { self.0.remove(&key) };
            if was.is_some() == add {
                return Err(format!("the link {key:?} was {was:?}"));
            }
        }
        Ok(())
    }

    /// Records of one transaction change rows together: a key may be taken before it is free in their order.
    pub fn apply_all(&mut self, records: &[AuditRecord]) -> Result<(), String> {
        let mut waiting: Vec<&AuditRecord> = records.iter().collect();
        let mut problem = String::new();
        while !waiting.is_empty() {
            let mut progress = None;
            for (position, record) in waiting.iter().enumerate() {
                let before = self.clone();
                match self.apply(record) {
                    Ok(()) => {
                        progress = Some(position);
                        break;
                    }
                    Err(why) => {
                        *self = before;
                        problem = format!("{why}, at {record:#?}");
                        if !is_of_one_statement(record) {
                            return Err(problem);
                        }
                    }
                }
            }
            match progress {
                Some(position) => {
                    waiting.remove(position);
                }
                None => return Err(problem),
            }
        }
        Ok(())
    }
}

/// Whether others of the same statement may come before it: rows that change their keys, and rows that go along.
fn is_of_one_statement(record: &AuditRecord) -> bool {
    let moves = ["id", "x", "y"].iter().any(|key| {
        record.event_type() == "update" && record.attribute(&format!("audit.changeset.{key}.old")).is_some()
    });
    moves || record.attribute("audit.cause").is_some() || record.event_type() == "collection_update"
}
