//! What is found at start-up, and what is refused.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use crate::{
    Delivery, EventType, RawRoute,
    formatter::FormatterRegistration,
    hash::HashKeys,
    model::{ModelInfo, OnFailure},
};

/// Everything that is wrong at start-up, in one error.
///
/// ```
/// let error = ftn_audit::Audit::builder().environment(|_| None).build().err().unwrap();
/// assert!(error.problems()[0].starts_with("no sink"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct StartupError {
    problems: Vec<String>,
}

impl StartupError {
    pub(crate) fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// The problems, a sentence each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for StartupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audit cannot start, {} problem(s):", self.problems.len())?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

/// What another crate adds to start-up: an ORM's audited models and their relations, and what is wrong with them.
///
/// ```
/// use ftn_audit::startup::StartupCheck;
///
/// let check = StartupCheck(|report| report.problem("this is never right"));
/// ```
pub struct StartupCheck(pub fn(&mut StartupReport));

inventory::collect!(StartupCheck);

/// What start-up found.
///
/// ```
/// use ftn_audit::startup::StartupReport;
///
/// fn check(report: &mut StartupReport) {
///     report.problem("`Item` at src/item.rs:7 has no key; give it one");
/// }
/// ```
#[derive(Debug, Default)]
pub struct StartupReport {
    models: Vec<&'static ModelInfo>,
    problems: Vec<String>,
    links: Vec<String>,
    link_owners: Vec<&'static str>,
    silent_junctions: Vec<&'static str>,
}

impl StartupReport {
    /// Adds an audited model.
    pub fn model(&mut self, model: &'static ModelInfo) {
        self.models.push(model);
    }

    /// Says of a junction that it has nothing beside the keys by which it links: its rows make no events of their own.
    pub fn silent_junction(&mut self, model: &'static ModelInfo) {
        self.silent_junctions.push(&model.name);
    }

    /// Adds a problem: one sentence that says what is wrong, where, and what to do.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Adds a link: the relation's owner, its field, and what it leads to.
    pub fn link(&mut self, owner: &'static ModelInfo, field: &str, target: &str) {
        self.links.push(format!("{}.{field} -> {target}", owner.name));
        self.link_owners.push(&owner.name);
    }
}

/// What `build()` gathered: models, formatters and links of every linked crate, and what is wrong with them.
pub(crate) struct Discovery {
    pub(crate) models: Vec<&'static ModelInfo>,
    pub(crate) formatters: Vec<FormatterRegistration>,
    pub(crate) links: Vec<String>,
    pub(crate) problems: Vec<String>,
}

impl Discovery {
    pub(crate) fn new(discover: bool, mut formatters: Vec<FormatterRegistration>, routes: &[String]) -> Self {
        if discover {
            formatters.extend(inventory::iter::<FormatterRegistration>.into_iter().cloned());
        }
        formatters.sort_by_key(|formatter| (formatter.rule().file, formatter.rule().line));
        formatters.dedup_by(|later, first| later.is_same(first));

        let mut report = StartupReport::default();
        for check in inventory::iter::<StartupCheck> {
            (check.0)(&mut report);
        }
        report.links.sort();
        let mut models = std::mem::take(&mut report.models);
        models.sort_by_key(|model| (&model.name, model.file, model.line));
        check_names(&models, &mut report);
        check_columns(&models, &mut report);
        check_tables(&models, &mut report);
        check_duplicates(&formatters, &mut report);
        check_reachable(&formatters, &models, &mut report);
        check_routes(&formatters, routes, &mut report);
        Self { models, formatters, links: report.links, problems: report.problems }
    }
}

fn place(model: &ModelInfo) -> String {
    format!("{}:{}", model.file, model.line)
}

fn check_names(models: &[&'static ModelInfo], report: &mut StartupReport) {
    let mut named: HashMap<&str, &ModelInfo> = HashMap::new();
    for model in models {
        if let Some(first) = named.insert(&model.name, model) {
            report.problem(format!(
                "two entities are named `{}`: {} and {}; give one of them another name with `#[audit(name = \"..\")]`",
                model.name,
                place(first),
                place(model)
            ));
        }
    }
}

/// Of two columns under one name, a record would keep the values of one alone.
fn check_columns(models: &[&'static ModelInfo], report: &mut StartupReport) {
    for model in models {
        let mut named = HashMap::new();
        for column in model.columns.iter().filter(|column| !column.skipped) {
            if let Some(first) = named.insert(column.name, column.sql_name) {
                report.problem(format!(
                    "`{}` at {} records both `{first}` and `{}` under the name `{}`; give one of them another name \
                     with `#[audit(name = \"..\")]`",
                    model.name,
                    place(model),
                    column.sql_name,
                    column.name
                ));
            }
        }
    }
}

/// One table, one entity whose metadata says what a statement on it means.
fn check_tables(models: &[&'static ModelInfo], report: &mut StartupReport) {
    let mut tables: BTreeMap<_, Vec<&ModelInfo>> = BTreeMap::new();
    for model in models {
        tables.entry((model.schema, model.table)).or_default().push(model);
    }
    for ((_, table), models) in tables.into_iter().filter(|(_, models)| models.len() > 1) {
        let named = |models: &[&ModelInfo]| {
            let named: Vec<_> =
                models.iter().map(|model| format!("`{}` at {}", model.name, place(model))).collect();
            named.join(" and ")
        };
        let primary: Vec<_> = models.iter().copied().filter(|model| model.primary).collect();
        match primary.len() {
            0 => report.problem(format!(
                "the table `{table}` has several entities, {}; say `#[audit(primary)]` on the one whose names and \
                 treatments records of the table use",
                named(&models)
            )),
            1 => {}
            _ => report.problem(format!(
                "the table `{table}` has several entities with `#[audit(primary)]`, {}; leave it on one",
                named(&primary)
            )),
        }
    }
}

pub(crate) fn check_hash_keys(models: &[&'static ModelInfo], keys: &HashKeys, problems: &mut Vec<String>) {
    if !keys.is_empty() {
        return;
    }
    for model in models {
        let hashed = model.columns.iter().filter(|column| column.hashed);
        let hashed: Vec<_> = hashed.map(|column| format!("`{}`", column.name)).collect();
        if !hashed.is_empty() {
            problems.push(format!(
                "`{}` at {} hashes {}, and there is no key: set `AUDIT_HASH_KEY=id:secret`, or call `.hash_key(id, \
                 secret)`, with a secret of at least 16 bytes",
                model.name,
                place(model),
                hashed.join(", ")
            ));
        }
    }
}

/// A record that must not be lost without its row is stored with it, which no delivery in memory can.
pub(crate) fn check_delivery(models: &[&'static ModelInfo], delivery: &Delivery, problems: &mut Vec<String>) {
    if delivery.outbox_settings().is_some() {
        return;
    }
    for model in models.iter().filter(|model| model.on_failure == Some(OnFailure::Block)) {
        problems.push(format!(
            "`{}` at {} says `on_failure = \"block\"`, which needs outbox delivery, and this is {} delivery; use \
             `Delivery::outbox()`, or say `on_failure = \"best_effort\"`",
            model.name,
            place(model),
            delivery.name()
        ));
    }
}

fn check_duplicates(formatters: &[FormatterRegistration], report: &mut StartupReport) {
    let mut seen: HashMap<_, &FormatterRegistration> = HashMap::new();
    for formatter in formatters {
        let rule = formatter.rule();
        let key = (formatter.model().row, rule.route, rule.event, rule.priority);
        if let Some(first) = seen.get(&key) {
            report.problem(format!(
                "two formatters of {} have the same route, event and priority: {} and {}; give one of them another \
                 priority",
                formatter.model().name,
                first.place(),
                formatter.place()
            ));
        } else {
            seen.insert(key, formatter);
        }
    }
}

fn check_reachable(
    formatters: &[FormatterRegistration],
    models: &[&'static ModelInfo],
    report: &mut StartupReport,
) {
    for formatter in formatters {
        let model = formatter.model();
        let links = EventType::CollectionUpdate.as_str();
        let follows = |other: &&&'static ModelInfo| {
            other.primary && !model.primary && (other.schema, other.table) == (model.schema, model.table)
        };
        let why = match formatter.rule().event {
            Some(event) if !EventType::OF_ROWS.iter().any(|known| *known == event) => Some(
                "there is no such event; write one of creation, update, deletion, restoration, collection_update",
            ),
            _ if models.iter().any(|other| follows(&other)) => {
                Some("records of its table follow the entity with `#[audit(primary)]`")
            }
            _ if report.silent_junctions.contains(&model.name.as_str()) => {
                Some("rows of a junction make no events of their own")
            }
            Some("creation" | "deletion") if model.junction => {
                Some("rows of a junction that come and go are links of the models on its sides")
            }
            Some("restoration") if model.soft_delete.is_none() => {
                Some("the model has no `#[audit(soft_delete = \"..\")]`")
            }
            Some(event) if event == EventType::UnparsedWrite.as_str() => {
                Some("an unparsed_write has no row, and the generic formatter describes it")
            }
            Some(event) if event == links && !report.link_owners.contains(&model.name.as_str()) => {
                Some("the model has no relation with `#[audit(link)]`")
            }
            _ => None,
        };
        if let Some(why) = why {
            report.problem(format!("the formatter {} can never be chosen: {why}", formatter.place()));
        }
    }
}

fn check_routes(formatters: &[FormatterRegistration], routes: &[String], report: &mut StartupReport) {
    if routes.is_empty() {
        return;
    }
    let mut known = Vec::new();
    for route in routes {
        match RawRoute::parse(route) {
            Ok(route) => known.push(route),
            Err(error) => report.problem(format!("in the route table: {error}")),
        }
    }
    for formatter in formatters {
        let Some(route) = formatter.rule().route else { continue };
        if known.iter().any(|known| known.as_str() == route) {
            continue;
        }
        let nearest = known
            .iter()
            .map(|known| (strsim::levenshtein(known.as_str(), route), known))
            .min_by_key(|(distance, _)| *distance)
            .map_or_else(String::new, |(_, known)| format!("; the nearest there is `{}`", known.as_str()));
        report.problem(format!(
            "the formatter {} is for `{route}`, which is not in the route table{nearest}",
            formatter.place()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColumnInfo, hash::GivenKey, model::Treatment};

    fn model(name: &str, treatment: Treatment, change: impl FnOnce(&mut ModelInfo)) -> &'static ModelInfo {
        let mut model = ModelInfo {
            name: name.to_owned(),
            table: "item",
            schema: None,
            columns: vec![ColumnInfo::new("email", None, treatment, false)],
            junction: false,
            primary: false,
            soft_delete: None,
            on_failure: None,
            reason_required: false,
            bulk: crate::model::Bulk::Rows,
            row: std::any::TypeId::of::<()>(),
            file: "item.rs",
            line: 7,
        };
        change(&mut model);
        Box::leak(Box::new(model))
    }

    fn tables(models: &[&'static ModelInfo]) -> Vec<String> {
        let mut report = StartupReport::default();
        check_tables(models, &mut report);
        report.problems
    }

    #[test]
    fn one_entity_of_a_table_is_primary() {
        let plain = |name: &str| model(name, Treatment::Default, |_| {});
        let primary = |name: &str| model(name, Treatment::Default, |model| model.primary = true);
        let elsewhere = model("Other", Treatment::Default, |model| model.schema = Some("crm"));
        assert_eq!(tables(&[plain("A"), elsewhere]), [""; 0]);
        assert_eq!(tables(&[plain("A"), primary("B")]), [""; 0]);
        let problems = tables(&[plain("A"), plain("B")]);
        assert_eq!(problems.len(), 1);
        for part in ["`A` at item.rs:7", "`B` at item.rs:7", "#[audit(primary)]"] {
            assert!(problems[0].contains(part), "{problems:?}");
        }
        assert!(tables(&[primary("A"), primary("B")])[0].contains("leave it on one"));
    }

    #[test]
    fn a_column_has_a_name_of_its_own() {
        let problems = |first: ColumnInfo, second: ColumnInfo| {
            let mut report = StartupReport::default();
            let columns = vec![first, second];
            check_columns(&[model("A", Treatment::Default, |model| model.columns = columns)], &mut report);
            report.problems
        };
        let column = |name, recorded, treatment| ColumnInfo::new(name, recorded, treatment, false);
        let plain = |name, recorded| column(name, recorded, Treatment::Default);
        assert_eq!(problems(plain("a", None), plain("b", None)), [""; 0]);
        assert_eq!(problems(plain("a", Some("b")), plain("b", Some("a"))), [""; 0]);
        assert_eq!(problems(column("a", None, Treatment::Skip), plain("b", Some("a"))), [""; 0]);
        let problems = problems(plain("a", None), plain("b", Some("a")));
        assert!(problems[0].contains("`A` at item.rs:7 records both `a` and `b` under"), "{problems:?}");
    }

    #[test]
    fn a_hashed_column_needs_a_key() {
        let mut problems = Vec::new();
        let models = [model("A", Treatment::Hash, |_| {}), model("B", Treatment::Mask, |_| {})];
        let (keys, _) = HashKeys::new(vec![GivenKey::new("k", [7; 16])], None);
        check_hash_keys(&models, &keys, &mut problems);
        assert_eq!(problems, [""; 0]);
        check_hash_keys(&models, &HashKeys::default(), &mut problems);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("`A` at item.rs:7 hashes `email`"), "{problems:?}");
    }

    #[test]
    fn only_an_outbox_can_block() {
        let mut problems = Vec::new();
        let with = |on_failure| model("A", Treatment::Default, |model| model.on_failure = Some(on_failure));
        check_delivery(&[with(OnFailure::BestEffort)], &Delivery::queue(), &mut problems);
        assert_eq!(problems, [""; 0]);
        check_delivery(&[with(OnFailure::Block)], &Delivery::queue(), &mut problems);
        assert!(problems[0].contains("this is queue delivery"), "{problems:?}");
        problems.clear();
        check_delivery(&[with(OnFailure::Block)], &Delivery::outbox(), &mut problems);
        assert_eq!(problems, [""; 0]);
    }
}
