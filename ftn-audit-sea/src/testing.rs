//! For the tests of an application: what was recorded, asserted in a line.
//!
//! ```no_run
//! # mod item {
//! #     use ftn_audit_sea::entity::*;
//! #     use sea_orm::entity::prelude::*;
//! #     #[sea_orm::model]
//! #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
//! #     #[sea_orm(table_name = "item")]
//! #     pub struct Model {
//! #         #[sea_orm(primary_key)]
//! #         pub id: i32,
//! #         pub title: String,
//! #     }
//! # }
//! use ftn_audit_sea::{prelude::*, testing::*};
//! use sea_orm::{ActiveValue::Set, Database};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recorder = Recorder::new();
//! let db = recorder.audit().connect(Database::connect("sqlite::memory:").await?).await?;
//!
//! item::ActiveModel { title: Set("Tea".to_owned()), ..Default::default() }.insert(&db).await?;
//!
//! assert_audited!(recorder, item::Entity, creation, id = 1, title: "Tea");
//! assert_not_audited!(recorder, item::Entity, update);
//! # Ok(())
//! # }
//! ```

#[doc(inline)]
pub use ftn_audit::testing::*;
use sea_orm::Value;

#[doc(inline)]
pub use crate::{assert_audited, assert_not_audited};
use crate::{
    auditable::{AnyEntity, Auditable},
    registry::registry,
    value::attribute_value,
};

/// Any record of an entity: the beginning of what a test expects. [`assert_audited!`] writes it.
///
/// ```no_run
/// # mod item {
/// #     use ftn_audit_sea::entity::*;
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
/// #     #[sea_orm(table_name = "item")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)]
/// #         pub id: i32,
/// #         pub title: String,
/// #     }
/// # }
/// # fn main() {
/// use ftn_audit_sea::testing::*;
///
/// let expected = expectation::<item::Entity>().event(event::update()).change("title", "Tea", "Mate");
/// expected.assert_not_audited(&Recorder::new());
/// # }
/// ```
pub fn expectation<E: Auditable>() -> Expectation {
    let entity = leading::<E>();
    let columns = &entity.model().columns;
    Expectation::of(entity.model(), entity.keys().iter().map(|position| &columns[*position]))
}

fn leading<E: Auditable>() -> &'static dyn AnyEntity {
    registry().leading(E::audited())
}

/// A value as records of an entity's column have it: an enum's text, a decimal with the decimals of its column.
#[doc(hidden)]
pub fn recorded_value<E: Auditable>(
    column: &'static str,
    value: impl Into<Value>,
) -> ftn_audit::AttributeValue {
    attribute_value(&E::audited().scaled(column, value.into()))
}

/// Asserts that a change of an entity was recorded, and gives the record.
///
/// ```text
/// assert_audited!(recorder, item::Entity, update, id = 1, title: "Tea" => "Mate");
/// ```
///
/// - The event: `creation`, `update`, `upsert`, `deletion`, `restoration`, `collection_update`, `unparsed_write`. Without
///   one, any.
/// - `column = value` is the row's key, every column of it.
/// - `column: old => new` is a changed column, `column: value` the only value of a creation or a deletion, or the new one
///   of an update. `None` is NULL. Columns that are not named may be anything.
/// - `relation: add [1, 2]` and `relation: remove [1]` are the links of a `collection_update`.
///
/// Columns have their names in records, values the types that the entity has, or their text. A failure shows the
/// record that comes nearest and how it differs.
#[macro_export]
macro_rules! assert_audited {
    ($recorder:expr, $entity:path $(,)?) => {
        $crate::testing::expectation::<$entity>().assert_audited(&$recorder)
    };
    ($recorder:expr, $entity:path, $event:ident $(, $($said:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $crate::testing::expectation::<$entity>().event($crate::testing::event::$event()),
            $($($said)*)?
        )
        .assert_audited(&$recorder)
    };
}

/// Asserts that nothing of the kind was recorded; what can be said is as in [`assert_audited!`].
///
/// ```text
/// assert_not_audited!(recorder, item::Entity);
/// assert_not_audited!(recorder, item::Entity, deletion, id = 1);
/// ```
#[macro_export]
macro_rules! assert_not_audited {
    ($recorder:expr, $entity:path $(,)?) => {
        $crate::testing::expectation::<$entity>().assert_not_audited(&$recorder)
    };
    ($recorder:expr, $entity:path, $event:ident $(, $($said:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $crate::testing::expectation::<$entity>().event($crate::testing::event::$event()),
            $($($said)*)?
        )
        .assert_not_audited(&$recorder)
    };
}

/// What is said behind the event, one thing after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! __expected {
    ($entity:path, $expected:expr, $(,)?) => { $expected };
    ($entity:path, $expected:expr, $column:tt = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.key(::core::stringify!($column), $crate::__recorded!($entity, $column, $value)),
            $($($rest)*)?
        )
    };
    ($entity:path, $expected:expr, $field:tt : add [$($key:expr),* $(,)?] $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.links(
                ::core::stringify!($field),
                $crate::LinkAction::Add,
                [$($crate::AttributeValue::from($key)),*],
            ),
            $($($rest)*)?
        )
    };
    ($entity:path, $expected:expr, $field:tt : remove [$($key:expr),* $(,)?] $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.links(
                ::core::stringify!($field),
                $crate::LinkAction::Remove,
                [$($crate::AttributeValue::from($key)),*],
            ),
            $($($rest)*)?
        )
    };
    ($entity:path, $expected:expr, $column:tt : None => $new:expr $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.change(
                ::core::stringify!($column),
                $crate::AttributeValue::Null,
                $crate::__recorded!($entity, $column, $new),
            ),
            $($($rest)*)?
        )
    };
    ($entity:path, $expected:expr, $column:tt : None $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.value(::core::stringify!($column), $crate::AttributeValue::Null),
            $($($rest)*)?
        )
    };
    ($entity:path, $expected:expr, $column:tt : $old:expr => None $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.change(
                ::core::stringify!($column),
                $crate::__recorded!($entity, $column, $old),
                $crate::AttributeValue::Null,
            ),
            $($($rest)*)?
        )
    };
    ($entity:path, $expected:expr, $column:tt : $old:expr => $new:expr $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.change(
                ::core::stringify!($column),
                $crate::__recorded!($entity, $column, $old),
                $crate::__recorded!($entity, $column, $new),
            ),
            $($($rest)*)?
        )
    };
    ($entity:path, $expected:expr, $column:tt : $value:expr $(, $($rest:tt)*)?) => {
        $crate::__expected!(
            $entity,
            $expected.value(::core::stringify!($column), $crate::__recorded!($entity, $column, $value)),
            $($($rest)*)?
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __recorded {
    ($entity:path, $column:tt, $value:expr) => {
        $crate::testing::recorded_value::<$entity>(::core::stringify!($column), $value)
    };
}
