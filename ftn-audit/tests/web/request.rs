//! What a context says of a request.

use ftn_audit::{
    Actor, Audit,
    web::{Reason, Tenant},
};

use crate::{
    field,
    framework::{App, Framework, both, telling},
    wire::ask,
};

both! {
    routes_are_whole_in_nested_routers
    what_no_route_matches_has_a_context_without_one
    a_good_client_is_understood
    what_comes_from_outside_and_an_actor_from_below
    an_actor_from_outside_is_not_set_again_below
    disabled_audit_still_gives_a_context
    names_of_headers_are_the_applications_choice
    an_inner_layer_keeps_what_the_outer_one_said
}

async fn routes_are_whole_in_nested_routers(framework: Framework) {
    let rest = match framework {
        Framework::Axum => "/stock/{*rest}",
        Framework::Actix => "/stock/{rest:.*}",
    };
    let mut app = App::items().route(rest, telling()).route("/reports/{year}.{kind}", telling());
    if framework == Framework::Axum {
        // Its templates have one parameter a segment.
        app.routes.pop();
    }
    app.nested.push(("/api/v1", vec![("/items/{id}", telling())]));
    let address = app.serve(framework).await;
    for (line, route, raw) in [
        ("PATCH /items/1?x=2", "/items/{id}", "PATCH|/items/:id"),
        ("PUT /api/v1/items/7", "/api/v1/items/{id}", "PUT|/api/v1/items/:id"),
        ("GET /stock/a/b", rest, "GET|/stock/*rest"),
        ("PURGE /items/1", "/items/{id}", "PURGE|/items/:id"),
    ] {
        let (_, body) = ask(address, line, &[]).await;
        assert_eq!(field(&body, "route"), route, "{line}");
        assert_eq!(field(&body, "raw"), raw, "{line}");
        let (method, path) = line.split_once(' ').unwrap();
        assert_eq!(field(&body, "method"), method);
        assert_eq!(field(&body, "path"), path.split('?').next().unwrap());
        assert_eq!(field(&body, "peer"), "127.0.0.1");
    }
    if framework == Framework::Actix {
        let (_, body) = ask(address, "GET /reports/2026.csv", &[]).await;
        assert_eq!(field(&body, "raw"), "GET|/reports/:year.:kind");
    }
}

async fn what_no_route_matches_has_a_context_without_one(framework: Framework) {
    let mut app = App::items();
    app.echo = true;
    let address = app.serve(framework).await;
    let (head, _) = ask(address, "GET /nowhere", &[("x-request-id", b"r-1")]).await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(head.contains("x-request-id: r-1"), "{head}");
}

async fn a_good_client_is_understood(framework: Framework) {
    let address = App::items().serve(framework).await;
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
        ("span", "b7ad6b7169203331"),
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

async fn what_comes_from_outside_and_an_actor_from_below(framework: Framework) {
    let mut app = App::items();
    app.outside =
        (None, Some(Tenant("acme".to_owned())), Some(Reason(format!("ticket {}", "4711".repeat(1000)))));
    app.below = Some(Actor::user("ann"));
    let address = app.serve(framework).await;
    let (_, body) = ask(address, "GET /items/1", &[]).await;
    assert_eq!(field(&body, "actor"), "ann");
    assert_eq!(field(&body, "tenant"), "acme");
    assert!(field(&body, "reason").starts_with("ticket 4711"));
    assert_eq!(field(&body, "reason").len(), 1024);
}

async fn an_actor_from_outside_is_not_set_again_below(framework: Framework) {
    let mut app = App::items();
    app.outside.0 = Some(Actor::user("ben"));
    let address = app.serve(framework).await;
    let (_, body) = ask(address, "GET /items/1", &[]).await;
    assert_eq!(field(&body, "actor"), "ben");
}

async fn disabled_audit_still_gives_a_context(framework: Framework) {
    let address = App::of(&Audit::disabled()).route("/items/{id}", telling()).serve(framework).await;
    let (_, body) = ask(address, "GET /items/1", &[]).await;
    assert_eq!(field(&body, "raw"), "GET|/items/:id");
}

async fn names_of_headers_are_the_applications_choice(framework: Framework) {
    let mut app = App::items();
    app.echo = true;
    app.request_id = Some("X-Correlation-Id".parse().unwrap());
    app.ui_app = Some("x-client".parse().unwrap());
    app.ui_flow = Some("x-journey".parse().unwrap());
    let address = app.serve(framework).await;
    let headers: [(&str, &[u8]); 6] = [
        ("x-correlation-id", b"c-1"),
        ("x-client", b"till"),
        ("x-journey", b"reprice"),
        ("x-request-id", b"not this"),
        ("x-ui-app", b"not this"),
        ("x-ui-flow", b"not this"),
    ];
    let (head, body) = ask(address, "GET /items/1", &headers).await;
    assert_eq!((field(&body, "id"), field(&body, "app"), field(&body, "flow")), ("c-1", "till", "reprice"));
    assert!(head.contains("x-correlation-id: c-1"), "{head}");
}

async fn an_inner_layer_keeps_what_the_outer_one_said(framework: Framework) {
    let mut app = App::new();
    app.nested.push(("/api", vec![("/items/{id}", telling())]));
    app.twice = true;
    app.echo = true;
    app.below = Some(Actor::user("between"));
    let address = app.serve(framework).await;
    let (head, body) = ask(address, "PATCH /api/items/1", &[]).await;
    assert_eq!(field(&body, "actor"), "between");
    assert_eq!(field(&body, "raw"), "PATCH|/api/items/:id");
    assert!(head.contains(&format!("x-request-id: {}", field(&body, "id"))), "{head}");
}
