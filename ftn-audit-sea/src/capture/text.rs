//! A statement's text, parsed: its statements, and the tokens they were read from.

use sea_orm::DbBackend;
use sqlparser::{
    ast::{self, Expr, Spanned, Value as Literal},
    dialect::{Dialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect},
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use super::plan::is_keyword;
use crate::registry::registry;

pub(super) struct SqlText<'a> {
    sql: &'a str,
    pub(super) statements: Vec<ast::Statement>,
    tokens: Vec<TokenWithSpan>,
    /// Where each token begins, in bytes, and where the last one ends.
    starts: Vec<usize>,
    /// SQLite takes a name in double quotes that it does not know for text.
    quoted_text: bool,
}

/// A fingerprint is for people to recognise a statement by; it is cut here.
const MAX_FINGERPRINT_CHARS: usize = 1000;

/// How deep the parser may recurse into a text.
const MAX_DEPTH: usize = 50;

impl<'a> SqlText<'a> {
    /// Parses a text; what cannot be parsed comes back with its tokens alone.
    pub(super) fn parse(backend: DbBackend, sql: &'a str) -> Result<Self, Self> {
        let dialect: &dyn Dialect = match backend {
            DbBackend::MySql => &MySqlDialect {},
            DbBackend::Sqlite => &SQLiteDialect {},
            _ => &PostgreSqlDialect {},
        };
        let quoted_text = backend == DbBackend::Sqlite;
        let Ok(tokens) = Tokenizer::new(dialect, sql).tokenize_with_location() else {
            return Err(Self {
                sql,
                statements: Vec::new(),
                tokens: Vec::new(),
                starts: Vec::new(),
                quoted_text,
            });
        };
        let starts = starts(sql, &tokens);
        let mut parser =
            Parser::new(dialect).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens.clone());
        match parser.parse_statements() {
            Ok(statements) => Ok(Self { sql, statements, tokens, starts, quoted_text }),
            Err(_) => Err(Self { sql, statements: Vec::new(), tokens, starts, quoted_text }),
        }
    }

    /// The position of the parameter that an expression is, from 0; casts around it do not count.
    pub(super) fn parameter(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Nested(expr) | Expr::Cast { expr, .. } => self.parameter(expr),
            Expr::Value(value) => {
                let Literal::Placeholder(placeholder) = &value.value else { return None };
                let start = value.span().start;
                numbered(placeholder)
                    .or_else(|| self.placeholders().position(|token| token.span.start == start))
            }
            _ => None,
        }
    }

    fn placeholders(&self) -> impl Iterator<Item = &TokenWithSpan> {
        self.tokens.iter().filter(|token| matches!(token.token, Token::Placeholder(_)))
    }

    pub(super) fn sql(&self) -> &'a str {
        self.sql
    }

    pub(super) fn tokens(&self) -> &[TokenWithSpan] {
        &self.tokens
    }

    /// Where a token begins, in bytes; of the one behind the last, the text's end.
    pub(super) fn start_of(&self, token: usize) -> usize {
        self.starts.get(token).copied().unwrap_or(self.sql.len())
    }

    /// The position of the parameter that a token is, from 0.
    pub(super) fn placeholder(&self, token: usize) -> Option<usize> {
        let Token::Placeholder(placeholder) = &self.tokens.get(token)?.token else { return None };
        if placeholder == "?" {
            let before = self.tokens[..token].iter();
            return Some(before.filter(|token| matches!(token.token, Token::Placeholder(_))).count());
        }
        numbered(placeholder)
    }

    /// The text without literals and comments.
    pub(super) fn fingerprint(&self) -> String {
        let mut fingerprint = String::new();
        for token in &self.tokens {
            match &token.token {
                Token::Whitespace(_) => {
                    if !fingerprint.ends_with(' ') && !fingerprint.is_empty() {
                        fingerprint.push(' ');
                    }
                }
                Token::Word(word)
                    if self.quoted_text
                        && word.quote_style == Some('"')
                        && !registry().knows(&word.value) =>
                {
                    fingerprint.push('?');
                }
                Token::Word(_) => fingerprint.push_str(&token.token.to_string()),
                Token::Placeholder(_) | Token::Number(..) => fingerprint.push('?'),
                token if is_literal(token) => fingerprint.push('?'),
                token => fingerprint.push_str(&token.to_string()),
            }
            if fingerprint.len() > MAX_FINGERPRINT_CHARS {
                break;
            }
        }
        let cut: String = fingerprint.trim_end().chars().take(MAX_FINGERPRINT_CHARS).collect();
        if cut.is_empty() { verb(self.sql).to_owned() } else { cut }
    }

    /// Whether a statement of it that the parser does not know begins or ends a transaction.
    pub(super) fn controls_transaction(&self) -> bool {
        const FIRST: [&str; 8] =
            ["ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "XA"];
        // The body of a trigger or procedure has its own BEGIN and END.
        if verb(self.sql) == "CREATE" {
            return false;
        }
        self.tokens.split(|token| token.token == Token::SemiColon).any(|tokens| {
            let mut words = tokens.iter().filter_map(|token| match &token.token {
                Token::Word(word) => Some(word.value.as_str()),
                _ => None,
            });
            let first = words.next().unwrap_or_default();
            let prepares = first.eq_ignore_ascii_case("PREPARE")
                && words.next().is_some_and(|second| second.eq_ignore_ascii_case("TRANSACTION"));
            prepares || FIRST.iter().any(|word| word.eq_ignore_ascii_case(first))
        })
    }

    /// Whether its first words hold one that the parser takes for a table's name.
    pub(super) fn has_modifier(&self) -> bool {
        const MODIFIERS: [&str; 6] = ["DELAYED", "HIGH_PRIORITY", "IGNORE", "LOW_PRIORITY", "ONLY", "QUICK"];
        let words = self.tokens.iter().filter_map(|token| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.as_str()),
            _ => None,
        });
        // INSERT's are known to the parser.
        verb(self.sql) != "INSERT"
            && words
                .skip(1)
                .take(2)
                .any(|word| MODIFIERS.iter().any(|known| known.eq_ignore_ascii_case(word)))
    }

    /// Whether anything in it could be a write; an unreadable text without tokens could.
    pub(super) fn can_write(&self) -> bool {
        self.tokens.is_empty()
            || WRITING.iter().any(|keyword| self.tokens.iter().any(|token| is_keyword(token, *keyword)))
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let tokens = self.tokens.iter().filter_map(|token| match &token.token {
            Token::Word(word) => Some(word.value.as_str()),
            _ => None,
        });
        let split = |character: char| !character.is_alphanumeric() && character != '_';
        let untokenized = if self.tokens.is_empty() { self.sql } else { "" };
        tokens.chain(untokenized.split(split).filter(|word| !word.is_empty()))
    }
}

/// The position of a parameter that says its number.
fn numbered(placeholder: &str) -> Option<usize> {
    placeholder.strip_prefix(['$', '?'])?.parse::<usize>().ok()?.checked_sub(1)
}

/// Where tokens begin in the text. The tokens come in its order, and tell line and column.
fn starts(sql: &str, tokens: &[TokenWithSpan]) -> Vec<usize> {
    let mut starts = Vec::with_capacity(tokens.len());
    let mut characters = sql.char_indices();
    let (mut line, mut column, mut offset) = (1, 1, 0);
    for token in tokens {
        let Location { line: to_line, column: to_column } = token.span.start;
        while (line, column) < (to_line, to_column) {
            let Some((_, character)) = characters.next() else { break };
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
            offset += character.len_utf8();
        }
        starts.push(offset);
    }
    starts
}

const WRITING: [Keyword; 10] = [
    Keyword::INSERT,
    Keyword::UPDATE,
    Keyword::DELETE,
    Keyword::MERGE,
    Keyword::REPLACE,
    Keyword::TRUNCATE,
    Keyword::DROP,
    Keyword::LOAD,
    Keyword::COPY,
    Keyword::CALL,
];

fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::Char(_)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

/// The statement's verb, for `db.operation.name`.
pub(super) fn verb(sql: &str) -> &'static str {
    const VERBS: [&str; 10] =
        ["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "TRUNCATE", "CREATE", "DROP", "WITH", "SELECT"];
    let first = sql.trim_start().split(|character: char| !character.is_ascii_alphabetic()).next();
    let first = first.unwrap_or_default();
    VERBS.into_iter().find(|verb| verb.eq_ignore_ascii_case(first)).unwrap_or("OTHER")
}

/// Whether a text is a SELECT and nothing else: the look that keeps reads from being parsed.
pub(crate) fn is_plain_select(sql: &str) -> bool {
    let sql = sql.trim_start();
    sql.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("SELECT"))
        && !sql.trim_end().trim_end_matches(';').contains(';')
}
