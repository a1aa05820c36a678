//! Many-to-many relations whose changes are events.

use std::collections::BTreeMap;

use ftn_audit::{AttributeValue, Audit, HiddenValues, LinkAction, startup::StartupReport};
use sea_orm::{
    EntityTrait, Identity, Related, RelatedSelfVia, RelationDef, Value,
    sea_query::{DynIden, TableRef},
};

use crate::{
    auditable::{AnyEntity, Auditable, Row},
    registry::registry,
    value::{attribute_value, plain_text},
};

/// One relation on the allow-list, seen from its owner's side.
pub(crate) struct Link {
    pub(crate) owner: &'static dyn AnyEntity,
    pub(crate) field: &'static str,
    pub(crate) target: String,
    pub(crate) junction: String,
    owner_columns: Vec<String>,
    target_columns: Vec<String>,
}

/// The inventory's entry of a relation with `#[audit(link)]`.
pub struct LinkRegistration {
    link: fn(&'static str) -> Option<Link>,
    junction: Option<fn() -> &'static str>,
    field: &'static str,
    file: &'static str,
    line: u32,
}

inventory::collect!(LinkRegistration);

impl LinkRegistration {
    /// A relation to another entity.
    pub const fn of<E, R>(field: &'static str, file: &'static str, line: u32) -> Self
    where
        E: Auditable + Related<R>,
        R: EntityTrait,
    {
        let link = |field| Link::new::<E>(field, E::via()?, E::to());
        Self { link, junction: None, field, file, line }
    }

    /// Says which junction the relation is believed to go through: start-up compares.
    pub const fn through<J: EntityTrait>(mut self) -> Self {
        self.junction = Some(|| J::default().table_name());
        self
    }

    /// A relation of an entity with itself through the junction `J`; `reverse` is the side that is linked to.
    pub const fn of_self<E, J>(field: &'static str, reverse: bool, file: &'static str, line: u32) -> Self
    where
        E: Auditable + RelatedSelfVia<J>,
        J: EntityTrait,
    {
        let link: fn(&'static str) -> Option<Link> = if reverse {
            |field| {
                let mut link = Link::new::<E>(field, E::via(), E::to())?;
                std::mem::swap(&mut link.owner_columns, &mut link.target_columns);
                Some(link)
            }
        } else {
            |field| Link::new::<E>(field, E::via(), E::to())
        };
        Self { link, junction: None, field, file, line }
    }

    pub(crate) fn link(&self) -> Option<Link> {
        (self.link)(self.field)
    }

    /// The start-up check of relations: many-to-many, and with an audited junction.
    pub(crate) fn check(report: &mut StartupReport) {
        for registration in inventory::iter::<Self> {
            let place = format!("{}:{}", registration.file, registration.line);
            let Some(link) = registration.link() else {
                report.problem(format!(
                    "the link `{}` at {place} is not many-to-many: `#[audit(link)]` needs a relation with `via`",
                    registration.field
                ));
                continue;
            };
            let owner = link.owner.model();
            if let Some(declared) =
                registration.junction.map(|table| table()).filter(|table| *table != link.junction)
            {
                report.problem(format!(
                    "the link `{}.{}` at {place} says `via` the table `{declared}`, and SeaORM's relation goes through \
                     `{}`: correct one of them",
                    owner.name, link.field, link.junction
                ));
            }
            match registry().table(None, &link.junction) {
                Some(junction) if junction.model().junction => report.link(owner, link.field, &link.target),
                Some(_) => report.problem(format!(
                    "the link `{}.{}` at {place} goes through `{}`, whose entity needs `#[audit(junction)]`",
                    owner.name, link.field, link.junction
                )),
                None => report.problem(format!(
                    "the link `{}.{}` at {place} goes through `{}`, whose entity is not audited: derive `Auditable` \
                     with `#[audit(junction)]` on it",
                    owner.name, link.field, link.junction
                )),
            }
        }
    }
}

fn table_name(table: &TableRef) -> Option<String> {
    match table {
        TableRef::Table(name, _) => Some(name.1.to_string()),
        _ => None,
    }
}

pub(crate) fn column_names(identity: &Identity) -> Vec<String> {
    let name = |iden: &DynIden| iden.to_string();
    match identity {
        Identity::Unary(one) => vec![name(one)],
        Identity::Binary(one, two) => vec![name(one), name(two)],
        Identity::Ternary(one, two, three) => vec![name(one), name(two), name(three)],
        Identity::Many(many) => many.iter().map(name).collect(),
    }
}

/// Links of one owner that one statement added or removed.
pub(crate) struct LinkedKeys {
    pub(crate) link: &'static Link,
    pub(crate) action: LinkAction,
    pub(crate) owner: Vec<Value>,
    pub(crate) keys: Vec<AttributeValue>,
    /// The values of hidden keys, the owner's and the linked ones'.
    pub(crate) hidden: HiddenValues,
}

impl LinkedKeys {
    /// Adds the links that another statement added or removed.
    pub(crate) fn extend(&mut self, more: Self) {
        self.keys.extend(more.keys);
        self.hidden.extend(more.hidden);
    }
}

impl Link {
    fn new<E: Auditable>(field: &'static str, via: RelationDef, to: RelationDef) -> Option<Self> {
        Some(Self {
            owner: E::audited(),
            field,
            target: table_name(&to.to_tbl)?,
            junction: table_name(&via.to_tbl)?,
            owner_columns: column_names(&via.to_col),
            target_columns: column_names(&to.from_col),
        })
    }

    /// What rows of a junction mean for the relations that go through it, an owner at a time.
    pub(crate) fn changes(
        junction: &'static dyn AnyEntity,
        rows: &[&Row],
        action: LinkAction,
        audit: &Audit,
    ) -> Vec<LinkedKeys> {
        let mut changes = Vec::new();
        for link in registry().links(junction.model().table) {
            let mut owners: BTreeMap<String, LinkedKeys> = BTreeMap::new();
            for row in rows {
                let owner = values(junction, row, &link.owner_columns);
                // A column that cannot be read leaves nothing to name the owner by.
                if owner.len() < link.owner_columns.len() {
                    continue;
                }
                let linked = owners.entry(plain_text(&owner)).or_insert_with(|| LinkedKeys {
                    link,
                    action,
                    hidden: link.owner.hidden_key(&owner),
                    owner,
                    keys: Vec::new(),
                });
                let key = link.target_key(junction, row, audit, &mut linked.hidden);
                linked.keys.push(key);
            }
            changes.extend(owners.into_values());
        }
        changes
    }

    /// Whether a junction's column is one of the keys by which it links.
    pub(crate) fn links_by(junction: &dyn AnyEntity, column: &str) -> bool {
        junction.key_names().any(|key| key == column)
            || registry().links(junction.model().table).iter().any(|link| {
                link.owner_columns.iter().chain(&link.target_columns).any(|known| known == column)
            })
    }

    /// The key of the row that is linked to, hidden where the junction or the row's own entity hides it.
    fn target_key(
        &self,
        junction: &'static dyn AnyEntity,
        row: &Row,
        audit: &Audit,
        hidden: &mut HiddenValues,
    ) -> AttributeValue {
        let target = registry()
            .table(None, &self.target)
            .filter(|target| target.keys().len() == self.target_columns.len());
        let columns = self.target_columns.iter().filter_map(|name| junction.position(name)).enumerate();
        let mut parts: Vec<_> = columns
            .map(|(index, position)| {
                let value = row.value(position).map_or(AttributeValue::Null, attribute_value);
                let own = &junction.model().columns[position];
                let column = match target.map(|target| &target.model().columns[target.keys()[index]]) {
                    Some(column) if !own.is_hidden() => column,
                    _ => own,
                };
                if column.is_hidden() {
                    hidden.add_key(&value);
                }
                audit.key_value(column, value)
            })
            .collect();
        match parts.len() {
            1 => parts.remove(0),
            _ => parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").into(),
        }
    }
}

fn values(junction: &'static dyn AnyEntity, row: &Row, columns: &[String]) -> Vec<Value> {
    columns.iter().filter_map(|name| row.value(junction.position(name)?).cloned()).collect()
}
