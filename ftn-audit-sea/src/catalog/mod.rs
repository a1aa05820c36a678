//! What the database says of an audited table: which ways of capture it allows.
//!
//! Read at the first write of a table, and again when an error says that the schema moved or what was read is a
//! minute old: a migration may run beside this program.

mod mysql;
mod postgres;
mod sqlite;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::{auditable::AnyEntity, backend::quoted, error::says_schema_moved, registry::registry};

/// How long what was read is believed.
const MAX_AGE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Catalog {
    tables: RwLock<HashMap<&'static str, Known>>,
}

struct Known {
    facts: Arc<TableFacts>,
    read_at: Instant,
}

/// What kind of relation an entity's table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The database was not asked, or did not say.
    #[default]
    Unknown,
    Table,
    Partitioned,
    View,
}

/// What the database says of one audited table.
#[derive(Clone, Debug)]
pub(crate) struct TableFacts {
    pub(crate) kind: Kind,
    /// Rows may be hidden from this session.
    pub(crate) row_security: bool,
    /// Statements may be rewritten.
    pub(crate) rules: bool,
    /// Whether this session may lock rows.
    pub(crate) lockable: bool,
    /// The positions of the entity's columns that are not there or cannot be read.
    pub(crate) unreadable: Vec<usize>,
    /// The columns of each index that keeps rows apart.
    pub(crate) unique: Vec<Vec<String>>,
    /// Foreign keys of other tables that refer to this one, with an action.
    pub(crate) references: Vec<ForeignKey>,
    /// Whether the entity's key is the index that MySQL calls PRIMARY.
    pub(crate) primary: bool,
    /// By how much generated keys grow.
    pub(crate) increment: u64,
    /// The sequence behind a column that is a key, on Postgres, where this session may ask it.
    pub(crate) sequence: Option<String>,
}

/// What the database does to a row when the row that it refers to goes, or changes its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    Cascade,
    SetOther,
}

/// A foreign key, seen from the table it refers to.
#[derive(Clone, Debug)]
pub(crate) struct ForeignKey {
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) referenced: Vec<String>,
    pub(crate) on_delete: Action,
    pub(crate) on_update: Action,
}

impl Default for TableFacts {
    fn default() -> Self {
        Self {
            kind: Kind::Unknown,
            row_security: false,
            rules: false,
            lockable: true,
            unreadable: Vec::new(),
            unique: Vec::new(),
            references: Vec::new(),
            primary: false,
            increment: 1,
            sequence: None,
        }
    }
}

impl TableFacts {
    /// Whether a key names one row at most. What nobody could be asked about is believed of the entity.
    pub(crate) fn is_key_unique(&self, entity: &dyn AnyEntity) -> bool {
        self.kind == Kind::Unknown
            || self.unique.iter().any(|columns| {
                columns.iter().all(|column| entity.key_names().any(|key| key.eq_ignore_ascii_case(column)))
            })
    }

    /// Whether statements may be rewritten so that they give the old row, too.
    pub(crate) fn allows_one_statement(&self, entity: &dyn AnyEntity) -> bool {
        matches!(self.kind, Kind::Table | Kind::Partitioned)
            && !self.row_security
            && !self.rules
            && self.unreadable.is_empty()
            && self.is_key_unique(entity)
    }

    /// Why the table's rows take the slow way, for people.
    pub(crate) fn slow_because(&self, entity: &dyn AnyEntity) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        let mut say = |wrong: bool, reason| {
            if wrong {
                reasons.push(reason);
            }
        };
        say(self.kind == Kind::View, "it is a view");
        say(self.row_security, "it has row-level security");
        say(self.rules, "it has rewrite rules");
        say(!self.unreadable.is_empty(), "columns of the entity are missing or may not be read");
        say(
            self.kind != Kind::View && !self.is_key_unique(entity),
            "the entity's key is not unique in the database",
        );
        reasons
    }
}

impl Catalog {
    /// What is known of a table, read where it is not. Nothing is known of one that the database does not have.
    pub(crate) async fn facts<C: ConnectionTrait>(
        &self,
        connection: &C,
        backend: DbBackend,
        entity: &'static dyn AnyEntity,
    ) -> Arc<TableFacts> {
        let model = entity.model();
        let key = model.name.as_str();
        let known = {
            let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
            tables.get(key).filter(|known| known.read_at.elapsed() < MAX_AGE).map(|known| known.facts.clone())
        };
        if let Some(facts) = known {
            return facts;
        }
        // A mock's script has no answers to questions of ours.
        if connection.is_mock_connection() {
            return Arc::default();
        }
        let facts = match read(connection, backend, entity).await {
            Ok(Some(facts)) => Arc::new(facts),
            // Not remembered: it may be about to be created.
            Ok(None) => return Arc::default(),
            Err(error) => {
                tracing::debug!(target: "ftn_audit", table = model.table, %error, "the catalogue gave no answer");
                return Arc::default();
            }
        };
        let known = Known { facts: facts.clone(), read_at: Instant::now() };
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(key, known);
        facts
    }

    /// Reads everything again at its next use, when an error says that the schema is not what it was.
    pub(crate) fn learn_from(&self, error: &DbErr) {
        if says_schema_moved(error) {
            self.forget();
        }
    }

    pub(crate) fn forget(&self) {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Reads every audited table that the database has, and says in the log what takes the slow way and what cannot be
    /// followed.
    pub(crate) async fn survey<C: ConnectionTrait>(&self, connection: &C, backend: DbBackend) {
        for entity in registry().entities() {
            let facts = self.facts(connection, backend, entity).await;
            if facts.kind == Kind::Unknown {
                continue;
            }
            let model = entity.model();
            let reasons = facts.slow_because(entity);
            if !reasons.is_empty() {
                tracing::info!(
                    target: "ftn_audit",
                    table = model.table,
                    "writes of this table are captured the slow way, because {}", reasons.join(", and ")
                );
            }
            for key in &facts.references {
                if registry().table(key.schema.as_deref(), &key.table).is_none() {
                    tracing::warn!(
                        target: "ftn_audit",
                        table = model.table, child = %key.table,
                        "a foreign key changes or deletes rows of a table that is not audited: nothing is recorded of \
                         them, nor of what they take along"
                    );
                }
            }
        }
    }
}

/// The facts as the databases tell them: a row each, and what it is about first.
#[derive(Default)]
struct Told {
    kind: Kind,
    row_security: bool,
    rules: bool,
    lockable: bool,
    increment: u64,
    readable: Vec<String>,
    unique: Vec<(String, String)>,
    references: Vec<(String, ForeignKey)>,
    sequences: Vec<(String, String)>,
}

impl Told {
    /// What every database tells in the same way.
    fn note(&mut self, line: &Line) {
        let text = |index| line.text(index).to_owned();
        match line.text(0) {
            "unique" => self.unique.push((text(1), text(2))),
            "reference" => {
                let key = ForeignKey {
                    schema: Some(text(2)).filter(|schema| !schema.is_empty()),
                    table: text(3),
                    columns: vec![text(6)],
                    referenced: vec![text(7)],
                    on_delete: Action::of(line.text(4)),
                    on_update: Action::of(line.text(5)),
                };
                self.references.push((text(1), key));
            }
            _ => {}
        }
    }
}

impl Action {
    /// By SQL's words, or the letters of Postgres's catalogue.
    fn of(rule: &str) -> Self {
        match rule {
            "CASCADE" | "c" => Self::Cascade,
            "SET NULL" | "SET DEFAULT" | "n" | "d" => Self::SetOther,
            _ => Self::Nothing,
        }
    }
}

async fn read<C: ConnectionTrait>(
    connection: &C,
    backend: DbBackend,
    entity: &'static dyn AnyEntity,
) -> Result<Option<TableFacts>, DbErr> {
    let rows = connection.query_all_raw(question(backend, entity)).await?;
    let mut told = Told { increment: 1, ..Told::default() };
    for row in &rows {
        let told_of = Line::new(row)?;
        told.note(&told_of);
        match backend {
            DbBackend::Postgres => postgres::note(&told_of, &mut told),
            DbBackend::MySql => mysql::note(&told_of, &mut told),
            _ => sqlite::note(&told_of, &mut told),
        }
    }
    if told.kind == Kind::Unknown {
        return Ok(None);
    }
    // Only Postgres keeps the letter case of names apart.
    let same = |left: &str, right: &str| match backend {
        DbBackend::Postgres => left == right,
        _ => left.eq_ignore_ascii_case(right),
    };
    let columns = entity.model().columns.iter().enumerate();
    let unreadable = columns
        .filter(|(_, column)| !told.readable.iter().any(|name| same(name, column.sql_name)))
        .map(|(position, _)| position)
        .collect();
    let primary: Vec<_> = told.unique.iter().filter(|(index, _)| index == "PRIMARY").collect();
    let is_key = |(_, column): &&(String, String)| entity.key_names().any(|key| same(key, column));
    let primary = primary.len() == entity.keys().len() && primary.iter().all(is_key);
    Ok(Some(TableFacts {
        primary,
        kind: told.kind,
        row_security: told.row_security,
        rules: told.rules,
        lockable: told.lockable,
        unreadable,
        unique: grouped(told.unique),
        references: merged(told.references),
        increment: told.increment.max(1),
        sequence: told
            .sequences
            .into_iter()
            .find(|(column, _)| entity.key_names().any(|key| key == column))
            .map(|(_, sequence)| sequence),
    }))
}

fn question(backend: DbBackend, entity: &'static dyn AnyEntity) -> Statement {
    let model = entity.model();
    match backend {
        DbBackend::Postgres => {
            let table = quoted(backend, model.table);
            let table = match model.schema {
                Some(schema) => format!("{}.{table}", quoted(backend, schema)),
                None => table,
            };
            Statement::from_sql_and_values(backend, postgres::QUESTION, [table.into()])
        }
        DbBackend::MySql => {
            let (schema, table) = (model.schema.map(str::to_owned), model.table);
            let values = (0..4).flat_map(|_| [schema.clone().into(), table.into()]);
            Statement::from_sql_and_values(backend, mysql::QUESTION, values)
        }
        _ => Statement::from_sql_and_values(backend, sqlite::QUESTION, (0..5).map(|_| model.table.into())),
    }
}

/// One row of an answer: texts, the first of which says what the others are.
struct Line(Vec<Option<String>>);

impl Line {
    fn new(row: &QueryResult) -> Result<Self, DbErr> {
        (0..8).map(|index| row.try_get_by_index(index)).collect::<Result<_, _>>().map(Self)
    }

    fn text(&self, index: usize) -> &str {
        self.0.get(index).and_then(Option::as_deref).unwrap_or_default()
    }
}

fn grouped(columns: Vec<(String, String)>) -> Vec<Vec<String>> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (index, column) in columns {
        match groups.iter_mut().find(|(known, _)| *known == index) {
            Some((_, columns)) => columns.push(column),
            None => groups.push((index, vec![column])),
        }
    }
    groups.into_iter().map(|(_, columns)| columns).collect()
}

fn merged(keys: Vec<(String, ForeignKey)>) -> Vec<ForeignKey> {
    let mut merged: Vec<(String, ForeignKey)> = Vec::new();
    for (name, key) in keys {
        match merged.iter_mut().find(|(known, other)| *known == name && other.table == key.table) {
            Some((_, known)) => {
                known.columns.extend(key.columns);
                known.referenced.extend(key.referenced);
            }
            None => merged.push((name, key)),
        }
    }
    let acts = |key: &ForeignKey| key.on_delete != Action::Nothing || key.on_update != Action::Nothing;
    merged.into_iter().map(|(_, key)| key).filter(acts).collect()
}
