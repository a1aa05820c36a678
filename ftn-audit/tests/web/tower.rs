//! What only axum and tower have: layers at several places, and calls in the same process.

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{self, Next},
    routing::{any, get},
};
use ftn_audit::{Actor, Audit, AuditContext, web::AuditLayer};
use tower::ServiceExt;

use crate::{axum_server::served, field, recording, told, wire::ask};

fn layer() -> AuditLayer {
    AuditLayer::new(&recording().0)
}

pub fn items() -> Router {
    Router::new().route("/items/{id}", any(async || told()))
}

#[tokio::test]
async fn merged_routers_and_fallbacks_are_inside() {
    let merged = Router::new().route("/stock/{*rest}", get(async || told()));
    let app = items().merge(merged).fallback(async || told()).layer(layer());
    let address = served(app).await;
    for (line, raw) in [("GET /stock/a/b", "GET|/stock/*rest"), ("GET /nowhere", "-")] {
        let (_, body) = ask(address, line, &[]).await;
        assert_eq!(field(&body, "raw"), raw);
    }
}

#[tokio::test]
async fn route_layer_and_layers_inside_nested_routers_know_the_whole_route_and_path() {
    let app = Router::new()
        .nest("/api", items().layer(layer()))
        .nest("/only", items().route_layer(layer()))
        .nest_service("/behind", items().layer(layer()));
    let address = served(app).await;
    for prefix in ["/api", "/only", "/behind"] {
        let (_, body) = ask(address, &format!("PATCH {prefix}/items/1"), &[]).await;
        assert_eq!(field(&body, "route"), format!("{prefix}/items/{{id}}"));
        assert_eq!(field(&body, "raw"), format!("PATCH|{prefix}/items/:id"));
        assert_eq!(field(&body, "path"), format!("{prefix}/items/1"));
    }
}

#[tokio::test]
async fn inner_layer_keeps_what_the_outer_one_said() {
    let app = Router::new()
        .nest_service("/behind", items().layer(layer()))
        .layer(middleware::from_fn(async |request: Request, next: Next| {
            AuditContext::set_actor(Actor::user("between")).unwrap();
            next.run(request).await
        }))
        .layer(layer().echo_request_id(true));
    let address = served(app).await;
    let (head, body) = ask(address, "PATCH /behind/items/1", &[]).await;
    assert_eq!(field(&body, "actor"), "between");
    assert_eq!(field(&body, "raw"), "PATCH|/behind/items/:id");
    assert!(head.contains(&format!("x-request-id: {}", field(&body, "id"))), "{head}");
}

/// Both contexts are of one request, which has one actor.
#[tokio::test]
async fn an_actor_that_is_set_below_the_inner_layer_is_the_outer_ones_too() {
    let inner = Router::new().route(
        "/sign-in",
        get(async || {
            AuditContext::set_actor(Actor::user("ann")).unwrap();
        }),
    );
    let app = Router::new()
        .nest_service("/behind", inner.layer(layer()))
        .layer(middleware::from_fn(async |request: Request, next: Next| {
            next.run(request).await;
            told()
        }))
        .layer(layer());
    let address = served(app).await;
    let (_, body) = ask(address, "GET /behind/sign-in", &[]).await;
    assert!(body.contains("actor=ann"), "{body}");
}

#[tokio::test]
async fn the_late_actor_of_the_outer_layer_is_the_inner_ones_too() {
    let (audit, sink) = recording();
    let recording = audit.clone();
    let inner =
        Router::new().route("/notes", get(async move || recording.event("noted").record(&recording).await));
    let inner = inner.layer(
        AuditLayer::new(&audit).late_actor(|_| async { Ok::<_, std::io::Error>(Some(Actor::user("inner"))) }),
    );
    let app = Router::new().nest_service("/behind", inner).layer(
        AuditLayer::new(&audit).late_actor(|_| async { Ok::<_, std::io::Error>(Some(Actor::user("outer"))) }),
    );
    let address = served(app).await;
    ask(address, "GET /behind/notes", &[]).await;
    assert_eq!(sink.records()[0].actor(), Some(&Actor::user("outer")));
}

#[tokio::test]
async fn nested_calls_restore_the_context_around_them() {
    let inner = items().layer(layer());
    let app = Router::new()
        .route(
            "/outer",
            get(async move || {
                let before = told();
                let call = Request::builder().uri("/items/9").body(Body::empty()).unwrap();
                let answer = inner.oneshot(call).await.unwrap();
                let nested = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
                let nested = String::from_utf8(nested.to_vec()).unwrap();
                assert_eq!(field(&nested, "raw"), "GET|/items/:id");
                assert_ne!(field(&nested, "id"), field(&before, "id"));
                assert_eq!(before, told());
                before
            }),
        )
        .layer(layer());
    let address = served(app).await;
    let (_, body) = ask(address, "GET /outer", &[]).await;
    assert_eq!(field(&body, "raw"), "GET|/outer");
}

#[tokio::test]
async fn context_is_an_extension_and_the_handle_is_current() {
    let (audit, _) = recording();
    let expected = audit.clone();
    let app = Router::new()
        .route(
            "/",
            get(async move |request: Request| {
                let context = request.extensions().get::<AuditContext>().unwrap();
                let current = AuditContext::current().unwrap();
                assert_eq!(context.request_id(), current.request_id());
                assert!(Audit::current().unwrap().is_same(&expected));
                told()
            }),
        )
        .layer(AuditLayer::new(&audit));
    let (head, _) = ask(served(app).await, "GET /", &[]).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn any_service_on_http_requests_can_be_layered() {
    use tower::{ServiceBuilder, service_fn};

    let service = ServiceBuilder::new().layer(layer()).service(service_fn(async |_: http::Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(told()))
    }));
    let request = http::Request::builder().method("POST").uri("/rpc").body(()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
}
