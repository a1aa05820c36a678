//! Audited entities by table, and links by junction: gathered once from the inventory.

use std::{collections::HashMap, sync::LazyLock};

use ftn_audit::startup::StartupCheck;

use crate::{
    auditable::{AnyEntity, EntityRegistration},
    link::{Link, LinkRegistration},
};

pub(crate) struct Registry {
    tables: HashMap<String, Vec<&'static dyn AnyEntity>>,
    links: HashMap<String, Vec<Link>>,
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
    Registry { tables, links }
});

pub(crate) fn registry() -> &'static Registry {
    &REGISTRY
}

impl Registry {
    /// The entity of a table as a statement names it. Where the statement or the entity names no schema, the table
    /// alone decides; letter case does only where two tables differ in nothing else.
    pub(crate) fn table(&self, schema: Option<&str>, table: &str) -> Option<&'static dyn AnyEntity> {
        let found = self.tables.get(&table.to_ascii_lowercase())?;
        let fits = |entity: &&&'static dyn AnyEntity| match (schema, entity.model().schema) {
            (Some(schema), Some(declared)) => schema.eq_ignore_ascii_case(declared),
            _ => true,
        };
        let exact = found.iter().filter(fits).find(|entity| entity.model().table == table);
        exact.or_else(|| found.iter().find(fits)).copied()
    }

    pub(crate) fn links(&self, junction: &str) -> &[Link] {
        self.links.get(junction).map_or(&[], Vec::as_slice)
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
            report.model(registration.entity().model());
        }
        LinkRegistration::check(report);
    })
}
