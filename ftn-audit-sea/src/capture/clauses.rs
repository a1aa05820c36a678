//! Where the clauses of a statement stand in its text. Cut by tokens, because the parser's own spans leave out closing
//! parentheses.

use std::ops::Range;

use sqlparser::{keywords::Keyword, tokenizer::Token};

use super::{
    fragment::{Fragment, Saying},
    read::{Lock, Table},
    text::SqlText,
};
use crate::auditable::AnyEntity;

/// Ranges of tokens.
#[derive(Debug, Default)]
pub(super) struct Clauses {
    /// An expression for each assignment of SET.
    pub(super) assigned: Vec<Range<usize>>,
    /// What follows WHERE; the token before is WHERE itself.
    pub(super) condition: Option<Range<usize>>,
    /// ORDER BY and LIMIT, with their words.
    pub(super) order: Option<Range<usize>>,
    /// The word RETURNING.
    pub(super) returning: Option<usize>,
    /// The cells of VALUES.
    pub(super) rows: Vec<Vec<Range<usize>>>,
    /// Behind the last token that is no blank and no semicolon.
    pub(super) end: usize,
    /// Whether there is a comment anywhere.
    pub(super) commented: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum In {
    Head,
    Set,
    Condition,
    Order,
    Values,
    Tail,
}

impl Clauses {
    /// Of a text with one statement; `None` where parentheses do not match.
    pub(super) fn of(text: &SqlText) -> Option<Self> {
        let mut clauses = Self::default();
        let mut place = In::Head;
        let (mut depth, mut begin) = (0_usize, 0);
        // In SET: what comes is the assigned column.
        let mut targeted = true;
        let tokens = text.tokens();
        let mut cells: Vec<Range<usize>> = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            let keyword = match &token.token {
                Token::Word(word) if depth == 0 => word.keyword,
                _ => Keyword::NoKeyword,
            };
            match &token.token {
                Token::Whitespace(blank) => {
                    clauses.commented |= blank.to_string().trim() != "";
                    continue;
                }
                Token::LParen | Token::LBracket | Token::LBrace => {
                    depth += 1;
                    if place == In::Values && depth == 1 {
                        begin = index + 1;
                    }
                }
                Token::RParen | Token::RBracket | Token::RBrace => {
                    depth = depth.checked_sub(1)?;
                    if place == In::Values && depth == 0 {
                        cells.push(begin..index);
                        clauses.rows.push(std::mem::take(&mut cells));
                    }
                }
                Token::Comma if place == In::Values && depth == 1 => {
                    cells.push(begin..index);
                    begin = index + 1;
                }
                Token::Comma if place == In::Set && depth == 0 => {
                    clauses.assigned.push(begin..index);
                    (begin, targeted) = (index + 1, true);
                }
                // The first one of an assignment; those behind it compare.
                Token::Eq if place == In::Set && depth == 0 && targeted => {
                    (begin, targeted) = (index + 1, false);
                }
                Token::SemiColon if depth == 0 => break,
                _ => {}
            }
            let next = match (keyword, place) {
                (Keyword::SET, In::Head) => In::Set,
                (Keyword::VALUES | Keyword::VALUE, In::Head) => In::Values,
                (Keyword::WHERE, In::Head | In::Set) => In::Condition,
                (Keyword::ORDER | Keyword::LIMIT, In::Head | In::Set | In::Condition) => In::Order,
                (Keyword::RETURNING, In::Tail) => {
                    clauses.returning = clauses.returning.or(Some(index));
                    In::Tail
                }
                (Keyword::RETURNING | Keyword::ON | Keyword::AS, In::Values)
                | (Keyword::RETURNING, In::Head | In::Set | In::Condition | In::Order) => {
                    if keyword == Keyword::RETURNING {
                        clauses.returning = Some(index);
                    }
                    In::Tail
                }
                (_, place) => place,
            };
            if next != place {
                clauses.leave(place, begin, index);
                begin = if next == In::Order { index } else { index + 1 };
                place = next;
            }
            clauses.end = index + 1;
        }
        clauses.leave(place, begin, clauses.end);
        (depth == 0).then_some(clauses)
    }

    fn leave(&mut self, place: In, begin: usize, end: usize) {
        match place {
            In::Set => self.assigned.push(begin..end),
            In::Condition => self.condition = Some(begin..end),
            In::Order => self.order = Some(begin..end),
            In::Head | In::Values | In::Tail => {}
        }
    }

    /// What has to be said to find the rows that a statement with these clauses takes. `None` where saying it twice is
    /// not safe.
    pub(super) fn rows_taken(&self, text: &SqlText, entity: &dyn AnyEntity) -> Option<Rows> {
        let fragment = |range: &Option<Range<usize>>| match range {
            Some(range) => Fragment::of(text, range.clone()).map(Some),
            None => Some(None),
        };
        let (mut limited, mut total) = (false, false);
        for token in self.order.clone().into_iter().flat_map(|range| &text.tokens()[range]) {
            if let Token::Word(word) = &token.token {
                limited |= word.keyword == Keyword::LIMIT;
                total |= entity.key_names().any(|key| key == word.value);
            }
        }
        let condition = fragment(&self.condition)?;
        let order = if limited && total { fragment(&self.order)? } else { None };
        Some(Rows { condition, order })
    }
}

/// Which rows a statement takes, in its own words.
#[derive(Debug)]
pub(crate) struct Rows {
    condition: Option<Fragment>,
    /// ORDER BY and LIMIT, where they can only mean the same rows twice. Otherwise all rows of the condition are those
    /// that it may take.
    order: Option<Fragment>,
}

impl Rows {
    /// Says them behind a FROM, locked, and at most one more than a number of them.
    pub(crate) fn say(&self, say: &mut Saying<'_>, table: &Table, most: usize) -> Option<()> {
        if let Some(condition) = &self.condition {
            say.text(" WHERE ").fragment(condition)?;
        }
        match &self.order {
            Some(order) => say.text(" ").fragment(order)?,
            None => say.text(&format!(" LIMIT {}", most.saturating_add(1))),
        };
        say.text(table.lock_text(Lock::AsWritten));
        Some(())
    }
}
