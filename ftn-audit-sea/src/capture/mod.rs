//! Capture by statement: what passes through an audited connection, and what it changed.
//!
//! [`cache`] finds a statement's [`plan`]; [`run`] acts on it: pre-image under the lock, the statement as the caller
//! built it, then the changes. Rules and counter-examples of every step are in the comments beside it.

mod cache;
mod delete;
mod insert;
mod interrupted;
mod plan;
mod send;
mod site;
mod text;
mod unparsed;
mod update;

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr, Statement};

use self::plan::Returning;
pub(crate) use self::{
    cache::PlanCache,
    interrupted::resolve,
    plan::Plan,
    send::{Call, Reply},
    site::{LinkEvent, RowChange, Site, finish},
};
use crate::scope::Scope;

/// Runs a statement inside a transaction that `scope` follows, and records in it what the statement changed. The
/// answer is that of the bare statement.
pub(crate) async fn run<C: ConnectionTrait>(
    connection: &C,
    scope: &Scope,
    site: &Site,
    plan: &Arc<Plan>,
    statement: Statement,
    call: Call,
) -> Result<Reply, DbErr> {
    let reply = match &**plan {
        Plan::Pass => call.send(connection, statement).await,
        Plan::TransactionControl => return Err(transaction_control()),
        Plan::Insert(plan) => insert::run(connection, scope, site, plan, statement, call).await,
        Plan::Update(plan) => update::run(connection, scope, site, plan, statement, call).await,
        Plan::Delete(plan) => delete::run(connection, scope, site, plan, statement, call).await,
        Plan::Unparsed(plan) => unparsed::run(connection, scope, site, plan, statement, call).await,
    };
    if let Err(error) = &reply {
        scope.statement_failed(error);
    }
    reply
}

/// Whether a statement can be captured from its answer alone, without a transaction around it.
pub(crate) fn answers_everything(plan: &Plan) -> bool {
    matches!(plan, Plan::Insert(insert) if insert.returning == Returning::Row)
}

pub(crate) fn transaction_control() -> DbErr {
    DbErr::Custom(
        "an audited connection does not take BEGIN, COMMIT, ROLLBACK or SAVEPOINT as text, because records follow \
         the transaction: use `begin()`, `commit()` and `rollback()`, or `inner()` for work that is not audited"
            .to_owned(),
    )
}
