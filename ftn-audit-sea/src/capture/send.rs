//! A statement on its way, whichever method it came in by.

use sea_orm::{ConnectionTrait, DbErr, ExecResult, QueryResult, Statement};

/// The method that the caller used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Execute,
    Unprepared,
    QueryOne,
    QueryAll,
}

/// The answer that the caller gets.
pub(crate) enum Reply {
    Executed(ExecResult),
    One(Option<QueryResult>),
    All(Vec<QueryResult>),
}

impl Call {
    pub(crate) async fn send<C: ConnectionTrait>(
        self,
        connection: &C,
        statement: Statement,
    ) -> Result<Reply, DbErr> {
        match self {
            Self::Execute => connection.execute_raw(statement).await.map(Reply::Executed),
            Self::Unprepared => connection.execute_unprepared(&statement.sql).await.map(Reply::Executed),
            Self::QueryOne => connection.query_one_raw(statement).await.map(Reply::One),
            Self::QueryAll => connection.query_all_raw(statement).await.map(Reply::All),
        }
    }

    /// An error of our own statement as the caller's method would have given it.
    pub(crate) fn align(self, error: DbErr) -> DbErr {
        match (self, error) {
            (Self::Execute | Self::Unprepared, DbErr::Query(error)) => DbErr::Exec(error),
            (Self::QueryOne | Self::QueryAll, DbErr::Exec(error)) => DbErr::Query(error),
            (_, error) => error,
        }
    }
}

impl Reply {
    /// The rows of the answer.
    pub(crate) fn rows(&self) -> &[QueryResult] {
        match self {
            Self::Executed(_) => &[],
            Self::One(row) => row.as_slice(),
            Self::All(rows) => rows,
        }
    }

    /// Whether the statement touched a row, as far as its answer tells: one that was asked for rows and returns none
    /// may have touched any.
    pub(crate) fn touched_rows(&self, returning: bool) -> bool {
        match self {
            Self::Executed(result) => result.rows_affected() > 0,
            answer => !returning || !answer.rows().is_empty(),
        }
    }
}
