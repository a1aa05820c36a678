//! Capture on plain connections, by the hooks and inherent methods that the derive writes.
//!
//! SeaORM tells an `after_*` hook nothing of its `before_*`. The derive's inherent methods on `ActiveModel` win over the
//! trait's and run the trait's inside a task-local cell of that one call, which dies with it: a failed or dropped
//! write leaves nothing behind that a later one could pick up. Generic code goes past them and past the cell; its
//! records have no old values, and say so. On an audited connection all of this does nothing.

mod cell;
mod plain;
mod present;

use std::pin::Pin;

use ftn_audit::{EventType, LinkAction};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ConnectionTrait, DbErr, DeleteResult, EntityTrait,
    IntoActiveModel, TryIntoModel, UpdateResult, Value,
};

use self::{cell::Cell, plain::Plain};
use crate::{
    auditable::{AnyEntity, Auditable, Row},
    capture::{Lock, RowChange},
    registry::registry,
};

/// What every hook and method here gives. Boxed here, once: boxed by the derive, the compiler would go through all that is
/// inside again for each entity.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Model<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Model;

/// What the hooks need of an `ActiveModel` whose entity derives `Auditable`.
pub trait AuditedActiveModel:
    ActiveModelTrait<Entity: Auditable> + ActiveModelBehavior + TryIntoModel<Model<Self>> + Send
where
    Model<Self>: IntoActiveModel<Self>,
{
}

impl<A> AuditedActiveModel for A
where
    A: ActiveModelTrait<Entity: Auditable> + ActiveModelBehavior + TryIntoModel<Model<A>> + Send,
    Model<A>: IntoActiveModel<A>,
{
}

/// What an entity's own `impl ActiveModelBehavior` becomes by `#[audited]`.
#[diagnostic::on_unimplemented(
    message = "the hooks of this entity are not audited",
    label = "`own_hooks` leaves the hooks to the entity: put `#[audited]` on `impl ActiveModelBehavior for {Self}`",
    note = "write `#[audited]` above `#[async_trait]`; it comes with `use ftn_audit_sea::entity::*`",
    note = "where only audited connections write the entity, `own_hooks = \"unaudited\"` needs no `#[audited]`"
)]
pub trait AuditedHooks {}

/// What the derive asks of an entity with `own_hooks`.
pub const fn audited_hooks<A: AuditedHooks>() {}

/// The entity that records follow. A mock's script has no answers to the reads that another entity than the hook's
/// own would need.
fn entity<A: ActiveModelTrait<Entity: Auditable>>(db: &impl ConnectionTrait) -> &'static dyn AnyEntity {
    let own = A::Entity::audited();
    if db.is_mock_connection() { own } else { registry().leading(own) }
}

/// The stored row of a model that SeaORM hands to a hook, as the entity has it that records follow.
async fn stored<A, C>(
    plain: &Plain,
    db: &C,
    entity: &'static dyn AnyEntity,
    model: Model<A>,
) -> (&'static dyn AnyEntity, Row)
where
    A: ActiveModelTrait<Entity: Auditable>,
    C: ConnectionTrait,
{
    let own: &'static dyn AnyEntity = A::Entity::audited();
    let row = row::<A>(model);
    if std::ptr::eq(own.model(), entity.model()) {
        return (own, row);
    }
    match plain.read(db, entity, &own.key_of(&row), Lock::Nothing).await {
        Ok(Some(leading)) => (entity, leading),
        Ok(None) | Err(_) => (own, row),
    }
}

fn key<A: ActiveModelTrait>(active_model: &A) -> Option<Vec<Value>> {
    Some(active_model.get_primary_key_value()?.into_iter().collect())
}

fn row<A: ActiveModelTrait<Entity: Auditable>>(model: Model<A>) -> Row {
    A::Entity::audited().row(model)
}

/// The derived `before_save`.
///
/// # Errors
///
/// In a transaction on Postgres, the error of reading the old row, which the write itself would have met. In outbox
/// delivery, [`AuditError::PlainConnection`](crate::AuditError::PlainConnection).
pub fn before_save<'a, A, C>(active_model: A, db: &'a C, insert: bool) -> Boxed<'a, Result<A, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(async move {
        let Some(plain) = Plain::of(db) else { return Ok(active_model) };
        let entity = entity::<A>(db);
        plain.admit(entity)?;
        let Some(key) = key(&active_model) else { return Ok(active_model) };
        if insert {
            if entity.model().junction && plain.tells_present_rows_as_new() {
                let present =
                    plain.read(db, entity, &key, Lock::Nothing).await.is_ok_and(|row| row.is_some());
                present::note(entity, &key, present);
            }
        } else if Cell::is_open() {
            let old = plain.before(db, entity, &key).await?;
            Cell::put(entity, key, old);
        }
        Ok(active_model)
    })
}

/// The derived `after_save`.
///
/// # Errors
///
/// None, but in outbox delivery: there, that of a record that cannot be stored.
pub fn after_save<'a, A, C>(model: Model<A>, db: &'a C, insert: bool) -> Boxed<'a, Result<Model<A>, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(async move {
        let Some(plain) = Plain::of(db) else { return Ok(model) };
        let entity = entity::<A>(db);
        let (entity, new) = stored::<A, C>(&plain, db, entity, model.clone()).await;
        let key = entity.key_of(&new);
        if insert && entity.model().junction {
            if !present::take(entity, &key) {
                plain.link_changes(db, entity, &new, LinkAction::Add).await?;
            }
        } else if insert {
            plain.row_change(db, entity, EventType::Creation, None, Some(new), "INSERT").await?;
        } else {
            let old = Cell::take(entity, &key);
            plain.moved_links(db, entity, old.as_ref(), &new).await?;
            plain.row_change(db, entity, EventType::Update, old, Some(new), "UPDATE").await?;
        }
        Ok(model)
    })
}

/// The derived `before_delete`.
///
/// # Errors
///
/// In a transaction on Postgres, the error of reading the old row, which the write itself would have met. In outbox
/// delivery, [`AuditError::PlainConnection`](crate::AuditError::PlainConnection).
pub fn before_delete<'a, A, C>(active_model: A, db: &'a C) -> Boxed<'a, Result<A, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(async move {
        let Some(plain) = Plain::of(db) else { return Ok(active_model) };
        let entity = entity::<A>(db);
        plain.admit(entity)?;
        let Some(key) = key(&active_model) else { return Ok(active_model) };
        if Cell::is_open() {
            let old = plain.before(db, entity, &key).await?;
            Cell::put(entity, key, old);
            return Ok(active_model);
        }
        // SeaORM calls the hooks of a junction's rows itself, and shows `after_delete` the whole row.
        if entity.model().junction || db.is_mock_connection() {
            return Ok(active_model);
        }
        // Without a cell the old row travels in the ActiveModel, which SeaORM clones into `after_delete`; it deletes by
        // the key alone. Where there is no row, nothing but the key travels.
        let old = plain.before(db, A::Entity::audited(), &key).await?;
        Ok(match old.and_then(Row::into_model::<Model<A>>) {
            Some(model) => model.into_active_model(),
            None => only_key(active_model),
        })
    })
}

fn only_key<A: ActiveModelTrait>(mut active_model: A) -> A {
    use sea_orm::{Iterable, PrimaryKeyToColumn};
    for column in <A::Entity as EntityTrait>::Column::iter() {
        if <A::Entity as EntityTrait>::PrimaryKey::from_column(column).is_none() {
            active_model.not_set(column);
        }
    }
    active_model
}

/// The derived `after_delete`.
///
/// # Errors
///
/// None, but in outbox delivery: there, that of a record that cannot be stored.
pub fn after_delete<'a, A, C>(active_model: A, db: &'a C) -> Boxed<'a, Result<A, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(async move {
        // With a cell, `delete` itself sees how many rows there were, and reports.
        if Cell::is_open() {
            return Ok(active_model);
        }
        let Some(plain) = Plain::of(db) else { return Ok(active_model) };
        if let Ok(model) = active_model.clone().try_into_model() {
            let (own, entity): (&'static dyn AnyEntity, _) = (A::Entity::audited(), entity::<A>(db));
            let old = row::<A>(model);
            // The other entity's row is gone: of its columns, those are known that this one has.
            let old = if std::ptr::eq(own.model(), entity.model()) { old } else { entity.partial(own, &old) };
            if entity.model().junction {
                plain.link_changes(db, entity, &old, LinkAction::Remove).await?;
            } else {
                plain.row_change(db, entity, EventType::Deletion, Some(old), None, "DELETE").await?;
            }
        }
        Ok(active_model)
    })
}

/// The derived inherent `insert`: SeaORM's, inside a cell.
///
/// # Errors
///
/// Those of SeaORM's method.
pub fn insert<'a, A, C>(active_model: A, db: &'a C) -> Boxed<'a, Result<Model<A>, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(Cell::open(ActiveModelTrait::insert(active_model, db)))
}

/// The derived inherent `update`: SeaORM's, inside a cell.
///
/// # Errors
///
/// Those of SeaORM's method.
pub fn update<'a, A, C>(active_model: A, db: &'a C) -> Boxed<'a, Result<Model<A>, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(Cell::open(ActiveModelTrait::update(active_model, db)))
}

/// The derived inherent `save`: SeaORM's, inside a cell.
///
/// # Errors
///
/// Those of SeaORM's method.
pub fn save<'a, A, C>(active_model: A, db: &'a C) -> Boxed<'a, Result<A, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(Cell::open(ActiveModelTrait::save(active_model, db)))
}

/// The derived inherent `update_without_returning`: SeaORM's, inside a cell, and the row read again after it.
///
/// # Errors
///
/// Those of SeaORM's method.
pub fn update_without_returning<'a, A, C>(
    active_model: A,
    db: &'a C,
) -> Boxed<'a, Result<UpdateResult, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(Cell::open(async move {
        let result = ActiveModelTrait::update_without_returning(active_model, db).await?;
        let entity = entity::<A>(db);
        if result.rows_affected > 0
            && let Some((key, old)) = Cell::take_any(entity)
            && let Some(plain) = Plain::of(db)
            && let Ok(Some(new)) = plain.read(db, entity, &key, Lock::Nothing).await
        {
            plain.moved_links(db, entity, old.as_ref(), &new).await?;
            plain.row_change(db, entity, EventType::Update, old, Some(new), "UPDATE").await?;
        }
        Ok(result)
    }))
}

/// The derived inherent `delete`: SeaORM's, inside a cell; a deletion of no row is no event.
///
/// # Errors
///
/// Those of SeaORM's method.
pub fn delete<'a, A, C>(active_model: A, db: &'a C) -> Boxed<'a, Result<DeleteResult, DbErr>>
where
    A: AuditedActiveModel + 'a,
    Model<A>: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    Box::pin(Cell::open(async move {
        let result = ActiveModelTrait::delete(active_model, db).await?;
        let entity = entity::<A>(db);
        if result.rows_affected > 0
            && let Some((_, Some(old))) = Cell::take_any(entity)
            && let Some(plain) = Plain::of(db)
        {
            if entity.model().junction {
                plain.link_changes(db, entity, &old, LinkAction::Remove).await?;
            } else {
                plain.row_change(db, entity, EventType::Deletion, Some(old), None, "DELETE").await?;
            }
        }
        Ok(result)
    }))
}

impl Plain {
    async fn resolve_actor(&self) {
        self.site.audit.resolve_actor(self.site.context.as_ref()).await;
    }

    async fn row_change<C: ConnectionTrait>(
        &self,
        db: &C,
        entity: &'static dyn AnyEntity,
        event: EventType,
        old: Option<Row>,
        new: Option<Row>,
        operation: &'static str,
    ) -> Result<(), DbErr> {
        self.resolve_actor().await;
        let marks = self.marks(event != EventType::Creation, old.is_some());
        let change = RowChange { event, old, new, marks };
        let record = self.site.row_record(entity, operation, change);
        self.hand_over(db, record).await
    }

    /// A junction row that links other rows than before.
    async fn moved_links<C: ConnectionTrait>(
        &self,
        db: &C,
        entity: &'static dyn AnyEntity,
        old: Option<&Row>,
        new: &Row,
    ) -> Result<(), DbErr> {
        let Some(old) = old.filter(|_| entity.model().junction) else { return Ok(()) };
        self.resolve_actor().await;
        let marks = self.marks(true, true);
        for entry in self.site.moved_links(db, entity, (old, new), "UPDATE", &marks).await {
            self.hand_over(db, entry.into_record(&self.site.audit)).await?;
        }
        Ok(())
    }

    async fn link_changes<C: ConnectionTrait>(
        &self,
        db: &C,
        junction: &'static dyn AnyEntity,
        row: &Row,
        action: LinkAction,
    ) -> Result<(), DbErr> {
        let operation = match action {
            LinkAction::Add => "INSERT",
            LinkAction::Remove => "DELETE",
        };
        self.resolve_actor().await;
        let marks = self.marks(false, true);
        let entries = self.site.link_entries(db, junction, &[row], action, operation, &marks).await;
        for entry in entries {
            self.hand_over(db, entry.into_record(&self.site.audit)).await?;
        }
        Ok(())
    }
}
