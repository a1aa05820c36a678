//! The application on axum.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::{
        Request, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    middleware::{self, Next},
    response::Response,
    routing::any,
};
use ftn_audit::{AuditContext, web::AuditLayer};
use tokio::net::TcpListener;
use tracing::Instrument;

use crate::{
    framework::{Answer, App, Handler, configured},
    told,
};

pub async fn serve(app: App) -> SocketAddr {
    let mut router = routes(&app.routes);
    for (prefix, nested) in &app.nested {
        let mut nested = routes(nested);
        if app.twice {
            nested = nested.layer(configured!(AuditLayer, app));
        }
        router = router.nest(prefix, nested);
    }
    if app.socket {
        router = router.route("/socket/{room}", any(socket));
    }
    let router = router
        .layer(middleware::from_fn_with_state(app.clone(), below))
        .layer(configured!(AuditLayer, app))
        .layer(middleware::from_fn_with_state(app, outside));
    served(router).await
}

pub async fn served(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
    });
    address
}

fn routes(routes: &[(&'static str, Handler)]) -> Router {
    routes.iter().fold(Router::new(), |router, (template, handler)| {
        let handler = handler.clone();
        router.route(
            template,
            any(async move || match handler().await {
                Answer::Text(text) => Response::new(Body::from(text)),
                Answer::Stream(stream) => Response::new(Body::from_stream(stream)),
            }),
        )
    })
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    let context = AuditContext::current().unwrap();
    upgrade.on_upgrade(move |socket| context.carry(talk(socket)))
}

async fn talk(mut socket: WebSocket) {
    while let Some(Ok(Message::Text(_))) = socket.recv().await {
        socket.send(Message::text(told())).await.unwrap();
    }
}

async fn outside(State(app): State<App>, mut request: Request, next: Next) -> Response {
    app.look_for_a_leak();
    let (actor, tenant, reason) = app.outside;
    let extensions = request.extensions_mut();
    actor.map(|actor| extensions.insert(actor));
    tenant.map(|tenant| extensions.insert(tenant));
    reason.map(|reason| extensions.insert(reason));
    if app.traced {
        return next.run(request).instrument(tracing::info_span!("request")).await;
    }
    next.run(request).await
}

async fn below(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Some(actor) = app.below {
        AuditContext::set_actor(actor).unwrap();
    }
    next.run(request).await
}
