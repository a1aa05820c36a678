//! Who it is: known only below the audit layer, when the token has been looked up.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Json,
    extract::{Request, State},
    http::header::AUTHORIZATION,
    middleware::Next,
    response::Response,
};
use ftn_audit_sea::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

use crate::{Shop, failure::Failure};

/// Tokens that were given out, and to whom.
#[derive(Clone, Default)]
pub struct Sessions(Arc<RwLock<HashMap<String, Actor>>>);

impl Sessions {
    fn open(&self, actor: Actor) -> String {
        let token = Uuid::new_v4().to_string();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), actor);
        token
    }

    fn find(&self, token: &str) -> Option<Actor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

#[derive(Deserialize)]
pub struct Credentials {
    user: String,
    password: String,
}

/// Gives a token. A real service asks its identity provider here.
pub async fn login(
    State(shop): State<Shop>,
    Json(credentials): Json<Credentials>,
) -> Result<String, Failure> {
    let actor = match (credentials.user.as_str(), credentials.password.as_str()) {
        ("ann", "tea") => Actor::user(1).email("ann@example.org").first_name("Ann").last_name("Lee"),
        ("ben", "milk") => Actor::user(2).email("ben@example.org").first_name("Ben").last_name("Roe"),
        _ => return Err(Failure::Unauthorized),
    };
    Ok(shop.sessions.open(actor))
}

/// Tells the audit context who it is, for all that the request goes on to change.
pub async fn authenticate(
    State(sessions): State<Sessions>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let actor = match request.headers().get(AUTHORIZATION) {
        None => Actor::anonymous(),
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "))
            .and_then(|token| sessions.find(token))
            .ok_or(Failure::Unauthorized)?,
    };
    // There is a context, as this runs below `AuditLayer`, and nobody set its actor before.
    let _ = AuditContext::set_actor(actor);
    Ok(next.run(request).await)
}
