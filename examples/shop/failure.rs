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
    Database,
}

impl From<DbErr> for Failure {
    fn from(_: DbErr) -> Self {
        // Databases quote values in their errors: neither the log nor the client is told more than that there was one.
        tracing::error!("a statement failed");
        Self::Database
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unknown user, password or token\n"),
            Self::NotFound => (StatusCode::NOT_FOUND, "no such item\n"),
            Self::OnPurpose => (StatusCode::INTERNAL_SERVER_ERROR, "failed on purpose, after writing\n"),
            Self::Database => (StatusCode::INTERNAL_SERVER_ERROR, "the database refused\n"),
        };
        (status, text).into_response()
    }
}
