//! From settings to a handle.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    Audit, Delivery, Fallback, StartupError,
    environment::Environment,
    formatter::{AnnotatedFormatter, FormatterRegistration},
    hash::{GivenKey, HashKeys},
    layout::{ActorField, Encoding, Layout},
    openapi,
    sink::{MemorySink, ServiceInfo, Sink},
    startup::{Discovery, check_delivery, check_hash_keys},
};

/// Gathers settings, then checks them and everything that the linked crates registered.
///
/// The environment is asked last and wins, `FTN_AUDIT_<setting>` before `AUDIT_<setting>`; a value that is not
/// understood is refused, with the accepted ones named.
///
/// | setting | values | method |
/// | --- | --- | --- |
/// | `ENABLED` | true, false | [`enabled`](Self::enabled) |
/// | `DELIVERY_MODE` | noop, sync, queue, outbox | [`delivery`](Self::delivery) |
/// | `QUEUE_CAPACITY`, `QUEUE_CAPACITY_BYTES`, `QUEUE_BATCH`, `QUEUE_LINGER_MS` | from 1 | [`Delivery`]'s |
/// | `RETRY_MAX_ATTEMPTS`, `RETRY_MAX_AGE_SECONDS`, `RETRY_INITIAL_MS`, `RETRY_MAX_MS` | from 1 | [`Delivery`]'s |
/// | `OUTBOX_SCOPE_BYTES`, `OUTBOX_MAX_ROWS`, `OUTBOX_BATCH`, `OUTBOX_LEASE_SECONDS`, `OUTBOX_MAX_AGE_SECONDS`, `OUTBOX_KEEP_SENT_SECONDS`, `OUTBOX_KEEP_DEAD_SECONDS` | from 1 | [`Delivery`]'s |
/// | `OUTBOX_FULL` | block, stop | [`Delivery::outbox_full`] |
/// | `SYNC_TIMEOUT_MS` | from 1 | [`Delivery::attempt_timeout`] |
/// | `OTLP_FALLBACK` | structured_log, drop | [`fallback`](Self::fallback) |
/// | `STRICT_FORMATTER_VALIDATION` | true, false | [`strict_formatter_validation`](Self::strict_formatter_validation) |
/// | `AUTO_DISCOVER_FORMATTERS` | true, false | [`auto_discover_formatters`](Self::auto_discover_formatters) |
/// | `HOOKS`, or `AUTO_CONNECT_SIGNALS` as the Python library has it | true, false | [`hooks`](Self::hooks) |
/// | `ENCODING` | flat, nested, json, seed | [`encoding`](Self::encoding) |
/// | `MAX_ATTRIBUTES`, `RECORD_BYTES`, `BULK_ROWS` | from 1 | [`max_attributes`](Self::max_attributes), [`record_bytes`](Self::record_bytes), [`bulk_rows`](Self::bulk_rows) |
/// | `ACTOR_FIELDS` | of id, email, name, separated by commas; none | [`actor_fields`](Self::actor_fields) |
/// | `LATE_ACTOR_TIMEOUT_MS` | from 1 | [`late_actor_timeout`](Self::late_actor_timeout) |
/// | `HASH_KEY` | `id:secret`, several separated by commas | [`hash_key`](Self::hash_key) |
/// | `CHANGESET_CHECK_RELATIONSHIP` | true, false | [`changeset_relationships`](Self::changeset_relationships) |
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
    route_problems: Vec<String>,
    strict: bool,
    discover: bool,
    enabled: bool,
    switches: Switches,
    layout: Layout,
    locked: bool,
    environment: Lookup,
    formatters: Vec<FormatterRegistration>,
    hash_keys: Vec<GivenKey>,
}

type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What capture asks the handle.
pub(crate) struct Switches {
    /// Whether hooks on plain connections record.
    pub(crate) hooks: bool,
    /// Whether foreign keys are in changesets.
    pub(crate) relationships: bool,
    /// How many bytes the texts of a record may have together.
    pub(crate) record_bytes: usize,
    /// How many rows of one statement become an event each.
    pub(crate) bulk_rows: usize,
    /// What hashed columns are hashed with.
    pub(crate) keys: HashKeys,
    /// How long an event waits for who did it.
    pub(crate) late_actor_timeout: Duration,
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
            route_problems: Vec::new(),
            strict: true,
            discover: true,
            enabled: true,
            switches: Switches {
                hooks: true,
                relationships: true,
                record_bytes: 64 * 1024,
                bulk_rows: 10_000,
                keys: HashKeys::default(),
                late_actor_timeout: Duration::from_secs(1),
            },
            layout: Layout::default(),
            locked: false,
            environment: Box::new(|variable| std::env::var(variable).ok()),
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

    /// The routes of an OpenAPI document, beside those of [`routes`](Self::routes): `utoipa`'s `ApiDoc::openapi()`, or
    /// any other as JSON. A prefix that only the document's `servers` tell is not part of them. A document that is none
    /// is a problem at start-up.
    ///
    /// ```
    /// use ftn_audit::{Audit, sink::MemorySink};
    ///
    /// let document = serde_json::json!({
    ///     "openapi": "3.1.0",
    ///     "paths": { "/items/{id}": { "patch": {} } },
    /// });
    /// let audit = Audit::builder().sink(MemorySink::new()).openapi_routes(&document).build()?;
    /// # Ok::<(), ftn_audit::StartupError>(())
    /// ```
    pub fn openapi_routes(mut self, document: &impl Serialize) -> Self {
        match openapi::routes(document) {
            Ok(routes) => self.routes.extend(routes),
            Err(problem) => self.route_problems.push(format!("in the OpenAPI document: {problem}")),
        }
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

    /// Whether anything is recorded (the default). When not, the handle is like [`Audit::disabled`], and what is wrong
    /// at start-up is still refused.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Whether the hooks of plain connections record (the default). Audited connections do not need them.
    pub fn hooks(mut self, hooks: bool) -> Self {
        self.switches.hooks = hooks;
        self
    }

    /// Whether foreign keys are in changesets (the default). Without them, an update of nothing else is no event.
    pub fn changeset_relationships(mut self, relationships: bool) -> Self {
        self.switches.relationships = relationships;
        self
    }

    /// How attributes are laid out for the store behind the sink; [`Encoding::Flat`] by default.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.layout.encoding = encoding;
        self
    }

    /// The most attributes of a record, at least 1; unbounded by default. What is beyond is dropped, columns first,
    /// and counted in `audit.attributes_dropped`.
    pub fn max_attributes(mut self, most: usize) -> Self {
        self.layout.max_attributes = most;
        self
    }

    /// The most bytes that description and values of a record have together; 64 KiB by default. Beyond, the longest
    /// values are cut, and named in `audit.truncated`.
    pub fn record_bytes(mut self, most: usize) -> Self {
        self.switches.record_bytes = most;
        self
    }

    /// How long an event waits for a [late actor](crate::context::AuditContextBuilder::late_actor) before it is recorded
    /// without one; a second by default.
    pub fn late_actor_timeout(mut self, timeout: Duration) -> Self {
        self.switches.late_actor_timeout = timeout;
        self
    }

    /// The most rows of one statement that become an event each, at least 1; 10,000 by default. A statement that writes
    /// more becomes one summary, as with `#[audit(bulk = "summary")]`.
    ///
    /// In outbox delivery records leave memory as they are made, so that more rows become an event each: as many as
    /// have room in 64 MiB before they are written, unless rows of other tables go along with them.
    pub fn bulk_rows(mut self, most: usize) -> Self {
        self.switches.bulk_rows = most.max(1);
        self
    }

    /// What of a user leaves with a record; id, e-mail and name by default.
    pub fn actor_fields(mut self, fields: impl IntoIterator<Item = ActorField>) -> Self {
        self.layout.actor_fields = fields.into_iter().collect();
        self
    }

    /// Makes the environment unable to switch audit off, by `ENABLED`, `DELIVERY_MODE=noop` or `HOOKS`: it is told in
    /// the log, and not followed.
    pub fn locked(mut self) -> Self {
        self.locked = true;
        self
    }

    /// Looks settings up elsewhere than in the process's environment: tests in parallel, or a configuration file.
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.environment = Box::new(lookup);
        self
    }

    /// Lets the environment change what the builder said; gives what is wrong with it.
    fn ask_environment(&mut self) -> Vec<String> {
        let lookup = std::mem::replace(&mut self.environment, Box::new(|_| None));
        let mut environment = Environment::new(&lookup);
        let locked = self.locked;
        let obeyed = |setting: &str, off: bool| {
            if off && locked {
                tracing::warn!(
                    target: "ftn_audit",
                    "the environment would switch audit off by {setting}; the application locked it, so it stays on"
                );
            }
            !(off && locked)
        };
        if let Some(enabled) = environment.flag("ENABLED").filter(|enabled| obeyed("ENABLED", !enabled)) {
            self.enabled = enabled;
        }
        for setting in ["AUTO_CONNECT_SIGNALS", "HOOKS"] {
            if let Some(hooks) = environment.flag(setting).filter(|hooks| obeyed(setting, !hooks)) {
                self.switches.hooks = hooks;
            }
        }
        let delivery = environment.delivery(self.delivery.clone());
        if obeyed("DELIVERY_MODE", delivery.is_noop() && !self.delivery.is_noop()) {
            self.delivery = delivery;
        }
        self.fallback = environment.fallback(self.fallback.clone());
        if let Some(strict) = environment.flag("STRICT_FORMATTER_VALIDATION") {
            self.strict = strict;
        }
        if let Some(discover) = environment.flag("AUTO_DISCOVER_FORMATTERS") {
            self.discover = discover;
        }
        if let Some(relationships) = environment.flag("CHANGESET_CHECK_RELATIONSHIP") {
            self.switches.relationships = relationships;
        }
        environment.layout(&mut self.layout);
        if let Some(bytes) = environment.number("RECORD_BYTES") {
            self.switches.record_bytes = bytes;
        }
        if let Some(timeout) = environment.milliseconds("LATE_ACTOR_TIMEOUT_MS") {
            self.switches.late_actor_timeout = timeout;
        }
        if let Some(rows) = environment.number("BULK_ROWS") {
            self.switches.bulk_rows = rows;
        }
        let (keys, problems) =
            HashKeys::new(std::mem::take(&mut self.hash_keys), environment.find("HASH_KEY"));
        self.switches.keys = keys;
        let mut all = environment.into_problems();
        all.extend(problems);
        all
    }

    /// Adds a formatter by its type: names its crate, so that the linker keeps it, and works without discovery.
    pub fn formatter<F: AnnotatedFormatter>(mut self) -> Self {
        self.formatters.push(F::REGISTRATION);
        self
    }

    /// Adds a formatter that the application made itself, for a rule that it knows at run time only:
    /// [`FormatterRegistration::with`].
    pub fn registration(mut self, registration: FormatterRegistration) -> Self {
        self.formatters.push(registration);
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
    /// formatters are warnings; those of the environment and of the delivery's settings stay errors.
    pub fn build(mut self) -> Result<Audit, StartupError> {
        let discovery = self.check()?;
        Ok(if self.enabled { self.start(&discovery) } else { Audit::disabled() })
    }

    /// Checks everything as [`build`](Self::build) does, and starts with another sink and delivery, whether switched on
    /// or not: for tests.
    pub(crate) fn recording(mut self, sink: MemorySink, delivery: Delivery) -> Result<Audit, StartupError> {
        self.sink.get_or_insert_with(|| Arc::new(sink.clone()));
        let discovery = self.check()?;
        Ok(self.sink(sink).delivery(delivery).start(&discovery))
    }

    fn check(&mut self) -> Result<Discovery, StartupError> {
        let mut refused = self.ask_environment();
        let mut discovery = Discovery::new(self.discover, self.formatters.clone(), &self.routes);
        discovery.problems.append(&mut self.route_problems);
        refused.extend(self.delivery.problems());
        let noop = self.delivery.is_noop();
        if self.enabled && !noop {
            check_hash_keys(&discovery.models, &self.switches.keys, &mut discovery.problems);
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
        Ok(discovery)
    }

    fn start(self, discovery: &Discovery) -> Audit {
        Audit::start(
            self.service,
            self.sink,
            self.delivery,
            self.fallback,
            self.switches,
            self.layout,
            discovery,
        )
    }
}
