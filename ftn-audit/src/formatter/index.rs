//! The choice of a formatter: by hash, in a time that does not grow with their number.

use std::{
    any::TypeId,
    collections::HashMap,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::{AnyFormatter, FormatterRegistration};
use crate::{EventType, ModelInfo};

/// Formatters by model, route and event. The most specific tier wins whatever the priorities: (route, event), then
/// (route), then (event), then the model's default.
#[derive(Default)]
pub(crate) struct FormatterIndex {
    models: HashMap<TypeId, ModelFormatters>,
    /// Those that another one with the same rule and a higher priority hides.
    hidden: Vec<String>,
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

pub(crate) struct Chosen {
    registration: FormatterRegistration,
    formatter: Arc<dyn AnyFormatter>,
    /// Whether it ever described an event.
    matched: AtomicBool,
}

impl Chosen {
    /// The formatter, which is going to describe an event.
    pub(crate) fn formatter(&self) -> &dyn AnyFormatter {
        // Read first: all threads share it, and it is written once.
        if !self.matched.load(Relaxed) {
            self.matched.store(true, Relaxed);
        }
        self.formatter.as_ref()
    }
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
            if let Some(hidden) = events.put(registration) {
                index.hidden.push(hidden.place());
            }
        }
        index
    }

    /// The formatter of a change, `None` for the generic one.
    pub(crate) fn find(&self, model: &ModelInfo, route: Option<&str>, event: &EventType) -> Option<&Chosen> {
        let model = self.models.get(&model.row)?;
        route
            .and_then(|route| model.routes.get(route))
            .and_then(|events| events.find(event.as_str()))
            .or_else(|| model.any_route.find(event.as_str()))
    }

    /// A line a formatter that can be chosen, sorted.
    pub(crate) fn describe(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .all()
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

    /// Those that never described an event, as `name at file:line`, sorted.
    pub(crate) fn unmatched(&self) -> Vec<String> {
        let unmatched = self.all().filter(|chosen| !chosen.matched.load(Relaxed));
        let mut places: Vec<_> = unmatched.map(|chosen| chosen.registration.place()).collect();
        places.extend(self.hidden.iter().cloned());
        places.sort();
        places
    }

    fn all(&self) -> impl Iterator<Item = &Chosen> {
        self.models
            .values()
            .flat_map(|model| model.routes.values().chain([&model.any_route]))
            .flat_map(|events| events.events.iter().map(|(_, chosen)| chosen).chain(&events.any_event))
    }
}

impl EventFormatters {
    /// Gives back whichever of two with the same rule will never be chosen.
    fn put(&mut self, registration: &FormatterRegistration) -> Option<FormatterRegistration> {
        let chosen = || Chosen {
            registration: registration.clone(),
            formatter: registration.make(),
            matched: AtomicBool::new(false),
        };
        let present = match registration.rule().event {
            Some(event) => match self.events.iter_mut().find(|(name, _)| *name == event) {
                Some((_, present)) => present,
                None => {
                    self.events.push((event, chosen()));
                    return None;
                }
            },
            None => match &mut self.any_event {
                Some(present) => present,
                None => {
                    self.any_event = Some(chosen());
                    return None;
                }
            },
        };
        if registration.rule().priority > present.registration.rule().priority {
            Some(std::mem::replace(present, chosen()).registration)
        } else {
            Some(registration.clone())
        }
    }

    fn find(&self, event: &str) -> Option<&Chosen> {
        self.events
            .iter()
            .find(|(name, _)| *name == event)
            .map(|(_, chosen)| chosen)
            .or(self.any_event.as_ref())
    }
}
