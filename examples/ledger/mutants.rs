//! Faults that the ledger has to find: if it balances with one of them, it proves nothing.

use std::time::Duration;

use async_trait::async_trait;
use clap::ValueEnum;
use ftn_audit_sea::{
    Audit, AuditRecord,
    outbox::{self, Column},
    sink::{Outcome, Sink},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// A relay that marks rows as sent before it sends them.
    MarksFirst,
    /// A worker that answers the broker before it sends.
    AnswersFirst,
    /// A writer that records after the commit.
    RecordsLate,
    /// A scope that does not know savepoints.
    IgnoresSavepoints,
}

/// The relay of [`Mutant::MarksFirst`].
pub async fn mark_then_send(audit: &Audit, db: &DatabaseConnection, sink: &impl Sink) {
    loop {
        let waiting = outbox::Entity::find().filter(Column::State.eq("waiting"));
        let rows = waiting.order_by_asc(Column::Id).limit(50).all(db).await.unwrap_or_default();
        if rows.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let mark = outbox::Entity::update_many().col_expr(Column::State, Expr::value("sent"));
        if mark.filter(Column::Id.is_in(rows.iter().map(|row| &row.id))).exec(db).await.is_err() {
            continue;
        }
        let records: Vec<_> =
            rows.iter().filter_map(|row| audit.restore(row.format, &row.payload).ok()).collect();
        sink.deliver(&records).await;
    }
}

/// Where the records of [`Mutant::RecordsLate`] go, once their transaction has committed.
pub struct LateOutbox(pub DatabaseConnection);

#[async_trait]
impl Sink for LateOutbox {
    fn name(&self) -> &str {
        "late outbox"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        let row = |record: &AuditRecord| outbox::ActiveModel {
            id: Set(record.id().to_string()),
            transaction_id: Set(record.transaction_id().unwrap_or_default().to_string()),
            sequence: Set(1),
            transaction_count: Set(Some(1)),
            model: Set(record.model().to_owned()),
            model_pk: Set(record.pk().to_owned()),
            event: Set(record.event_type().to_string()),
            format: Set(1),
            payload: Set(record.to_payload()),
            occurred_at: Set(0),
            ..Default::default()
        };
        match outbox::Entity::insert_many(batch.iter().map(row)).exec_without_returning(&self.0).await {
            Ok(_) => Outcome::Delivered,
            Err(error) => Outcome::retry(None, error.to_string()),
        }
    }
}
