//! A database with an outbox, and what is in it.

use ftn_audit_sea::{
    outbox::{self, Column},
    prelude::*,
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait, QueryOrder, Schema};

use super::entities::memo;
use crate::database::TestDatabase;

/// A handle with outbox delivery whose relays deliver to memory.
pub fn handle(delivery: Delivery) -> (Audit, MemorySink) {
    let sink = MemorySink::new();
    let audit = Audit::builder()
        .service_name("test")
        .sink(sink.clone())
        .delivery(delivery)
        .fallback(Fallback::drop())
        .build()
        .expect("the tests' entities are sound");
    (audit, sink)
}

/// An audited connection whose records are stored in its own database.
pub async fn connected(
    database: &TestDatabase,
    delivery: Delivery,
) -> (Audit, AuditedConnection, MemorySink) {
    let (audit, sink) = handle(delivery);
    audit.install(&database.bare).await.expect("the table can be made");
    audit.install(&database.bare).await.expect("it is there already");
    let backend = database.bare.get_database_backend();
    let table = Schema::new(backend).create_table_from_entity(memo::Entity);
    database.bare.execute(&table).await.expect("the table can be made");
    let db = audit.connect(database.bare.clone()).await.expect("the outbox is there");
    (audit, db, sink)
}

pub async fn rows(db: &DatabaseConnection) -> Vec<outbox::Model> {
    outbox::Entity::find()
        .order_by_asc(Column::TransactionId)
        .order_by_asc(Column::Sequence)
        .all(db)
        .await
        .expect("the outbox can be read")
}

/// Rows in short: event, model and key, number and count.
pub fn brief(rows: &[outbox::Model]) -> Vec<String> {
    rows.iter()
        .map(|row| {
            let count = row.transaction_count.map_or_else(|| "?".to_owned(), |count| count.to_string());
            format!("{} {} {} {}/{count}", row.event, row.model, row.model_pk, row.sequence)
        })
        .collect()
}

pub fn new_memo(text: &str) -> memo::ActiveModel {
    memo::ActiveModel { text: Set(text.to_owned()), ..Default::default() }
}
