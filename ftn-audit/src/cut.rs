//! Keeps a record within its bytes.

use crate::{AttributeValue, AuditRecord, attribute_names as names};

/// What stands where a value was cut.
const ELLIPSIS: &str = "…";

/// Cuts the longest texts of a record until description and attribute values fit into `limit` bytes together; the
/// attributes that were cut are named in `audit.truncated`.
pub(crate) fn cut(record: &mut AuditRecord, limit: usize) {
    let length = |value: &AttributeValue| match value {
        AttributeValue::Text(text) => text.len(),
        value @ (AttributeValue::List(_) | AttributeValue::Json(_)) => value.to_string().len(),
        _ => 8,
    };
    let mut lengths: Vec<usize> = record.own.iter().map(|(_, value)| length(value)).collect();
    lengths.push(record.description.len());
    if lengths.iter().sum::<usize>() <= limit {
        return;
    }
    let most = longest_allowed(lengths, limit);
    let mut cut = Vec::new();
    for (key, value) in record.own.iter_mut() {
        if length(value) > most {
            *value = shortened(&value.to_string(), most).into();
            cut.push(AttributeValue::from(key.to_owned()));
        }
    }
    if record.description.len() > most {
        record.description = shortened(&record.description, most);
        cut.push("description".into());
    }
    record.own.set(names::TRUNCATED, AttributeValue::List(cut));
}

/// The length to which texts have to be cut so that all of them fit: the longest ones give way first.
fn longest_allowed(mut lengths: Vec<usize>, limit: usize) -> usize {
    lengths.sort_unstable();
    let mut rest = limit;
    let count = lengths.len();
    for (position, length) in lengths.into_iter().enumerate() {
        let share = rest / (count - position);
        if length > share {
            return share;
        }
        rest -= length;
    }
    limit
}

fn shortened(text: &str, most: usize) -> String {
    let most = most.saturating_sub(ELLIPSIS.len());
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_values_give_way_and_are_named() {
        let mut record = AuditRecord::event("update", "Item", 1)
            .with_attribute("audit.changeset.body.new", "ä".repeat(50_000))
            .with_attribute("audit.changeset.title.new", "Tea");
        cut(&mut record, 1000);
        let body = record.attribute("audit.changeset.body.new").unwrap().to_string();
        assert!(body.len() < 1000 && body.ends_with(ELLIPSIS));
        assert_eq!(record.attribute("audit.changeset.title.new").unwrap(), "Tea");
        assert_eq!(record.attribute(names::TRUNCATED).unwrap(), r#"["audit.changeset.body.new"]"#);
    }

    #[test]
    fn what_fits_is_left_alone() {
        let mut record = AuditRecord::event("update", "Item", 1).with_description("short");
        cut(&mut record, 1000);
        assert!(record.attribute(names::TRUNCATED).is_none());
    }
}
