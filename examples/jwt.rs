//! Who it is comes from a JSON Web Token, and is asked for late: only a request that changes something pays for the
//! check of the signature and for the look-up of the user. Runs to its end by itself and prints a JSON record a line:
//!
//! ```text
//! cargo run --example jwt
//! ```

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use ftn_audit_sea::prelude::*;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, DatabaseConnection, Schema, prelude::*};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use uuid::Uuid;

mod user {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub email: String,
    }
}

mod note {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: i32,
    exp: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let audit = Audit::builder().service_name("notes").sink(JsonlSink::stdout()).build()?;
    let bare = database().await?;
    let secret = Uuid::new_v4();
    let verifying = DecodingKey::from_secret(secret.as_bytes());
    let users = bare.clone();
    let layer = AuditLayer::new(&audit).late_actor(move |head| {
        // Now, while the request is here, only what is needed later is kept.
        let token = head.header(&AUTHORIZATION).and_then(|value| value.strip_prefix(b"Bearer "));
        let token = token.map(<[u8]>::to_vec);
        let (users, verifying) = (users.clone(), verifying.clone());
        async move {
            let Some(token) = token else { return Ok(Some(Actor::anonymous())) };
            find(&users, &verifying, &token).await
        }
    });
    let db = audit.connect(bare).await?;
    let app = Router::new().route("/notes/{text}", post(write)).layer(layer).with_state(db);

    let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 60;
    let signed = |secret: Uuid| {
        encode(
            &Header::default(),
            &Claims { sub: 1, exp: expires },
            &EncodingKey::from_secret(secret.as_bytes()),
        )
    };
    // The second token is forged: the note is recorded, and its author stays unknown. Refusing the request is the
    // application's business.
    for token in [Some(signed(secret)?), Some(signed(Uuid::new_v4())?), None] {
        let mut request = Request::post("/notes/tea").body(Body::empty())?;
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
        }
        let answer = app.clone().oneshot(request).await?;
        assert_eq!(answer.status(), StatusCode::CREATED);
    }

    audit.shutdown(Duration::from_secs(10)).await;
    let stats = audit.stats();
    assert_eq!((stats.captured, stats.unknown_actors, stats.late_actor_failures), (3, 1, 1));
    Ok(())
}

/// The user of a token, by its signature and by the table of users.
async fn find(
    users: &DatabaseConnection,
    verifying: &DecodingKey,
    token: &[u8],
) -> Result<Option<Actor>, Box<dyn Error + Send + Sync>> {
    let claims = decode::<Claims>(token, verifying, &Validation::default())?.claims;
    let user = user::Entity::find_by_id(claims.sub).one(users).await?;
    Ok(user.map(|user| Actor::user(user.id).email(user.email)))
}

async fn write(
    State(db): State<AuditedConnection>,
    Path(text): Path<String>,
) -> Result<StatusCode, StatusCode> {
    let note = note::ActiveModel { text: Set(text), ..Default::default() };
    note.insert(&db).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(StatusCode::CREATED)
}

async fn database() -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
    let db = Database::connect(options).await?;
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(user::Entity)).await?;
    db.execute(&schema.create_table_from_entity(note::Entity)).await?;
    let ann = user::ActiveModel { id: Set(1), email: Set("ann@example.org".to_owned()) };
    user::Entity::insert(ann).exec(&db).await?;
    Ok(db)
}
