//! From settings to a handle.

use std::sync::Arc;

use crate::{
    Audit, Delivery, Fallback, StartupError,
    formatter::{AnnotatedFormatter, FormatterRegistration},
    hash::{GivenKey, HashKeys},
    sink::{ServiceInfo, Sink},
    startup::{Discovery, check_delivery, check_hash_keys},
};

/// Gathers settings, then checks them and everything that the linked crates registered.
///
/// ```
/// use ftn_audit::{Audit, Delivery, sink::MemorySink};
///
/// let audit = Audit::builder()
///     .service_name("shop")
///     .sink(MemorySink::new())
///     .delivery(Delivery::sync())
///     .build()?;
/// # Ok::<(), ftn_audit::StartupError>(())
/// ```
#[must_use]
pub struct AuditBuilder {
    service: ServiceInfo,
    sink: Option<Arc<dyn Sink>>,
    delivery: Delivery,
    fallback: Fallback,
    routes: Vec<String>,
    strict: bool,
    discover: bool,
    formatters: Vec<FormatterRegistration>,
    hash_keys: Vec<GivenKey>,
}

impl Audit {
    /// Starts with queue delivery, the structured log as fallback, discovery, and the strict check.
    pub fn builder() -> AuditBuilder {
        AuditBuilder {
            service: ServiceInfo::default(),
            sink: None,
            delivery: Delivery::queue(),
            fallback: Fallback::structured_log(),
            routes: Vec::new(),
            strict: true,
            discover: true,
            formatters: Vec::new(),
            hash_keys: Vec::new(),
        }
    }
}

impl AuditBuilder {
    /// The name of this service, `service.name` on every record.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service.name = name.into();
        self
    }

    /// The version of this service, `service.version` on every record.
    pub fn service_version(mut self, version: impl Into<String>) -> Self {
        self.service.version = Some(version.into());
        self
    }

    /// Where records end.
    pub fn sink(mut self, sink: impl Sink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// How records travel.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Where records end that the sink does not take.
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// The routes of the service: formatters for any other route are refused. Without a table no route is.
    pub fn routes<R: Into<String>>(mut self, routes: impl IntoIterator<Item = R>) -> Self {
        self.routes.extend(routes.into_iter().map(Into::into));
        self
    }

    /// Whether problems found at start-up are refused (the default) or only logged.
    pub fn strict_formatter_validation(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Whether the formatters of every linked crate are found (the default), or only those given to
    /// [`formatter`](Self::formatter).
    pub fn auto_discover_formatters(mut self, discover: bool) -> Self {
        self.discover = discover;
        self
    }

    /// Adds a formatter by its type: names its crate, so that the linker keeps it, and works without discovery.
    pub fn formatter<F: AnnotatedFormatter>(mut self) -> Self {
        self.formatters.push(F::REGISTRATION);
        self
    }

    /// Adds a key for `#[audit(hash)]`: its id stands in every hash that it made, its secret has at least 16 bytes.
    ///
    /// The first key signs; the others are those that older records were signed with, for
    /// [`hashes_of`](Audit::hashes_of). Keys of the environment come before these: `FTN_AUDIT_HASH_KEY`, else
    /// `AUDIT_HASH_KEY`, as `id:secret`, several with commas between.
    pub fn hash_key(mut self, id: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        self.hash_keys.push(GivenKey::new(id, secret));
        self
    }

    /// Checks everything, and starts delivery.
    ///
    /// # Errors
    ///
    /// One [`StartupError`] with every problem. With strict validation switched off, problems of models, links and
    /// formatters are warnings; those of the delivery's settings stay errors.
    pub fn build(self) -> Result<Audit, StartupError> {
        let mut discovery = Discovery::new(self.discover, self.formatters.clone(), &self.routes);
        let mut refused = self.delivery.problems();
        let noop = self.delivery.is_noop();
        let (keys, mut wrong_keys) = HashKeys::new(self.hash_keys, |name| std::env::var(name).ok());
        refused.append(&mut wrong_keys);
        if !noop {
            check_hash_keys(&discovery.models, &keys, &mut discovery.problems);
            check_delivery(&discovery.models, &self.delivery, &mut discovery.problems);
        }
        if self.sink.is_none() && !noop {
            discovery.problems.push(
                "no sink: say where records end with `.sink(..)`, or that they end nowhere with \
                 `.delivery(Delivery::noop())`"
                    .to_owned(),
            );
        }
        if self.strict {
            refused.append(&mut discovery.problems);
        }
        if !refused.is_empty() {
            return Err(StartupError::new(refused));
        }
        for problem in &discovery.problems {
            tracing::warn!(target: "ftn_audit", "start-up: {problem}");
        }
        for model in &discovery.models {
            for column in model.columns.iter().filter(|column| column.masked_unasked) {
                tracing::info!(
                    target: "ftn_audit",
                    "start-up: {}.{} looks like a secret and is masked; `#[audit(plain)]` shows it, `#[audit(mask)]` \
                     says so",
                    model.name, column.sql_name
                );
            }
        }
        Ok(Audit::start(self.service, self.sink, self.delivery, self.fallback, keys, &discovery))
    }
}
