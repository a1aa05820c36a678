//! A small shop on axum, whose every change leaves an audit record after commit.
//!
//! ```text
//! cargo run --example shop                                    # records on stdout, a JSON object a line
//! TOKEN=$(curl -s localhost:3000/login -H 'content-type: application/json' -d '{"user":"ann","password":"tea"}')
//! curl localhost:3000/items -H "authorization: Bearer $TOKEN" \
//!      -H 'content-type: application/json' -d '{"title":"Tea","price":"4.20"}'
//! curl -X PATCH localhost:3000/items/1 -H "authorization: Bearer $TOKEN" \
//!      -H 'content-type: application/json' -d '{"price":"4.50"}'
//! curl -X PATCH localhost:3000/items/1/fail -H 'content-type: application/json' -d '{"price":"0"}'   # no record
//! ```
//!
//! | variable | |
//! | --- | --- |
//! | `PORT` | where it listens; 3000, `0` for any free one |
//! | `DATABASE_URL` | `sqlite::memory:`, another SQLite file, Postgres or MariaDB |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | a collector: records go there instead; the other `OTEL_EXPORTER_OTLP_*` hold too |
//! | `SHUTDOWN_SECONDS` | how long records may take to leave at the end; 10 |
//! | `RUST_LOG` | what is logged on stderr; `info` |

mod database;
mod entities;
mod failure;
mod formatters;
mod items;
mod login;

use std::{env, error::Error, io, net::SocketAddr, time::Duration};

use axum::{
    Router, middleware,
    routing::{get, patch, post, put},
};
use ftn_audit_sea::prelude::*;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use self::login::Sessions;

type Db = AuditedConnection;

#[derive(Clone)]
struct Shop {
    db: Db,
    sessions: Sessions,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).with_env_filter(filter).init();

    let audit = build_audit()?;
    let bare = database::open().await?;
    let db = audit.connect(bare).await?;

    let shop = Shop { db, sessions: Sessions::default() };
    let app = router(shop, &audit).into_make_service_with_connect_info::<SocketAddr>();
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;

    let patience = env::var("SHUTDOWN_SECONDS").map_or(Ok(10), |seconds| seconds.parse())?;
    let report = audit.shutdown(Duration::from_secs(patience)).await;
    eprintln!("{report:?}");
    eprintln!("{:?}", audit.stats());
    Ok(())
}

fn build_audit() -> Result<Audit, Box<dyn Error>> {
    let audit = Audit::builder().service_name("shop").delivery(Delivery::queue()).routes(ROUTES);
    let audit = if env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        audit.sink(OtlpSink::from_env()?)
    } else {
        audit.sink(JsonlSink::stdout())
    };
    Ok(audit.build()?)
}

/// A formatter for a route that is not here is refused at start-up, with the nearest one that is.
const ROUTES: [&str; 6] = [
    "POST|/items",
    "PATCH|/items/:id",
    "DELETE|/items/:id",
    "PUT|/items/:id/tags",
    "PATCH|/items/:id/fail",
    "PATCH|/items/:id/slow",
];

fn router(shop: Shop, audit: &Audit) -> Router {
    Router::new()
        .route("/items", get(items::list).post(items::create))
        .route("/items/{id}", get(items::show).patch(items::change).delete(items::remove))
        .route("/items/{id}/tags", put(items::tag))
        .route("/items/{id}/fail", patch(items::change_and_fail))
        .route("/items/{id}/slow", patch(items::change_slowly))
        .layer(middleware::from_fn_with_state(shop.sessions.clone(), login::authenticate))
        .route("/login", post(login::login))
        .layer(AuditLayer::new(audit).echo_request_id(true))
        .with_state(shop)
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened for");
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}
