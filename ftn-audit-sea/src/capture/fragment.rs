//! Parts of the caller's statement, said again in a statement of ours.

use std::ops::Range;

use sea_orm::{DbBackend, Statement, Value};
use sqlparser::tokenizer::{Token, Whitespace};

use super::text::SqlText;

/// A part of a statement: its text, cut where parameters stand.
#[derive(Debug)]
pub(crate) struct Fragment {
    /// Text, and the position of the parameter behind it.
    parts: Vec<(String, usize)>,
    rest: String,
}

/// What may be called twice: functions that change nothing, and words that parentheses follow.
const HARMLESS: [&str; 149] = [
    "abs",
    "all",
    "and",
    "any",
    "any_value",
    "array",
    "array_agg",
    "array_length",
    "array_position",
    "as",
    "avg",
    "between",
    "bigint",
    "binary",
    "bit_length",
    "btrim",
    "by",
    "cardinality",
    "case",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "char_length",
    "character",
    "coalesce",
    "collate",
    "concat",
    "concat_ws",
    "convert",
    "count",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "date_add",
    "date_format",
    "date_part",
    "date_sub",
    "date_trunc",
    "datediff",
    "datetime",
    "day",
    "decimal",
    "distinct",
    "else",
    "except",
    "exists",
    "extract",
    "filter",
    "floor",
    "format",
    "from",
    "from_unixtime",
    "generate_series",
    "glob",
    "greatest",
    "group_concat",
    "having",
    "hex",
    "hour",
    "if",
    "ifnull",
    "iif",
    "in",
    "instr",
    "int",
    "integer",
    "intersect",
    "interval",
    "is",
    "join",
    "json_array_length",
    "json_contains",
    "json_each",
    "json_extract",
    "json_unquote",
    "json_value",
    "jsonb_array_elements",
    "jsonb_array_length",
    "jsonb_extract_path_text",
    "julianday",
    "least",
    "left",
    "length",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "md5",
    "min",
    "minute",
    "mod",
    "month",
    "not",
    "now",
    "nullif",
    "numeric",
    "octet_length",
    "offset",
    "on",
    "or",
    "order",
    "over",
    "partition",
    "plainto_tsquery",
    "position",
    "pow",
    "power",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row",
    "row_number",
    "rpad",
    "rtrim",
    "second",
    "select",
    "sha1",
    "sha2",
    "sign",
    "similarity",
    "some",
    "sqrt",
    "strftime",
    "string_agg",
    "strpos",
    "substr",
    "substring",
    "sum",
    "then",
    "time",
    "timestampdiff",
    "to_char",
    "to_date",
    "to_timestamp",
    "trim",
    "union",
    "unnest",
    "upper",
    "using",
    "values",
];

impl Fragment {
    /// The part of a text between two tokens; `None` where saying it a second time could do something.
    pub(super) fn of(text: &SqlText, range: Range<usize>) -> Option<Self> {
        let tokens = text.tokens();
        let (mut parts, mut rest) = (Vec::new(), String::new());
        for token in range.clone() {
            match &tokens.get(token)?.token {
                Token::Whitespace(Whitespace::MultiLineComment(comment))
                    if comment.starts_with(['!', 'M']) =>
                {
                    return None;
                }
                // A comment to the end of the line would take along what we write behind it.
                Token::Whitespace(_) => rest.push(' '),
                Token::Placeholder(_) => parts.push((std::mem::take(&mut rest), text.placeholder(token)?)),
                Token::Assignment | Token::AtSign => return None,
                Token::Word(word) => {
                    let called = (token + 1..range.end)
                        .map(|next| &tokens[next].token)
                        .find(|next| !matches!(next, Token::Whitespace(_)))
                        .is_some_and(|next| *next == Token::LParen);
                    let name = word.value.to_ascii_lowercase();
                    if (called && HARMLESS.binary_search(&name.as_str()).is_err())
                        || word.value.starts_with('@')
                    {
                        return None;
                    }
                    rest.push_str(&text.sql()[text.start_of(token)..text.start_of(token + 1)]);
                }
                _ => rest.push_str(&text.sql()[text.start_of(token)..text.start_of(token + 1)]),
            }
        }
        let empty = parts.is_empty() && rest.trim().is_empty();
        let cursor = rest.trim_start().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("current"));
        (!empty && (!parts.is_empty() || !cursor)).then_some(Self { parts, rest })
    }

    /// The parameter that it is, and nothing else.
    pub(crate) fn parameter(&self) -> Option<usize> {
        match self.parts.as_slice() {
            [(before, parameter)] if before.trim().is_empty() && self.rest.trim().is_empty() => {
                Some(*parameter)
            }
            _ => None,
        }
    }
}

/// A statement of ours in the making.
pub(crate) struct Saying<'a> {
    backend: DbBackend,
    sql: String,
    values: Vec<Value>,
    /// The parameters of the caller's statement.
    given: &'a [Value],
}

impl<'a> Saying<'a> {
    pub(crate) fn new(backend: DbBackend, statement: &'a Statement) -> Self {
        let given = statement.values.as_ref().map_or(&[][..], |values| &values.0);
        Self { backend, sql: String::with_capacity(256), values: Vec::new(), given }
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.sql.push_str(text);
        self
    }

    /// A part of the caller's statement; `None` where a parameter of it was not given.
    pub(crate) fn fragment(&mut self, fragment: &Fragment) -> Option<&mut Self> {
        for (text, parameter) in &fragment.parts {
            self.sql.push_str(text);
            self.values.push(self.given.get(*parameter)?.clone());
            if self.backend == DbBackend::Postgres {
                self.sql.push('$');
                self.sql.push_str(&self.values.len().to_string());
            } else {
                self.sql.push('?');
            }
        }
        self.sql.push_str(&fragment.rest);
        Some(self)
    }

    /// Text and parameters.
    pub(crate) fn into_parts(self) -> (String, Vec<Value>) {
        (self.sql, self.values)
    }

    pub(crate) fn statement(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.sql, self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::HARMLESS;

    #[test]
    fn the_list_is_sorted() {
        assert!(HARMLESS.is_sorted());
    }
}
