//! The form in which a record waits in a table or a message: neutral of encodings and sinks, with a format number.
//!
//! What reads it decides how it leaves: a relay of a later version, with another encoding, sends what an earlier one
//! wrote.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap,
};
use uuid::Uuid;

use crate::{
    AttributeValue, Attributes, Audit, AuditRecord, EventType, actor::SerializedActor, context::Trace,
    record::Place,
};

/// The number of the format that this version writes. It reads this one and all smaller ones.
pub const FORMAT: i32 = 1;

/// Why a stored record cannot be read.
///
/// ```
/// use ftn_audit::stored::UnreadableRecord;
///
/// assert_eq!(UnreadableRecord::Damaged(7).to_string(), "the record is damaged at byte 7");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableRecord {
    /// It was written by a later version.
    #[error("the record has format {0}, and this version reads up to {FORMAT}: update what reads it")]
    NewerFormat(i32),
    /// It is not what this library writes. Where it begins to differ is said; what stands there is not.
    #[error("the record is damaged at byte {0}")]
    Damaged(usize),
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    id: Uuid,
    event: Cow<'a, str>,
    model: Cow<'a, str>,
    table: Cow<'a, str>,
    pk: Cow<'a, str>,
    description: Cow<'a, str>,
    /// Nanoseconds since 1970.
    occurred_at: i64,
    own: Pairs<'a>,
    formatted: usize,
    context: Pairs<'a>,
    database: Pairs<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<SerializedActor<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<([u8; 16], [u8; 8], u8)>,
}

impl AuditRecord {
    /// The record as text of format [`FORMAT`]. Not in it: its place in a transaction, which is stored beside it.
    pub fn to_payload(&self) -> String {
        let stored = Stored {
            id: self.id,
            event: self.event.as_str().into(),
            model: self.model.as_ref().into(),
            table: self.table.as_ref().into(),
            pk: self.pk.as_str().into(),
            description: self.description.as_str().into(),
            occurred_at: nanos(self.occurred_at),
            own: Pairs(Cow::Borrowed(&self.own)),
            formatted: self.formatted,
            context: Pairs(Cow::Borrowed(&self.context)),
            database: Pairs(Cow::Borrowed(&self.database)),
            actor: self.actor.as_deref().map(SerializedActor::from),
            trace: self.trace.map(|trace| (trace.trace_id, trace.span_id, trace.flags)),
        };
        // Strings, numbers and maps with text keys: there is nothing that could fail.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Gives the record its place: its transaction, its number in it from 1, and how many records the transaction has,
    /// if that is known.
    pub fn set_place(&mut self, transaction: Uuid, sequence: u32, count: Option<u32>) {
        self.place = Some(Place { transaction, sequence, count });
    }
}

impl Audit {
    /// A record from its stored form. It leaves in this handle's encoding.
    ///
    /// # Errors
    ///
    /// When the format is newer than [`FORMAT`], or the text is damaged.
    pub fn restore(&self, format: i32, payload: &str) -> Result<AuditRecord, UnreadableRecord> {
        if format > FORMAT {
            return Err(UnreadableRecord::NewerFormat(format));
        }
        let stored: Stored<'_> =
            serde_json::from_str(payload).map_err(|error| UnreadableRecord::Damaged(error.column()))?;
        Ok(AuditRecord {
            id: stored.id,
            event: event(stored.event),
            model: owned(stored.model),
            table: owned(stored.table),
            pk: stored.pk.into_owned(),
            description: stored.description.into_owned(),
            occurred_at: time(stored.occurred_at),
            own: stored.own.0.into_owned(),
            formatted: stored.formatted,
            layout: self.layout(),
            context: Arc::new(stored.context.0.into_owned()),
            database: Arc::new(stored.database.0.into_owned()),
            actor: stored.actor.map(|actor| Arc::new(actor.into())),
            trace: stored.trace.map(|(trace_id, span_id, flags)| Trace { trace_id, span_id, flags }),
            place: None,
            best_effort: false,
        })
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn event(name: Cow<'_, str>) -> EventType {
    let known = EventType::OF_ROWS.into_iter().find(|event| event.as_str() == name);
    known.unwrap_or_else(|| EventType::Custom(owned(name)))
}

fn nanos(time: SystemTime) -> i64 {
    let since = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => since(after),
        Err(before) => -since(before.duration()),
    }
}

fn time(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    let time = match nanos {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Attributes as a list of pairs: their order matters.
struct Pairs<'a>(Cow<'a, Attributes>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(key, value)| (key, Value(Cow::Borrowed(value)))))
    }
}

impl<'de> Deserialize<'de> for Pairs<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(String, Value<'static>)>::deserialize(deserializer)?;
        let mut attributes = Attributes::with_capacity(pairs.len());
        for (key, value) in pairs {
            attributes.push(key, value.0.into_owned());
        }
        Ok(Self(Cow::Owned(attributes)))
    }
}

/// A value that comes back as the same variant: what JSON has no word for, or would confuse, is a map with one key.
struct Value<'a>(Cow<'a, AttributeValue>);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn tagged<S: Serializer>(
            serializer: S,
            tag: &str,
            value: &impl Serialize,
        ) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(tag, value)?;
            map.end()
        }
        match &*self.0 {
            AttributeValue::Null => serializer.serialize_unit(),
            AttributeValue::Bool(value) => serializer.serialize_bool(*value),
            AttributeValue::Int(number) => serializer.serialize_i64(*number),
            AttributeValue::Text(text) => serializer.serialize_str(text),
            // As text, for JSON has neither NaN nor infinity.
            AttributeValue::Float(number) => tagged(serializer, "float", &number.to_string()),
            AttributeValue::List(values) => {
                let values: Vec<_> = values.iter().map(|value| Value(Cow::Borrowed(value))).collect();
                tagged(serializer, "list", &values)
            }
            AttributeValue::Json(json) => tagged(serializer, "json", json),
        }
    }
}

impl<'de> Deserialize<'de> for Value<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(|value| Self(Cow::Owned(value)))
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a truth value, a whole number, a text, or a map with float, list or json")
    }

    fn visit_unit<E>(self) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<AttributeValue, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<AttributeValue, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<AttributeValue, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AttributeValue, A::Error> {
        let tag = map.next_key::<Cow<'_, str>>()?.unwrap_or_default();
        Ok(match &*tag {
            "float" => {
                let text = map.next_value::<Cow<'_, str>>()?;
                AttributeValue::Float(text.parse().map_err(de::Error::custom)?)
            }
            "list" => {
                let values = map.next_value::<Vec<Value<'static>>>()?;
                AttributeValue::List(values.into_iter().map(|value| value.0.into_owned()).collect())
            }
            "json" => AttributeValue::Json(map.next_value()?),
            tag => return Err(de::Error::unknown_field(tag, &["float", "list", "json"])),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use serde_json::json;

    use super::*;
    use crate::Actor;

    fn record() -> AuditRecord {
        let values: [(&'static str, AttributeValue); 12] = [
            ("null", AttributeValue::Null),
            ("bool", true.into()),
            ("int", (-7).into()),
            ("text", "Tea \u{1f375} \"quoted\"\n".into()),
            ("looks like JSON", "[1,2]".into()),
            ("float", PI.into()),
            ("whole float", 2.0.into()),
            ("infinite", f64::NEG_INFINITY.into()),
            ("list", AttributeValue::List(vec![1.into(), "a".into(), AttributeValue::Null, 0.1.into()])),
            ("JSON text", AttributeValue::Json(json!("a"))),
            ("JSON list", AttributeValue::Json(json!([1, {"float": "x"}, 0.1]))),
            ("JSON null", AttributeValue::Json(json!(null))),
        ];
        let mut record = AuditRecord::event("exported", "Item", 7).with_description("An item");
        for (key, value) in values {
            record = record.with_attribute(key, value);
        }
        record.trace = Some(Trace { trace_id: [7; 16], span_id: [9; 8], flags: 1 });
        record.context = Arc::new(Attributes::new().with("audit.tenant", "acme"));
        record.actor = Some(Arc::new(Actor::user("42").email("ann@example.org").last_name("Lee")));
        record
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let record = record();
        let restored = Audit::disabled().restore(FORMAT, &record.to_payload()).unwrap();
        assert_eq!(restored.own, record.own);
        assert_eq!(restored.attributes(), record.attributes());
        assert_eq!(restored.actor(), record.actor());
        assert_eq!(restored.to_json(), record.to_json());
        assert_eq!(restored.occurred_at(), record.occurred_at());
    }

    #[test]
    fn a_row_event_is_one_again() {
        let mut record = record();
        record.event = EventType::CollectionUpdate;
        let restored = Audit::disabled().restore(FORMAT, &record.to_payload()).unwrap();
        assert_eq!(*restored.event_type(), EventType::CollectionUpdate);
    }

    #[test]
    fn later_formats_and_damage_are_told_apart() {
        let payload = record().to_payload();
        let newer = Audit::disabled().restore(FORMAT + 1, &payload).unwrap_err();
        assert!(matches!(newer, UnreadableRecord::NewerFormat(_)), "{newer}");
        let damaged = Audit::disabled().restore(FORMAT, &payload[1..]).unwrap_err();
        assert!(matches!(damaged, UnreadableRecord::Damaged(_)), "{damaged}");
    }

    #[test]
    fn times_before_1970_are_kept() {
        let early = SystemTime::UNIX_EPOCH - Duration::from_nanos(1_500);
        assert_eq!(time(nanos(early)), early);
    }
}
