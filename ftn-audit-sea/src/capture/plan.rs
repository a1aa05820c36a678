//! From a statement's text to what has to be done to capture it.

use std::sync::Arc;

use sea_orm::{DbBackend, Statement, Value};
use sqlparser::{
    ast::{
        self, AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, Insert, ObjectName,
        OnConflictAction, OnInsert, Query, SelectItem, SetExpr, TableFactor, TableObject, TableWithJoins,
        Update,
    },
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
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
    /// Inserts rows.
    Insert(InsertPlan),
    /// Updates the row of one key.
    Update(UpdatePlan),
    /// Deletes rows.
    Delete(DeletePlan),
    /// Writes to audited tables in a way that is not taken apart.
    Unparsed(UnparsedPlan),
}

pub(crate) struct InsertPlan {
    pub(crate) entity: Entity,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) returning: Returning,
    /// For each row, which parameters are its key; `None` where the key is not among the parameters.
    pub(crate) keys: Option<Vec<Vec<usize>>>,
    pub(crate) rows: usize,
    /// Whether a row that is there already is left alone.
    pub(crate) skips_conflicts: bool,
}

pub(crate) struct UpdatePlan {
    pub(crate) entity: Entity,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) returning: Returning,
    pub(crate) key: Vec<usize>,
}

pub(crate) struct DeletePlan {
    pub(crate) entity: Entity,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) returning: Returning,
    pub(crate) rows: DeletedRows,
}

/// Which rows a DELETE takes.
pub(crate) enum DeletedRows {
    /// That of one key, by the positions of its parameters.
    Key(Vec<usize>),
    /// Those of a condition, with the statement's own parameters.
    Where(String),
    /// Every row.
    All,
}

pub(crate) struct UnparsedPlan {
    pub(crate) entities: Vec<Entity>,
    pub(crate) fingerprint: Arc<str>,
    pub(crate) operation: &'static str,
    /// Whether the rows of the answer are those that it changed.
    pub(crate) returning: bool,
    /// Whether the text is one statement, so that its count of rows tells whether it did anything.
    pub(crate) single: bool,
}

/// What a statement gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returning {
    Nothing,
    /// Every column of the entity, as stored.
    Row,
    Something,
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
            Err(text) => return Self::unreadable(sql, &text),
        };
        if text.statements.iter().any(is_transaction_control) {
            return Self::TransactionControl;
        }
        if let [statement] = text.statements.as_slice()
            && let Some(plan) = Self::single(backend, statement, &text)
        {
            return plan;
        }
        let mut targets = Vec::new();
        for statement in &text.statements {
            collect_targets(statement, &mut targets);
        }
        let mut entities: Vec<Entity> = Vec::new();
        for entity in targets.iter().filter_map(|name| audited(name)) {
            if !entities.iter().any(|known| std::ptr::eq(known.model(), entity.model())) {
                entities.push(entity);
            }
        }
        Self::unparsed(entities, sql, &text)
    }

    fn unparsed(entities: Vec<Entity>, sql: &str, text: &SqlText) -> Self {
        if entities.is_empty() {
            return Self::Pass;
        }
        Self::Unparsed(UnparsedPlan {
            entities,
            fingerprint: text.fingerprint().into(),
            operation: verb(sql),
            returning: matches!(text.statements.as_slice(), [statement] if returns_rows(statement)),
            single: text.statements.len() == 1,
        })
    }

    /// A text that the parser does not read: whatever is not a mere SELECT and names an audited table counts.
    fn unreadable(sql: &str, text: &SqlText) -> Self {
        if !text.can_write() {
            return Self::Pass;
        }
        Self::unparsed(registry().named(text.words()), sql, text)
    }

    fn single(backend: DbBackend, statement: &ast::Statement, text: &SqlText) -> Option<Self> {
        match statement {
            ast::Statement::Insert(insert) => InsertPlan::new(insert, text).map(Self::Insert),
            ast::Statement::Update(update) => UpdatePlan::new(update, text).map(Self::Update),
            ast::Statement::Delete(delete) => DeletePlan::new(backend, delete, text).map(Self::Delete),
            _ => None,
        }
    }
}

impl InsertPlan {
    fn new(insert: &Insert, text: &SqlText) -> Option<Self> {
        let TableObject::TableName(table) = &insert.table else { return None };
        let entity = audited(table)?;
        if insert.or.is_some() || insert.replace_into || insert.ignore || insert.table_alias.is_some() {
            return None;
        }
        let skips_conflicts = match &insert.on {
            None => false,
            Some(OnInsert::OnConflict(conflict))
                if matches!(conflict.action, OnConflictAction::DoNothing) =>
            {
                true
            }
            Some(OnInsert::DuplicateKeyUpdate(assignments)) if assignments.iter().all(assigns_itself) => true,
            Some(_) => return None,
        };
        let query = insert.source.as_deref();
        let rows = match query.map(|query| query.body.as_ref()) {
            Some(SetExpr::Values(values)) if query.is_some_and(|query| query.with.is_none()) => &values.rows,
            _ => return None,
        };
        let columns: Vec<_> = insert.columns.iter().filter_map(column_name).collect();
        let key = |row: &[Expr]| {
            entity
                .key_names()
                .map(|key| {
                    let position = columns.iter().position(|column| *column == key)?;
                    text.parameter(row.get(position)?)
                })
                .collect::<Option<Vec<_>>>()
        };
        let keys = rows.iter().map(|row| key(&row.content)).collect();
        let returning = returning(entity, insert.returning.as_deref());
        let fingerprint = text.fingerprint().into();
        Some(Self { entity, fingerprint, returning, keys, rows: rows.len(), skips_conflicts })
    }
}

impl UpdatePlan {
    fn new(update: &Update, text: &SqlText) -> Option<Self> {
        let entity = audited(sole_table(&update.table)?)?;
        if update.from.is_some()
            || update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
        {
            return None;
        }
        let assigns_key = update.assignments.iter().any(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => {
                column_name(name).is_none_or(|name| entity.key_names().any(|key| key == name))
            }
            AssignmentTarget::Tuple(_) => true,
        });
        if assigns_key {
            return None;
        }
        let key = key_parameters(entity, update.selection.as_ref()?, text)?;
        let returning = returning(entity, update.returning.as_deref());
        Some(Self { entity, fingerprint: text.fingerprint().into(), returning, key })
    }
}

impl DeletePlan {
    fn new(backend: DbBackend, delete: &Delete, text: &SqlText) -> Option<Self> {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let [table] = tables.as_slice() else { return None };
        let entity = audited(sole_table(table)?)?;
        let plain = delete.tables.is_empty() && delete.using.is_none() && delete.order_by.is_empty();
        if !plain || delete.limit.is_some() {
            return None;
        }
        let key = delete.selection.as_ref().and_then(|condition| key_parameters(entity, condition, text));
        let returning = returning(entity, delete.returning.as_deref());
        let rows = match (key, &delete.selection) {
            (Some(key), _) => DeletedRows::Key(key),
            // A row that a junction loses is a link; other tables are taken by key only.
            (None, _) if !entity.model().junction => return None,
            (None, None) => DeletedRows::All,
            (None, Some(_)) => DeletedRows::Where(text.condition(backend)?),
        };
        Some(Self { entity, fingerprint: text.fingerprint().into(), returning, rows })
    }
}

/// The entity of a table name as a statement spells it.
fn audited(name: &ObjectName) -> Option<Entity> {
    let mut parts = name.0.iter().rev().filter_map(|part| part.as_ident());
    let table = parts.next()?;
    let schema = parts.next().map(|schema| schema.value.as_str());
    registry().table(schema, &table.value)
}

fn column_name(name: &ObjectName) -> Option<&str> {
    name.0.last()?.as_ident().map(|column| column.value.as_str())
}

fn sole_table(table: &TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        TableFactor::Table { name, alias: None, args: None, .. } if table.joins.is_empty() => Some(name),
        _ => None,
    }
}

/// MySQL's way to leave a row alone: `ON DUPLICATE KEY UPDATE id = id`.
fn assigns_itself(assignment: &ast::Assignment) -> bool {
    let AssignmentTarget::ColumnName(name) = &assignment.target else { return false };
    column(&assignment.value).is_some_and(|value| column_name(name) == Some(value))
}

fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(column) => Some(&column.value),
        Expr::CompoundIdentifier(parts) => parts.last().map(|column| column.value.as_str()),
        _ => None,
    }
}

/// The parameters of a condition that is equality with a whole key and nothing else.
fn key_parameters(entity: Entity, condition: &Expr, text: &SqlText) -> Option<Vec<usize>> {
    let mut equalities = Vec::new();
    collect_equalities(condition, text, &mut equalities)?;
    let key: Vec<_> = entity
        .key_names()
        .map(|key| equalities.iter().find(|(column, _)| *column == key).map(|(_, parameter)| *parameter))
        .collect::<Option<_>>()?;
    (key.len() == equalities.len() && !key.is_empty()).then_some(key)
}

fn collect_equalities<'a>(
    condition: &'a Expr,
    text: &SqlText,
    equalities: &mut Vec<(&'a str, usize)>,
) -> Option<()> {
    match condition {
        Expr::Nested(inner) => collect_equalities(inner, text, equalities),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            collect_equalities(left, text, equalities)?;
            collect_equalities(right, text, equalities)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            equalities.push((column(left)?, text.parameter(right)?));
            Some(())
        }
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
    if entity.model().columns.iter().all(|column| returned(column.sql_name)) {
        Returning::Row
    } else {
        Returning::Something
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

/// The tables that a statement can write to.
fn collect_targets(statement: &ast::Statement, targets: &mut Vec<ObjectName>) {
    match statement {
        ast::Statement::Insert(insert) => {
            if let TableObject::TableName(name) = &insert.table {
                targets.push(name.clone());
            }
            if let Some(source) = &insert.source {
                collect_query_targets(source, targets);
            }
        }
        ast::Statement::Update(update) => collect_tables(&update.table, targets),
        ast::Statement::Delete(delete) => {
            targets.extend(delete.tables.iter().cloned());
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
            for table in tables {
                collect_tables(table, targets);
            }
        }
        ast::Statement::Merge(merge) => {
            if let TableFactor::Table { name, .. } = &merge.table {
                targets.push(name.clone());
            }
        }
        ast::Statement::Truncate(truncate) => {
            targets.extend(truncate.table_names.iter().map(|table| table.name.clone()));
        }
        ast::Statement::Drop { names, .. } => targets.extend(names.iter().cloned()),
        // Without ANALYZE it runs nothing; `(ANALYZE false)` is too rare to be told apart.
        ast::Statement::Explain { analyze, options, statement, .. } if *analyze || options.is_some() => {
            collect_targets(statement, targets);
        }
        ast::Statement::Query(query) => collect_query_targets(query, targets),
        _ => {}
    }
}

/// A query writes where a CTE of it does, or where its body is a statement.
fn collect_query_targets(query: &Query, targets: &mut Vec<ObjectName>) {
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        collect_query_targets(&cte.query, targets);
    }
    match query.body.as_ref() {
        SetExpr::Query(query) => collect_query_targets(query, targets),
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => collect_targets(statement, targets),
        _ => {}
    }
}

fn collect_tables(table: &TableWithJoins, targets: &mut Vec<ObjectName>) {
    let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
    for factor in factors {
        if let TableFactor::Table { name, .. } = factor {
            targets.push(name.clone());
        }
    }
}

/// Whether a token is this keyword.
pub(super) fn is_keyword(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}
