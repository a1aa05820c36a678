//! From SeaORM's values to values of a record.

use std::fmt::Write;

use ftn_audit::{AttributeValue, HiddenValues};
#[cfg(feature = "with-chrono")]
use sea_orm::sea_query::value::prelude::chrono::{DateTime, TimeZone, Timelike};
use sea_orm::{
    ColumnType, QueryResult, TryGetable, Value,
    sea_query::{Nullable, OptionEnum, PostgresQueryBuilder, QueryBuilder},
};

/// A column's value as a record carries it. What has no native form becomes text in the form that the value's own
/// type displays; bytes become hexadecimal.
pub(crate) fn attribute_value(value: &Value) -> AttributeValue {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::TinyInt(value) => (*value).into(),
        Value::SmallInt(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::BigInt(value) => (*value).into(),
        Value::TinyUnsigned(value) => (*value).into(),
        Value::SmallUnsigned(value) => (*value).into(),
        Value::Unsigned(value) => (*value).into(),
        Value::BigUnsigned(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Double(value) => (*value).into(),
        Value::String(value) => value.clone().into(),
        Value::Enum(OptionEnum::Some(value)) => value.value.clone().into_owned().into(),
        Value::Enum(OptionEnum::None(_)) => AttributeValue::Null,
        Value::Char(value) => value.map(String::from).into(),
        Value::Bytes(value) => value.as_deref().map(hexadecimal).into(),
        #[cfg(feature = "with-json")]
        Value::Json(value) => value.as_deref().cloned().into(),
        #[cfg(feature = "with-chrono")]
        Value::ChronoDate(value) => text(value.as_ref()),
        #[cfg(feature = "with-chrono")]
        Value::ChronoTime(value) => {
            value.map(|value| format!("{}{}", value.format("%H:%M:%S"), fraction(&value))).into()
        }
        #[cfg(feature = "with-chrono")]
        Value::ChronoDateTime(value) => {
            value.map(|value| format!("{}{}", value.format("%Y-%m-%dT%H:%M:%S"), fraction(&value))).into()
        }
        #[cfg(feature = "with-chrono")]
        Value::ChronoDateTimeUtc(value) => value.as_ref().map(rfc3339).into(),
        #[cfg(feature = "with-chrono")]
        Value::ChronoDateTimeLocal(value) => value.as_ref().map(rfc3339).into(),
        #[cfg(feature = "with-chrono")]
        Value::ChronoDateTimeWithTimeZone(value) => value.as_ref().map(rfc3339).into(),
        #[cfg(feature = "with-uuid")]
        Value::Uuid(value) => text(value.as_ref()),
        #[cfg(feature = "with-rust_decimal")]
        Value::Decimal(value) => text(value.as_ref()),
        #[cfg(feature = "with-bigdecimal")]
        Value::BigDecimal(value) => value.as_deref().map(|value| value.to_plain_string()).into(),
        #[cfg(feature = "with-ipnetwork")]
        Value::IpNetwork(value) => text(value.as_ref()),
        #[cfg(feature = "with-mac_address")]
        Value::MacAddress(value) => text(value.as_ref()),
        #[cfg(feature = "postgres-array")]
        Value::Array(_, Some(values)) => AttributeValue::List(values.iter().map(attribute_value).collect()),
        #[cfg(feature = "postgres-array")]
        Value::Array(_, None) => AttributeValue::Null,
        // What is left depends on SeaORM's features.
        #[allow(unreachable_patterns)]
        value if *value == value.as_null() => AttributeValue::Null,
        #[allow(unreachable_patterns)]
        value => sql_literal(value).into(),
    }
}

/// The part of a second, without or with six digits, so that one column's texts have one form; databases keep no more.
#[cfg(feature = "with-chrono")]
fn fraction(time: &impl Timelike) -> String {
    // A leap second has more than a second's nanoseconds.
    match time.nanosecond() % 1_000_000_000 {
        0 => String::new(),
        nanos if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        nanos => format!(".{nanos:09}"),
    }
}

#[cfg(feature = "with-chrono")]
fn rfc3339<Z: TimeZone>(time: &DateTime<Z>) -> String
where
    Z::Offset: std::fmt::Display,
{
    format!("{}{}{}", time.format("%Y-%m-%dT%H:%M:%S"), fraction(time), time.format("%:z"))
}

/// A decimal with the decimals that its column is declared with: SQLite keeps a float, and gives 12.5 back for 12.50.
#[cfg_attr(
    not(any(feature = "with-rust_decimal", feature = "with-bigdecimal")),
    expect(unused_variables, reason = "without decimals there is no scale")
)]
pub(crate) fn with_scale(value: Value, scale: u32) -> Value {
    match value {
        #[cfg(feature = "with-rust_decimal")]
        Value::Decimal(Some(mut decimal)) if decimal.scale() < scale => {
            decimal.rescale(scale);
            Value::Decimal(Some(decimal))
        }
        #[cfg(feature = "with-bigdecimal")]
        Value::BigDecimal(Some(decimal)) if decimal.fractional_digit_count() < i64::from(scale) => {
            Value::BigDecimal(Some(Box::new(decimal.with_scale(i64::from(scale)))))
        }
        value => value,
    }
}

#[cfg(any(
    feature = "with-chrono",
    feature = "with-uuid",
    feature = "with-rust_decimal",
    feature = "with-ipnetwork",
    feature = "with-mac_address"
))]
fn text(value: Option<&impl ToString>) -> AttributeValue {
    value.map(ToString::to_string).into()
}

/// Adds a value that must not show, by the texts in which a formatter may write it: as records carry it, and as the
/// value's own type displays it.
pub(crate) fn add_hidden(value: &Value, hidden: &mut HiddenValues) {
    hidden.add(&attribute_value(value));
    match value {
        Value::Bytes(Some(bytes)) => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                hidden.add_text(text);
            }
        }
        #[cfg(feature = "with-uuid")]
        Value::Uuid(Some(value)) => hidden.add_text(&value.simple().to_string()),
        #[cfg(feature = "with-chrono")]
        Value::ChronoDateTime(Some(value)) => hidden.add_text(&value.to_string()),
        #[cfg(feature = "with-chrono")]
        Value::ChronoDateTimeUtc(Some(value)) => {
            hidden.add_text(&value.to_string());
            hidden.add_text(&format!("{value:?}"));
        }
        #[cfg(feature = "with-chrono")]
        Value::ChronoDateTimeWithTimeZone(Some(value)) => hidden.add_text(&value.to_string()),
        #[cfg(feature = "with-time")]
        Value::TimeTime(Some(value)) => hidden.add_text(&value.to_string()),
        #[cfg(feature = "with-time")]
        Value::TimeDateTime(Some(value)) => hidden.add_text(&value.to_string()),
        #[cfg(feature = "with-time")]
        Value::TimeDateTimeWithTimeZone(Some(value)) => hidden.add_text(&value.to_string()),
        #[cfg(feature = "postgres-array")]
        Value::Array(_, Some(values)) => values.iter().for_each(|value| add_hidden(value, hidden)),
        _ => {}
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SQL literal without its quotes: the one text form that SeaORM gives for every type of value, whichever of
/// its features the application chose.
fn sql_literal(value: &Value) -> String {
    let literal = PostgresQueryBuilder.value_to_string(value);
    match literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => literal,
    }
}

/// A column's value out of a row, by the type that the entity declares; `None` where it is not readable as that.
pub(crate) fn column_value(row: &QueryResult, name: &str, column: &ColumnType) -> Option<Value> {
    fn get<T: TryGetable + Into<Value> + Nullable>(row: &QueryResult, name: &str) -> Option<Value> {
        let value = row.try_get::<Option<T>>("", name).ok()?;
        Some(value.map_or_else(T::null, Into::into))
    }
    match column {
        ColumnType::Char(_)
        | ColumnType::String(_)
        | ColumnType::Text
        | ColumnType::Enum { .. }
        | ColumnType::Custom(_) => get::<String>(row, name),
        ColumnType::TinyInteger => get::<i8>(row, name),
        ColumnType::SmallInteger => get::<i16>(row, name),
        ColumnType::Integer => get::<i32>(row, name),
        ColumnType::BigInteger => get::<i64>(row, name),
        ColumnType::TinyUnsigned => get::<u8>(row, name),
        ColumnType::SmallUnsigned => get::<u16>(row, name),
        ColumnType::Unsigned => get::<u32>(row, name),
        ColumnType::BigUnsigned => get::<u64>(row, name),
        ColumnType::Float => get::<f32>(row, name),
        ColumnType::Double => get::<f64>(row, name),
        ColumnType::Boolean => get::<bool>(row, name),
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => get::<Vec<u8>>(row, name),
        #[cfg(feature = "with-rust_decimal")]
        ColumnType::Decimal(_) | ColumnType::Money(_) => get::<sea_orm::prelude::Decimal>(row, name),
        #[cfg(feature = "with-json")]
        ColumnType::Json | ColumnType::JsonBinary => get::<sea_orm::JsonValue>(row, name),
        #[cfg(feature = "with-uuid")]
        ColumnType::Uuid => get::<sea_orm::prelude::Uuid>(row, name),
        #[cfg(feature = "with-chrono")]
        ColumnType::Date => get::<sea_orm::prelude::ChronoDate>(row, name),
        #[cfg(feature = "with-chrono")]
        ColumnType::Time => get::<sea_orm::prelude::ChronoTime>(row, name),
        #[cfg(feature = "with-chrono")]
        ColumnType::DateTime => get::<sea_orm::prelude::ChronoDateTime>(row, name),
        #[cfg(feature = "with-chrono")]
        ColumnType::Timestamp | ColumnType::TimestampWithTimeZone => {
            get::<sea_orm::prelude::ChronoDateTimeUtc>(row, name)
        }
        _ => None,
    }
}

/// What tells keys apart, also those that records do not show.
pub(crate) fn plain_text(key: &[Value]) -> String {
    let mut text = String::with_capacity(16);
    for (number, value) in key.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{}", attribute_value(value));
    }
    text
}

/// Whether two stored values are the same; two floats that are not a number are.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(Some(left)), Value::Float(Some(right))) if left.is_nan() => right.is_nan(),
        (Value::Double(Some(left)), Value::Double(Some(right))) if left.is_nan() => right.is_nan(),
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_meaning() {
        assert_eq!(attribute_value(&Value::Int(Some(7))), 7);
        assert_eq!(attribute_value(&Value::Bytes(Some(vec![0, 255]))), "00ff");
        assert_eq!(attribute_value(&Value::String(None)), AttributeValue::Null);
        #[cfg(feature = "with-time")]
        assert_eq!(attribute_value(&Value::TimeDate(None)), AttributeValue::Null);
    }

    #[test]
    fn not_a_number_is_the_same_as_itself() {
        assert!(same(&Value::Double(Some(f64::NAN)), &Value::Double(Some(f64::NAN))));
        assert!(!same(&Value::Double(Some(1.0)), &Value::Double(None)));
    }
}
