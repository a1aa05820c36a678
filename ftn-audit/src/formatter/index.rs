//! The choice of a formatter: by hash, in a time that does not grow with their number.

use std::{any::TypeId, collections::HashMap, fmt::Write, sync::Arc};

use super::{AnyFormatter, FormatterRegistration};
use crate::{EventType, ModelInfo};

/// Formatters by model, route and event. The most specific tier wins whatever the priorities: (route, event), then
/// (route), then (event), then the model's default.
#[derive(Default)]
pub(crate) struct FormatterIndex {
    models: HashMap<TypeId, ModelFormatters>,
}

#[derive(Default)]
struct ModelFormatters {
    routes: HashMap<&'static str, EventFormatters>,
    any_route: EventFormatters,
}

#[derive(Default)]
struct EventFormatters {
    events: Vec<(&'static str, Chosen)>,
    any_event: Option<Chosen>,
}

struct Chosen {
    registration: FormatterRegistration,
    formatter: Arc<dyn AnyFormatter>,
}

impl FormatterIndex {
    /// Indexes registrations; of those with the same model, route and event the highest priority stays, of equal
    /// ones the first.
    pub(crate) fn new(registrations: &[FormatterRegistration]) -> Self {
        let mut index = Self::default();
        for registration in registrations {
            let model = index.models.entry(registration.model().row).or_default();
            let rule = registration.rule();
            let events = match rule.route {
                Some(route) => model.routes.entry(route).or_default(),
                None => &mut model.any_route,
            };
            events.put(registration);
        }
        index
    }

    /// The formatter of a change, `None` for the generic one.
    pub(crate) fn find(
        &self,
        model: &ModelInfo,
        route: Option<&str>,
        event: &EventType,
    ) -> Option<&dyn AnyFormatter> {
        let model = self.models.get(&model.row)?;
        route
            .and_then(|route| model.routes.get(route))
            .and_then(|events| events.find(event.as_str()))
            .or_else(|| model.any_route.find(event.as_str()))
    }

    /// A line a formatter that can be chosen, sorted.
    pub(crate) fn describe(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .models
            .values()
            .flat_map(|model| model.routes.values().chain([&model.any_route]))
            .flat_map(|events| events.events.iter().map(|(_, chosen)| chosen).chain(&events.any_event))
            .map(|chosen| {
                let registration = &chosen.registration;
                let rule = registration.rule();
                let mut line = format!(
                    "{} {} {} -> {}",
                    registration.model().name,
                    rule.route.unwrap_or("*"),
                    rule.event.unwrap_or("*"),
                    registration.name()
                );
                if rule.priority != 0 {
                    let _ = write!(line, " (priority {})", rule.priority);
                }
                line
            })
            .collect();
        lines.sort();
        lines
    }
}

impl EventFormatters {
    fn put(&mut self, registration: &FormatterRegistration) {
        let chosen = || Chosen { registration: registration.clone(), formatter: registration.make() };
        let outranks = |present: &Chosen| registration.rule().priority > present.registration.rule().priority;
        match registration.rule().event {
            Some(event) => match self.events.iter_mut().find(|(name, _)| *name == event) {
                Some((_, present)) if outranks(present) => *present = chosen(),
                Some(_) => {}
                None => self.events.push((event, chosen())),
            },
            None if self.any_event.as_ref().is_none_or(outranks) => self.any_event = Some(chosen()),
            None => {}
        }
    }

    fn find(&self, event: &str) -> Option<&dyn AnyFormatter> {
        self.events
            .iter()
            .find(|(name, _)| *name == event)
            .map(|(_, chosen)| chosen)
            .or(self.any_event.as_ref())
            .map(|chosen| chosen.formatter.as_ref())
    }
}
