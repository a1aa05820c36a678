//! Messages as AMQP has them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, LongString},
};

use crate::{
    engine::{Content, Message, MessagePlace},
    stored::FORMAT,
};

const FORMAT_NUMBER: &str = "ftn-audit-format";
const TRANSACTION: &str = "ftn-audit-transaction";
const SEQUENCE: &str = "ftn-audit-sequence";
const COUNT: &str = "ftn-audit-count";
const ATTEMPTS: &str = "ftn-audit-attempts";
/// Milliseconds since 1970.
const NOT_BEFORE: &str = "ftn-audit-not-before";
/// Why a message is among the dead letters.
const WHY: &str = "ftn-audit-why";

/// What is published to a queue.
pub(super) struct Outgoing<'a> {
    pub(super) queue: &'a str,
    pub(super) body: &'a [u8],
    pub(super) properties: BasicProperties,
}

impl<'a> Outgoing<'a> {
    /// A record for the first time.
    pub(super) fn new(queue: &'a str, message: &'a Message) -> Self {
        let mut headers = FieldTable::default();
        headers.insert(FORMAT_NUMBER.into(), number(message.format.into()));
        if let Some(place) = &message.place {
            let transaction = LongString::from(place.transaction.as_str());
            headers.insert(TRANSACTION.into(), AMQPValue::LongString(transaction));
            headers.insert(SEQUENCE.into(), number(place.sequence.into()));
            if let Some(count) = place.count {
                headers.insert(COUNT.into(), number(count.into()));
            }
        }
        let properties = BasicProperties::default()
            .with_message_id(message.id.as_str().into())
            .with_app_id("ftn-audit".into())
            .with_content_type("application/json".into())
            .with_timestamp(seconds(message.since))
            .with_headers(headers);
        Self { queue, body: message.payload.as_bytes(), properties: durable(properties) }
    }

    /// What arrived, to wait until a moment.
    pub(super) fn later(queue: &'a str, delivery: &'a Delivery, until: SystemTime, attempts: u32) -> Self {
        Self::copy(queue, delivery, |headers| {
            headers.insert(ATTEMPTS.into(), number(attempts.into()));
            headers.insert(NOT_BEFORE.into(), number(millis(until)));
        })
    }

    /// What arrived, for the dead letters.
    pub(super) fn dead(queue: &'a str, delivery: &'a Delivery, why: &str) -> Self {
        // A sink's words can hold the whole answer of a server.
        let why: String = why.chars().take(500).collect();
        Self::copy(queue, delivery, |headers| {
            headers.insert(WHY.into(), AMQPValue::LongString(LongString::from(why)));
        })
    }

    /// A dead letter, as if for the first time.
    pub(super) fn again(queue: &'a str, delivery: &'a Delivery) -> Self {
        let mut again = Self::copy(queue, delivery, |_| {});
        let now = seconds(SystemTime::now());
        again.properties = again.properties.with_timestamp(now);
        again
    }

    /// What is ours, and harmless where it is a stranger's: an address list, an expiry or a user id would do something.
    fn copy(queue: &'a str, delivery: &'a Delivery, change: impl FnOnce(&mut FieldTable)) -> Self {
        let old = &delivery.properties;
        let mut headers = FieldTable::default();
        let kept = [FORMAT_NUMBER, TRANSACTION, SEQUENCE, COUNT];
        for (name, value) in old.headers().iter().flat_map(|headers| headers.inner()) {
            if kept.contains(&name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
        change(&mut headers);
        let mut properties = BasicProperties::default().with_headers(headers);
        if let Some(id) = old.message_id() {
            properties = properties.with_message_id(id.clone());
        }
        if let Some(app) = old.app_id() {
            properties = properties.with_app_id(app.clone());
        }
        if let Some(kind) = old.content_type() {
            properties = properties.with_content_type(kind.clone());
        }
        if let Some(since) = old.timestamp() {
            properties = properties.with_timestamp(*since);
        }
        Self { queue, body: &delivery.data, properties: durable(properties) }
    }
}

/// Written to disk.
fn durable(properties: BasicProperties) -> BasicProperties {
    properties.with_delivery_mode(2)
}

pub(super) fn content(delivery: &Delivery) -> Content {
    let moment = |header| {
        let millis = u64::try_from(header_number(delivery, header)?).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_millis(millis))
    };
    let Some(format) = header_number(delivery, FORMAT_NUMBER).and_then(|format| i32::try_from(format).ok())
    else {
        return Content::Foreign;
    };
    let not_before = moment(NOT_BEFORE);
    // The number alone stays what it is in later versions.
    if format > FORMAT {
        return Content::Newer { format, not_before };
    }
    let (Some(id), Ok(payload)) = (id(delivery), String::from_utf8(delivery.data.clone())) else {
        return Content::Foreign;
    };
    let small = |header| header_number(delivery, header).and_then(|number| u32::try_from(number).ok());
    let place = header_text(delivery, TRANSACTION).zip(small(SEQUENCE));
    let since = delivery.properties.timestamp().unwrap_or_default();
    Content::Message(Message {
        id,
        format,
        place: place.map(|(transaction, sequence)| MessagePlace {
            transaction,
            sequence,
            count: small(COUNT),
        }),
        payload,
        since: UNIX_EPOCH.checked_add(Duration::from_secs(since)).unwrap_or(UNIX_EPOCH),
        attempts: small(ATTEMPTS).unwrap_or_default(),
        not_before,
    })
}

pub(super) fn id(delivery: &Delivery) -> Option<String> {
    delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned())
}

/// How often it was delivered before, by the count of a quorum queue.
pub(super) fn deliveries(delivery: &Delivery) -> u32 {
    header_number(delivery, "x-delivery-count")
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default()
}

/// Why a message is among the dead letters: a worker's word, or the broker's.
pub(super) fn why(delivery: &Delivery) -> String {
    header_text(delivery, WHY)
        .or_else(|| header_text(delivery, "x-first-death-reason").map(|why| format!("the broker: {why}")))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}

fn header_text(delivery: &Delivery, name: &str) -> Option<String> {
    match header(delivery, name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// A whole number, in whichever size it was sent.
fn header_number(delivery: &Delivery, name: &str) -> Option<i64> {
    match *header(delivery, name)? {
        AMQPValue::ShortShortInt(number) => Some(number.into()),
        AMQPValue::ShortShortUInt(number) => Some(number.into()),
        AMQPValue::ShortInt(number) => Some(number.into()),
        AMQPValue::ShortUInt(number) => Some(number.into()),
        AMQPValue::LongInt(number) => Some(number.into()),
        AMQPValue::LongUInt(number) => Some(number.into()),
        AMQPValue::LongLongInt(number) => Some(number),
        _ => None,
    }
}

fn number(number: i64) -> AMQPValue {
    AMQPValue::LongLongInt(number)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
