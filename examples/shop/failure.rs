//! What a handler can fail with.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use sea_orm::DbErr;

pub enum Failure {
    Unauthorized,
    NotFound,
    OnPurpose,
    Database(DbErr),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unknown user, password or token\n"),
            Self::NotFound => (StatusCode::NOT_FOUND, "no such item\n"),
            Self::OnPurpose => (StatusCode::INTERNAL_SERVER_ERROR, "failed on purpose, after writing\n"),
            Self::Database(_) => {
                // An error of the database may quote values; so it stays out of the log.
                tracing::error!("a statement failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "the database refused\n")
            }
        };
        (status, text).into_response()
    }
}
