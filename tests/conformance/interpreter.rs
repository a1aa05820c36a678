//! Runs the operations of a scenario, and keeps what they really did.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use ftn_audit_sea::{AuditedConnection, prelude::*};
use sea_orm::{DatabaseConnection, DbErr};
use serde_json::{Map, Value as Json};

use crate::{
    connection::{Db, Transaction},
    instance::{Instance, NOW, Table, table},
    links::{self, Junction},
    truth::{Fact, Snapshot, What},
    web,
};

/// A connection of the application.
#[derive(Clone)]
pub enum Root {
    Audited(AuditedConnection),
    Plain(DatabaseConnection),
}

impl Root {
    pub fn db(&self) -> Db<'_> {
        match self {
            Self::Audited(db) => Db::Audited(db),
            Self::Plain(db) => Db::Plain(db),
        }
    }
}

/// Who did something, as the context knew it then; `None` outside of any context.
pub type Who = Option<[Option<String>; 4]>;

/// What was handed over, in this order: what happened, by whom, and the operation during which it was handed over.
#[derive(Clone, Debug)]
pub struct Told {
    pub fact: Fact,
    pub who: Who,
    pub during: String,
}

/// What came of a run.
#[derive(Default)]
pub struct Report {
    pub told: Vec<Told>,
    /// The operation during which the record of this place reached the sink.
    pub arrived: Vec<String>,
    /// The error of an operation that reached the request.
    pub failed: Option<String>,
    /// The name of an operation that this interpreter does not know.
    pub unknown: Option<String>,
}

pub enum Stop {
    Db(DbErr),
    Raised,
    Unknown(String),
}

impl From<DbErr> for Stop {
    fn from(error: DbErr) -> Self {
        Self::Db(error)
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>>;

pub struct Interpreter {
    sink: MemorySink,
    collections: Vec<Json>,
    instances: HashMap<String, Held>,
    auth: Json,
    user: Json,
    /// By database: what open transactions and savepoints hold.
    frames: HashMap<bool, Vec<Vec<Told>>>,
    report: Arc<Mutex<Report>>,
}

struct Held {
    model: String,
    other: bool,
    instance: Box<dyn Instance>,
}

/// The databases as they are to be used now: `default`, and `other`.
#[derive(Clone, Copy)]
pub struct Dbs<'a>(pub Db<'a>, pub Db<'a>);

impl<'a> Dbs<'a> {
    fn of(self, other: bool) -> Db<'a> {
        if other { self.1 } else { self.0 }
    }
}

fn fields(operation: &Json, key: &str) -> Map<String, Json> {
    operation[key].as_object().cloned().unwrap_or_default()
}

fn text<'a>(operation: &'a Json, key: &str) -> &'a str {
    operation[key].as_str().unwrap_or_default()
}

fn names(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn numbers(list: &Json) -> Vec<i32> {
    list.as_array().into_iter().flatten().filter_map(Json::as_i64).map(|number| number as i32).collect()
}

pub fn model(name: &str) -> Result<Box<dyn Table>, Stop> {
    table(name).ok_or_else(|| Stop::Unknown(format!("the model {name}")))
}

/// An operation in steps of which each can be seen in the database: what is cleared and set again shows in between.
fn steps(operation: &Json) -> Vec<Json> {
    if operation["action"] != "set" || operation["clear"] != true {
        return vec![operation.clone()];
    }
    let step = |action: &str| {
        let mut step = operation.clone();
        step["action"] = action.into();
        step
    };
    vec![step("clear"), step("add")]
}

impl Interpreter {
    pub fn new(collections: &[Json], sink: MemorySink, report: Arc<Mutex<Report>>) -> Self {
        Self {
            sink,
            collections: collections.to_vec(),
            instances: HashMap::new(),
            auth: Json::Null,
            user: Json::Null,
            frames: HashMap::new(),
            report,
        }
    }

    /// Runs operations; `path` is that of the operation around them.
    pub fn run<'a>(&'a mut self, operations: &'a [Json], dbs: Dbs<'a>, path: &'a str) -> Running<'a> {
        Box::pin(async move {
            for (number, operation) in operations.iter().enumerate() {
                let path = if path.is_empty() { number.to_string() } else { format!("{path}.{number}") };
                let result = self.one(operation, dbs, &path).await;
                self.arrived(&path);
                result?;
            }
            Ok(())
        })
    }

    fn arrived(&self, path: &str) {
        let (count, mut report) = (self.sink.records().len(), self.report.lock().expect("no panic"));
        report.arrived.resize(count, path.to_owned());
    }

    async fn one(&mut self, operation: &Json, dbs: Dbs<'_>, path: &str) -> Result<(), Stop> {
        let inner = operation["ops"].as_array().map_or(&[][..], Vec::as_slice);
        let other = operation["using"] == "other";
        match text(operation, "op") {
            "atomic" => {
                let transaction = dbs.of(other).begin().await?;
                self.frames.entry(other).or_default().push(Vec::new());
                let inside = match other {
                    false => Dbs(transaction.db(), dbs.1),
                    true => Dbs(dbs.0, transaction.db()),
                };
                let result = self.run(inner, inside, path).await;
                let commit = result.is_ok() && operation["then"] == "commit";
                self.end(transaction, commit, other, path).await?;
                result
            }
            "try" => match self.run(inner, dbs, path).await {
                Err(Stop::Unknown(name)) => Err(Stop::Unknown(name)),
                _ => Ok(()),
            },
            "raise" => Err(Stop::Raised),
            "set_request" => {
                self.set_request(operation);
                Ok(())
            }
            "new" | "set" | "get" | "refresh" => self.quiet(operation, dbs).await,
            _ => {
                let target = self.instances.get(text(operation, "ref"));
                let other = other || target.is_some_and(|target| target.other);
                let db = dbs.of(other);
                for step in steps(operation) {
                    let before = Snapshot::take(db).await;
                    let result = self.write(&step, db, other).await;
                    let after = Snapshot::take(db).await;
                    self.tell(&step, &before, &after, other, path);
                    result?;
                }
                Ok(())
            }
        }
    }

    async fn end(
        &mut self,
        transaction: Transaction,
        commit: bool,
        other: bool,
        path: &str,
    ) -> Result<(), DbErr> {
        let ended = transaction.end(commit).await;
        let frames = self.frames.entry(other).or_default();
        let held = frames.pop().unwrap_or_default();
        if commit && ended.is_ok() {
            match frames.last_mut() {
                Some(outer) => outer.extend(held),
                None => self.hand_over(held, path),
            }
        }
        ended
    }

    fn tell(&mut self, operation: &Json, before: &Snapshot, after: &Snapshot, other: bool, path: &str) {
        let mut facts = before.facts(after);
        if text(operation, "op") == "qs_delete" {
            // One statement takes its rows in their order; nothing hangs on them.
            facts.sort_by(|left, right| {
                (left.what == What::Deleted, &left.key).cmp(&(right.what == What::Deleted, &right.key))
            });
        }
        let who = AuditContext::current().map(|context| web::fields(context.actor()));
        let told = |fact| Told { fact, who: who.clone(), during: path.to_owned() };
        let told: Vec<_> = facts.into_iter().map(told).collect();
        match self.frames.entry(other).or_default().last_mut() {
            Some(frame) => frame.extend(told),
            None => self.hand_over(told, path),
        }
    }

    /// Adjacent links of one owner, field and action become one.
    fn hand_over(&mut self, held: Vec<Told>, path: &str) {
        let mut merged: Vec<Told> = Vec::new();
        for mut told in held {
            told.during = path.to_owned();
            if let Some(last) = merged.last_mut()
                && (last.fact.model, &last.fact.key, &last.who)
                    == (told.fact.model, &told.fact.key, &told.who)
            {
                match (&mut last.fact.what, &told.fact.what) {
                    (What::Linked { field, keys }, What::Linked { field: same, keys: more })
                    | (What::Unlinked { field, keys }, What::Unlinked { field: same, keys: more })
                        if field == same =>
                    {
                        keys.extend(more);
                        keys.sort_unstable();
                        continue;
                    }
                    _ => {}
                }
            }
            merged.push(told);
        }
        self.report.lock().expect("no panic").told.extend(merged);
    }

    fn set_request(&mut self, operation: &Json) {
        for (key, place) in [("auth", &mut self.auth), ("user", &mut self.user)] {
            if let Some(value) = operation.get(key) {
                *place = value.clone();
            }
        }
        let Some(actor) = web::actor(&self.auth, &self.user) else { return };
        let present = AuditContext::current().and_then(|context| context.actor().cloned());
        if present.as_ref() != Some(&actor) {
            // Who was said first stays.
            let set = AuditContext::set_actor(actor);
            assert_eq!(set.is_err(), present.is_some(), "an actor is set once");
        }
    }

    /// Operations that write nothing.
    async fn quiet(&mut self, operation: &Json, dbs: Dbs<'_>) -> Result<(), Stop> {
        let other = operation["using"] == "other";
        let name = text(operation, "model");
        match text(operation, "op") {
            "new" => {
                self.keep(operation, name, other, model(name)?.make(&self.resolved(operation, "fields")))
            }
            "get" => {
                let found = model(name)?.get(dbs.of(other), &operation["pk"]).await?.ok_or(Stop::Raised)?;
                self.keep(operation, name, other, found);
            }
            "set" => {
                let fields = self.resolved(operation, "fields");
                let held = self.held(operation)?;
                for (field, value) in &fields {
                    held.instance.set(field, value);
                }
            }
            _ => {
                let held = self.held(operation)?;
                held.instance.refresh(dbs.of(held.other)).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, operation: &Json, db: Db<'_>, other: bool) -> Result<(), Stop> {
        let name = text(operation, "model");
        match text(operation, "op") {
            "create" => {
                let mut instance = model(name)?.make(&self.resolved(operation, "fields"));
                instance.save(db, None).await?;
                self.keep(operation, name, other, instance);
            }
            "create_many" => {
                for number in 1..=operation["n"].as_u64().unwrap_or_default() {
                    let fields = Map::from_iter([("name".to_owned(), format!("{name} {number}").into())]);
                    model(name)?.make(&fields).save(db, None).await?;
                }
            }
            "save" => {
                let only = operation.get("update_fields").filter(|only| only.is_array()).map(names);
                let held = self.held(operation)?;
                // `auto_now`
                if matches!(held.model.as_str(), "Item" | "PlainItem" | "ItemProxy") && only.is_none() {
                    held.instance.set("updated_at", &NOW.into());
                }
                held.instance.save(db, only.as_deref()).await?;
            }
            "save_dirty_fields" => self.held(operation)?.instance.save_changed(db).await?,
            "delete" => {
                let held = self.held(operation)?;
                let (model, key) = (held.model.clone(), held.instance.key());
                links::delete_referring(&model, &key, db).await?;
                self.held(operation)?.instance.delete(db).await?;
            }
            "bulk_create" => {
                let rows = operation["rows"].as_array().into_iter().flatten();
                let rows: Vec<_> = rows.filter_map(|row| self.resolve(row).as_object().cloned()).collect();
                model(name)?.insert_many(db, &rows).await?;
            }
            "bulk_update" => {
                let fields = names(&operation["fields"]);
                for reference in names(&operation["refs"]) {
                    let held = self.instances.get_mut(&reference).ok_or(Stop::Raised)?;
                    held.instance.save(db, Some(&fields)).await?;
                }
            }
            "qs_update" => model(name)?.update_all(db, &self.resolved(operation, "fields")).await?,
            "qs_delete" => {
                links::unlink_all(name, db).await?;
                model(name)?.delete_all(db).await?;
            }
            "update_or_create" | "get_or_create" => {
                let (lookup, defaults) =
                    (self.resolved(operation, "lookup"), self.resolved(operation, "defaults"));
                let updates = text(operation, "op") == "update_or_create";
                let instance = match model(name)?.find(db, &lookup).await?.pop() {
                    Some(mut instance) if updates => {
                        for (field, value) in &defaults {
                            instance.set(field, value);
                        }
                        instance.save(db, None).await?;
                        instance
                    }
                    Some(instance) => instance,
                    None => {
                        let mut instance = model(name)?.make(&lookup.into_iter().chain(defaults).collect());
                        instance.save(db, None).await?;
                        instance
                    }
                };
                self.keep(operation, name, other, instance);
            }
            "loaddata" => {
                for object in operation["objects"].as_array().into_iter().flatten() {
                    load(object, db).await?;
                }
            }
            "m2m" => self.link(operation, db).await?,
            unknown => return Err(Stop::Unknown(format!("the operation {unknown}"))),
        }
        Ok(())
    }

    fn keep(&mut self, operation: &Json, model: &str, other: bool, instance: Box<dyn Instance>) {
        if let Some(name) = operation["as"].as_str() {
            self.instances.insert(name.to_owned(), Held { model: model.to_owned(), other, instance });
        }
    }

    fn held(&mut self, operation: &Json) -> Result<&mut Held, Stop> {
        self.instances.get_mut(text(operation, "ref")).ok_or(Stop::Raised)
    }

    /// An instance as a value is its key.
    fn resolve(&self, json: &Json) -> Json {
        match json {
            Json::Object(map) => match map.get("$ref").and_then(Json::as_str) {
                Some(name) => self.instances.get(name).map_or(Json::Null, |held| held.instance.key()),
                None => {
                    let pairs = map.iter().map(|(key, value)| (key.clone(), self.resolve(value)));
                    pairs.collect::<Map<_, _>>().into()
                }
            },
            other => other.clone(),
        }
    }

    fn resolved(&self, operation: &Json, key: &str) -> Map<String, Json> {
        fields(operation, key).iter().map(|(key, value)| (key.clone(), self.resolve(value))).collect()
    }

    async fn link(&mut self, operation: &Json, db: Db<'_>) -> Result<(), Stop> {
        let held = self.held(operation)?;
        let owner = held.instance.key().as_i64().ok_or(Stop::Raised)? as i32;
        let (from, field) = (held.model.clone(), text(operation, "field"));
        let given = match numbers(&operation["pk_range"]).as_slice() {
            [first, last] => (*first..=*last).collect(),
            _ => numbers(&operation["pks"]),
        };
        let listed = |field: &str| {
            let listed = |listed: &Json| listed["owner"] == "Item" && listed["field"] == field;
            self.collections.iter().any(listed)
        };
        let junction = match (from.as_str(), field) {
            ("Item", "peers") if listed("peers") => Junction::Peers,
            ("Item", "tags") if listed("tags") => Junction::Tags,
            ("Tag", "item_set") if listed("tags") => Junction::Tags,
            ("Item" | "Tag", _) => Junction::Unlisted,
            _ => return Err(Stop::Unknown(format!("the links {from}.{field}"))),
        };
        let reverse = from == "Tag";
        let pairs = |keys: &[i32]| -> Vec<(i32, i32)> {
            let forward = keys.iter().map(|key| (owner, *key));
            let backward = keys.iter().map(|key| (*key, owner));
            match (junction, reverse) {
                // Symmetrical, which SeaORM does not know: the application writes both rows.
                (Junction::Peers, _) => forward.chain(backward).collect(),
                (_, true) => backward.collect(),
                _ => forward.collect(),
            }
        };
        let present = junction.linked(db, owner, reverse).await?;
        let come: Vec<i32> = given.iter().filter(|key| !present.contains(key)).copied().collect();
        match text(operation, "action") {
            // An audited connection finds out itself which rows are new.
            "add" if db.captures_statements() => junction.add(db, pairs(&given)).await?,
            "add" => junction.add(db, pairs(&come)).await?,
            "remove" => junction.remove(db, pairs(&given)).await?,
            "clear" => junction.remove(db, pairs(&present)).await?,
            "set" => {
                let gone: Vec<i32> = present.iter().filter(|key| !given.contains(key)).copied().collect();
                junction.remove(db, pairs(&gone)).await?;
                junction.add(db, pairs(&come)).await?;
            }
            "create" => {
                let mut made = model("Tag")?.make(&self.resolved(operation, "fields"));
                made.save(db, None).await?;
                let key = made.key().as_i64().ok_or(Stop::Raised)? as i32;
                junction.add(db, pairs(&[key])).await?;
            }
            unknown => return Err(Stop::Unknown(format!("the action {unknown}"))),
        }
        Ok(())
    }
}

/// An object of a fixture: a row as it is, and its links.
async fn load(object: &Json, db: Db<'_>) -> Result<(), Stop> {
    let name = match text(object, "model") {
        "shop.item" => "Item",
        "shop.plainitem" => "PlainItem",
        "shop.owner" => "Owner",
        "shop.tag" => "Tag",
        "shop.line" => "Line",
        "shop.intkey" => "IntKey",
        "shop.gadget" => "Gadget",
        unknown => return Err(Stop::Unknown(format!("the fixture's {unknown}"))),
    };
    let mut fields = fields(object, "fields");
    let tags = fields.remove("tags");
    fields.insert("id".to_owned(), object["pk"].clone());
    model(name)?.make(&fields).save(db, None).await?;
    if let (Some(tags), Some(item)) = (tags, object["pk"].as_i64()) {
        let pairs = numbers(&tags).into_iter().map(|tag| (item as i32, tag)).collect();
        Junction::Tags.add(db, pairs).await?;
    }
    Ok(())
}
