//! Values as Python shows them, and what an application in Rust would have in their place.

use ftn_audit_sea::AttributeValue;
use serde_json::{Map, Value as Json};

#[derive(Clone, Debug, PartialEq)]
pub enum Python {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Python>),
    Set(Vec<Python>),
    Dict(Vec<(String, Python)>),
}

impl Python {
    /// `None` for what only Python has: generators, objects, keys that are no text ...
    pub fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value()?;
        reader.blank();
        reader.rest.is_empty().then_some(value)
    }

    pub fn holds_a_set(&self) -> bool {
        match self {
            Self::Set(_) => true,
            Self::List(values) => values.iter().any(Self::holds_a_set),
            Self::Dict(pairs) => pairs.iter().any(|(_, value)| value.holds_a_set()),
            _ => false,
        }
    }

    /// JSON has no number for them.
    fn is_beyond_json(&self) -> bool {
        match self {
            Self::Float(number) => !number.is_finite(),
            Self::List(values) | Self::Set(values) => values.iter().any(Self::is_beyond_json),
            Self::Dict(pairs) => pairs.iter().any(|(_, value)| value.is_beyond_json()),
            _ => false,
        }
    }

    pub fn to_attribute(&self) -> Option<AttributeValue> {
        Some(match self {
            Self::None => AttributeValue::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            _ if self.is_beyond_json() => return None,
            Self::List(_) | Self::Set(_) | Self::Dict(_) => self.to_json().into(),
        })
    }

    fn to_json(&self) -> Json {
        match self {
            Self::None => Json::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(values) | Self::Set(values) => values.iter().map(Self::to_json).collect(),
            Self::Dict(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (key.clone(), value.to_json()));
                pairs.collect::<Map<_, _>>().into()
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blank();
        let taken = self.rest.strip_prefix(token);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !belongs(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn value(&mut self) -> Option<Python> {
        self.blank();
        match self.rest.chars().next()? {
            '[' => Some(Python::List(self.items("[", "]")?)),
            '(' => Some(Python::List(self.items("(", ")")?)),
            '{' => self.braces(),
            '\'' | '"' => self.text().map(Python::Text),
            '<' => self.member(),
            '-' | '0'..='9' => self.number(),
            character if character.is_alphabetic() => self.name(),
            _ => None,
        }
    }

    fn items(&mut self, open: &str, close: &str) -> Option<Vec<Python>> {
        self.take(open);
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value()?);
            if !self.take(",") && !self.rest.trim_start().starts_with(close) {
                return None;
            }
        }
        Some(items)
    }

    fn braces(&mut self) -> Option<Python> {
        self.take("{");
        let (mut pairs, mut values) = (Vec::new(), Vec::new());
        while !self.take("}") {
            let key = self.value()?;
            if self.take(":") {
                let Python::Text(key) = key else { return None };
                pairs.push((key, self.value()?));
            } else {
                values.push(key);
            }
            if !self.take(",") && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        match (pairs.is_empty(), values.is_empty()) {
            (_, true) => Some(Python::Dict(pairs)),
            (true, false) => Some(Python::Set(values)),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut characters = self.rest[1..].char_indices();
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    kind @ ('x' | 'u' | 'U') => {
                        let digits = if kind == 'x' {
                            2
                        } else if kind == 'u' {
                            4
                        } else {
                            8
                        };
                        let digits: String =
                            characters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    other => text.push(other),
                },
                character if character == quote => {
                    self.rest = &self.rest[1 + at + character.len_utf8()..];
                    return Some(text);
                }
                character => text.push(character),
            }
        }
        None
    }

    /// `<Color.RED: 'red'>`, a member of an enum: its value is what an `ActiveEnum` stores.
    fn member(&mut self) -> Option<Python> {
        let (name, value) = self.rest.strip_prefix('<')?.split_once(": ")?;
        if name.contains(' ') {
            return None;
        }
        self.rest = value;
        let value = self.value()?;
        self.take(">").then_some(value)
    }

    fn number(&mut self) -> Option<Python> {
        if self.take("-inf") {
            return Some(Python::Float(f64::NEG_INFINITY));
        }
        let digits = self.take_while(|character| character.is_ascii_digit() || "+-.e".contains(character));
        match digits.parse() {
            Ok(number) => Some(Python::Int(number)),
            Err(_) if digits.contains(['.', 'e']) => digits.parse().ok().map(Python::Float),
            Err(_) => None,
        }
    }

    fn name(&mut self) -> Option<Python> {
        let name = self.take_while(|character| character.is_alphanumeric() || "._".contains(character));
        match (name, self.rest.starts_with('(')) {
            ("None", false) => Some(Python::None),
            ("True", false) => Some(Python::Bool(true)),
            ("False", false) => Some(Python::Bool(false)),
            ("nan", false) => Some(Python::Float(f64::NAN)),
            ("inf", false) => Some(Python::Float(f64::INFINITY)),
            // A member of Django's choices, whose value is its name in lower case.
            (name, false) => Some(Python::Text(name.split_once('.')?.1.to_lowercase())),
            (name, true) => self.call(name),
        }
    }

    fn call(&mut self, name: &str) -> Option<Python> {
        let end = self.rest.find(')')?;
        let arguments = &self.rest[1..end];
        self.rest = &self.rest[end + 1..];
        let aware = arguments.contains("tzinfo=datetime.timezone.utc");
        let numbers = arguments.split(", tzinfo").next()?;
        let numbers: Option<Vec<u32>> = numbers.split(", ").map(|number| number.parse().ok()).collect();
        let at = |position: usize| {
            numbers.as_ref().and_then(|numbers| numbers.get(position)).copied().unwrap_or(0)
        };
        let clock = |from: usize| {
            let fraction = if at(from + 3) == 0 { String::new() } else { format!(".{:06}", at(from + 3)) };
            format!("{:02}:{:02}:{:02}{fraction}", at(from), at(from + 1), at(from + 2))
        };
        let day = || format!("{:04}-{:02}-{:02}", at(0), at(1), at(2));
        let quoted = arguments.trim_matches('\'').to_owned();
        Some(Python::Text(match name {
            "datetime.date" if numbers.is_some() => day(),
            "datetime.time" if numbers.is_some() && !aware => clock(0),
            "datetime.datetime" if numbers.is_some() && (aware || !arguments.contains('=')) => {
                format!("{}T{}{}", day(), clock(3), if aware { "+00:00" } else { "" })
            }
            "UUID" => quoted,
            "Decimal" => decimal(&quoted)?,
            _ => return None,
        }))
    }
}

/// As `Decimal` writes it, which knows no exponent and nothing that is not a number.
fn decimal(text: &str) -> Option<String> {
    use sea_orm::prelude::Decimal;
    let decimal = text.parse().or_else(|_| Decimal::from_scientific(text)).ok()?;
    Some(decimal.to_string())
}
