//! The tables that a statement can write to.

use sqlparser::ast::{self, FromTable, ObjectName, Query, SetExpr, TableFactor, TableObject, TableWithJoins};

pub(super) fn collect(statement: &ast::Statement, targets: &mut Vec<ObjectName>) {
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
            collect(statement, targets);
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
        | SetExpr::Merge(statement) => collect(statement, targets),
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
