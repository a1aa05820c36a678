//! Reading rows of an audited table, before and after a statement.

use std::sync::{Arc, OnceLock};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value,
    sea_query::{
        Alias, LockType, Query, SelectStatement,
        extension::mysql::{IndexHintScope, MySqlSelectStatementExt},
    },
};

use crate::{
    auditable::{AnyEntity, Row},
    backend::quoted,
    catalog::{Action, ForeignKey, Kind, TableFacts},
};

/// The most rows that one statement of ours asks for by name.
pub(super) const CHUNK: usize = 500;

/// An audited table, and what the database says of it.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) entity: &'static dyn AnyEntity,
    pub(crate) facts: Arc<TableFacts>,
    pub(crate) backend: DbBackend,
}

/// Texts of statements that depend on nothing but an entity and its database's kind.
#[derive(Default)]
pub(crate) struct Texts {
    select: OnceLock<String>,
    by_key: OnceLock<String>,
}

/// What a read does to the rows that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Nothing,
    /// What the statement itself will take on them, and never more: FOR UPDATE on Postgres would block other sessions'
    /// foreign-key checks.
    AsWritten,
    /// After the statement. On MySQL a plain read would fix, at its first use, what all later plain reads of the
    /// caller's transaction see; a locking one does not, and the row is locked already.
    Written,
}

impl Table {
    /// A table of which the database was not asked.
    pub(crate) fn unasked(backend: DbBackend, entity: &'static dyn AnyEntity) -> Self {
        Self { entity, facts: Arc::default(), backend }
    }

    /// Whether the rows that a read finds are locked by it, or nobody else can write at all.
    pub(crate) fn locks(&self) -> bool {
        self.backend == DbBackend::Sqlite || (self.facts.lockable && self.facts.kind != Kind::View)
    }

    /// Whether the key of a row can be read.
    pub(crate) fn reads_keys(&self) -> bool {
        self.entity.keys().iter().all(|key| !self.facts.unreadable.contains(key))
    }

    /// A name as the database quotes it.
    pub(super) fn quoted(&self, name: &str) -> String {
        quoted(self.backend, name)
    }

    /// Whether the database changes other tables' rows when these columns change.
    pub(super) fn cascades_from(&self, columns: &[String]) -> bool {
        let acts = |key: &&ForeignKey| key.on_update != Action::Nothing;
        self.facts
            .references
            .iter()
            .filter(acts)
            .any(|key| key.referenced.iter().any(|c| columns.contains(c)))
    }

    /// The columns that records will lack.
    pub(crate) fn left_out(&self) -> Vec<&'static str> {
        let columns = &self.entity.model().columns;
        self.facts.unreadable.iter().map(|position| columns[*position].name).collect()
    }

    /// The columns as SeaORM selects them, of the table under a name, each under its own with a prefix.
    pub(super) fn select_list(&self, table: Option<&str>, prefix: &str) -> SelectStatement {
        let mut select = Query::select();
        for (position, column) in self.entity.model().columns.iter().enumerate() {
            if !self.facts.unreadable.contains(&position) {
                let name = format!("{prefix}{}", column.sql_name);
                select.expr_as(self.entity.selected(position, table), Alias::new(name));
            }
        }
        select
    }

    /// What stands between a SELECT of these columns and its FROM.
    pub(super) fn select_text(&self, table: Option<&str>, prefix: &str) -> String {
        self.backend.build(&self.select_list(table, prefix)).sql
    }

    /// The same without a table's name, which is asked for most.
    pub(super) fn plain_select_text(&self) -> String {
        match self.facts.unreadable.is_empty() {
            true => self.texts().select.get_or_init(|| self.select_text(None, "")).clone(),
            false => self.select_text(None, ""),
        }
    }

    fn texts(&self) -> &Texts {
        self.entity.texts(self.backend)
    }

    /// What a lock is in words, at a statement's end.
    pub(super) fn lock_text(&self, lock: Lock) -> &'static str {
        match (self.backend, lock) {
            (DbBackend::Postgres, Lock::AsWritten) if self.locks() => " FOR NO KEY UPDATE",
            (DbBackend::MySql, Lock::AsWritten) => " FOR UPDATE",
            // MariaDB does not know the FOR SHARE that sea-query writes; this one needs no right but SELECT.
            (DbBackend::MySql, Lock::Written) => " LOCK IN SHARE MODE",
            _ => "",
        }
    }

    pub(crate) fn decode(&self, row: &QueryResult, prefix: &str) -> Result<Row, DbErr> {
        self.entity.decode(row, prefix, &self.facts.unreadable)
    }

    pub(crate) fn decode_all(&self, rows: &[QueryResult]) -> Result<Vec<Row>, DbErr> {
        rows.iter().map(|row| self.decode(row, "")).collect()
    }

    /// The rows of some keys, in the database's order.
    pub(crate) async fn by_keys<C: ConnectionTrait>(
        &self,
        connection: &C,
        keys: &[Vec<Value>],
        lock: Lock,
    ) -> Result<Vec<Row>, DbErr> {
        if let [key] = keys
            && self.facts.unreadable.is_empty()
            && key.iter().all(|value| *value != value.as_null())
        {
            let found = connection.query_all_raw(self.by_key(key, lock)).await?;
            return self.decode_all(&found);
        }
        self.by_values(connection, self.entity.keys(), keys, lock, None).await
    }

    /// The read of one row. Its text is the same for every key but NULL.
    fn by_key(&self, key: &[Value], lock: Lock) -> Statement {
        let text = self.texts().by_key.get_or_init(|| {
            let mut select = self.select_list(Some(self.entity.model().table), "");
            select.from(self.entity.table_ref());
            select.cond_where(self.entity.any_of(self.entity.keys(), &[key]));
            self.backend.build(&select).sql
        });
        let sql = format!("{text}{}", self.lock_text(lock));
        Statement::from_sql_and_values(self.backend, sql, key.iter().cloned())
    }

    /// The rows whose columns have one of several combinations of values; at most a number of them.
    pub(crate) async fn by_values<C: ConnectionTrait>(
        &self,
        connection: &C,
        columns: &[usize],
        values: &[Vec<Value>],
        lock: Lock,
        limit: Option<usize>,
    ) -> Result<Vec<Row>, DbErr> {
        let mut rows = Vec::new();
        for values in values.chunks(CHUNK) {
            let values = &padded(values);
            let mut select = self.select_list(Some(self.entity.model().table), "");
            select.from(self.entity.table_ref());
            select.cond_where(self.entity.any_of(columns, values));
            // The optimizer may prefer to read all of a small table, and would lock other sessions' rows.
            let by_primary = self.facts.primary && columns == self.entity.keys();
            if self.backend == DbBackend::MySql && by_primary && values.len() > 1 {
                select.force_index("PRIMARY", IndexHintScope::All);
            }
            if let Some(limit) = limit {
                select.limit(limit.saturating_sub(rows.len()) as u64);
            }
            match (self.backend, lock) {
                (DbBackend::Postgres, Lock::AsWritten) if self.locks() => {
                    select.lock(LockType::NoKeyUpdate);
                }
                (DbBackend::MySql, Lock::AsWritten) => {
                    select.lock(LockType::Update);
                }
                _ => {}
            }
            let mut statement = self.backend.build(&select);
            if lock == Lock::Written {
                statement.sql.push_str(self.lock_text(lock));
            }
            let found = connection.query_all_raw(statement).await?;
            rows.extend(self.decode_all(&found)?);
        }
        Ok(rows)
    }
}

/// As many rows as the next power of two, the last one said again. Every number of rows is another text, and drivers keep a
/// few dozen prepared statements: without this, ours would drive out the application's own.
fn padded(rows: &[Vec<Value>]) -> Vec<&[Value]> {
    let size = rows.len().next_power_of_two().min(CHUNK);
    let last = rows.last().into_iter().cycle().take(size.saturating_sub(rows.len()));
    rows.iter().chain(last).map(Vec::as_slice).collect()
}
