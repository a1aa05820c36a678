//! What the derive implements, and the inventory of audited entities.

use std::{any::Any, borrow::Cow};

use ftn_audit::{
    AttributeValue, Change, ChangeFacts, Changeset, ColumnInfo, ModelInfo, Subject,
    change::{AnyChange, ColumnChange},
    model::Treatment,
};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, FromQueryResult, IdenStatic, Iterable, ModelTrait,
    PrimaryKeyToColumn, PrimaryKeyTrait, QueryResult, QueryTrait, RelationTrait, TryFromU64, Value,
    sea_query::{IntoValueTuple, SelectStatement},
};

use crate::link::column_names;
use crate::value::{attribute_value, same};

/// An entity whose changes are recorded. `#[derive(Auditable)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an audited entity",
    label = "this entity does not derive `Auditable`",
    note = "add `Auditable` to the derives of the entity's `Model`, after `DeriveEntityModel`"
)]
pub trait Auditable: EntityTrait<Model: Subject> {
    /// What is known of the entity, made once.
    fn audited() -> &'static AuditedEntity<Self>;
}

/// How the derive's attributes treat one column.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColumnRules {
    /// The name in records, where it is not the column's.
    pub name: Option<&'static str>,
    /// How values appear.
    pub treatment: Treatment,
    /// Whether a change of this column alone makes no event.
    pub ignore: bool,
}

/// What the derive read from the entity.
pub struct Declaration<C: 'static> {
    /// The model's name in records; the table's in UpperCamelCase by default.
    pub name: Option<&'static str>,
    /// Whether the rows only link two other models.
    pub junction: bool,
    /// The columns that carry an attribute.
    pub columns: Vec<(C, ColumnRules)>,
    /// Where the entity is defined.
    pub file: &'static str,
    /// Where the entity is defined.
    pub line: u32,
}

/// What is known of one audited entity.
pub struct AuditedEntity<E: EntityTrait> {
    model: ModelInfo,
    columns: Vec<E::Column>,
    keys: Vec<usize>,
}

impl<E: Auditable> AuditedEntity<E> {
    /// Puts the derive's declaration together with what SeaORM knows of the entity.
    pub fn new(declaration: Declaration<E::Column>) -> Self {
        let entity = E::default();
        let table = entity.table_name();
        let columns: Vec<_> = E::Column::iter().collect();
        let rules = |column: &E::Column| {
            let declared = declaration.columns.iter().find(|(name, _)| name.as_str() == column.as_str());
            declared.map(|(_, rules)| *rules).unwrap_or_default()
        };
        let references: Vec<String> = E::Relation::iter()
            .map(|relation| relation.def())
            .filter(|relation| !relation.is_owner)
            .flat_map(|relation| column_names(&relation.from_col))
            .collect();
        let model = ModelInfo {
            name: declaration.name.map_or_else(|| upper_camel_case(table), str::to_owned),
            table,
            schema: entity.schema_name().map(|schema| &*schema.to_owned().leak()),
            columns: columns
                .iter()
                .map(|column| {
                    let rules = rules(column);
                    let refers = references.iter().any(|reference| reference == column.as_str());
                    ColumnInfo::new(column.as_str(), rules.name, rules.treatment, rules.ignore)
                        .relationship(refers)
                })
                .collect(),
            junction: declaration.junction,
            row: std::any::TypeId::of::<E::Model>(),
            file: declaration.file,
            line: declaration.line,
        };
        let keys = E::PrimaryKey::iter()
            .filter_map(|key| {
                let key = key.into_column();
                columns.iter().position(|column| column.as_str() == key.as_str())
            })
            .collect();
        Self { model, columns, keys }
    }

    /// The model, as records know it.
    pub fn model(&'static self) -> &'static ModelInfo {
        &self.model
    }

    pub(crate) fn row(&self, model: E::Model) -> Row {
        let values = self.columns.iter().map(|column| model.get(*column)).collect();
        Row { values, model: Box::new(model) }
    }
}

fn upper_camel_case(table: &str) -> String {
    table
        .split(['_', '-', ' ', '.'])
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<Vec<_>>()
        })
        .collect()
}

/// One stored row: the typed model, and its values in column order.
pub(crate) struct Row {
    model: Box<dyn Any + Send + Sync>,
    pub(crate) values: Vec<Value>,
}

impl Row {
    /// The typed model, if it is of this type.
    pub(crate) fn into_model<M: 'static>(self) -> Option<M> {
        self.model.downcast::<M>().ok().map(|model| *model)
    }
}

/// An audited entity that is known at run time only.
pub(crate) trait AnyEntity: Send + Sync {
    fn model(&self) -> &'static ModelInfo;
    /// The positions of the key's columns.
    fn keys(&self) -> &[usize];
    /// Every column of every row, as SeaORM itself selects them.
    fn select(&self) -> SelectStatement;
    /// Equality with a whole key.
    fn key_condition(&self, key: &[Value]) -> Condition;
    fn decode(&self, row: &QueryResult) -> Result<Row, DbErr>;
    /// The key from a row that may hold nothing else.
    fn decode_key(&self, row: &QueryResult) -> Option<Vec<Value>>;
    /// The key that the database generated.
    fn key_from_u64(&self, id: u64) -> Option<Vec<Value>>;
    fn change(&self, facts: ChangeFacts, old: Option<Row>, new: Option<Row>) -> Box<dyn AnyChange>;
}

impl<E: Auditable> AnyEntity for AuditedEntity<E> {
    fn model(&self) -> &'static ModelInfo {
        E::audited().model()
    }

    fn keys(&self) -> &[usize] {
        &self.keys
    }

    fn select(&self) -> SelectStatement {
        E::find().into_query()
    }

    fn key_condition(&self, key: &[Value]) -> Condition {
        let columns = self.keys.iter().map(|position| self.columns[*position]);
        columns.zip(key).fold(Condition::all(), |all, (column, value)| all.add(column.eq(value.clone())))
    }

    fn decode(&self, row: &QueryResult) -> Result<Row, DbErr> {
        E::Model::from_query_result(row, "").map(|model| self.row(model))
    }

    fn decode_key(&self, row: &QueryResult) -> Option<Vec<Value>> {
        let names: Vec<_> = self.keys.iter().map(|key| self.columns[*key].as_str().to_owned()).collect();
        let key: <E::PrimaryKey as PrimaryKeyTrait>::ValueType = row.try_get_many("", &names).ok()?;
        Some(key.into_value_tuple().into_iter().collect())
    }

    fn key_from_u64(&self, id: u64) -> Option<Vec<Value>> {
        let key = <E::PrimaryKey as PrimaryKeyTrait>::ValueType::try_from_u64(id).ok()?;
        Some(key.into_value_tuple().into_iter().collect())
    }

    fn change(&self, facts: ChangeFacts, old: Option<Row>, new: Option<Row>) -> Box<dyn AnyChange> {
        let typed = |row: Option<Row>| row.and_then(Row::into_model::<E::Model>);
        Box::new(Change::of(facts, typed(old), typed(new)))
    }
}

impl dyn AnyEntity {
    pub(crate) fn key_of(&self, row: &Row) -> Vec<Value> {
        self.keys().iter().map(|position| row.values[*position].clone()).collect()
    }

    pub(crate) fn key_names(&self) -> impl Iterator<Item = &'static str> {
        let columns = &self.model().columns;
        self.keys().iter().map(|position| columns[*position].sql_name)
    }

    /// A key as records have it: `1,2` for a composite one, `***` for a masked column.
    pub(crate) fn key_text(&self, key: &[Value]) -> String {
        let columns = &self.model().columns;
        let parts: Vec<Cow<'_, str>> = self
            .keys()
            .iter()
            .zip(key)
            .map(|(position, value)| {
                if columns[*position].masked {
                    "***".into()
                } else {
                    attribute_value(value).to_string().into()
                }
            })
            .collect();
        parts.join(",")
    }

    /// What differs between two rows; all of the one there is, for a creation or a deletion. `None` when only
    /// ignored columns differ, or nothing. Without `relationships`, foreign keys do not count.
    pub(crate) fn changeset(
        &self,
        old: Option<&Row>,
        new: Option<&Row>,
        relationships: bool,
    ) -> Option<Changeset> {
        let counts = |column: &ColumnInfo| relationships || !column.relationship;
        let columns = self.model().columns.iter().enumerate();
        let columns = columns.filter(|(_, column)| !column.skipped && counts(column));
        let value = |row: &Row, position: usize| attribute_value(&row.values[position]);
        match (old, new) {
            (Some(old), Some(new)) => {
                let changed = |position: usize| !same(&old.values[position], &new.values[position]);
                let skipped = self.model().columns.iter().enumerate();
                let hidden = skipped.filter(|(_, column)| column.skipped && !column.ignored);
                let hidden = hidden.into_iter().any(|(position, _)| changed(position));
                let changes: Changeset = columns
                    .filter(|(position, column)| !column.ignored && changed(*position))
                    .map(|(position, column)| {
                        ColumnChange::new(column, Some(value(old, position)), Some(value(new, position)))
                    })
                    .collect();
                (hidden || !changes.is_empty()).then_some(changes)
            }
            (old, new) => {
                let one = |row: Option<&Row>, position| row.map(|row| value(row, position)).filter(not_null);
                let changes = columns.filter_map(|(position, column)| {
                    let (old, new) = (one(old, position), one(new, position));
                    (old.is_some() || new.is_some()).then(|| ColumnChange::new(column, old, new))
                });
                Some(changes.collect())
            }
        }
    }
}

fn not_null(value: &AttributeValue) -> bool {
    !value.is_null()
}

/// The inventory's entry of an audited entity.
pub struct EntityRegistration {
    entity: fn() -> &'static dyn AnyEntity,
}

impl EntityRegistration {
    /// Registers an entity.
    pub const fn of<E: Auditable>() -> Self {
        Self { entity: || E::audited() }
    }

    pub(crate) fn entity(&self) -> &'static dyn AnyEntity {
        (self.entity)()
    }
}

inventory::collect!(EntityRegistration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_its_model() {
        assert_eq!(upper_camel_case("order_line"), "OrderLine");
        assert_eq!(upper_camel_case("item"), "Item");
    }
}
