//! What the derive implements, and the inventory of audited entities.

use std::any::Any;

use ftn_audit::{
    AttributeValue, Audit, Change, ChangeFacts, Changeset, ColumnInfo, EventType, HiddenValues, ModelInfo,
    Subject,
    change::AnyChange,
    model::{Bulk, OnFailure, Treatment},
};
use sea_orm::{
    ColumnTrait, ColumnType, Condition, DbBackend, DbErr, EntityTrait, FromQueryResult, IdenStatic, Iterable,
    ModelTrait, PrimaryKeyToColumn, PrimaryKeyTrait, QueryResult, RelationTrait, TryFromU64, Value,
    sea_query::{Alias, Expr, IntoValueTuple, TableRef},
};

use crate::{
    capture::Texts,
    link::{Link, column_names},
    value::{add_hidden, attribute_value, column_value, same, with_scale},
};

/// An entity whose changes are recorded. `#[derive(Auditable)]` implements it.
///
/// ```
/// use ftn_audit_sea::Auditable;
///
/// fn table<E: Auditable>() -> &'static str {
///     E::audited().model().table
/// }
/// ```
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
    /// Whether the rows link two other models.
    pub junction: bool,
    /// Whether records of the table follow this entity, of several on it.
    pub primary: bool,
    /// Whether columns that no attribute names are skipped.
    pub allow: bool,
    /// The column that marks a row as deleted.
    pub soft_delete: Option<C>,
    /// What becomes of a write whose record cannot be stored.
    pub on_failure: Option<OnFailure>,
    /// Whether a change has to say why it was made.
    pub reason_required: bool,
    /// What becomes of a statement that writes several rows.
    pub bulk: Bulk,
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
    /// How many decimals the column is declared with.
    scales: Vec<Option<u32>>,
    keys: Vec<usize>,
    soft_delete: Option<usize>,
    problem: Option<String>,
    texts: [Texts; 3],
}

impl<E: Auditable> AuditedEntity<E> {
    /// Puts the derive's declaration together with what SeaORM knows of the entity.
    pub fn new(declaration: Declaration<E::Column>) -> Self {
        let entity = E::default();
        let table = entity.table_name();
        let columns: Vec<_> = E::Column::iter().collect();
        let position =
            |column: &E::Column| columns.iter().position(|known| known.as_str() == column.as_str());
        let keys: Vec<_> = E::PrimaryKey::iter().filter_map(|key| position(&key.into_column())).collect();
        let soft_delete = declaration.soft_delete.as_ref().and_then(position);
        let rules = |position: usize| {
            let name = columns[position].as_str();
            let declared = declaration.columns.iter().find(|(column, _)| column.as_str() == name);
            let mut rules = declared.map(|(_, rules)| *rules).unwrap_or_default();
            let named = rules.name.is_some() || rules.treatment != Treatment::Default;
            if declaration.allow && !named && !keys.contains(&position) {
                rules.treatment = Treatment::Skip;
            }
            rules
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
            columns: (0..columns.len())
                .map(|position| {
                    let rules = rules(position);
                    let name = columns[position].as_str();
                    let refers = references.iter().any(|reference| reference == name);
                    let mut column =
                        ColumnInfo::new(name, rules.name, rules.treatment, rules.ignore).relationship(refers);
                    column.ignored &= soft_delete != Some(position);
                    column
                })
                .collect(),
            junction: declaration.junction,
            primary: declaration.primary,
            soft_delete: soft_delete.map(|position| columns[position].as_str()),
            on_failure: declaration.on_failure,
            reason_required: declaration.reason_required,
            bulk: declaration.bulk,
            row: std::any::TypeId::of::<E::Model>(),
            file: declaration.file,
            line: declaration.line,
        };
        let problem = soft_delete.and_then(|position| {
            let column = columns[position].def();
            let can_be_unset = column.is_null() || *column.get_column_type() == ColumnType::Boolean;
            (!can_be_unset).then(|| {
                format!(
                    "`{}` at {}:{} says `soft_delete` of `{}`, which is never NULL or false: every row would count as \
                     deleted",
                    model.name, model.file, model.line, columns[position].as_str()
                )
            })
        });
        let scales = columns.iter().map(|column| declared_scale(column.def().get_column_type())).collect();
        Self { model, columns, scales, keys, soft_delete, problem, texts: Default::default() }
    }

    /// The model, as records know it.
    pub fn model(&'static self) -> &'static ModelInfo {
        &self.model
    }

    /// Adds the values of a row's masked and hashed columns.
    pub fn add_hidden_values(&self, row: &E::Model, hidden: &mut HiddenValues) {
        for (info, column) in self.model.columns.iter().zip(&self.columns) {
            if info.is_hidden() {
                add_hidden(&row.get(*column), hidden);
            }
        }
    }

    /// A value of a column, by its name in records, with the decimals that the column is declared with.
    pub(crate) fn scaled(&self, column: &str, value: Value) -> Value {
        let column = column.strip_prefix("r#").unwrap_or(column).trim_matches('"');
        let position = self.model.columns.iter().position(|known| known.name == column);
        match position.and_then(|position| self.scales[position]) {
            Some(scale) => with_scale(value, scale),
            None => value,
        }
    }

    pub(crate) fn row(&self, model: E::Model) -> Row {
        let scaled = |(column, scale): (&E::Column, &Option<u32>)| match scale {
            Some(scale) => with_scale(model.get(*column), *scale),
            None => model.get(*column),
        };
        let values = self.columns.iter().zip(&self.scales).map(scaled).map(Some).collect();
        Row { values, model: Box::new(model) }
    }

    /// A row of which some columns could not be read, so that there is no typed model.
    fn partial_row(&self, row: &QueryResult, prefix: &str, left_out: &[usize]) -> Row {
        let value = |(position, column): (usize, &E::Column)| {
            if left_out.contains(&position) {
                return None;
            }
            let name = format!("{prefix}{}", column.as_str());
            let value = column_value(row, &name, column.def().get_column_type())?;
            Some(match self.scales[position] {
                Some(scale) => with_scale(value, scale),
                None => value,
            })
        };
        Row { values: self.columns.iter().enumerate().map(value).collect(), model: Box::new(()) }
    }
}

fn declared_scale(column: &ColumnType) -> Option<u32> {
    match column {
        ColumnType::Decimal(precision) | ColumnType::Money(precision) => precision.map(|(_, scale)| scale),
        _ => None,
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

/// One stored row: the typed model, and its values in column order, those that are known.
pub(crate) struct Row {
    model: Box<dyn Any + Send + Sync>,
    values: Vec<Option<Value>>,
}

impl Row {
    /// The value of a column, where it is known.
    pub(crate) fn value(&self, position: usize) -> Option<&Value> {
        self.values.get(position)?.as_ref()
    }

    /// Memory that the row takes, in bytes, estimated: the model has what the values have.
    pub(crate) fn estimated_bytes(&self) -> usize {
        fn bytes(value: &Value) -> usize {
            let heap = match value {
                Value::String(Some(text)) => text.len(),
                Value::Bytes(Some(bytes)) => bytes.len(),
                #[cfg(feature = "with-json")]
                Value::Json(Some(json)) => json.to_string().len(),
                #[cfg(feature = "postgres-array")]
                Value::Array(_, Some(values)) => values.iter().map(bytes).sum(),
                _ => 0,
            };
            size_of::<Option<Value>>() + heap
        }
        2 * self.values.iter().flatten().map(bytes).sum::<usize>()
    }

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
    /// The position of the column that marks a row as deleted.
    fn soft_delete(&self) -> Option<usize>;
    /// What start-up has to say against the declaration.
    fn problem(&self) -> Option<&str>;
    /// Texts that are made once.
    fn texts(&self, backend: DbBackend) -> &Texts;
    /// A column as SeaORM itself selects it, of the table under the name that a statement gives it.
    fn selected(&self, position: usize, table: Option<&str>) -> Expr;
    /// The table, as FROM has it.
    fn table_ref(&self) -> TableRef;
    /// Equality of each row's columns with values, of any of several rows.
    fn any_of(&self, columns: &[usize], rows: &[&[Value]]) -> Condition;
    /// A row whose columns are named with a prefix, and lack those that are left out.
    fn decode(&self, row: &QueryResult, prefix: &str, left_out: &[usize]) -> Result<Row, DbErr>;
    /// The key from a row that may hold nothing else.
    fn decode_key(&self, row: &QueryResult, prefix: &str) -> Option<Vec<Value>>;
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

    fn soft_delete(&self) -> Option<usize> {
        self.soft_delete
    }

    fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn texts(&self, backend: DbBackend) -> &Texts {
        &self.texts[match backend {
            DbBackend::Postgres => 0,
            DbBackend::MySql => 1,
            _ => 2,
        }]
    }

    fn selected(&self, position: usize, table: Option<&str>) -> Expr {
        let column = self.columns[position];
        column.select_as(match table {
            Some(table) => Expr::col((Alias::new(table), column)),
            None => Expr::col(column),
        })
    }

    fn table_ref(&self) -> TableRef {
        E::default().table_ref()
    }

    fn any_of(&self, columns: &[usize], rows: &[&[Value]]) -> Condition {
        if let [position] = columns
            && rows.len() > 1
        {
            let values = rows.iter().filter_map(|row| row.first().cloned());
            return Condition::any().add(self.columns[*position].is_in(values));
        }
        rows.iter().fold(Condition::any(), |any, row| {
            let columns = columns.iter().map(|position| self.columns[*position]);
            any.add(
                columns
                    .zip(*row)
                    .fold(Condition::all(), |all, (column, value)| all.add(column.eq(value.clone()))),
            )
        })
    }

    fn decode(&self, row: &QueryResult, prefix: &str, left_out: &[usize]) -> Result<Row, DbErr> {
        if left_out.is_empty() {
            E::Model::from_query_result(row, prefix).map(|model| self.row(model))
        } else {
            Ok(self.partial_row(row, prefix, left_out))
        }
    }

    fn decode_key(&self, row: &QueryResult, prefix: &str) -> Option<Vec<Value>> {
        let names: Vec<_> = self.keys.iter().map(|key| self.columns[*key].as_str().to_owned()).collect();
        let key: <E::PrimaryKey as PrimaryKeyTrait>::ValueType = row.try_get_many(prefix, &names).ok()?;
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

impl dyn AnyEntity + '_ {
    /// The row's key. A value that is not known is NULL, which is no row's key.
    pub(crate) fn key_of(&self, row: &Row) -> Vec<Value> {
        let value = |position: &usize| row.value(*position).cloned().unwrap_or(Value::Bool(None));
        self.keys().iter().map(value).collect()
    }

    /// The position of a column.
    pub(crate) fn position(&self, column: &str) -> Option<usize> {
        self.model().columns.iter().position(|known| known.sql_name == column)
    }

    pub(crate) fn key_names(&self) -> impl Iterator<Item = &'static str> {
        let columns = &self.model().columns;
        self.keys().iter().map(|position| columns[*position].sql_name)
    }

    /// A key as records have it: `1,2` for a composite one, hidden columns hashed or `***`.
    pub(crate) fn key_text(&self, audit: &Audit, key: &[Value]) -> String {
        let columns = &self.model().columns;
        let shown = |(position, value): (&usize, &Value)| {
            audit.key_value(&columns[*position], attribute_value(value)).to_string()
        };
        let mut parts = self.keys().iter().zip(key).map(shown);
        let first = parts.next().unwrap_or_default();
        parts.fold(first, |text, part| text + "," + &part)
    }

    /// The values of a key that must not show.
    pub(crate) fn hidden_key(&self, key: &[Value]) -> HiddenValues {
        let columns = &self.model().columns;
        let mut hidden = HiddenValues::default();
        for (_, value) in self.keys().iter().zip(key).filter(|(position, _)| columns[**position].is_hidden())
        {
            hidden.add_key(&attribute_value(value));
        }
        hidden
    }

    /// What another entity's row of the same table tells of a row of this one; the typed model is missing.
    pub(crate) fn partial(&self, other: &dyn AnyEntity, row: &Row) -> Row {
        let value = |name: &str| row.value(other.position(name)?).cloned();
        let columns = self.model().columns.iter();
        let values = columns.map(|column| value(column.sql_name)).collect();
        Row { model: Box::new(()), values }
    }

    /// What an update is: a deletion or a restoration where it turned the column that marks rows as deleted.
    pub(crate) fn event(&self, event: EventType, old: Option<&Row>, new: Option<&Row>) -> EventType {
        let (Some(position), Some(old), Some(new)) = (self.soft_delete(), old, new) else { return event };
        let set = |row: &Row| {
            row.value(position)
                .is_some_and(|value| *value != value.as_null() && *value != Value::Bool(Some(false)))
        };
        match (set(old), set(new)) {
            (false, true) if event == EventType::Update => EventType::Deletion,
            (true, false) if event == EventType::Update => EventType::Restoration,
            _ => event,
        }
    }

    /// What differs between two rows; all of the one there is, for a creation or a deletion. `None` when only
    /// ignored columns differ, or nothing. Foreign keys do not count where the handle leaves them out. The keys by which
    /// a junction links are no part of what differs: a change of those is another link.
    pub(crate) fn changeset(&self, audit: &Audit, old: Option<&Row>, new: Option<&Row>) -> Option<Changeset> {
        let relationships = audit.records_relationships();
        let columns = self.model().columns.iter().enumerate();
        let columns = columns.filter(|(_, column)| relationships || !column.relationship);
        let value = |row: &Row, position: usize| row.value(position).map(attribute_value);
        match (old, new) {
            (Some(old), Some(new)) => {
                let mut any = false;
                let changes: Changeset = columns
                    .filter(|(_, column)| !column.ignored)
                    .filter(|(position, _)| differs(old.value(*position), new.value(*position)))
                    .filter(|(_, column)| !self.model().junction || !Link::links_by(self, column.sql_name))
                    .inspect(|_| any = true)
                    .filter(|(_, column)| !column.skipped)
                    .map(|(position, column)| {
                        audit.column_change(column, value(old, position), value(new, position))
                    })
                    .collect();
                any.then_some(changes)
            }
            (old, new) => {
                let one =
                    |row: Option<&Row>, position| row.and_then(|row| value(row, position)).filter(not_null);
                let changes =
                    columns.filter(|(_, column)| !column.skipped).filter_map(|(position, column)| {
                        let (old, new) = (one(old, position), one(new, position));
                        (old.is_some() || new.is_some()).then(|| audit.column_change(column, old, new))
                    });
                Some(changes.collect())
            }
        }
    }
}

/// Whether a column's two values are known, and not the same.
pub(crate) fn differs(old: Option<&Value>, new: Option<&Value>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if !same(old, new))
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
