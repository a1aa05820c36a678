//! Reading rows of an audited table, before and after a statement.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, Value,
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
        self.by_values(connection, self.entity.keys(), keys, lock, None).await
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
