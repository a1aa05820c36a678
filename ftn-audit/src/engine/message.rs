//! What goes over a broker, and what becomes of it there.

use std::{fmt, time::SystemTime};

use uuid::Uuid;

use crate::{
    Audit, AuditRecord,
    stored::{FORMAT, UnreadableRecord},
};

/// A record on its way over a broker, in its [stored form](crate::stored).
///
/// ```
/// use ftn_audit::{Audit, AuditRecord, engine::Message};
///
/// let record = AuditRecord::event("exported", "Report", 7);
/// let message = Message::new(&record);
/// assert_eq!(message.id, record.id().to_string());
/// assert_eq!(message.restore(&Audit::disabled())?.id(), record.id());
/// # Ok::<(), ftn_audit::stored::UnreadableRecord>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The record's id. Whatever is sent again has the same.
    pub id: String,
    /// The number of the format that [`payload`](Self::payload) and [`place`](Self::place) are in.
    pub format: i32,
    /// The record's place in its transaction.
    pub place: Option<MessagePlace>,
    /// The record.
    pub payload: String,
    /// When it was first given to the broker.
    pub since: SystemTime,
    /// How often a sink refused it.
    pub attempts: u32,
    /// When it is due again, where it waits for another attempt.
    pub not_before: Option<SystemTime>,
}

/// The place of a record in its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePlace {
    /// The transaction's id.
    pub transaction: String,
    /// The record's number in it, from 1.
    pub sequence: u32,
    /// How many records it has, if that is known.
    pub count: Option<u32>,
}

impl Message {
    /// Of a record, to be sent now.
    pub fn new(record: &AuditRecord) -> Self {
        let place = record.transaction_id().zip(record.sequence()).map(|(transaction, sequence)| {
            MessagePlace { transaction: transaction.to_string(), sequence, count: record.transaction_count() }
        });
        Self::stored(record.id().to_string(), FORMAT, place, record.to_payload())
    }

    /// Of a record that is stored already, to be sent now.
    pub fn stored(id: String, format: i32, place: Option<MessagePlace>, payload: String) -> Self {
        Self { id, format, place, payload, since: SystemTime::now(), attempts: 0, not_before: None }
    }

    /// The record. It leaves in this handle's encoding.
    ///
    /// # Errors
    ///
    /// When the format is newer than this version's, or the payload is damaged.
    pub fn restore(&self, audit: &Audit) -> Result<AuditRecord, UnreadableRecord> {
        let mut record = audit.restore(self.format, &self.payload)?;
        if let Some(place) = &self.place
            && let Ok(transaction) = place.transaction.parse::<Uuid>()
        {
            record.set_place(transaction, place.sequence, place.count);
        }
        Ok(record)
    }
}

/// Without the payload: it is data.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("format", &self.format)
            .field("place", &self.place)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// What the broker says of a message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is stored, on a majority of the broker's members.
    Confirmed,
    /// It is not, and may be published again.
    NotTaken {
        /// The broker's words.
        why: String,
    },
}

/// A number that a session gives to a message until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A message as it comes from the broker.
#[derive(Debug)]
pub struct Arrived {
    /// What to settle it by.
    pub ticket: Ticket,
    /// How often it was delivered before, to workers that did not settle it.
    pub deliveries: u32,
    /// What it holds.
    pub content: Content,
}

/// What a message from the broker holds.
#[derive(Debug)]
pub enum Content {
    /// A record, in a format that this version reads.
    Message(Message),
    /// A record of a later version's format.
    Newer {
        /// The format's number.
        format: i32,
        /// When it is due, where it has been made to wait.
        not_before: Option<SystemTime>,
    },
    /// Nothing that this library writes.
    Foreign,
}

/// What becomes of a message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is done with.
    Done,
    /// It comes again: not sooner than the engine's longest wait or `until`, whichever is first. `until` and `attempts`
    /// travel with it.
    Later {
        /// When it is due.
        until: SystemTime,
        /// How often a sink has refused it by now.
        attempts: u32,
    },
    /// It goes to the dead letters.
    Dead {
        /// Why, without any data of a record.
        why: String,
    },
    /// It comes again at once, and that counts as a delivery.
    Return,
}

/// A message among the dead letters.
#[derive(Debug)]
pub struct DeadLetter {
    /// What to settle it by.
    pub ticket: Ticket,
    /// The id of its record, where it has one.
    pub id: Option<String>,
    /// Why it is there.
    pub why: String,
}
