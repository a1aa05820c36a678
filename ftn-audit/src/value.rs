//! A value in a record: a column's, or an attribute's.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// One value of a record, with nothing of the database left in it.
///
/// Its [`Display`](fmt::Display) form is the text that the `Flat` encoding sends, and values compare with
/// `&str` by that text:
///
/// ```
/// use ftn_audit::AttributeValue;
///
/// assert_eq!(AttributeValue::from(120), "120");
/// assert_eq!(AttributeValue::from("Ann").to_string(), "Ann");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum AttributeValue {
    /// SQL `NULL`, or nothing. Left out of delivered records.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number. Numbers above `i64::MAX` are carried as text.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text, and everything that has no native form: decimals, dates, UUIDs, bytes (hexadecimal).
    Text(Cow<'static, str>),
    /// A list, such as the keys of a link event.
    List(Vec<AttributeValue>),
    /// The value of a JSON column.
    Json(serde_json::Value),
}

impl AttributeValue {
    /// A text of the program's own, which costs no copy.
    pub(crate) const fn fixed(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Whether this is SQL `NULL` or nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, when this is [`Text`](Self::Text).
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when this is [`Int`](Self::Int).
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, when this is [`Bool`](Self::Bool).
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value as JSON; a float that JSON cannot say (NaN, infinity) becomes text.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(number) => Json::from(*number),
            Self::Float(number) => serde_json::Number::from_f64(*number)
                .map_or_else(|| Json::String(number.to_string()), Json::Number),
            Self::Text(text) => Json::String(text.clone().into_owned()),
            Self::List(values) => Json::Array(values.iter().map(Self::to_json).collect()),
            Self::Json(json) => json.clone(),
        }
    }

    /// An estimate of the memory that the value holds outside itself, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(Cow::Owned(text)) => allocated(text.capacity()),
            Self::List(values) => {
                allocated(values.capacity() * size_of::<Self>())
                    + values.iter().map(Self::heap_bytes).sum::<usize>()
            }
            Self::Json(json) => json_bytes(json),
            _ => 0,
        }
    }
}

/// What an allocation of so many bytes takes from the system: a record is many small ones, and what allocators add
/// to each is a third of the whole. The numbers are glibc's; others are near them.
pub(crate) fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

fn json_bytes(json: &serde_json::Value) -> usize {
    use serde_json::Value as Json;
    size_of::<Json>()
        + match json {
            Json::String(text) => allocated(text.capacity()),
            Json::Array(values) => values.iter().map(json_bytes).sum(),
            Json::Object(map) => {
                map.iter().map(|(key, value)| allocated(key.capacity()) + json_bytes(value)).sum()
            }
            _ => 0,
        }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(_) => write!(f, "{}", self.to_json()),
            Self::Json(json) => write!(f, "{json}"),
        }
    }
}

impl PartialEq<str> for AttributeValue {
    #[allow(clippy::cmp_owned, reason = "to compare without the text would call this function")]
    fn eq(&self, other: &str) -> bool {
        match self {
            Self::Text(text) => text == other,
            value => value.to_string() == other,
        }
    }
}

impl PartialEq<&str> for AttributeValue {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq<String> for AttributeValue {
    fn eq(&self, other: &String) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<i64> for AttributeValue {
    fn eq(&self, other: &i64) -> bool {
        self.as_i64() == Some(*other)
    }
}

impl PartialEq<bool> for AttributeValue {
    fn eq(&self, other: &bool) -> bool {
        self.as_bool() == Some(*other)
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(Cow::Owned(text.to_owned()))
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for AttributeValue {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<f32> for AttributeValue {
    /// Through the shortest decimal form, so that `0.1_f32` is recorded as 0.1 and not as 0.10000000149.
    fn from(number: f32) -> Self {
        Self::Float(number.to_string().parse().unwrap_or_else(|_| f64::from(number)))
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or_else(|_| Self::Text(Cow::Owned(number.to_string())), Self::Int)
    }
}

impl From<usize> for AttributeValue {
    fn from(number: usize) -> Self {
        Self::from(number as u64)
    }
}

macro_rules! from_whole_number {
    ($($number:ty),*) => {$(
        impl From<$number> for AttributeValue {
            fn from(number: $number) -> Self {
                Self::Int(i64::from(number))
            }
        }
    )*};
}

from_whole_number!(i8, i16, i32, i64, u8, u16, u32);

impl From<serde_json::Value> for AttributeValue {
    fn from(json: serde_json::Value) -> Self {
        Self::Json(json)
    }
}

impl<T: Into<AttributeValue>> From<Option<T>> for AttributeValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<AttributeValue>> From<Vec<T>> for AttributeValue {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_what_a_reader_expects() {
        assert_eq!(AttributeValue::from(Some(1.5)), "1.5");
        assert_eq!(AttributeValue::from(0.1_f32), "0.1");
        assert_eq!(AttributeValue::from(u64::MAX), "18446744073709551615");
        assert_eq!(AttributeValue::from(vec![1, 2]), "[1,2]");
        assert_eq!(AttributeValue::from(None::<i32>), AttributeValue::Null);
    }

    #[test]
    fn json_never_fails_on_floats() {
        assert_eq!(AttributeValue::from(f64::NAN).to_json(), serde_json::json!("NaN"));
    }
}
