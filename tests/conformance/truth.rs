//! What really changed: the tables before an operation and after it, read and written out without the library.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnType, IdenStatic, Iterable, PrimaryKeyToColumn, Value, prelude::*};
use serde_json::Value as Json;

use crate::{connection::Db, entities::*};

/// One thing that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub model: &'static str,
    pub key: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Created,
    Updated(Vec<Column>),
    Deleted,
    Linked { field: &'static str, keys: Vec<i32> },
    Unlinked { field: &'static str, keys: Vec<i32> },
}

/// A changed column: its attributes, by what follows `audit.changeset.`.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl What {
    pub fn event(&self) -> &'static str {
        match self {
            Self::Created => "creation",
            Self::Updated(_) => "update",
            Self::Deleted => "deletion",
            Self::Linked { .. } | Self::Unlinked { .. } => "collection_update",
        }
    }

    pub fn is_update(&self) -> bool {
        matches!(self, Self::Updated(_))
    }

    pub fn is_link(&self) -> bool {
        matches!(self, Self::Linked { .. } | Self::Unlinked { .. })
    }
}

#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    rows: BTreeMap<(usize, Key), Vec<(String, Cell)>>,
    links: BTreeMap<(&'static str, i32), BTreeSet<i32>>,
    /// Not on the allow-list.
    silent_links: usize,
}

/// Numbers in the order of numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i32),
    Text(String),
}

type Cell = Vec<(String, String)>;

/// Those that refer to others first: so they go.
const MODELS: [&str; 7] = ["Line", "PlainItem", "Item", "Tag", "Gadget", "IntKey", "Owner"];

impl Snapshot {
    pub async fn take(db: Db<'_>) -> Self {
        let mut snapshot = Self::default();
        macro_rules! read {
            ($($module:ident)*) => {{
                let mut rank = 0;
                $(
                    snapshot.read::<$module::Entity>(db, rank).await;
                    rank += 1;
                )*
                assert_eq!(rank, MODELS.len());
            }};
        }
        read!(line plain_item item tag gadget int_key owner);
        for link in item_tag::Entity::find().all(&db).await.expect("links can be read") {
            snapshot.links.entry(("tags", link.item_id)).or_default().insert(link.tag_id);
        }
        for link in item_peer::Entity::find().all(&db).await.expect("links can be read") {
            snapshot.links.entry(("peers", link.item_id)).or_default().insert(link.peer_id);
        }
        snapshot.silent_links = item_label::Entity::find().all(&db).await.expect("links can be read").len();
        snapshot
    }

    async fn read<E: EntityTrait>(&mut self, db: Db<'_>, rank: usize) {
        for row in E::find().all(&db).await.expect("the rows can be read") {
            let mut key = None;
            let mut cells = Vec::new();
            for column in E::Column::iter() {
                let value = row.get(column);
                if E::PrimaryKey::from_column(column).is_some() {
                    key = Some(match value {
                        Value::Int(Some(key)) => Key::Number(key),
                        other => Key::Text(cell(&other, None).remove(0).1),
                    });
                    continue;
                }
                let name = column.as_str();
                let name = name.strip_suffix("_id").unwrap_or(name).to_owned();
                cells.push((name, cell(&value, Some(column.def().get_column_type()))));
            }
            self.rows.insert((rank, key.expect("a row has a key")), cells);
        }
    }

    pub fn rows(&self, model: &str) -> usize {
        self.rows.keys().filter(|(rank, _)| MODELS[*rank] == model).count()
    }

    /// How many tags items have, told or not. Where tags are on the allow-list, what is not are other links.
    pub fn item_tags(&self, listed: bool) -> usize {
        let told = self.links.iter().filter(|((field, _), _)| *field == "tags");
        told.map(|(_, keys)| keys.len()).sum::<usize>() + if listed { 0 } else { self.silent_links }
    }

    /// What was done between the two, in the order in which an application does it: links and rows that go, those
    /// that change, rows and links that come.
    pub fn facts(&self, after: &Self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let nothing = BTreeSet::new();
        let owners: BTreeSet<_> = self.links.keys().chain(after.links.keys()).collect();
        let mut linked = Vec::new();
        for owner in owners {
            let keys = |snapshot: &Self| snapshot.links.get(owner).unwrap_or(&nothing).clone();
            let (old, new) = (keys(self), keys(after));
            let fact = |what| Fact { model: "Item", key: owner.1.to_string(), what };
            let gone: Vec<_> = old.difference(&new).copied().collect();
            let come: Vec<_> = new.difference(&old).copied().collect();
            if !gone.is_empty() {
                facts.push(fact(What::Unlinked { field: owner.0, keys: gone }));
            }
            if !come.is_empty() {
                linked.push(fact(What::Linked { field: owner.0, keys: come }));
            }
        }
        let fact = |(rank, key): &(usize, Key), what| {
            let key = match key {
                Key::Number(key) => key.to_string(),
                Key::Text(key) => key.clone(),
            };
            Fact { model: MODELS[*rank], key, what }
        };
        let mut gone: Vec<_> = self.rows.keys().filter(|key| !after.rows.contains_key(*key)).collect();
        gone.sort_by(|left, right| (left.0, &right.1).cmp(&(right.0, &left.1)));
        facts.extend(gone.into_iter().map(|key| fact(key, What::Deleted)));
        for (key, cells) in &after.rows {
            let Some(old) = self.rows.get(key) else { continue };
            let columns = old.iter().zip(cells).filter(|(old, new)| old != new && old.0 != "updated_at");
            let columns: Vec<_> =
                columns.map(|((name, old), (_, new))| Column::new(name, old, new)).collect();
            if !columns.is_empty() {
                facts.push(fact(key, What::Updated(columns)));
            }
        }
        let come = after.rows.keys().filter(|key| !self.rows.contains_key(*key));
        facts.extend(come.map(|key| fact(key, What::Created)));
        facts.extend(linked);
        facts
    }
}

impl Column {
    fn new(name: &str, old: &Cell, new: &Cell) -> Self {
        let side = |side: &'static str, cell: &Cell| {
            let attributes =
                cell.iter().map(move |(inner, text)| (format!("{name}.{side}{inner}"), text.clone()));
            attributes.collect::<Vec<_>>()
        };
        let attributes = [side("old", old), side("new", new)].concat();
        Self { name: name.to_owned(), attributes }
    }
}

/// A stored value as Python would write it; what is in a map has the path to it in front.
fn cell(value: &Value, column: Option<&ColumnType>) -> Cell {
    let text = match value {
        Value::Bool(Some(value)) => value.to_string(),
        Value::Int(Some(number)) => number.to_string(),
        Value::BigInt(Some(number)) => number.to_string(),
        Value::Double(Some(number)) => format!("{number:?}"),
        Value::String(Some(text)) => text.clone(),
        Value::Uuid(Some(uuid)) => uuid.to_string(),
        Value::ChronoDate(Some(day)) => day.format("%Y-%m-%d").to_string(),
        Value::ChronoTime(Some(time)) => without_zeros(time.format("%H:%M:%S%.6f").to_string()),
        Value::ChronoDateTimeUtc(Some(time)) => {
            format!("{}+00:00", without_zeros(time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()))
        }
        Value::Decimal(Some(decimal)) => {
            let mut decimal = *decimal;
            if let Some(ColumnType::Decimal(Some((_, scale)))) = column {
                decimal.rescale(*scale);
            }
            decimal.to_string()
        }
        Value::Bytes(Some(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Value::Json(Some(json)) => {
            let mut all = Vec::new();
            flatten(String::new(), json, &mut all);
            return all;
        }
        _ => "null".to_owned(),
    };
    vec![(String::new(), text)]
}

fn without_zeros(text: String) -> String {
    text.strip_suffix(".000000").map_or(text.clone(), str::to_owned)
}

/// The Python library's flattening.
pub fn flatten(path: String, json: &Json, all: &mut Vec<(String, String)>) {
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                flatten(format!("{path}.{key}"), value, all);
            }
        }
        Json::String(text) => all.push((path, text.clone())),
        other => all.push((path, spaced(other))),
    }
}

/// As Python's `json.dumps` spells it: spaces behind commas and colons, and nothing beyond ASCII.
fn spaced(json: &Json) -> String {
    match json {
        Json::Array(values) => format!("[{}]", values.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}: {}", escaped(key), spaced(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Json::String(text) => escaped(text),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let unit = |unit: u16| format!("\\u{unit:04x}");
    let character = |character: char| match character {
        character if character.is_ascii() => character.to_string(),
        character => character.encode_utf16(&mut [0; 2]).iter().map(|each| unit(*each)).collect(),
    };
    Json::from(text).to_string().chars().map(character).collect()
}
