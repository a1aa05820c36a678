//! Conditions that are equality with a whole key.

use sqlparser::ast::{BinaryOperator, Expr};

use super::{Entity, column};
use crate::capture::text::SqlText;

/// The parameters of a condition that is equality with a whole key and nothing else.
pub(super) fn key_parameters(entity: Entity, condition: &Expr, text: &SqlText) -> Option<Vec<usize>> {
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
