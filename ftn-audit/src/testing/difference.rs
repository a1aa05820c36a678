//! How the records there are differ from what was expected, in words.

use std::fmt::Write;

use super::{
    Recorder,
    expectation::{Expectation, ExpectedColumn, Sides},
};
use crate::{AttributeValue, AuditRecord, ColumnInfo, EventType, attribute_names as names, model::MASK};

/// The most records that a failure lists.
const LISTED: usize = 10;

/// An expectation beside the records of a recorder.
pub(super) struct Difference<'a> {
    expected: &'a Expectation,
    recorder: &'a Recorder,
    records: Vec<AuditRecord>,
    /// Why no record can ever be as expected.
    mistakes: Vec<String>,
    key: Option<String>,
}

impl<'a> Difference<'a> {
    pub(super) fn new(expected: &'a Expectation, recorder: &'a Recorder) -> Self {
        let mut mistakes = mistakes(expected);
        let key = match key_text(expected, recorder) {
            Ok(key) => key,
            Err(mistake) => {
                mistakes.push(mistake);
                None
            }
        };
        Self { expected, recorder, records: recorder.records(), mistakes, key }
    }

    pub(super) fn found(&self) -> Option<&AuditRecord> {
        if self.mistakes.is_empty() { self.matching().next() } else { None }
    }

    fn matching(&self) -> impl Iterator<Item = &AuditRecord> {
        self.records.iter().filter(|record| self.differences(record).is_empty())
    }

    /// Why the expected record is missing.
    pub(super) fn missing(&self) -> String {
        let mut text = format!("not audited: {}\n", self.title());
        self.put_expected(&mut text);
        if self.put_mistakes(&mut text) {
            return text;
        }
        let of_model = |record: &&AuditRecord| record.model() == self.expected.model.name;
        // Of several that are as near, the first: `max_by_key` alone would give the last.
        match self.records.iter().filter(of_model).rev().max_by_key(|record| self.nearness(record)) {
            Some(nearest) => {
                let _ = writeln!(text, "nearest of {}: {}", records(self.records.len()), brief(nearest));
                for difference in self.differences(nearest) {
                    let _ = writeln!(text, "  {difference}");
                }
            }
            None => self.put_others(&mut text),
        }
        text
    }

    /// What was recorded that should not have been.
    pub(super) fn unwanted(&self) -> Option<String> {
        let mut text = format!("should not be audited: {}\n", self.title());
        self.put_expected(&mut text);
        if self.put_mistakes(&mut text) {
            return Some(text);
        }
        let matching: Vec<_> = self.matching().collect();
        if matching.is_empty() {
            return None;
        }
        let _ = writeln!(text, "recorded:");
        for record in matching.iter().take(LISTED) {
            let _ = writeln!(text, "  {}", brief(record));
            for column in &self.expected.model.columns {
                if let (Some(recorded), true) = (recorded(record, column), self.expected.columns.is_empty()) {
                    let _ = writeln!(text, "    {}: {recorded}", column.name);
                }
            }
        }
        put_rest(&mut text, matching.len());
        Some(text)
    }

    fn title(&self) -> String {
        let event = self.expected.event.as_ref().map_or("any event", EventType::as_str);
        match &self.key {
            Some(key) => format!("{event} {} #{key}", self.expected.model.name),
            None => format!("{event} {}", self.expected.model.name),
        }
    }

    fn put_expected(&self, text: &mut String) {
        for column in &self.expected.columns {
            let _ = writeln!(text, "  {}: {}", column.name, sides(&column.sides));
        }
        if let Some(links) = &self.expected.links {
            let _ = writeln!(text, "  {}: {} {}", links.field, links.action.as_str(), list(&links.keys));
        }
    }

    fn put_mistakes(&self, text: &mut String) -> bool {
        for mistake in &self.mistakes {
            let _ = writeln!(text, "but {mistake}");
        }
        !self.mistakes.is_empty()
    }

    fn put_others(&self, text: &mut String) {
        let discarded = self.recorder.audit().stats().discarded;
        if self.records.is_empty() {
            let _ = writeln!(text, "nothing was recorded");
        } else {
            let _ = writeln!(text, "no record is of {}; recorded were:", self.expected.model.name);
            for record in self.records.iter().take(LISTED) {
                let _ = writeln!(text, "  {}", brief(record));
            }
            put_rest(text, self.records.len());
        }
        if discarded > 0 {
            let _ = writeln!(text, "{} thrown away with a rollback", were(discarded));
        } else if self.records.is_empty() {
            let _ = writeln!(
                text,
                "a record comes after the commit, and from a connection that `recorder.audit()` made; hooks on a plain \
                 connection find the recorder inside `recorder.audit().scope(..)`"
            );
        }
    }

    /// Of records of the model, the larger the nearer: the row before what happened to it, and that before what it says.
    fn nearness(&self, record: &AuditRecord) -> (bool, bool, usize) {
        let key = self.key.as_deref().is_none_or(|key| key == record.pk());
        let event = self.expected.event.as_ref().is_none_or(|event| event == record.event_type());
        let columns = self.expected.columns.iter().filter(|column| self.column(record, column).is_none());
        (key, event, columns.count())
    }

    fn differences(&self, record: &AuditRecord) -> Vec<String> {
        let expected = self.expected;
        let mut differences = Vec::new();
        let mut differs = |what: &str, expected: &str, recorded: &str| {
            if expected != recorded {
                differences.push(format!("{what}: expected {expected}, recorded {recorded}"));
            }
        };
        differs("model", &expected.model.name, record.model());
        if let Some(event) = &expected.event {
            differs("event", event.as_str(), record.event_type().as_str());
        }
        if let Some(key) = &self.key {
            differs("key", key, record.pk());
        }
        differences.extend(expected.columns.iter().filter_map(|column| self.column(record, column)));
        differences.extend(self.links(record));
        differences
    }

    /// How a column differs.
    fn column(&self, record: &AuditRecord, expected: &ExpectedColumn) -> Option<String> {
        let column = column(expected.name, self.expected)?;
        let value = |key: &str| record.own.get(key);
        let (old, new) = (value(&column.old_key), value(&column.new_key));
        let equal = |expected: &AttributeValue, recorded: Option<&AttributeValue>| {
            let recorded = recorded.unwrap_or(&AttributeValue::Null);
            self.same(column, expected, recorded)
        };
        let same = match &expected.sides {
            Sides::Both { old: expected_old, new: expected_new } => {
                equal(expected_old, old) && equal(expected_new, new)
            }
            Sides::One(value) => equal(value, new.or(old)),
        };
        let named = old.is_some() || new.is_some();
        // What is NULL is left out of creations and deletions.
        let left_out = !named && is_null(&expected.sides) && *record.event_type() != EventType::Update;
        if same && (named || left_out) {
            return None;
        }
        let recorded = recorded(record, column).unwrap_or_else(|| "nothing of it".to_owned());
        Some(format!("{}: expected {}, recorded {recorded}", expected.name, sides(&expected.sides)))
    }

    /// Whether a value is the recorded one: by its text, so that a decimal can be given as `"1.50"`, and in a hashed
    /// column by its hash under any of the keys.
    fn same(&self, column: &ColumnInfo, expected: &AttributeValue, recorded: &AttributeValue) -> bool {
        if expected.is_null() || recorded.is_null() {
            return expected.is_null() && recorded.is_null();
        }
        let text = expected.to_string();
        *recorded == text
            || (column.hashed
                && self.recorder.audit().hashes_of(expected.clone()).iter().any(|hash| recorded == hash))
    }

    fn links(&self, record: &AuditRecord) -> Option<String> {
        let expected = self.expected.links.as_ref()?;
        let text = |key: &str| record.own.get(key).map(ToString::to_string);
        let keys = match record.own.get(names::PK_SET) {
            Some(AttributeValue::List(keys)) => keys.clone(),
            _ => Vec::new(),
        };
        let sorted = |keys: &[AttributeValue]| {
            let mut keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
            keys.sort_unstable();
            keys
        };
        let (field, action) = (text(names::FIELD_NAME), text(names::ACTION));
        let same = field.as_deref() == Some(expected.field)
            && action.as_deref() == Some(expected.action.as_str())
            && sorted(&expected.keys) == sorted(&keys);
        let recorded = match (field, action) {
            (Some(field), Some(action)) => format!("{field}: {action} {}", list(&keys)),
            _ => "no links".to_owned(),
        };
        (!same).then(|| {
            let action = expected.action.as_str();
            format!(
                "links: expected {}: {action} {}, recorded {recorded}",
                expected.field,
                list(&expected.keys)
            )
        })
    }
}

fn column<'a>(name: &str, expected: &'a Expectation) -> Option<&'a ColumnInfo> {
    expected.model.columns.iter().find(|column| column.name == name)
}

/// Why no record can be as expected: a mistake in the test, not in what it tests.
fn mistakes(expected: &Expectation) -> Vec<String> {
    let model = &expected.model.name;
    let known = |columns: &mut dyn Iterator<Item = &ColumnInfo>| {
        columns.map(|column| column.name).collect::<Vec<_>>().join(", ")
    };
    let mut mistakes = Vec::new();
    for ExpectedColumn { name, sides } in &expected.columns {
        let Some(column) = column(name, expected) else {
            let renamed = expected.model.columns.iter().find(|column| column.sql_name == *name);
            mistakes.push(match renamed {
                Some(column) => format!("records of {model} call `{name}` by the name `{}`", column.name),
                None => format!(
                    "{model} has no column `{name}`; it has {}",
                    known(&mut expected.model.columns.iter())
                ),
            });
            continue;
        };
        let shows_value = match sides {
            Sides::Both { old, new } => [old, new].into_iter().any(is_shown),
            Sides::One(value) => is_shown(value),
        };
        if column.skipped {
            mistakes.push(format!("`{name}` is skipped: no record says anything of it"));
        } else if column.masked && shows_value {
            mistakes.push(format!("`{name}` is masked: records show \"***\" in place of its values"));
        } else if column.ignored && expected.event == Some(EventType::Update) {
            mistakes.push(format!("`{name}` is ignored: no update says anything of it"));
        }
    }
    for (name, _) in &expected.key {
        if !expected.key_columns.iter().any(|column| column.name == *name) {
            mistakes.push(format!(
                "`{name}` is not in the key of {model}, which is {}; a column of the row is written `{name}: value`",
                known(&mut expected.key_columns.iter().copied())
            ));
        }
    }
    mistakes
}

fn is_shown(value: &AttributeValue) -> bool {
    !value.is_null() && *value != MASK
}

/// The expected key as records have it.
fn key_text(expected: &Expectation, recorder: &Recorder) -> Result<Option<String>, String> {
    let in_key = |name: &str| expected.key_columns.iter().any(|column| column.name == name);
    if expected.key.is_empty() || !expected.key.iter().all(|(name, _)| in_key(name)) {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for column in &expected.key_columns {
        let Some((_, value)) = expected.key.iter().find(|(name, _)| *name == column.name) else {
            return Err(format!(
                "the key of {} has a column `{}`, too: say all of it, or nothing",
                expected.model.name, column.name
            ));
        };
        parts.push(recorder.audit().key_value(column, value.clone()).to_string());
    }
    Ok(Some(parts.join(",")))
}

fn is_null(sides: &Sides) -> bool {
    match sides {
        Sides::Both { old, new } => old.is_null() && new.is_null(),
        Sides::One(value) => value.is_null(),
    }
}

fn sides(sides: &Sides) -> String {
    match sides {
        Sides::Both { old, new } => format!("{} => {}", shown(old), shown(new)),
        Sides::One(value) => shown(value),
    }
}

/// What a record says of a column.
fn recorded(record: &AuditRecord, column: &ColumnInfo) -> Option<String> {
    let value = |key: &str| record.own.get(key).map(shown);
    match (value(&column.old_key), value(&column.new_key)) {
        (Some(old), Some(new)) => Some(format!("{old} => {new}")),
        (Some(value), None) | (None, Some(value)) => Some(value),
        (None, None) => None,
    }
}

/// A value as a test writes it.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Null => "None".to_owned(),
        AttributeValue::Text(text) => format!("{text:?}"),
        value => value.to_string(),
    }
}

fn list(keys: &[AttributeValue]) -> String {
    format!("[{}]", keys.iter().map(shown).collect::<Vec<_>>().join(", "))
}

fn brief(record: &AuditRecord) -> String {
    let (event, model, description) = (record.event_type(), record.model(), record.description());
    match record.pk() {
        "" => format!("{event} {model}, {description:?}"),
        key => format!("{event} {model} #{key}, {description:?}"),
    }
}

fn records(count: usize) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

fn were(count: u64) -> String {
    if count == 1 { "1 record was".to_owned() } else { format!("{count} records were") }
}

fn put_rest(text: &mut String, count: usize) {
    if count > LISTED {
        let _ = writeln!(text, "  and {} more", count - LISTED);
    }
}
