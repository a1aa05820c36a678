//! Records without what differs from run to run.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{AttributeValue, AuditRecord, attribute_names as names};

/// Records as a snapshot test wants them: in the order of their commits, attributes sorted by name, and in place of ids
/// what tells them apart: `record 1`, `transaction 1`, `trace 1`. Times are left out.
///
/// It displays as text, and serialises as a list, for `insta::assert_snapshot!`, `assert_json_snapshot!` and their like.
///
/// ```
/// use ftn_audit::testing::Recorder;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let recorder = Recorder::new();
/// let audit = recorder.audit();
/// audit.event("export.downloaded").subject("Report", "7").attr("rows", 120).record(audit).await;
/// assert_eq!(
///     recorder.snapshot().to_string(),
///     "\
/// record 1: export.downloaded Report #7 (transaction 1, 1 of 1)
///   export.downloaded on Report #7
///   audit.actor.type: unknown
///   rows: 120
/// "
/// );
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Snapshot {
    records: Vec<SnapshotRecord>,
}

/// One record of a [`Snapshot`].
///
/// ```
/// use ftn_audit::testing::Recorder;
///
/// assert!(Recorder::new().snapshot().records().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotRecord {
    /// `record 1` for the first.
    pub id: String,
    /// What happened.
    pub event: String,
    /// The model's name.
    pub model: String,
    /// The row's key.
    pub pk: String,
    /// `transaction 1` for the first.
    pub transaction: Option<String>,
    /// The record's number in its transaction.
    pub sequence: Option<u32>,
    /// How many records the transaction has.
    pub transaction_count: Option<u32>,
    /// What the formatter wrote.
    pub description: String,
    /// What else the record says.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// Attributes that say again what a record's own fields say.
const SAID: [&str; 7] = [
    names::UID,
    names::EVENT_TYPE,
    names::MODEL,
    names::MODEL_PK,
    names::TRANSACTION_ID,
    names::SEQUENCE,
    names::TRANSACTION_COUNT,
];

/// Numbers things by the order in which they first come up.
#[derive(Default)]
struct Numbers(Vec<String>);

impl Numbers {
    fn of(&mut self, kind: &str, id: String) -> String {
        let position = self.0.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.0.push(id);
            self.0.len() - 1
        });
        format!("{kind} {}", position + 1)
    }
}

impl Snapshot {
    pub(super) fn of(records: &[AuditRecord]) -> Self {
        let (mut ids, mut transactions, mut traces) =
            (Numbers::default(), Numbers::default(), Numbers::default());
        for record in records {
            ids.of("record", record.id().to_string());
        }
        let view = |record: &AuditRecord| SnapshotRecord {
            id: ids.of("record", record.id().to_string()),
            event: record.event_type().to_string(),
            model: record.model().to_owned(),
            pk: record.pk().to_owned(),
            transaction: record.transaction_id().map(|id| transactions.of("transaction", id.to_string())),
            sequence: record.sequence(),
            transaction_count: record.transaction_count(),
            description: record.description().to_owned(),
            attributes: {
                let attributes =
                    record.attributes().into_iter().filter(|(key, _)| !SAID.contains(&key.as_ref()));
                let trace = record.trace_id().map(|trace| {
                    let trace = traces.of("trace", crate::record::hexadecimal(&trace));
                    ("trace".to_owned(), trace.into())
                });
                attributes
                    .map(|(key, value)| {
                        let value = match value {
                            AttributeValue::Text(cause) if key == names::CAUSE => {
                                ids.of("record", cause.into_owned()).into()
                            }
                            value => value.to_json(),
                        };
                        (key.into_owned(), value)
                    })
                    .chain(trace)
                    .collect()
            },
        };
        Self { records: records.iter().map(view).collect() }
    }

    /// The records, for what a text cannot say.
    pub fn records(&self) -> &[SnapshotRecord] {
        &self.records
    }

    /// Writes `[redacted]` in place of an attribute's value: for what your own code gives another value in each run. A
    /// name that ends in `*` means all that begin so.
    #[must_use]
    pub fn redact(mut self, attribute: &str) -> Self {
        for record in &mut self.records {
            for (key, value) in &mut record.attributes {
                if means(attribute, key) {
                    *value = "[redacted]".into();
                }
            }
        }
        self
    }

    /// Leaves an attribute out. A name that ends in `*` means all that begin so: `without("db.*")` makes one snapshot
    /// serve several databases.
    #[must_use]
    pub fn without(mut self, attribute: &str) -> Self {
        for record in &mut self.records {
            record.attributes.retain(|key, _| !means(attribute, key));
        }
        self
    }

    /// Replaces a text wherever it stands, in keys, descriptions and attributes: for a generated key.
    ///
    /// ```
    /// # use ftn_audit::testing::Recorder;
    /// # let (recorder, id) = (Recorder::new(), "018f");
    /// let snapshot = recorder.snapshot().replace(id, "[order]");
    /// ```
    #[must_use]
    pub fn replace(mut self, text: impl AsRef<str>, by: &str) -> Self {
        let text = text.as_ref();
        for record in &mut self.records {
            for place in [&mut record.pk, &mut record.description] {
                *place = place.replace(text, by);
            }
            record.attributes.values_mut().for_each(|value| replace_in(value, text, by));
        }
        self
    }

    /// In the order of models, keys and events, not of commits: for records of work that ran side by side.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.records.sort_by(|left, right| {
            (&left.model, &left.pk, &left.event, left.sequence, &left.description).cmp(&(
                &right.model,
                &right.pk,
                &right.event,
                right.sequence,
                &right.description,
            ))
        });
        let mut transactions = Numbers::default();
        let ids: Vec<_> = self.records.iter().map(|record| record.id.clone()).collect();
        let new_id = |id: &str| ids.iter().position(|old| old == id).map(|at| format!("record {}", at + 1));
        for record in &mut self.records {
            if let Some(id) = new_id(&record.id) {
                record.id = id;
            }
            if let Some(transaction) = &mut record.transaction {
                *transaction = transactions.of("transaction", std::mem::take(transaction));
            }
            let cause = record.attributes.get_mut(names::CAUSE);
            if let Some((cause, id)) = cause.and_then(|cause| new_id(cause.as_str()?).map(|id| (cause, id))) {
                *cause = id.into();
            }
        }
        self
    }
}

fn means(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => key.starts_with(beginning),
        None => key == pattern,
    }
}

fn replace_in(value: &mut serde_json::Value, text: &str, by: &str) {
    use serde_json::Value as Json;
    match value {
        Json::String(string) => *string = string.replace(text, by),
        Json::Array(values) => values.iter_mut().for_each(|value| replace_in(value, text, by)),
        Json::Object(map) => map.values_mut().for_each(|value| replace_in(value, text, by)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.records.iter().try_for_each(|record| record.fmt(f))
    }
}

impl fmt::Display for SnapshotRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.id, self.event, self.model)?;
        if !self.pk.is_empty() {
            write!(f, " #{}", self.pk)?;
        }
        if let (Some(transaction), Some(sequence)) = (&self.transaction, self.sequence) {
            write!(f, " ({transaction}, {sequence}")?;
            self.transaction_count.map_or(Ok(()), |count| write!(f, " of {count}"))?;
            f.write_str(")")?;
        }
        writeln!(f, "\n  {}", self.description)?;
        for (key, value) in &self.attributes {
            match value {
                serde_json::Value::String(text) => writeln!(f, "  {key}: {text}")?,
                value => writeln!(f, "  {key}: {value}")?,
            }
        }
        Ok(())
    }
}
