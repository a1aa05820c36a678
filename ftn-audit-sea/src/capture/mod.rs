//! Capture by statement: what passes through an audited connection, and what it changed.
//!
//! [`cache`] finds a statement's [`plan`]; [`run`] acts on it: pre-image under the lock, the statement as the caller
//! built it, then the changes. Rules and counter-examples of every step are in the comments beside it.

mod bulk;
mod cache;
mod cascade;
mod clauses;
mod delete;
mod fragment;
mod in_one;
mod insert;
mod plan;
mod read;
mod send;
mod site;
mod text;
mod unparsed;
mod update;
mod upsert;

use std::sync::Arc;

use ftn_audit::AuditRecord;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use self::plan::{Conflict, Returning};
pub(crate) use self::{
    cache::PlanCache,
    plan::Plan,
    read::{Lock, Table, Texts},
    send::{Call, Reply, Request},
    site::{LinkEvent, RowChange, Site, finish},
};
use crate::{
    auditable::AnyEntity,
    error::is_unreadable_row,
    outbox,
    scope::{Entry, Scope},
};

/// One statement's capture: where it is sent, what owns its records, and where and when it was said.
pub(crate) struct Capture<'a, C> {
    pub(crate) connection: &'a C,
    pub(crate) scope: &'a Scope,
    pub(crate) site: &'a Site,
}

impl<C: ConnectionTrait> Capture<'_, C> {
    /// [`Site::take_write_lock`], unless the transaction has it: SQLite gives it back when the transaction ends, not when a
    /// savepoint does.
    async fn take_write_lock(&self, entity: &'static dyn AnyEntity) -> Result<(), DbErr> {
        if !self.has_write_lock(entity) {
            self.site.take_write_lock(self.connection, entity).await?;
            self.got_write_lock(entity);
        }
        Ok(())
    }
}

/// After how many records of one statement memory is looked at.
const RECORDS_AT_ONCE: usize = 1000;

impl<C: ConnectionTrait> Capture<'_, C> {
    /// Records the rows of a statement, and before them what went along with each by a foreign key.
    async fn push_rows(
        &self,
        followed: Vec<cascade::Group>,
        records: impl Iterator<Item = Option<AuditRecord>> + Send,
    ) -> Result<(), DbErr> {
        if followed.is_empty() {
            return self.push_each(records.flatten().map(Entry::of)).await;
        }
        let records: Vec<_> = records.collect();
        let causes: Vec<_> = records.iter().map(|record| record.as_ref().map(AuditRecord::id)).collect();
        self.scope.push(cascade::tell(self.site, followed, &causes));
        self.scope.push(records.into_iter().flatten().map(Entry::of));
        Ok(())
    }

    /// Records the rows of a statement one by one. In outbox delivery they are written as they come, once they take too much
    /// memory.
    async fn push_each(&self, entries: impl Iterator<Item = Entry> + Send) -> Result<(), DbErr> {
        let Site { audit, backend, .. } = self.site;
        let mut written = Ok(());
        for (number, entry) in (1..).zip(entries) {
            self.scope.push([entry]);
            if number % RECORDS_AT_ONCE == 0 && written.is_ok() {
                written = outbox::spill(self.connection, self.scope, audit, *backend).await;
                if written.is_err() && self.scope.has_ended() {
                    break;
                }
            }
        }
        // The caller may go on with its transaction after an error: the scope has all of the statement.
        written
    }
}

impl<C> Capture<'_, C> {
    /// Whether no other writer can come to the entity's table. A SQLite file that is attached under a schema's name has a
    /// lock of its own.
    fn has_write_lock(&self, entity: &'static dyn AnyEntity) -> bool {
        entity.model().schema.is_none() && self.scope.has_write_lock()
    }

    fn got_write_lock(&self, entity: &'static dyn AnyEntity) {
        if entity.model().schema.is_none() {
            self.scope.got_write_lock();
        }
    }

    /// What an error of a read of ours behind the statement means. Where it took the transaction along, the caller has to
    /// hear of it: the statement is undone, and nothing may be told of it. Elsewhere only what was to be read is unknown.
    ///
    /// # Errors
    ///
    /// The error, as the caller's method gives one, where the transaction is lost.
    fn read_failed(&self, call: Call, error: DbErr) -> Result<(), DbErr> {
        if is_unreadable_row(&error) {
            return Ok(());
        }
        self.scope.statement_failed(&error);
        let lost = match self.site.backend {
            DbBackend::Postgres => true,
            DbBackend::MySql => self.scope.has_ended(),
            _ => false,
        };
        if lost { Err(call.align(error)) } else { Ok(()) }
    }
}

/// Runs a statement inside a transaction that the scope follows, and records in it what the statement changed. The
/// answer is that of the bare statement.
pub(crate) async fn run<C: ConnectionTrait>(
    capture: &Capture<'_, C>,
    plan: &Arc<Plan>,
    request: Request,
) -> Result<Reply, DbErr> {
    let reply = match &**plan {
        Plan::Pass => request.send(capture.connection).await,
        Plan::TransactionControl => return Err(transaction_control()),
        Plan::Schema { .. } => {
            let reply = request.send(capture.connection).await;
            capture.site.schema_moved();
            reply
        }
        Plan::Insert(plan) => insert::run(capture, plan, request).await,
        Plan::Update(plan) => update::run(capture, plan, request).await,
        Plan::Delete(plan) => delete::run(capture, plan, request).await,
        Plan::Unparsed(plan) => unparsed::run(capture, plan, request).await,
    };
    if let Err(error) = &reply {
        capture.scope.statement_failed(error);
        if let Some(catalog) = &capture.site.catalog {
            catalog.learn_from(error);
        }
    }
    reply
}

/// Whether a statement can be captured from its answer alone, without a transaction around it.
pub(crate) async fn answers_everything<C: ConnectionTrait>(
    connection: &C,
    site: &Site,
    plan: &Plan,
    request: &Request,
) -> bool {
    match plan {
        Plan::Pass | Plan::TransactionControl | Plan::Schema { .. } | Plan::Unparsed(_) => true,
        Plan::Insert(insert) => {
            insert.answers(request.call)
                && insert.conflict != Conflict::Write
                && (insert.returning == Returning::Row || {
                    let table = site.table(connection, insert.entity).await;
                    insert::extension(insert, &table, request).is_some()
                })
        }
        Plan::Update(update) => {
            site.backend == DbBackend::Postgres && {
                let table = site.table(connection, update.named.entity).await;
                in_one::applies(update, &table, request)
            }
        }
        Plan::Delete(_) => false,
    }
}

pub(crate) fn transaction_control() -> DbErr {
    DbErr::Custom(
        "an audited connection does not take BEGIN, COMMIT, ROLLBACK or SAVEPOINT as text, because records follow \
         the transaction: use `begin()`, `commit()` and `rollback()`, or `inner()` for work that is not audited"
            .to_owned(),
    )
}
