//! What a context says of a request.

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    routing::{any, get},
};
use ftn_audit::{
    Actor, Audit, AuditContext,
    web::{AuditLayer, Reason, Tenant},
};

use crate::{
    field, items, layer, told,
    wire::{ask, serve},
};

#[tokio::test]
async fn routes_are_whole_in_nested_and_merged_routers() {
    let merged = Router::new().route("/stock/{*rest}", get(told));
    let app = Router::new()
        .route("/items/{id}", any(told))
        .nest("/api", Router::new().nest("/v1", items()))
        .merge(merged)
        .fallback(told)
        .layer(layer());
    let address = serve(app).await;
    for (line, route, raw) in [
        ("PATCH /items/1?x=2", "/items/{id}", "PATCH|/items/:id"),
        ("PUT /api/v1/items/7", "/api/v1/items/{id}", "PUT|/api/v1/items/:id"),
        ("GET /stock/a/b", "/stock/{*rest}", "GET|/stock/*rest"),
        ("GET /nowhere", "-", "-"),
    ] {
        let (_, body) = ask(address, line, &[]).await;
        assert_eq!(field(&body, "route"), route, "{line}");
        assert_eq!(field(&body, "raw"), raw, "{line}");
        let path = line.split_once(' ').unwrap().1;
        assert_eq!(field(&body, "path"), path.split('?').next().unwrap());
        assert_eq!(field(&body, "peer"), "127.0.0.1");
    }
}

#[tokio::test]
async fn route_layer_and_layers_inside_nested_routers_know_the_whole_route_and_path() {
    let app = Router::new()
        .nest("/api", items().layer(layer()))
        .nest("/only", items().route_layer(layer()))
        .nest_service("/behind", items().layer(layer()));
    let address = serve(app).await;
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
    let address = serve(app).await;
    let (head, body) = ask(address, "PATCH /behind/items/1", &[]).await;
    assert_eq!(field(&body, "actor"), "between");
    assert_eq!(field(&body, "raw"), "PATCH|/behind/items/:id");
    assert!(head.contains(&format!("x-request-id: {}", field(&body, "id"))), "{head}");
}

#[tokio::test]
async fn headers_of_a_good_client_arrive() {
    let address = serve(items().layer(layer())).await;
    let (head, body) = ask(
        address,
        "PATCH /items/1",
        &[
            ("x-request-id", b"r-1"),
            ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("user-agent", b"curl/8"),
            ("x-ui-app", b"till"),
            ("x-ui-flow", b"reprice"),
        ],
    )
    .await;
    for (name, value) in [
        ("method", "PATCH"),
        ("id", "r-1"),
        ("trace", "0af7651916cd43dd8448eb211c80319c"),
        ("agent", "curl/8"),
        ("app", "till"),
        ("flow", "reprice"),
        ("tenant", "-"),
        ("actor", "-"),
    ] {
        assert_eq!(field(&body, name), value);
    }
    assert!(!head.contains("x-request-id"), "not asked for: {head}");
}

#[tokio::test]
async fn request_id_is_made_where_none_is_sane_and_sent_back_when_asked() {
    let address = serve(items().layer(layer().echo_request_id(true))).await;
    let long = vec![b'x'; 129];
    let cases: [&[(&str, &[u8])]; 4] =
        [&[], &[("x-request-id", &long)], &[("x-request-id", b"with blank")], &[("x-request-id", b"\xff")]];
    let mut seen = Vec::new();
    for headers in cases {
        let (head, body) = ask(address, "GET /items/1", headers).await;
        let id = field(&body, "id").to_owned();
        assert_eq!(id.len(), 36, "{id}");
        assert_eq!(&id[14..15], "7", "a UUIDv7: {id}");
        assert!(head.contains(&format!("x-request-id: {id}")), "{head}");
        assert!(!seen.contains(&id));
        seen.push(id);
    }
    let (head, _) = ask(address, "GET /items/1", &[("x-request-id", b"mine")]).await;
    assert!(head.contains("x-request-id: mine"), "{head}");
}

#[tokio::test]
async fn hostile_headers_are_cut_or_dropped() {
    let address = serve(items().layer(layer())).await;
    let long = vec![b'a'; 10 * 1024];
    let (head, body) = ask(
        address,
        "GET /items/1",
        &[
            ("user-agent", &long),
            ("x-ui-app", &long),
            ("x-request-id", &long),
            ("traceparent", &long),
            ("x-ui-flow", b"\xff\xfe"),
        ],
    )
    .await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(field(&body, "agent").len(), 1024);
    assert_eq!(field(&body, "app").len(), 1024);
    assert_eq!(field(&body, "id").len(), 36);
    assert_eq!(field(&body, "trace"), "-");
    assert_eq!(field(&body, "flow"), "-");

    let (_, body) = ask(
        address,
        "GET /items/1",
        &[("user-agent", b"a\tb"), ("x-ui-app", "a\u{9b}31m".as_bytes()), ("x-request-id", b"a\tb")],
    )
    .await;
    assert_eq!(field(&body, "agent"), "-");
    assert_eq!(field(&body, "app"), "-");
    assert_eq!(field(&body, "id").len(), 36);

    // The server refuses what HTTP forbids; the next request is none the worse for it.
    let (head, _) = ask(address, "GET /items/1", &[("x-ui-app", b"a\x01b")]).await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    let (_, body) = ask(address, "GET /items/1", &[]).await;
    assert_eq!(field(&body, "app"), "-");
}

#[tokio::test]
async fn traces_that_break_the_grammar_are_ignored() {
    let address = serve(items().layer(layer())).await;
    for value in [
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c",
        "nonsense",
    ] {
        let (_, body) = ask(address, "GET /items/1", &[("traceparent", value.as_bytes())]).await;
        assert_eq!(field(&body, "trace"), "-", "{value}");
    }
}

#[tokio::test]
async fn extensions_from_outside_and_an_actor_from_below() {
    let below = Router::new()
        .route("/late", get(told))
        .layer(middleware::from_fn(async |request: Request, next: Next| {
            AuditContext::set_actor(Actor::user("ann")).unwrap();
            next.run(request).await
        }))
        .route("/nobody", get(told))
        .layer(layer());
    let above = Router::new().route("/early", get(told)).layer(layer()).layer(middleware::from_fn(
        async |mut request: Request, next: Next| {
            request.extensions_mut().insert(Tenant("acme".to_owned()));
            request.extensions_mut().insert(Reason("ticket 4711".to_owned()));
            request.extensions_mut().insert(Actor::user("ben"));
            next.run(request).await
        },
    ));
    let address = serve(below.merge(above)).await;
    let (_, body) = ask(address, "GET /late", &[]).await;
    assert_eq!(field(&body, "actor"), "ann");
    let (_, body) = ask(address, "GET /nobody", &[]).await;
    assert_eq!(field(&body, "actor"), "-");
    let (_, body) = ask(address, "GET /early", &[]).await;
    assert_eq!(field(&body, "actor"), "ben");
    assert_eq!(field(&body, "tenant"), "acme");
    assert_eq!(field(&body, "reason"), "ticket 4711");
}

#[tokio::test]
async fn any_service_on_http_requests_can_be_layered() {
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    let service = ServiceBuilder::new().layer(layer()).service(service_fn(async |_: http::Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(told().await))
    }));
    let request = http::Request::builder().method("POST").uri("/rpc").body(()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn disabled_audit_still_gives_a_context() {
    let address = serve(items().layer(AuditLayer::new(&Audit::disabled()))).await;
    let (_, body) = ask(address, "GET /items/1", &[]).await;
    assert_eq!(field(&body, "raw"), "GET|/items/:id");
}
