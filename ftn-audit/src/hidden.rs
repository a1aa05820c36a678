//! What must not show: the values of masked and hashed columns, searched in what a formatter wrote.

use std::{borrow::Cow, fmt};

use serde_json::Value as Json;

use crate::{AttributeValue, Attributes, change::AnyChange, model::MASK};

/// Values shorter than this are blanked as whole words only: `7` is in too much.
const MIN_PART_CHARS: usize = 4;

/// The values of a change's masked and hashed columns, as the texts by which a formatter may have written them.
///
/// What is searched is the whole value; a part of it that a formatter cuts out is not found. `Debug` shows only how
/// many there are.
///
/// ```
/// let mut hidden = ftn_audit::HiddenValues::default();
/// hidden.add(&"a secret".into());
/// assert_eq!(format!("{hidden:?}"), "HiddenValues(1)");
/// ```
#[derive(Clone, Default)]
pub struct HiddenValues(Vec<String>);

impl HiddenValues {
    /// Adds a value: its text, that text as JSON and `{:?}` write it, and the parts of a list or JSON value.
    pub fn add(&mut self, value: &AttributeValue) {
        match value {
            AttributeValue::Null => {}
            AttributeValue::Text(text) => self.add_text(text),
            AttributeValue::List(values) => values.iter().for_each(|value| self.add(value)),
            AttributeValue::Json(json) => {
                self.add_json(json);
                if json.is_array() || json.is_object() {
                    self.add_text(&json.to_string());
                }
            }
            AttributeValue::Bool(_) | AttributeValue::Int(_) | AttributeValue::Float(_) => {
                self.add_text(&value.to_string());
            }
        }
    }

    /// Adds one more text by which a value may have been written.
    pub fn add_text(&mut self, text: &str) {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return;
        }
        self.push(trimmed);
        let escaped = Json::from(trimmed).to_string();
        self.push(&escaped[1..escaped.len() - 1]);
        let debugged = format!("{trimmed:?}");
        self.push(&debugged[1..debugged.len() - 1]);
        // A decimal is stored with its column's scale, and written without it.
        if let Some((whole, fraction)) = trimmed.split_once('.')
            && !whole.is_empty()
            && [whole.trim_start_matches('-'), fraction].concat().chars().all(|digit| digit.is_ascii_digit())
        {
            self.push(trimmed.trim_end_matches('0').trim_end_matches('.'));
        }
    }

    /// Adds a key, which stands in paths as well.
    pub fn add_key(&mut self, value: &AttributeValue) {
        self.add(value);
        let text = value.to_string();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let encode = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        let encoded: String = text.bytes().map(encode).collect();
        if !value.is_null() && encoded != text {
            self.push(&encoded);
        }
    }

    /// Adds all of another's.
    pub fn extend(&mut self, more: Self) {
        more.0.iter().for_each(|text| self.push(text));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add_json(&mut self, json: &Json) {
        match json {
            // `null`, `true` and `false` inside a document tell nothing, and are everywhere.
            Json::Null | Json::Bool(_) => {}
            Json::Number(number) => self.add_text(&number.to_string()),
            Json::String(text) => self.add_text(text),
            Json::Array(values) => values.iter().for_each(|value| self.add_json(value)),
            Json::Object(map) => map.values().for_each(|value| self.add_json(value)),
        }
    }

    fn push(&mut self, text: &str) {
        if !self.0.iter().any(|known| known == text) {
            self.0.push(text.to_owned());
        }
    }

    /// What contains another is blanked before it, so that nothing of it is left around the blank.
    fn longest_first(&mut self) {
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// The text with every hidden value blanked; `None` when there is none in it.
    fn blanked(&self, text: &str) -> Option<String> {
        let mut blanked: Option<String> = None;
        for hidden in &self.0 {
            let whole_words = hidden.chars().take(MIN_PART_CHARS).count() < MIN_PART_CHARS;
            let next = replaced(blanked.as_deref().unwrap_or(text), hidden, whole_words);
            blanked = next.or(blanked);
        }
        blanked
    }

    fn blank_value(&self, value: &mut AttributeValue) {
        match value {
            AttributeValue::Null => {}
            AttributeValue::List(values) => values.iter_mut().for_each(|value| self.blank_value(value)),
            AttributeValue::Json(json) => self.blank_json(json),
            AttributeValue::Text(text) => {
                if let Some(blanked) = self.blanked(text) {
                    *text = Cow::Owned(blanked);
                }
            }
            AttributeValue::Bool(_) | AttributeValue::Int(_) | AttributeValue::Float(_) => {
                if let Some(blanked) = self.blanked(&value.to_string()) {
                    *value = blanked.into();
                }
            }
        }
    }

    fn blank_json(&self, json: &mut Json) {
        match json {
            Json::Null => {}
            Json::Bool(_) | Json::Number(_) => {
                if let Some(blanked) = self.blanked(&json.to_string()) {
                    *json = Json::String(blanked);
                }
            }
            Json::String(text) => {
                if let Some(blanked) = self.blanked(text) {
                    *text = blanked;
                }
            }
            Json::Array(values) => values.iter_mut().for_each(|value| self.blank_json(value)),
            Json::Object(map) => {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, mut value)| {
                        self.blank_json(&mut value);
                        (self.blanked(&key).unwrap_or(key), value)
                    })
                    .collect();
            }
        }
    }

    /// Blanks one attribute that others share, in a copy of them.
    pub(crate) fn blank_shared(&self, shared: &mut std::sync::Arc<Attributes>, key: &'static str) {
        let blanked = shared.get(key).and_then(AttributeValue::as_str).and_then(|text| self.blanked(text));
        if let Some(blanked) = blanked {
            std::sync::Arc::make_mut(shared).set(key, blanked);
        }
    }
}

fn replaced(text: &str, hidden: &str, whole_words: bool) -> Option<String> {
    let mut replaced = String::new();
    let mut copied = 0;
    for (start, found) in text.match_indices(hidden) {
        let end = start + found.len();
        let touches_word = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
        let inside =
            touches_word(text[..start].chars().next_back()) || touches_word(text[end..].chars().next());
        if whole_words && inside {
            continue;
        }
        replaced.push_str(&text[copied..start]);
        replaced.push_str(MASK);
        copied = end;
    }
    (copied > 0).then(|| replaced + &text[copied..])
}

impl fmt::Debug for HiddenValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HiddenValues({})", self.0.len())
    }
}

/// Blanks what a formatter wrote. What the generic formatter would have written stays as it is: there, hidden columns
/// are hidden already, and another column's equal value is shown on purpose.
pub(crate) fn blank_formatted(change: &dyn AnyChange, description: &mut String, attributes: &mut Attributes) {
    let facts = change.facts();
    let mut hidden = facts.hidden_key.clone();
    if facts.model.hides_columns() {
        change.add_hidden_values(&mut hidden);
    }
    if hidden.is_empty() {
        return;
    }
    hidden.longest_first();
    if *description != facts.default_description()
        && let Some(blanked) = hidden.blanked(description)
    {
        *description = blanked;
    }
    let default = facts.default_attributes();
    *attributes = std::mem::take(attributes)
        .into_iter()
        .map(|(key, mut value)| {
            if default.get(&key) != Some(&value) {
                hidden.blank_value(&mut value);
            }
            // What is compiled in cannot be a stored value.
            let key = match key {
                Cow::Owned(key) => Cow::Owned(hidden.blanked(&key).unwrap_or(key)),
                fixed @ Cow::Borrowed(_) => fixed,
            };
            (key, value)
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(values: &[AttributeValue]) -> HiddenValues {
        let mut hidden = HiddenValues::default();
        values.iter().for_each(|value| hidden.add(value));
        hidden.longest_first();
        hidden
    }

    fn blanked(value: impl Into<AttributeValue>, text: &str) -> String {
        hidden(&[value.into()]).blanked(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn long_values_are_found_inside_text() {
        assert_eq!(blanked("s3cret", "xs3crety s3cret"), "x***y ***");
        assert_eq!(blanked(" padded ", "[padded]"), "[***]");
        assert_eq!(blanked("a\"b\nc\u{e9}", r#"{"k":"a\"b\ncé"} and a"b"#), r#"{"k":"***"} and a"b"#);
        assert_eq!(blanked("it's", &format!("{:?}", "it's")), "\"***\"");
    }

    #[test]
    fn short_values_are_found_as_whole_words_and_empty_ones_never() {
        assert_eq!(blanked("abc", "abc abcd xabc (abc)"), "*** abcd xabc (***)");
        assert_eq!(blanked(7, "7 of 17, 7.5"), "*** of 17, ***.5");
        assert_eq!(blanked("", "nothing"), "nothing");
        assert_eq!(blanked("   ", "a   b"), "a   b");
        assert_eq!(blanked(AttributeValue::Null, "null"), "null");
    }

    #[test]
    fn numbers_are_found_by_their_text() {
        assert_eq!(blanked(1234.5, "12345 is not 1234.5"), "12345 is not ***");
        assert_eq!(blanked("1250.00", "1250 and 1250.00"), "*** and ***");
        let mut number = AttributeValue::from(4711);
        hidden(&["4711".into()]).blank_value(&mut number);
        assert_eq!(number, "***");
    }

    #[test]
    fn the_parts_of_json_are_found_and_json_is_searched() {
        let secret = serde_json::json!({"iban": "DE89370400440532013000", "on": true, "n": [70, "swift"]});
        let hidden = hidden(&[secret.clone().into()]);
        let mut attribute = AttributeValue::from(serde_json::json!({
            "DE89370400440532013000": [{"a": "to DE89370400440532013000"}, 70, true, "swift"]
        }));
        hidden.blank_value(&mut attribute);
        assert_eq!(attribute.to_string(), r#"{"***":[{"a":"to ***"},"***",true,"***"]}"#);
        assert_eq!(hidden.blanked(&format!("was {secret}")).as_deref(), Some("was ***"));
    }

    #[test]
    fn a_value_inside_another_leaves_nothing_of_it() {
        assert_eq!(
            hidden(&["anna".into(), "anna@example.org".into()]).blanked("anna@example.org").as_deref(),
            Some("***")
        );
    }

    #[test]
    fn keys_are_found_in_paths() {
        let mut hidden = HiddenValues::default();
        hidden.add_key(&"ann@example.org".into());
        let mut shared =
            std::sync::Arc::new(Attributes::new().with("url.path", "/users/ann%40example.org/x"));
        hidden.blank_shared(&mut shared, "url.path");
        assert_eq!(shared.get("url.path").map(ToString::to_string).as_deref(), Some("/users/***/x"));
    }

    #[test]
    fn debug_shows_none() {
        assert_eq!(format!("{:?}", hidden(&["s3cret".into()])), "HiddenValues(1)");
    }
}
