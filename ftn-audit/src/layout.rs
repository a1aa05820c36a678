//! The form in which a record's attributes leave.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::{
    Actor, AttributeValue, Attributes, AuditRecord, LinkAction, attribute_names as names, change::ChangeFacts,
};

/// How attributes are laid out for the store behind the sink.
///
/// ```
/// use ftn_audit::Encoding;
///
/// assert_eq!("nested".parse(), Ok(Encoding::Nested));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// One attribute a column and side, `audit.changeset.title.old`, as text, so that one field never has two types in
    /// a store. The default.
    #[default]
    Flat,
    /// `audit.changeset` as one map of columns, values in their native types.
    Nested,
    /// `audit.changeset` as one JSON text, for stores that limit the number of fields.
    Json,
    /// What the Python library sends, for fleets where both write to one store: the formatter's attributes alone, its
    /// names (`user_id`, `post_add`), every value a text, and nothing that it does not have: no transaction, no
    /// database, no marks but that of [`max_attributes`](crate::AuditBuilder::max_attributes), where it is set.
    /// Creations and deletions carry no values.
    ///
    /// A map inside a list leaves as JSON text, and there the Python library keeps the order of the map's keys. Here
    /// they are sorted, unless the program turns on the feature `preserve_order` of `serde_json`: the same JSON in
    /// other bytes, for a store that compares texts.
    Seed,
}

impl Encoding {
    const ALL: [Self; 4] = [Self::Flat, Self::Nested, Self::Json, Self::Seed];

    /// `flat`, `nested`, `json` or `seed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Nested => "nested",
            Self::Json => "json",
            Self::Seed => "seed",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Encoding {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.into_iter().find(|encoding| encoding.as_str().eq_ignore_ascii_case(name));
        known.ok_or(UnknownName { accepted: "flat, nested, json, seed" })
    }
}

/// A name that is none of the accepted ones.
///
/// ```
/// let error = "xml".parse::<ftn_audit::Encoding>().unwrap_err();
/// assert_eq!(error.to_string(), "accepted are flat, nested, json, seed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accepted are {accepted}")]
pub struct UnknownName {
    accepted: &'static str,
}

impl UnknownName {
    pub(crate) fn accepting(accepted: &'static str) -> Self {
        Self { accepted }
    }
}

/// Something of a user that may leave with a record.
///
/// ```
/// use ftn_audit::{ActorField, Audit};
///
/// let builder = Audit::builder().actor_fields([ActorField::Id]);      // no e-mail, no name
/// assert_eq!("email".parse(), Ok(ActorField::Email));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActorField {
    /// The id: `user.id`.
    Id,
    /// The e-mail address: `user.email`.
    Email,
    /// The full name: `user.full_name`.
    Name,
}

impl FromStr for ActorField {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name.to_ascii_lowercase().as_str() {
            "id" => Ok(Self::Id),
            "email" => Ok(Self::Email),
            "name" => Ok(Self::Name),
            _ => Err(UnknownName { accepted: "id, email, name" }),
        }
    }
}

/// How every record of a handle leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) encoding: Encoding,
    pub(crate) max_attributes: usize,
    pub(crate) actor_fields: Vec<ActorField>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            encoding: Encoding::default(),
            max_attributes: usize::MAX,
            actor_fields: vec![ActorField::Id, ActorField::Email, ActorField::Name],
        }
    }
}

impl Layout {
    pub(crate) fn encode(&self, record: &AuditRecord) -> Attributes {
        let attributes = match self.encoding {
            Encoding::Seed => self.seed(record),
            Encoding::Flat => flat(record.attributes()),
            Encoding::Nested => grouped(record.attributes(), |columns| AttributeValue::Json(columns.into())),
            Encoding::Json => {
                grouped(record.attributes(), |columns| serde_json::Value::Object(columns).to_string().into())
            }
        };
        self.cut(attributes)
    }

    /// The actor's attributes that may leave.
    pub(crate) fn put_actor(&self, actor: &Actor, attributes: &mut Attributes) {
        actor.append_to(attributes);
        for (field, key) in [
            (ActorField::Id, names::USER_ID),
            (ActorField::Email, names::USER_EMAIL),
            (ActorField::Name, names::USER_FULL_NAME),
        ] {
            if !self.actor_fields.contains(&field) {
                attributes.remove(key);
            }
        }
    }

    /// Keeps the number of attributes within the bound: columns go first, the last of them first, because what the
    /// event is and who did it must not.
    fn cut(&self, attributes: Attributes) -> Attributes {
        let most = self.max_attributes.max(1);
        if attributes.len() <= most {
            return attributes;
        }
        // The mark takes a place of its own.
        let mut surplus = attributes.len() + 1 - most;
        let dropped = surplus;
        let columns = attributes.iter().filter(|(key, _)| key.starts_with(names::CHANGESET_PREFIX)).count();
        let mut columns_to_keep = columns.saturating_sub(surplus);
        surplus = surplus.saturating_sub(columns);
        let others = attributes.len() - columns;
        let mut others_to_keep = others.saturating_sub(surplus);
        let kept = attributes.into_iter().filter(|(key, _)| {
            let budget = if key.starts_with(names::CHANGESET_PREFIX) {
                &mut columns_to_keep
            } else {
                &mut others_to_keep
            };
            let keep = *budget > 0;
            *budget = budget.saturating_sub(1);
            keep
        });
        let mut kept: Attributes = kept.collect();
        match self.encoding {
            Encoding::Seed => kept.set(names::ATTRIBUTES_DROPPED, dropped.to_string()),
            _ => kept.set(names::ATTRIBUTES_DROPPED, dropped),
        }
        kept
    }

    /// A description as it leaves: in `Seed`, the generic one of links has that library's name for the action.
    pub(crate) fn description(&self, facts: &ChangeFacts, written: String) -> String {
        match &facts.link {
            Some(link) if self.encoding == Encoding::Seed && written == facts.default_description() => {
                format!(
                    "{} on {} #{}.{}",
                    seed_action(link.action()),
                    facts.model.name,
                    facts.pk,
                    link.field()
                )
            }
            _ => written,
        }
    }

    fn seed(&self, record: &AuditRecord) -> Attributes {
        let mut all = Attributes::with_capacity(record.formatted + 4);
        let columns = matches!(record.event.as_str(), "update");
        for (key, value) in record.own.iter().take(record.formatted) {
            if key.starts_with(names::CHANGESET_PREFIX) && !columns {
                continue;
            }
            let value = match (key, value.as_str()) {
                (names::ACTION, Some("add")) => seed_action(LinkAction::Add).into(),
                (names::ACTION, Some("remove")) => seed_action(LinkAction::Remove).into(),
                _ => value.clone(),
            };
            flatten(key, &value, &mut all);
            if key == names::MODEL_PK && !record.own.contains_key(names::RAW_ROUTE) || key == names::RAW_ROUTE
            {
                self.put_seed_user(record, &mut all);
            }
        }
        all
    }

    fn put_seed_user(&self, record: &AuditRecord, all: &mut Attributes) {
        let actor = record.actor();
        let allowed = |field| self.actor_fields.contains(&field);
        let text = |allowed: bool, value: Option<&str>| -> AttributeValue {
            value.filter(|_| allowed).unwrap_or("null").into()
        };
        all.set("user_id", text(allowed(ActorField::Id), actor.and_then(Actor::id)));
        all.set("user_email", text(allowed(ActorField::Email), actor.and_then(Actor::email_address)));
        all.set("user_first_name", text(allowed(ActorField::Name), actor.and_then(Actor::given_name)));
        all.set("user_last_name", text(allowed(ActorField::Name), actor.and_then(Actor::family_name)));
    }
}

fn seed_action(action: LinkAction) -> &'static str {
    match action {
        LinkAction::Add => "post_add",
        LinkAction::Remove => "post_remove",
    }
}

fn flat(mut attributes: Attributes) -> Attributes {
    for (key, value) in attributes.iter_mut() {
        let column = key.starts_with(names::CHANGESET_PREFIX) && value.as_str().is_none();
        if column || matches!(value, AttributeValue::Json(_)) {
            *value = value.to_string().into();
        }
    }
    attributes
}

/// Puts the attributes of the changeset into one, at the place of the first.
fn grouped(
    attributes: Attributes,
    group: impl FnOnce(serde_json::Map<String, serde_json::Value>) -> AttributeValue,
) -> Attributes {
    let mut columns = serde_json::Map::new();
    let mut rest: Vec<(Cow<'static, str>, AttributeValue)> = Vec::with_capacity(attributes.len());
    let mut place = None;
    for (key, value) in attributes {
        let column = key.strip_prefix(names::CHANGESET_PREFIX).and_then(|column| column.rsplit_once('.'));
        let Some((column, side)) = column else {
            rest.push((key, value));
            continue;
        };
        place.get_or_insert(rest.len());
        let sides = columns.entry(column).or_insert_with(|| serde_json::json!({}));
        if let Some(sides) = sides.as_object_mut() {
            sides.insert(side.to_owned(), value.to_json());
        }
    }
    if let Some(place) = place {
        rest.insert(place, (names::CHANGESET.into(), group(columns)));
    }
    rest.into_iter().collect()
}

/// The Python library's flattening: maps become dotted keys, an empty map nothing, lists JSON as Python spells it, all
/// else text.
fn flatten(key: &str, value: &AttributeValue, all: &mut Attributes) {
    match value {
        AttributeValue::Json(serde_json::Value::Object(map)) => {
            for (inner, value) in map {
                flatten(&format!("{key}.{inner}"), &AttributeValue::Json(value.clone()), all);
            }
        }
        AttributeValue::Json(serde_json::Value::String(text)) => all.set(key.to_owned(), text.as_str()),
        AttributeValue::Json(json) => all.set(key.to_owned(), python_json(json)),
        AttributeValue::List(_) => all.set(key.to_owned(), python_json(&value.to_json())),
        AttributeValue::Float(number) => all.set(key.to_owned(), python_float(*number)),
        value => all.set(key.to_owned(), value.to_string()),
    }
}

/// JSON with a space behind commas and colons, and nothing but ASCII, as Python's `json.dumps` writes it.
fn python_json(json: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match json {
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => python_float(float),
            None => number.to_string(),
        },
        Json::String(text) => ascii(&Json::String(text.clone()).to_string()),
        Json::Array(values) => {
            format!("[{}]", values.iter().map(python_json).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| format!("{}: {}", python_json(&key.as_str().into()), python_json(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        json => json.to_string(),
    }
}

/// A text of JSON with what is beyond ASCII escaped, as UTF-16 has it.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            ' '..='~' => escaped.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

/// A number as Python writes it: the shortest digits that mean it, with an exponent where it is very large or small.
fn python_float(number: f64) -> String {
    if !number.is_finite() {
        return match number {
            number if number.is_nan() => "NaN",
            number if number > 0.0 => "Infinity",
            _ => "-Infinity",
        }
        .to_owned();
    }
    let shortest = format!("{number:e}");
    let Some((digits, exponent)) = shortest.split_once('e') else { return shortest };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{number:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(columns: usize) -> AuditRecord {
        let mut record = AuditRecord::event("update", "Item", 1);
        for column in 0..columns {
            record = record
                .with_attribute(format!("audit.changeset.c{column}.old"), 1)
                .with_attribute(format!("audit.changeset.c{column}.new"), 2);
        }
        record
    }

    fn layout(encoding: Encoding) -> Layout {
        Layout { encoding, ..Layout::default() }
    }

    #[test]
    fn nested_and_json_hold_columns_in_one_attribute() {
        let nested = layout(Encoding::Nested).encode(&record(2));
        let columns = serde_json::json!({"c0": {"old": 1, "new": 2}, "c1": {"old": 1, "new": 2}});
        assert_eq!(nested.get("audit.changeset"), Some(&AttributeValue::Json(columns.clone())));
        let text = layout(Encoding::Json).encode(&record(2));
        let text: serde_json::Value =
            serde_json::from_str(text.get("audit.changeset").unwrap().as_str().unwrap()).unwrap();
        assert_eq!(text, columns);
    }

    #[test]
    fn a_cut_takes_columns_before_anything_else_and_is_marked() {
        let whole = layout(Encoding::Flat).encode(&record(10)).len();
        let layout = Layout { max_attributes: whole - 5, ..Layout::default() };
        let cut = layout.encode(&record(10));
        assert_eq!(cut.len(), whole - 5);
        assert_eq!(cut.get(names::ATTRIBUTES_DROPPED).unwrap(), &6_i64);
        assert!(cut.contains_key("audit.model_pk") && cut.contains_key("audit.actor.type"));
        assert!(cut.contains_key("audit.changeset.c0.old") && !cut.contains_key("audit.changeset.c9.new"));
    }

    #[test]
    fn a_cut_below_the_columns_keeps_what_the_event_is() {
        let layout = Layout { max_attributes: 4, ..Layout::default() };
        let cut = layout.encode(&record(10));
        assert_eq!(cut.len(), 4);
        assert!(cut.contains_key("log.record.uid") && cut.contains_key("audit.event_type"));
    }

    #[test]
    fn a_cut_of_the_python_librarys_form_is_marked_in_text() {
        let mut record = record(3);
        record.formatted = record.own.len();
        let whole = layout(Encoding::Seed).encode(&record);
        assert_eq!((whole.len(), whole.contains_key(names::ATTRIBUTES_DROPPED)), (13, false));
        let layout = Layout { max_attributes: 10, ..layout(Encoding::Seed) };
        let cut = layout.encode(&record);
        assert_eq!(cut.len(), 10);
        assert_eq!(cut.get(names::ATTRIBUTES_DROPPED).unwrap(), "4");
        assert!(cut.contains_key("user_last_name") && !cut.contains_key("audit.changeset.c2.new"));
    }

    #[test]
    fn python_spells_json_with_spaces() {
        let json = serde_json::json!([{"sku": "a", "qty": 2}, null, true]);
        assert_eq!(python_json(&json), r#"[{"qty": 2, "sku": "a"}, null, true]"#);
    }

    #[test]
    fn python_spells_json_in_ascii() {
        let json = serde_json::json!(["\u{e9}\u{1f600}\u{7f}", "a\n\"b"]);
        assert_eq!(python_json(&json), r#"["\u00e9\ud83d\ude00\u007f", "a\n\"b"]"#);
    }

    #[test]
    fn python_spells_numbers() {
        for (number, spelled) in [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (-0.0, "-0.0"),
            (1e22, "1e+22"),
            (1e16, "1e+16"),
            (123_456_789_012_345.0, "123456789012345.0"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(python_float(number), spelled);
        }
        assert_eq!(python_json(&serde_json::json!([1, 2.0, 1e30])), "[1, 2.0, 1e+30]");
    }
}
