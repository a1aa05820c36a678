//! What an operator does with an outbox: look, repeat, discard, remove, verify.

use std::{sync::Mutex, time::Duration};

use ftn_audit::{Actor, Audit, AuditContext, AuditRecord, EventScope, stored::FORMAT};
use sea_orm::{
    Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, IsolationLevel, QueryFilter, QueryOrder,
    QuerySelect, TransactionSession, TransactionTrait,
    prelude::{ColumnTrait, PaginatorTrait},
};
use uuid::Uuid;

use super::{
    claim::micros,
    entity::{Column, Entity, Model},
    retention::State,
    schema::{TABLE, now},
    statement::Text,
    status::observe,
    writer::insert,
};

/// Few enough that a batch is over before anybody waits for it.
const BATCH: u64 = 1000;

/// An operator's hand on one outbox.
///
/// Whatever repeats or removes rows leaves a record in the same transaction that says who did it, with how many rows
/// and why; a relay delivers it like any other.
///
/// ```no_run
/// use ftn_audit_sea::{outbox::Operations, prelude::*};
///
/// # async fn example(audit: Audit, db: sea_orm::DatabaseConnection) -> Result<(), sea_orm::DbErr> {
/// let operations = Operations::new(&audit, db, "ann");
/// for (state, rows) in operations.status().await?.states {
///     println!("{state}: {rows}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Operations<C> {
    audit: Audit,
    connection: C,
    who: String,
}

/// How many rows are in each state, and how the waiting ones do.
///
/// ```
/// use ftn_audit_sea::outbox::Status;
///
/// assert_eq!(Status::default().parked, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Rows by state.
    pub states: Vec<(String, u64)>,
    /// Waiting rows that a relay has, or that are to be tried again later; counted up to 100,000.
    pub parked: u64,
    /// Waiting rows of a format that this version does not read.
    pub newer_format: u64,
    /// The age of the oldest waiting row, by the database's clock.
    pub oldest_waiting: Duration,
}

/// Which rows are meant.
///
/// ```
/// use ftn_audit_sea::outbox::Selection;
///
/// let dead = Selection { state: Some("dead".to_owned()), model: Some("Item".to_owned()), ..Selection::default() };
/// assert!(dead.ids.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The record's ids; any if empty.
    pub ids: Vec<String>,
    /// The column `state`; any if `None`.
    pub state: Option<String>,
    /// The model's name in records.
    pub model: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The transaction's id.
    pub transaction: Option<String>,
}

impl Selection {
    fn condition(&self) -> Condition {
        let mut all = Condition::all();
        if !self.ids.is_empty() {
            all = all.add(Column::Id.is_in(&self.ids));
        }
        for (column, value) in [
            (Column::State, &self.state),
            (Column::Model, &self.model),
            (Column::Tenant, &self.tenant),
            (Column::TransactionId, &self.transaction),
        ] {
            if let Some(value) = value {
                all = all.add(column.eq(value));
            }
        }
        all
    }
}

/// What becomes of the rows of one batch.
enum Act {
    Retry,
    Discard,
    Prune,
}

impl Act {
    fn event(&self) -> &'static str {
        match self {
            Self::Retry => "outbox.retried",
            Self::Discard => "outbox.discarded",
            Self::Prune => "outbox.pruned",
        }
    }
}

impl<C> Operations<C>
where
    C: ConnectionTrait + TransactionTrait,
{
    /// `who` stands on the records that these operations leave.
    pub fn new(audit: &Audit, connection: C, who: impl Into<String>) -> Self {
        Self { audit: audit.clone(), connection, who: who.into() }
    }

    fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    /// Counts rows.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn status(&self) -> Result<Status, DbErr> {
        let counted =
            Entity::find().select_only().column(Column::State).column_as(Column::Id.count(), "rows");
        let counted: Vec<(String, i64)> = counted
            .group_by(Column::State)
            .order_by_asc(Column::State)
            .into_tuple()
            .all(&self.connection)
            .await?;
        let newer = Entity::find().filter(Column::State.eq("waiting")).filter(Column::Format.gt(FORMAT));
        let newer_format = newer.count(&self.connection).await?;
        let seen = observe(&self.connection).await?;
        Ok(Status {
            states: counted.into_iter().map(|(state, rows)| (state, rows.unsigned_abs())).collect(),
            parked: seen.parked,
            newer_format,
            oldest_waiting: seen.oldest,
        })
    }

    /// The newest rows of a selection.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn list(&self, selection: &Selection, most: u64) -> Result<Vec<Model>, DbErr> {
        let found = Entity::find().filter(selection.condition()).order_by_desc(Column::Id).limit(most);
        found.all(&self.connection).await
    }

    /// How many rows a selection has.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn count(&self, selection: &Selection) -> Result<u64, DbErr> {
        Entity::find().filter(selection.condition()).count(&self.connection).await
    }

    /// The record of a row, as it would leave.
    ///
    /// # Errors
    ///
    /// When the row cannot be read.
    pub fn record(&self, row: &Model) -> Result<AuditRecord, ftn_audit::stored::UnreadableRecord> {
        let mut record = self.audit.restore(row.format, &row.payload)?;
        if let (Ok(transaction), Ok(sequence)) =
            (row.transaction_id.parse::<Uuid>(), u32::try_from(row.sequence))
        {
            let count = row.transaction_count.and_then(|count| u32::try_from(count).ok());
            record.set_place(transaction, sequence, count);
        }
        Ok(record)
    }

    /// Makes a batch of up to 1,000 selected rows wait again, due at once, whatever state they are in; rows that wait
    /// already, and those that a relay has, are left out. Says how many there were: call it until there are none.
    ///
    /// # Errors
    ///
    /// When the database refuses; then nothing of the batch is changed.
    pub async fn retry_batch(&self, selection: &Selection, reason: &str) -> Result<u64, DbErr> {
        let open = Condition::all().add(Column::State.ne("waiting"));
        self.batch(Act::Retry, selection.condition().add(open), reason).await
    }

    /// Takes a batch of up to 1,000 selected rows out of delivery: those that wait, and dead letters. Rows that a relay
    /// has are left out. Says how many there were: call it until there are none.
    ///
    /// # Errors
    ///
    /// When the database refuses; then nothing of the batch is changed.
    pub async fn discard_batch(&self, selection: &Selection, reason: &str) -> Result<u64, DbErr> {
        let open = Condition::any()
            .add(Column::State.eq("dead"))
            .add(Condition::all().add(Column::State.eq("waiting")).add(Column::LeaseOwner.is_null()));
        self.batch(Act::Discard, selection.condition().add(open), reason).await
    }

    /// Removes a batch of up to 1,000 rows that came into a state longer than `age` ago. Says how many there were: call
    /// it until there are none.
    ///
    /// # Errors
    ///
    /// When the database refuses; then nothing of the batch is removed.
    pub async fn prune_batch(&self, state: State, age: Duration, reason: &str) -> Result<u64, DbErr> {
        let clock = Text::new(format!("SELECT {}", now(self.backend())), []).rows(&self.connection).await?;
        let clock: i64 = clock.first().map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        let old = Column::DueAt.lte(clock.saturating_sub(micros(age)));
        self.batch(Act::Prune, Condition::all().add(Column::State.eq(state.as_str())).add(old), reason).await
    }

    async fn batch(&self, act: Act, condition: Condition, reason: &str) -> Result<u64, DbErr> {
        let isolation = (self.backend() == DbBackend::MySql).then_some(IsolationLevel::ReadCommitted);
        let transaction = self.connection.begin_with_config(isolation, None).await?;
        let found = Entity::find().select_only().column(Column::Id).filter(condition.clone()).limit(BATCH);
        let ids: Vec<String> = found.into_tuple().all(&transaction).await?;
        if ids.is_empty() {
            transaction.rollback().await?;
            return Ok(0);
        }
        let now = now(self.backend());
        let text = match act {
            Act::Retry => Text::new(
                format!(
                    "UPDATE {TABLE} SET state = 'waiting', due_at = {now}, attempts = 0, lease_owner = NULL \
                     WHERE state <> 'waiting' AND id IN "
                ),
                [],
            ),
            Act::Discard => Text::new(
                format!(
                    "UPDATE {TABLE} SET state = 'discarded', due_at = {now}, last_error = ? \
                     WHERE state IN ('waiting', 'dead') AND lease_owner IS NULL AND id IN "
                ),
                [format!("discarded by {}: {reason}", self.who).into()],
            ),
            Act::Prune => Text::new(format!("DELETE FROM {TABLE} WHERE state <> 'waiting' AND id IN "), []),
        };
        let changed = transaction.execute_raw(text.list(ids).statement(self.backend())).await?;
        let changed = changed.rows_affected();
        if changed == 0 {
            transaction.rollback().await?;
            return Ok(0);
        }
        insert(&transaction, &self.told(&act, changed, reason).await).await?;
        transaction.commit().await?;
        self.audit.stored(1);
        Ok(changed)
    }

    /// The record of what was done.
    async fn told(&self, act: &Act, rows: u64, reason: &str) -> Vec<AuditRecord> {
        let context = AuditContext::builder().actor(Actor::user(&self.who)).reason(reason).build();
        let told = Told { context, records: Mutex::default() };
        let event = act.event();
        let verb = event.strip_prefix("outbox.").unwrap_or(event);
        self.audit
            .event(event)
            .subject("Outbox", "")
            .description(format!("{rows} rows of the outbox {verb}: {reason}"))
            .attr("audit.outbox.rows", rows)
            .record(&told)
            .await;
        let mut records = told.records.into_inner().unwrap_or_default();
        for record in &mut records {
            record.set_place(Uuid::now_v7(), 1, Some(1));
        }
        records
    }

    pub(super) fn connection(&self) -> &C {
        &self.connection
    }
}

/// Takes the record of an operation, to be written in its transaction.
struct Told {
    context: AuditContext,
    records: Mutex<Vec<AuditRecord>>,
}

impl EventScope for Told {
    fn context(&self) -> Option<AuditContext> {
        Some(self.context.clone())
    }

    async fn accept(&self, _audit: &Audit, record: AuditRecord) {
        if let Ok(mut records) = self.records.lock() {
            records.push(record);
        }
    }
}
