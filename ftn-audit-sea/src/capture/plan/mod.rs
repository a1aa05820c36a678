//! From a statement's text to what has to be done to capture it.

mod condition;
mod delete;
mod insert;
mod schema;
mod targets;
mod update;

use std::sync::Arc;

use sea_orm::{DbBackend, Statement, Value};
use sqlparser::{
    ast::{self, Expr, ObjectName, SelectItem, TableFactor, TableWithJoins},
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use self::schema::{changes_schema, commits_implicitly};
pub(crate) use self::{
    delete::DeletePlan,
    insert::{Conflict, InsertPlan},
    update::{InOne, NewKey, UpdatePlan},
};
use super::text::{SqlText, verb};
use crate::{auditable::AnyEntity, registry::registry};

type Entity = &'static dyn AnyEntity;

/// What a statement does, as far as capture is concerned.
pub(crate) enum Plan {
    /// Nothing to any audited table.
    Pass,
    /// Begins or ends a transaction behind the scope's back.
    TransactionControl,
    /// Changes what the catalogue says, or ends the transaction.
    Schema { commits: bool },
    /// Inserts rows.
    Insert(InsertPlan),
    /// Updates rows.
    Update(UpdatePlan),
    /// Deletes rows.
    Delete(DeletePlan),
    /// Writes to audited tables in a way that is not taken apart.
    Unparsed(UnparsedPlan),
}

pub(crate) struct UnparsedPlan {
    pub(crate) entities: Vec<Entity>,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) operation: &'static str,
    /// Whether the rows of the answer are those that it changed.
    pub(crate) returning: bool,
    /// Whether the text is one statement, so that its count of rows tells whether it did anything.
    pub(crate) single: bool,
    /// Whether it changes what the catalogue says.
    pub(crate) schema: bool,
    /// Whether the database commits the open transaction before it.
    pub(crate) commits: bool,
}

/// What a statement gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returning {
    Nothing,
    /// Every column of the entity, as stored.
    Row,
    Something,
}

/// The table that a statement writes, as it names it.
pub(crate) struct Named {
    pub(crate) entity: Entity,
    /// Name and alias, as after FROM.
    pub(crate) from: String,
    /// By what its columns can be qualified.
    pub(crate) qualifier: String,
}

/// The values at some positions of a statement's parameters.
pub(crate) fn parameters(statement: &Statement, positions: &[usize]) -> Option<Vec<Value>> {
    let values = &statement.values.as_ref()?.0;
    positions.iter().map(|position| values.get(*position).cloned()).collect()
}

impl Plan {
    /// Takes a text apart. Never fails: what is not understood and can write to an audited table is
    /// [`Plan::Unparsed`].
    pub(crate) fn new(backend: DbBackend, sql: &str) -> Self {
        let text = match SqlText::parse(backend, sql) {
            Ok(text) => text,
            Err(text) if text.controls_transaction() => return Self::TransactionControl,
            Err(text) if text.can_write() => {
                // A text that the parser does not read: what it names counts.
                return Self::unparsed(backend, registry().named(text.words()), sql, &text);
            }
            Err(_) => return Self::passing(backend, sql),
        };
        if text.statements.iter().any(is_transaction_control) {
            return Self::TransactionControl;
        }
        if text.has_modifier() {
            return Self::unparsed(backend, registry().named(text.words()), sql, &text);
        }
        if let [statement] = text.statements.as_slice()
            && let Some(plan) = Self::single(backend, statement, &text)
        {
            return plan;
        }
        let mut targets = Vec::new();
        for statement in &text.statements {
            targets::collect(statement, &mut targets);
        }
        let mut entities: Vec<Entity> = Vec::new();
        for entity in targets.iter().filter_map(|name| audited(name)) {
            if !entities.iter().any(|known| std::ptr::eq(known.model(), entity.model())) {
                entities.push(entity);
            }
        }
        Self::unparsed(backend, entities, sql, &text)
    }

    /// Whether the database commits the open transaction before the statement.
    pub(crate) fn commits(&self) -> bool {
        matches!(self, Self::Schema { commits: true } | Self::Unparsed(UnparsedPlan { commits: true, .. }))
    }

    fn passing(backend: DbBackend, sql: &str) -> Self {
        let commits = commits_implicitly(backend, sql);
        if commits || changes_schema(sql) { Self::Schema { commits } } else { Self::Pass }
    }

    fn unparsed(backend: DbBackend, entities: Vec<Entity>, sql: &str, text: &SqlText) -> Self {
        if entities.is_empty() {
            return Self::passing(backend, sql);
        }
        Self::Unparsed(UnparsedPlan {
            entities,
            fingerprint: text.fingerprint().into(),
            operation: verb(sql),
            returning: matches!(text.statements.as_slice(), [statement] if returns_rows(statement)),
            single: text.statements.len() == 1,
            schema: changes_schema(sql),
            commits: commits_implicitly(backend, sql),
        })
    }

    fn single(backend: DbBackend, statement: &ast::Statement, text: &SqlText) -> Option<Self> {
        match statement {
            ast::Statement::Insert(insert) => InsertPlan::new(insert, text).map(Self::Insert),
            ast::Statement::Update(update) => UpdatePlan::new(backend, update, text).map(Self::Update),
            ast::Statement::Delete(delete) => DeletePlan::new(backend, delete, text).map(Self::Delete),
            _ => None,
        }
    }
}

/// The entity of a table name as a statement spells it.
fn audited(name: &ObjectName) -> Option<Entity> {
    let mut parts = name.0.iter().rev().filter_map(|part| part.as_ident());
    let table = parts.next()?;
    let schema = parts.next().map(|schema| schema.value.as_str());
    registry().table(schema, &table.value)
}

impl Named {
    fn of(backend: DbBackend, table: &TableWithJoins) -> Option<Self> {
        let TableFactor::Table { name, alias, args: None, version: None, partitions, .. } = &table.relation
        else {
            return None;
        };
        let aliased = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
        if !table.joins.is_empty() || !partitions.is_empty() || aliased {
            return None;
        }
        let entity = audited(name)?;
        let ident = match alias {
            Some(alias) => &alias.name,
            None => name.0.last()?.as_ident()?,
        };
        // Postgres folds what is not quoted.
        let qualifier = match (backend, ident.quote_style) {
            (DbBackend::Postgres, None) => ident.value.to_lowercase(),
            _ => ident.value.clone(),
        };
        Some(Self { entity, from: table.relation.to_string(), qualifier })
    }
}

fn column_name(name: &ObjectName) -> Option<&str> {
    name.0.last()?.as_ident().map(|column| column.value.as_str())
}

fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(column) => Some(&column.value),
        Expr::CompoundIdentifier(parts) => parts.last().map(|column| column.value.as_str()),
        _ => None,
    }
}

fn returning(entity: Entity, items: Option<&[SelectItem]>) -> Returning {
    let Some(items) = items else { return Returning::Nothing };
    let returned = |name: &str| {
        items.iter().any(|item| match item {
            SelectItem::Wildcard(_) => true,
            SelectItem::UnnamedExpr(expr) => stored_column(expr) == Some(name),
            SelectItem::ExprWithAlias { expr, alias } => {
                alias.value == name && stored_column(expr) == Some(name)
            }
            _ => false,
        })
    };
    match entity.model().columns.iter().all(|column| returned(column.sql_name)) {
        true => Returning::Row,
        false => Returning::Something,
    }
}

/// The column that an expression gives as it is stored: itself, or the cast that SeaORM puts around enums.
fn stored_column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Cast { expr, .. } => column(expr),
        expr => column(expr),
    }
}

fn is_transaction_control(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::StartTransaction { .. }
            | ast::Statement::Commit { .. }
            | ast::Statement::Rollback { .. }
            | ast::Statement::Savepoint { .. }
            | ast::Statement::ReleaseSavepoint { .. }
    )
}

/// Whether a statement is a write whose answer has a row for each row that it changed.
fn returns_rows(statement: &ast::Statement) -> bool {
    match statement {
        ast::Statement::Insert(insert) => insert.returning.is_some(),
        ast::Statement::Update(update) => update.returning.is_some(),
        ast::Statement::Delete(delete) => delete.returning.is_some(),
        _ => false,
    }
}

/// Whether a token is this keyword.
pub(super) fn is_keyword(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}
