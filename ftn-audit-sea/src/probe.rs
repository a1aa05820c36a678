//! Whether a connection is, or forwards to, an audited one.
//!
//! A hook is generic over its connection and may not ask for its type. But `get_database_backend()` is synchronous, and
//! every wrapper forwards it: an audited connection that is asked while the question is open answers it.

use std::cell::Cell;

use sea_orm::ConnectionTrait;

thread_local! {
    static QUESTION: Cell<Question> = const { Cell::new(Question::None) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    None,
    Open,
    Answered,
}

/// Asks. A wrapper that stores its backend instead of forwarding the call counts as plain.
pub(crate) fn is_audited<C: ConnectionTrait>(connection: &C) -> bool {
    QUESTION.set(Question::Open);
    connection.get_database_backend();
    QUESTION.replace(Question::None) == Question::Answered
}

/// Answers, if somebody asks.
pub(crate) fn answer() {
    if QUESTION.get() == Question::Open {
        QUESTION.set(Question::Answered);
    }
}
