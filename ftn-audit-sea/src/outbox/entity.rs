//! The table as an entity, for an application's own look at it.

use sea_orm::entity::prelude::*;

/// A record on its way. Times are microseconds since 1970.
///
/// ```
/// use ftn_audit_sea::outbox;
/// use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
///
/// async fn dead_letters(db: &sea_orm::DatabaseConnection) -> Result<u64, DbErr> {
///     outbox::Entity::find().filter(outbox::Column::State.eq("dead")).count(db).await
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_outbox")]
pub struct Model {
    /// The record's id, `log.record.uid`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The transaction that it belongs to.
    pub transaction_id: String,
    /// Its number in the transaction, from 1.
    pub sequence: i32,
    /// How many records the transaction has. Unknown on rows that were written ahead of its commit: the last row has
    /// it.
    pub transaction_count: Option<i32>,
    /// The tenant, where the context named one.
    pub tenant: Option<String>,
    /// The model's name in records.
    pub model: String,
    /// The row's key as records have it.
    pub model_pk: String,
    /// The type of the event.
    pub event: String,
    /// The format of `payload`.
    pub format: i32,
    /// The record, in the form that [`Audit::restore`](ftn_audit::Audit::restore) reads.
    pub payload: String,
    /// When the statement ran, by the application's clock.
    pub occurred_at: i64,
    /// When the row was written, by the database's clock.
    pub recorded_at: i64,
    /// `waiting`, `sent`, `dead` or `discarded`.
    pub state: String,
    /// Of a waiting row: when it is to be tried next, or when its lease ends. Of others: when they came into their
    /// state.
    pub due_at: i64,
    /// Who claimed it, while it is claimed.
    pub lease_owner: Option<String>,
    /// How often it was claimed.
    pub attempts: i32,
    /// Why it was not delivered at the last attempt.
    pub last_error: Option<String>,
}

/// None: the table stands alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
