//! Audited entities by table, and links by junction: gathered once from the inventory.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use ftn_audit::startup::StartupCheck;

use crate::{
    auditable::{AnyEntity, EntityRegistration},
    link::{Link, LinkRegistration},
};

pub(crate) struct Registry {
    tables: HashMap<String, Vec<&'static dyn AnyEntity>>,
    links: HashMap<String, Vec<Link>>,
    /// Of tables and their columns, in lower case.
    names: HashSet<String>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut tables: HashMap<String, Vec<_>> = HashMap::new();
    for registration in inventory::iter::<EntityRegistration> {
        let entity = registration.entity();
        tables.entry(entity.model().table.to_ascii_lowercase()).or_default().push(entity);
    }
    let mut links: HashMap<String, Vec<_>> = HashMap::new();
    for link in inventory::iter::<LinkRegistration>.into_iter().filter_map(LinkRegistration::link) {
        links.entry(link.junction.clone()).or_default().push(link);
    }
    for links in links.values_mut() {
        links.sort_by_key(|link| (&link.owner.model().name, link.field));
    }
    let models = || tables.values().flatten().map(|entity| entity.model());
    let columns = models().flat_map(|model| &model.columns).map(|column| column.sql_name);
    let names = models().map(|model| model.table).chain(columns).map(str::to_ascii_lowercase).collect();
    Registry { tables, links, names }
});

pub(crate) fn registry() -> &'static Registry {
    &REGISTRY
}

impl Registry {
    /// The entity of a table as a statement names it. Where the statement or the entity names no schema, the table
    /// alone decides; letter case does only where two tables differ in nothing else. Of several entities on one table
    /// it is the primary one.
    pub(crate) fn table(&self, schema: Option<&str>, table: &str) -> Option<&'static dyn AnyEntity> {
        let found = self.tables.get(&table.to_ascii_lowercase())?;
        let fits = |entity: &&&'static dyn AnyEntity| match (schema, entity.model().schema) {
            (Some(schema), Some(declared)) => schema.eq_ignore_ascii_case(declared),
            _ => true,
        };
        let exact = |entity: &&&'static dyn AnyEntity| entity.model().table == table;
        let primary = |entity: &&&'static dyn AnyEntity| entity.model().primary;
        let fitting = || found.iter().filter(fits);
        fitting()
            .filter(exact)
            .find(primary)
            .or_else(|| fitting().find(exact))
            .or_else(|| fitting().find(primary))
            .or_else(|| fitting().next())
            .copied()
    }

    /// The entity that records of an entity's table follow, when both name rows by the same key.
    pub(crate) fn leading(&self, entity: &'static dyn AnyEntity) -> &'static dyn AnyEntity {
        self.table(entity.model().schema, entity.model().table)
            .filter(|leading| leading.key_names().eq(entity.key_names()))
            .unwrap_or(entity)
    }

    /// The entities that records of their tables follow.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &'static dyn AnyEntity> {
        self.tables.values().flatten().copied().filter(|entity| {
            let model = entity.model();
            self.table(model.schema, model.table).is_some_and(|leading| std::ptr::eq(leading.model(), model))
        })
    }

    pub(crate) fn links(&self, junction: &str) -> &[Link] {
        self.links.get(junction).map_or(&[], Vec::as_slice)
    }

    /// Whether a word is the name of an audited table or of one of its columns.
    pub(crate) fn knows(&self, word: &str) -> bool {
        self.names.contains(&word.to_ascii_lowercase())
    }

    /// The entities whose table is among these words.
    pub(crate) fn named<'a>(
        &'static self,
        words: impl Iterator<Item = &'a str>,
    ) -> Vec<&'static dyn AnyEntity> {
        let mut entities: Vec<&'static dyn AnyEntity> = Vec::new();
        for word in words {
            let new = |entity: &&'static dyn AnyEntity| {
                !entities.iter().any(|known| std::ptr::eq(known.model(), entity.model()))
            };
            if let Some(entity) = self.table(None, word).filter(new) {
                entities.push(entity);
            }
        }
        entities
    }
}

inventory::submit! {
    StartupCheck(|report| {
        for registration in inventory::iter::<EntityRegistration> {
            let entity = registration.entity();
            report.model(entity.model());
            if let Some(problem) = entity.problem() {
                report.problem(problem);
            }
            let model = entity.model();
            if model.junction && model.columns.iter().all(|column| Link::links_by(entity, column.sql_name)) {
                report.silent_junction(model);
            }
        }
        LinkRegistration::check(report);
    })
}
