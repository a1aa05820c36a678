//! What is found at start-up, and what is refused.

use std::{collections::HashMap, fmt};

use crate::{EventType, RawRoute, formatter::FormatterRegistration, model::ModelInfo};

/// Everything that is wrong at start-up, in one error.
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
pub struct StartupCheck(pub fn(&mut StartupReport));

inventory::collect!(StartupCheck);

/// What start-up found.
#[derive(Debug, Default)]
pub struct StartupReport {
    models: Vec<&'static ModelInfo>,
    problems: Vec<String>,
    links: Vec<String>,
    link_owners: Vec<&'static str>,
}

impl StartupReport {
    /// Adds an audited model.
    pub fn model(&mut self, model: &'static ModelInfo) {
        self.models.push(model);
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
            formatters.extend(inventory::iter::<FormatterRegistration>);
        }
        formatters.sort_by_key(|formatter| (formatter.rule().file, formatter.rule().line));
        formatters.dedup_by_key(|formatter| (formatter.rule().file, formatter.rule().line));

        let mut report = StartupReport::default();
        for check in inventory::iter::<StartupCheck> {
            (check.0)(&mut report);
        }
        report.links.sort();
        let mut models = std::mem::take(&mut report.models);
        models.sort_by_key(|model| (&model.name, model.file, model.line));
        check_names(&models, &mut report);
        check_duplicates(&formatters, &mut report);
        check_reachable(&formatters, &mut report);
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

fn check_reachable(formatters: &[FormatterRegistration], report: &mut StartupReport) {
    for formatter in formatters {
        let model = formatter.model();
        let links = EventType::CollectionUpdate.as_str();
        let why = match formatter.rule().event {
            _ if model.junction => Some("rows of a junction make no events of their own"),
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
