//! The finished event.

use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    Actor, AttributeValue, Attributes, EventType, attribute_names as names, context::Trace, layout::Layout,
    value::allocated,
};

/// One audit event, finished: described, masked, with its own id; nothing of the database is left in it.
///
/// Records are made by capture or by [`Audit::event`](crate::Audit::event), and by hand ([`AuditRecord::event`]) for
/// the tests of a sink alone; other tests read them from a [`MemorySink`](crate::sink::MemorySink):
///
/// ```no_run
/// # let sink = ftn_audit::sink::MemorySink::new();
/// let record = &sink.records()[0];
/// assert_eq!(record.event_type(), "update");
/// assert_eq!(record.attribute("audit.changeset.title.old").unwrap(), "Tea");
/// ```
#[derive(Clone)]
pub struct AuditRecord {
    pub(crate) id: Uuid,
    pub(crate) event: EventType,
    pub(crate) model: Cow<'static, str>,
    pub(crate) table: Cow<'static, str>,
    pub(crate) pk: String,
    pub(crate) description: String,
    pub(crate) occurred_at: SystemTime,
    pub(crate) own: Attributes,
    /// How many of `own`, from the first, the formatter gave.
    pub(crate) formatted: usize,
    pub(crate) layout: Arc<Layout>,
    pub(crate) context: Arc<Attributes>,
    pub(crate) database: Arc<Attributes>,
    pub(crate) actor: Option<Arc<Actor>>,
    pub(crate) trace: Option<Trace>,
    pub(crate) place: Option<Place>,
    /// Whether its entity says that a change stands without its record.
    pub(crate) best_effort: bool,
}

/// Where a record stands among those of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) transaction: Uuid,
    pub(crate) sequence: u32,
    /// Unknown while its transaction is open: its first records may be stored before its last is made.
    pub(crate) count: Option<u32>,
}

impl AuditRecord {
    /// A record of `EventType::Custom(name)` that happens now: for the tests of your own [`Sink`](crate::sink::Sink).
    ///
    /// It knows no request, actor, transaction or database. Events of an application are made by `Audit`, which
    /// fills those in.
    ///
    /// ```
    /// use ftn_audit::AuditRecord;
    ///
    /// let record = AuditRecord::event("export", "Item", 7)
    ///     .with_description("The price list was exported")
    ///     .with_attribute("shop.format", "pdf");
    /// assert_eq!(record.event_name(), "audit.Item.export");
    /// assert_eq!(record.attribute("shop.format").unwrap(), "pdf");
    /// ```
    pub fn event(
        name: impl Into<Cow<'static, str>>,
        model: impl Into<Cow<'static, str>>,
        pk: impl ToString,
    ) -> Self {
        let (name, model, pk) = (name.into(), model.into(), pk.to_string());
        let own = Attributes::new()
            .with(names::EVENT_TYPE, AttributeValue::Text(name.clone()))
            .with(names::MODEL, AttributeValue::Text(model.clone()))
            .with(names::MODEL_PK, pk.clone());
        Self {
            id: Uuid::now_v7(),
            event: EventType::Custom(name),
            table: model.clone(),
            model,
            pk,
            description: String::new(),
            occurred_at: SystemTime::now(),
            formatted: own.len(),
            own,
            layout: Arc::default(),
            context: Arc::default(),
            database: Arc::default(),
            actor: None,
            trace: None,
            place: None,
            best_effort: false,
        }
    }

    /// Replaces the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds an attribute of the record's own, in place of one with the same key.
    #[must_use]
    pub fn with_attribute(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<AttributeValue>,
    ) -> Self {
        self.own.set(key, value);
        self
    }

    /// The record's own id (UUIDv7), sent as `log.record.uid`. A repeat of the record has the same id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What happened. Compares with `&str`: `record.event_type() == "update"`.
    pub fn event_type(&self) -> &EventType {
        &self.event
    }

    /// `audit.<table>.<event>`, the OTLP event name.
    pub fn event_name(&self) -> String {
        format!("audit.{}.{}", self.table, self.event)
    }

    /// The model's name, as `#[audit(name = "..")]` or the table gave it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The table the event is about.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The row's key as text, `1,2` for a composite one; empty where an event has no single row.
    pub fn pk(&self) -> &str {
        &self.pk
    }

    /// What the formatter wrote.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// When the statement ran.
    pub fn occurred_at(&self) -> SystemTime {
        self.occurred_at
    }

    /// The transaction the record belongs to: given at hand-over, when the transaction has committed.
    pub fn transaction_id(&self) -> Option<Uuid> {
        self.place.map(|place| place.transaction)
    }

    /// The record's number in its transaction, from 1: given at hand-over.
    pub fn sequence(&self) -> Option<u32> {
        self.place.map(|place| place.sequence)
    }

    /// How many records the transaction has: given at hand-over.
    pub fn transaction_count(&self) -> Option<u32> {
        self.place.and_then(|place| place.count)
    }

    /// Who did it, as known when the statement ran.
    pub fn actor(&self) -> Option<&Actor> {
        self.actor.as_deref()
    }

    /// The trace of the request, as 16 bytes.
    pub fn trace_id(&self) -> Option<[u8; 16]> {
        self.trace.map(|trace| trace.trace_id)
    }

    /// The span of the request, as 8 bytes.
    pub fn span_id(&self) -> Option<[u8; 8]> {
        self.trace.map(|trace| trace.span_id)
    }

    /// The W3C trace flags of the request.
    pub fn trace_flags(&self) -> Option<u8> {
        self.trace.map(|trace| trace.flags)
    }

    /// One attribute of [`attributes`](Self::attributes).
    pub fn attribute(&self, key: &str) -> Option<AttributeValue> {
        if let Some(value) = self.own.get(key) {
            return (!value.is_null()).then(|| value.clone());
        }
        self.attributes().remove(key)
    }

    /// Everything that the record says, nulls left out: what the event is, its changeset with values in their native
    /// types, its transaction, actor, request and database, then what formatter and context added.
    pub fn attributes(&self) -> Attributes {
        let mut all = Attributes::with_capacity(self.own.len() + self.context.len() + 16);
        all.push(names::UID, self.id.to_string().into());
        all.append(self.own.clone());
        if let Some(place) = self.place {
            all.set(names::TRANSACTION_ID, place.transaction.to_string());
            all.set(names::SEQUENCE, place.sequence);
            if let Some(count) = place.count {
                all.set(names::TRANSACTION_COUNT, count);
            }
        }
        match &self.actor {
            Some(actor) => self.layout.put_actor(actor, &mut all),
            None => all.set(names::ACTOR_TYPE, "unknown"),
        }
        for (key, value) in self.database.entries().chain(self.context.entries()) {
            if !all.contains_key(key) {
                all.push(key.clone(), value.clone());
            }
        }
        all.retain(|_, value| !value.is_null());
        all
    }

    /// [`attributes`](Self::attributes) as sinks send them: in the handle's [`Encoding`](crate::Encoding), within its
    /// bound on their number.
    pub fn encoded_attributes(&self) -> Attributes {
        self.layout.encode(self)
    }

    /// The record as one JSON object, the form of [`JsonlSink`](crate::sink::JsonlSink): the fields of this type,
    /// and under `attributes` what [`encoded_attributes`](Self::encoded_attributes) gives.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({
            "id": self.id.to_string(),
            "time": rfc3339(self.occurred_at),
            "event_name": self.event_name(),
            "event_type": self.event.as_str(),
            "model": self.model,
            "pk": self.pk,
            "description": self.description,
            "transaction_id": self.transaction_id().map(|id| id.to_string()),
            "sequence": self.sequence(),
            "transaction_count": self.transaction_count(),
        });
        if let Some(trace) = self.trace {
            json["trace_id"] = hexadecimal(&trace.trace_id).into();
            json["span_id"] = hexadecimal(&trace.span_id).into();
        }
        json["attributes"] = self
            .encoded_attributes()
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_json()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        json
    }

    /// For capture: whether the change stands when this record cannot be stored, as its entity says with
    /// `on_failure = "best_effort"`.
    pub fn is_best_effort(&self) -> bool {
        self.best_effort
    }

    /// For capture: whether its entity demands a reason, and the context gave none.
    pub fn lacks_reason(&self) -> bool {
        self.own.get(names::REASON_MISSING).is_some()
    }

    /// The tenant of the change's context.
    pub fn tenant(&self) -> Option<&str> {
        self.context.get(names::TENANT)?.as_str()
    }

    /// For capture: marks the record of a transaction whose commit got no answer.
    #[must_use]
    pub fn commit_unconfirmed(mut self) -> Self {
        self.own.set(names::COMMIT_CONFIRMED, false);
        self
    }

    /// An estimate of the memory that the record holds, in bytes, the allocator's share included; what it shares with
    /// others is not counted.
    pub fn estimated_bytes(&self) -> usize {
        size_of::<Self>()
            + allocated(self.pk.capacity())
            + allocated(self.description.capacity())
            + self.own.heap_bytes()
    }
}

/// Shows what the record says; masked values are blank in a record already.
impl fmt::Debug for AuditRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditRecord")
            .field("id", &self.id)
            .field("event_type", &self.event)
            .field("model", &self.model)
            .field("pk", &self.pk)
            .field("description", &self.description)
            .field("attributes", &self.attributes())
            .finish_non_exhaustive()
    }
}

fn rfc3339(time: SystemTime) -> Option<String> {
    OffsetDateTime::from(time).format(&Rfc3339).ok()
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
