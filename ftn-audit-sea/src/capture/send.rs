//! A statement on its way, whichever method it came in by.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

/// A statement as the caller sent it.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) statement: Statement,
    pub(crate) call: Call,
    /// Whether it came as SeaORM's own statement, whose answer is read by name: more columns harm nobody. A raw one may
    /// be read as a whole.
    pub(crate) extensible: bool,
}

impl Request {
    /// One that SeaORM built.
    pub(crate) fn built(statement: Statement, call: Call) -> Self {
        Self { statement, call, extensible: true }
    }

    /// One that the caller wrote.
    pub(crate) fn raw(statement: Statement, call: Call) -> Self {
        Self { statement, call, extensible: false }
    }

    pub(crate) async fn send<C: ConnectionTrait>(self, connection: &C) -> Result<Reply, DbErr> {
        self.call.send(connection, self.statement).await
    }
}

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
    /// Of `execute`.
    pub(crate) fn executed(self) -> Result<ExecResult, DbErr> {
        match self {
            Self::Executed(result) => Ok(result),
            Self::One(_) | Self::All(_) => Err(mismatch()),
        }
    }

    /// Of `query_one`.
    pub(crate) fn one(self) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::One(row) => Ok(row),
            Self::Executed(_) | Self::All(_) => Err(mismatch()),
        }
    }

    /// Of `query_all`.
    pub(crate) fn all(self) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::All(rows) => Ok(rows),
            Self::Executed(_) | Self::One(_) => Err(mismatch()),
        }
    }

    /// The rows of the answer.
    pub(crate) fn rows(&self) -> &[QueryResult] {
        match self {
            Self::Executed(_) => &[],
            Self::One(row) => row.as_slice(),
            Self::All(rows) => rows,
        }
    }

    /// How many rows the statement touched, as far as its answer tells. One that was asked for a single row may have
    /// touched more.
    pub(crate) fn count(&self, returning: bool, backend: DbBackend) -> Option<u64> {
        match self {
            // MariaDB counts nothing where rows are returned that nobody asked for.
            Self::Executed(_) if returning && backend == DbBackend::MySql => None,
            Self::Executed(result) => Some(result.rows_affected()),
            Self::All(rows) if returning => Some(rows.len() as u64),
            Self::One(None) if returning => Some(0),
            _ => None,
        }
    }

    /// Whether the statement touched a row, as far as its answer tells: one that was asked for rows and returns none
    /// may have touched any.
    pub(crate) fn touched_rows(&self, returning: bool, backend: DbBackend) -> bool {
        match self {
            Self::Executed(_) => self.count(returning, backend) != Some(0),
            answer => !returning || !answer.rows().is_empty(),
        }
    }
}

fn mismatch() -> DbErr {
    DbErr::Custom("the database answered in another form than it was asked for".to_owned())
}
