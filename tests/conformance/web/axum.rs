//! The one route of a scenario, on axum.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::StatusCode,
    middleware::{self, Next},
    routing::any,
};
use ftn_audit_sea::prelude::*;
use tokio::net::TcpListener;

use super::{Answer, Asked, Handler, Server, wire};

pub async fn answer(asked: &Asked, audit: &Audit, handler: Handler) -> Answer {
    let handler = move || {
        let handler = handler.clone();
        async move { if handler().await { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR } }
    };
    let (peer, login) = (asked.peer, asked.login.clone());
    let app = Router::new().route(&asked.template, any(handler)).layer(AuditLayer::new(audit)).layer(
        middleware::from_fn(move |mut request: Request, next: Next| {
            // The client of the runs, and whom their session middleware knew.
            request.extensions_mut().insert(ConnectInfo(peer));
            login.clone().map(|actor| request.extensions_mut().insert(actor));
            next.run(request)
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    Answer { status: wire::ask(address, asked).await, server: Server::Axum(server) }
}
