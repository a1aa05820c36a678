//! Streams of an audited connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use futures_util::Stream;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, StreamTrait, TransactionTrait};

use crate::{
    capture::{Call, Reply, Request},
    connection::AuditedConnection,
    scope::Doubt,
    transaction::AuditedTransaction,
};

/// The rows of a streamed statement: as they come from the database for a read; for a write to an audited table, all of
/// them, fetched before the first is given out, because a write has happened as a whole.
///
/// ```no_run
/// use ftn_audit_sea::prelude::*;
/// use futures_util::TryStreamExt;
/// use sea_orm::{DbErr, StreamTrait};
///
/// # async fn example(db: AuditedConnection, select: sea_orm::Statement) -> Result<(), DbErr> {
/// let mut rows = db.stream_raw(select).await?;
/// while let Some(row) = rows.try_next().await? {
///     let id: i32 = row.try_get_by_index(0)?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct AuditedStream<'a, S>(Rows<'a, S>);

enum Rows<'a, S> {
    /// In a transaction, a read that fails or is not read to its end leaves a doubt.
    Live(Pin<Box<S>>, Option<Doubt<'a>>),
    Fetched(vec::IntoIter<QueryResult>),
}

impl<S: Stream<Item = Result<QueryResult, DbErr>>> Stream for AuditedStream<'_, S> {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Rows::Live(stream, doubt) => {
                let item = stream.as_mut().poll_next(cx);
                match (&item, doubt.take()) {
                    (Poll::Ready(None), Some(doubt)) => doubt.dispel(),
                    (Poll::Ready(Some(Err(error))), Some(doubt)) => doubt.confirm(error),
                    (_, open) => *doubt = open,
                }
                item
            }
            Rows::Fetched(rows) => Poll::Ready(rows.next().map(Ok)),
        }
    }
}

type Opening<'a, S> = Pin<Box<dyn Future<Output = Result<AuditedStream<'a, S>, DbErr>> + Send + 'a>>;

fn fetched<'a, S>(reply: Reply) -> Result<AuditedStream<'a, S>, DbErr> {
    Ok(AuditedStream(Rows::Fetched(reply.all()?.into_iter())))
}

macro_rules! stream_trait {
    ($inner:ident) => {
        type Stream<'a>
            = AuditedStream<'a, $inner::Stream<'a>>
        where
            Self: 'a;

        fn get_database_backend(&self) -> DbBackend {
            ConnectionTrait::get_database_backend(self)
        }

        fn stream_raw<'a>(&'a self, statement: Statement) -> Opening<'a, $inner::Stream<'a>> {
            Box::pin(async move {
                match self.shared().plan(&statement.sql) {
                    Some(plan) => {
                        fetched(self.captured(plan, Request::raw(statement, Call::QueryAll)).await?)
                    }
                    None => {
                        let (stream, doubt) = self.open(statement).await?;
                        Ok(AuditedStream(Rows::Live(Box::pin(stream), doubt)))
                    }
                }
            })
        }
    };
}

impl<C: StreamTrait> AuditedConnection<C> {
    async fn open(&self, statement: Statement) -> Result<(C::Stream<'_>, Option<Doubt<'_>>), DbErr> {
        Ok((self.inner().stream_raw(statement).await?, None))
    }
}

impl<T: ConnectionTrait + StreamTrait + Send + 'static> AuditedTransaction<T> {
    async fn open(&self, statement: Statement) -> Result<(T::Stream<'_>, Option<Doubt<'_>>), DbErr> {
        let doubt = self.scope().doubt();
        Ok((self.bare().stream_raw(statement).await?, Some(doubt)))
    }
}

impl<C> StreamTrait for AuditedConnection<C>
where
    C: ConnectionTrait + TransactionTrait + StreamTrait + Clone + Send + 'static,
    C::Transaction: Sync + 'static,
{
    stream_trait!(C);
}

impl<T> StreamTrait for AuditedTransaction<T>
where
    T: ConnectionTrait + StreamTrait + Send + 'static,
{
    stream_trait!(T);
}
