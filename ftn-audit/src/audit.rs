//! The handle: what capture talks to.

use std::{
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use crate::{
    AttributeValue, Attributes, AuditContext, AuditRecord, ColumnInfo, Delivery, EventType, Fallback,
    ModelInfo, OutboxSettings, ShutdownReport, Stats, attribute_names as names,
    builder::Switches,
    change::{AnyChange, ColumnChange},
    context::Trace,
    cut::cut,
    delivery::Dispatcher,
    formatter::{AnyFormatter, FormatterIndex},
    hidden::blank_formatted,
    layout::Layout,
    metrics::Metrics,
    model::{Bulk, MASK, OnFailure},
    outbox::Outbox,
    record::Place,
    sink::{ServiceInfo, Sink},
    startup::Discovery,
};

/// The handle of one audit pipeline: made once at start-up by [`Audit::builder`], cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use ftn_audit::{Audit, sink::MemorySink};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let audit = Audit::builder().service_name("shop").sink(MemorySink::new()).build()?;
/// // connect, serve ..
/// let report = audit.shutdown(Duration::from_secs(10)).await;
/// assert_eq!(report.left, 0);
/// # Ok::<(), ftn_audit::StartupError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Audit(Option<Arc<Inner>>);

struct Inner {
    index: FormatterIndex,
    sink: Arc<dyn Sink>,
    dispatcher: Dispatcher,
    outbox: Option<Outbox>,
    queue_capacity: Option<u64>,
    metrics: Arc<Metrics>,
    switches: Switches,
    layout: Arc<Layout>,
    description: String,
}

/// Where a change was captured: what its record says of the database, and when the statement ran.
///
/// ```
/// use std::time::SystemTime;
/// use ftn_audit::Origin;
///
/// let origin = Origin {
///     database: Origin::database("postgresql", Some("shop")),
///     operation: "UPDATE",
///     occurred_at: SystemTime::now(),
/// };
/// assert_eq!(origin.database.get("db.namespace").unwrap(), "shop");
/// ```
#[derive(Clone, Debug)]
pub struct Origin {
    /// What every record of the connection says: `db.system.name` and `db.namespace`.
    pub database: Arc<Attributes>,
    /// The statement's verb, `db.operation.name`.
    pub operation: &'static str,
    /// When the statement ran.
    pub occurred_at: SystemTime,
}

impl Origin {
    /// The attributes that all records of a connection share.
    pub fn database(system: &'static str, namespace: Option<&str>) -> Arc<Attributes> {
        let mut attributes = Attributes::new().with(names::DB_SYSTEM, system);
        if let Some(namespace) = namespace {
            attributes.set(names::DB_NAMESPACE, namespace);
        }
        Arc::new(attributes)
    }
}

impl Audit {
    /// A handle that records nothing and costs one branch a write: adoption is a flag, not a fork.
    pub fn disabled() -> Self {
        Self(None)
    }

    pub(crate) fn start(
        service: ServiceInfo,
        sink: Option<Arc<dyn Sink>>,
        delivery: Delivery,
        fallback: Fallback,
        switches: Switches,
        layout: Layout,
        discovery: &Discovery,
    ) -> Self {
        let index = FormatterIndex::new(&discovery.formatters);
        let mut description = describe(&service, sink.as_deref(), &delivery, &fallback, discovery, &index);
        let keys = &switches.keys;
        if !keys.is_empty() {
            let _ = writeln!(description, "hash keys: {}", keys.ids().collect::<Vec<_>>().join(", "));
        }
        let Some(sink) = sink.filter(|_| !delivery.is_noop()) else {
            return Self(None);
        };
        sink.set_service(&service);
        let metrics = Arc::new(Metrics::default());
        let outbox = delivery.outbox_settings().cloned().map(Outbox::new);
        let queue_capacity = delivery.queue_capacity();
        let dispatcher = Dispatcher::start(delivery, sink.clone(), fallback, metrics.clone());
        Self(Some(Arc::new(Inner {
            index,
            sink,
            dispatcher,
            outbox,
            queue_capacity,
            metrics,
            switches,
            layout: Arc::new(layout),
            description,
        })))
    }

    /// Whether changes are recorded at all: false when disabled, and in noop delivery.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// For capture: whether hooks on plain connections record.
    pub fn records_hooks(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.switches.hooks)
    }

    /// For capture: whether foreign keys are in changesets.
    pub fn records_relationships(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.switches.relationships)
    }

    /// For capture: the most rows of one statement that become an event each.
    pub fn bulk_rows(&self) -> usize {
        self.0.as_ref().map_or(0, |inner| inner.switches.bulk_rows)
    }

    /// Whether two handles are the same pipeline.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (left, right) => left.is_none() && right.is_none(),
        }
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        let Some(inner) = &self.0 else { return Stats::default() };
        Stats { unmatched_formatters: inner.index.unmatched(), ..inner.metrics.snapshot() }
    }

    /// What was discovered at start-up, as text that is the same for the same program: fit for a snapshot test.
    pub fn describe(&self) -> String {
        self.0.as_ref().map_or_else(|| "ftn-audit: disabled\n".to_owned(), |inner| inner.description.clone())
    }

    /// Stops taking records, delivers what is waiting, and says what became of it. What is still waiting after
    /// `timeout` goes to the fallback, and so does what is handed over later. Every further call waits
    /// for the first and reports the same.
    ///
    /// Dropping the future does not stop the shutdown.
    pub async fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        match &self.0 {
            Some(inner) => inner.dispatcher.shutdown(timeout).await,
            None => ShutdownReport::default(),
        }
    }

    /// Waits until everything that was handed over before this call has met its fate: delivered, or in the
    /// fallback. False when `timeout` came first.
    pub async fn flush(&self, timeout: Duration) -> bool {
        match &self.0 {
            Some(inner) => inner.dispatcher.flush(timeout).await,
            None => true,
        }
    }

    /// For capture: whether a formatter of the application will want the row of such a change.
    pub fn has_formatter(
        &self,
        model: &ModelInfo,
        context: Option<&AuditContext>,
        event: &EventType,
    ) -> bool {
        self.0.as_ref().is_some_and(|inner| {
            inner.index.find(model, context.and_then(AuditContext::raw_route), event).is_some()
        })
    }

    /// The hashes of a value under every configured key, the signing one first: by these, records of a hashed column
    /// are found again. Empty without a key.
    ///
    /// ```
    /// # use ftn_audit::{Audit, Delivery, sink::MemorySink};
    /// # fn main() -> Result<(), ftn_audit::StartupError> {
    /// let audit = Audit::builder()
    ///     .sink(MemorySink::new())
    ///     .delivery(Delivery::sync())
    ///     .hash_key("2026", "a secret of at least 16 bytes")
    ///     .build()?;
    /// assert!(audit.hashes_of("ann@example.org")[0].starts_with("hmac:2026:"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn hashes_of(&self, value: impl Into<AttributeValue>) -> Vec<String> {
        self.0.as_ref().map(|inner| inner.switches.keys.all(&value.into().to_string())).unwrap_or_default()
    }

    /// For capture: the change of one column, with values masked or hashed as the column's declaration wants it.
    pub fn column_change(
        &self,
        column: &'static ColumnInfo,
        old: Option<AttributeValue>,
        new: Option<AttributeValue>,
    ) -> ColumnChange {
        match &self.0 {
            Some(inner) => ColumnChange::treated(column, old, new, &inner.switches.keys),
            None => ColumnChange::new(column, old, new),
        }
    }

    /// For capture: a key column's value as records show it. A hidden one is hashed, so that the row can be told from
    /// others; without a key it is masked.
    pub fn key_value(&self, column: &ColumnInfo, value: AttributeValue) -> AttributeValue {
        if !column.is_hidden() || value.is_null() {
            return value;
        }
        let hash = self.0.as_ref().and_then(|inner| inner.switches.keys.sign(&value.to_string()));
        hash.map_or_else(|| MASK.into(), Into::into)
    }

    /// For capture: describes a change. `None` when nothing is recorded.
    pub fn compose(&self, change: &dyn AnyChange, origin: &Origin) -> Option<AuditRecord> {
        let inner = self.0.as_ref()?;
        let facts = change.facts();
        let context = facts.context.as_ref();
        let formatter = change.typed().and_then(|typed| {
            let route = context.and_then(AuditContext::raw_route);
            Some((inner.index.find(facts.model, route, &facts.event)?, typed))
        });
        let formatted =
            formatter.map(|(formatter, typed)| inner.run(formatter.formatter(), typed, facts.model));
        let failed = matches!(formatted, Some(None));
        let (description, mut own, formatted) = match formatted.flatten() {
            Some((mut description, mut own)) => {
                blank_formatted(change, &mut description, &mut own);
                let formatted = own.len();
                facts.put_identity(&mut own);
                (description, own, formatted)
            }
            None => {
                let own = facts.default_attributes();
                let formatted = own.len();
                (facts.default_description(), own, formatted)
            }
        };
        let description = inner.layout.description(facts, description);
        facts.put_marks(&mut own);
        if failed {
            own.set(names::FORMATTER_FAILED, true);
        }
        if facts.model.lacks_reason(context) {
            own.set(names::REASON_MISSING, true);
            inner.metrics.count_missing_reason();
        }
        own.set(names::DB_COLLECTION, AttributeValue::fixed(facts.model.table));
        own.set(names::DB_OPERATION, AttributeValue::fixed(origin.operation));
        if facts.event == EventType::UnparsedWrite {
            inner.metrics.count_unparsed_write();
        }
        if facts.marks.hook && facts.marks.old_unconfirmed && facts.event != EventType::Creation {
            inner.metrics.count_hook_without_old();
        }
        let record = AuditRecord {
            id: Uuid::now_v7(),
            event: facts.event.clone(),
            model: facts.model.name.as_str().into(),
            table: facts.model.table.into(),
            pk: facts.pk.clone(),
            description,
            occurred_at: origin.occurred_at,
            own,
            formatted,
            layout: inner.layout.clone(),
            context: Arc::default(),
            database: origin.database.clone(),
            actor: None,
            trace: None,
            place: None,
            best_effort: facts.model.on_failure == Some(OnFailure::BestEffort),
        };
        let mut record = self.place(record, context);
        facts.hidden_key.blank_shared(&mut record.context, names::URL_PATH);
        Some(record)
    }

    /// Keeps the record within its bytes, fills in who and where, and counts it.
    pub(crate) fn place(&self, mut record: AuditRecord, context: Option<&AuditContext>) -> AuditRecord {
        if let Some(inner) = &self.0 {
            cut(&mut record, inner.switches.record_bytes);
        }
        if let Some(context) = context {
            record.context = context.record_attributes();
            record.trace = context.trace();
            record.actor = context.shared_actor();
        }
        record.trace = record.trace.or_else(Trace::current);
        if let Some(inner) = &self.0 {
            record.layout = inner.layout.clone();
            inner.metrics.count_captured(1);
            if record.actor.is_none() {
                inner.metrics.count_unknown_actor();
            }
        }
        record
    }

    /// Asks the late actor of a context, the running task's where none is given, unless the actor is known or was asked
    /// for already. Capture does this by itself before a statement that it will record; by hand it is for a context
    /// that leaves the process, in a job's payload.
    ///
    /// An answer that does not come in [time](crate::AuditBuilder::late_actor_timeout), an error and a panic leave the
    /// actor unknown, and are counted. Dropping the future leaves the question to the next who asks.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use ftn_audit::{Actor, Audit, AuditContext, Delivery, sink::MemorySink};
    ///
    /// let audit = Audit::builder().sink(MemorySink::new()).delivery(Delivery::sync()).build()?;
    /// let who = async { Ok::<_, std::io::Error>(Some(Actor::user("42"))) };
    /// let context = AuditContext::builder().late_actor(who).build();
    /// audit.resolve_actor(Some(&context)).await;
    /// assert_eq!(context.actor(), Some(&Actor::user("42")));
    /// # Ok::<(), ftn_audit::StartupError>(())
    /// # }).unwrap();
    /// ```
    pub async fn resolve_actor(&self, context: Option<&AuditContext>) {
        let Some(inner) = &self.0 else { return };
        let Some(context) = context.cloned().or_else(AuditContext::current) else { return };
        if !context.awaits_actor() {
            return;
        }
        if let Err(why) = context.ask_actor(inner.switches.late_actor_timeout).await {
            inner.metrics.count_late_actor(why);
            tracing::warn!(
                target: "ftn_audit",
                reason = why.as_str(),
                "nobody could say who it is; the records of this context have an unknown actor"
            );
        }
    }

    /// For capture: gives the records of one committed transaction to delivery, numbered. In queue delivery this
    /// waits for nothing; in sync delivery for one attempt.
    pub async fn hand_over(&self, mut records: Vec<AuditRecord>) {
        let Some(inner) = self.0.as_ref().filter(|_| !records.is_empty()) else { return };
        let transaction = Uuid::now_v7();
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        for (sequence, record) in (1..).zip(&mut records) {
            record.place = Some(Place { transaction, sequence, count: Some(count) });
        }
        inner.dispatcher.hand_over(records).await;
    }

    /// For capture: records that were not handed over, because their work was rolled back.
    pub fn discard(&self, records: usize) {
        if let Some(inner) = &self.0 {
            inner.metrics.count_discarded(records as u64);
        }
    }
}

impl Audit {
    pub(crate) fn refusing_for(&self) -> Option<Duration> {
        self.0.as_ref()?.metrics.refusing_for()
    }

    /// The most records of the queue, where delivery is by one.
    pub(crate) fn queue_capacity(&self) -> Option<u64> {
        self.0.as_ref()?.queue_capacity
    }

    /// The counters, for those who must not keep delivery alive.
    #[cfg(feature = "otel")]
    pub(crate) fn weak_stats(&self) -> impl Fn() -> Stats + Send + Sync + 'static {
        let metrics = self.0.as_ref().map(|inner| Arc::downgrade(&inner.metrics));
        move || {
            let metrics = metrics.as_ref().and_then(std::sync::Weak::upgrade);
            metrics.map(|metrics| metrics.snapshot()).unwrap_or_default()
        }
    }

    pub(crate) fn layout(&self) -> Arc<Layout> {
        self.0.as_ref().map(|inner| inner.layout.clone()).unwrap_or_default()
    }

    pub(crate) fn outbox(&self) -> Option<(&Outbox, &Dispatcher, &Metrics)> {
        let inner = self.0.as_ref()?;
        Some((inner.outbox.as_ref()?, &inner.dispatcher, &inner.metrics))
    }

    pub(crate) fn metrics(&self) -> Option<Arc<Metrics>> {
        self.0.as_ref().map(|inner| inner.metrics.clone())
    }

    pub(crate) fn outbox_parts(&self) -> Option<(Arc<dyn Sink>, Arc<Metrics>, &OutboxSettings)> {
        let inner = self.0.as_ref()?;
        Some((inner.sink.clone(), inner.metrics.clone(), inner.outbox.as_ref()?.settings()))
    }
}

impl Inner {
    /// `None` when the formatter panicked.
    fn run(
        &self,
        formatter: &dyn AnyFormatter,
        change: &dyn std::any::Any,
        model: &ModelInfo,
    ) -> Option<(String, Attributes)> {
        let formatted = catch_unwind(AssertUnwindSafe(|| formatter.format(change))).ok().flatten();
        if formatted.is_none() {
            self.metrics.count_formatter_panic();
            tracing::error!(
                target: "ftn_audit",
                table = model.table,
                "a formatter panicked; the generic one describes the event instead"
            );
        }
        formatted
    }
}

fn describe(
    service: &ServiceInfo,
    sink: Option<&dyn Sink>,
    delivery: &Delivery,
    fallback: &Fallback,
    discovery: &Discovery,
    index: &FormatterIndex,
) -> String {
    let mut text = format!(
        "ftn-audit: service {:?}, delivery {}, sink {}, fallback {}\n",
        service.name,
        delivery.name(),
        sink.map_or("none", Sink::name),
        fallback.name()
    );
    let mut section = |title: &str, lines: Vec<String>| {
        let _ = writeln!(text, "{title}:");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    };
    section("models", discovery.models.iter().map(|model| describe_model(model)).collect());
    section("links", discovery.links.clone());
    section("formatters", index.describe());
    text
}

fn describe_model(model: &ModelInfo) -> String {
    let mut line = format!("{} (table {})", model.name, model.table);
    if model.junction {
        line.push_str(" junction");
    }
    if model.primary {
        line.push_str(" primary");
    }
    if let Some(column) = model.soft_delete {
        let _ = write!(line, " soft_delete {column}");
    }
    if let Some(on_failure) = model.on_failure {
        let _ = write!(line, " on_failure {}", on_failure.as_str());
    }
    if model.reason_required {
        line.push_str(" reason required");
    }
    if model.bulk != Bulk::Rows {
        let _ = write!(line, " bulk {}", model.bulk.as_str());
    }
    for column in &model.columns {
        let how = match column {
            column if column.skipped => "skip",
            column if column.masked_unasked => "mask unasked",
            column if column.masked => "mask",
            column if column.hashed => "hash",
            column if column.ignored => "ignore",
            _ => continue,
        };
        let _ = write!(line, "; {} {how}", column.name);
    }
    line
}
