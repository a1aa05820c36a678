//! `AuditLayer` over real sockets: what a context says of a request, and where it is current.

#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
    routing::{any, get, patch},
};
use bytes::Bytes;
use ftn_audit::{
    Actor, Audit, AuditContext,
    sink::MemorySink,
    web::{AuditLayer, Reason, Tenant},
};
use http_body::Frame;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

fn audit() -> Audit {
    Audit::builder().service_name("layer-test").sink(MemorySink::new()).build().unwrap()
}

fn layer() -> AuditLayer {
    AuditLayer::new(&audit())
}

/// What the current context says, a field a line.
async fn told() -> String {
    let context = AuditContext::current().expect("a context is current");
    let trace = context.trace_id().map(|id| id.map(|byte| format!("{byte:02x}")).concat());
    [
        ("method", context.http_method()),
        ("path", context.path()),
        ("route", context.http_route()),
        ("raw", context.raw_route()),
        ("id", context.request_id()),
        ("trace", trace.as_deref()),
        ("peer", context.client_address().map(|peer| peer.to_string()).as_deref()),
        ("agent", context.user_agent()),
        ("app", context.ui_app()),
        ("flow", context.ui_flow()),
        ("tenant", context.tenant()),
        ("reason", context.reason()),
        ("actor", context.actor().and_then(Actor::id)),
    ]
    .map(|(name, value)| format!("{name}={}\n", value.unwrap_or("-")))
    .concat()
}

fn field<'a>(body: &'a str, name: &str) -> &'a str {
    body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_else(|| {
        panic!("no {name} in {body:?}");
    })
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
    });
    address
}

/// Sends bytes as they are, so that headers can be as bad as on the wire; gives head and body.
async fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn ask(address: SocketAddr, line: &str, headers: &[(&str, &[u8])]) -> (String, String) {
    let mut request = format!("{line} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    send(address, request).await
}

fn items() -> Router {
    Router::new().route("/items/{id}", any(told))
}

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
async fn context_is_an_extension_and_the_handle_is_current() {
    let audit = audit();
    let expected = audit.clone();
    let app = Router::new()
        .route(
            "/",
            get(async move |request: Request| {
                let context = request.extensions().get::<AuditContext>().unwrap();
                let current = AuditContext::current().unwrap();
                assert_eq!(context.request_id(), current.request_id());
                assert!(Audit::current().unwrap().is_same(&expected));
                told().await
            }),
        )
        .layer(AuditLayer::new(&audit));
    let address = serve(app).await;
    let (head, _) = ask(address, "GET /", &[]).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn nested_calls_restore_the_context_around_them() {
    use tower::ServiceExt;

    let inner = items().layer(layer());
    let app = Router::new()
        .route(
            "/outer",
            get(async move || {
                let before = told().await;
                let call = Request::builder().uri("/items/9").body(Body::empty()).unwrap();
                let answer = inner.oneshot(call).await.unwrap();
                let nested = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
                let nested = String::from_utf8(nested.to_vec()).unwrap();
                assert_eq!(field(&nested, "raw"), "GET|/items/:id");
                assert_ne!(field(&nested, "id"), field(&before, "id"));
                assert_eq!(before, told().await);
                before
            }),
        )
        .layer(layer());
    let address = serve(app).await;
    let (_, body) = ask(address, "GET /outer", &[]).await;
    assert_eq!(field(&body, "raw"), "GET|/outer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_never_mix() {
    let app = Router::new()
        .route(
            "/items/{id}",
            get(async |path: MatchedPath, request: Request| {
                assert_eq!(path.as_str(), "/items/{id}");
                let own = request.uri().path().to_owned();
                AuditContext::set_actor(Actor::user(&own)).unwrap();
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                    let told = told().await;
                    assert_eq!(field(&told, "path"), own);
                    assert_eq!(field(&told, "actor"), own);
                }
                own
            }),
        )
        .layer(layer());
    let address = serve(app).await;
    let requests = (0..100)
        .map(|number| tokio::spawn(async move { ask(address, &format!("GET /items/{number}"), &[]).await }));
    for (number, request) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        let (head, body) = request.await.unwrap();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, format!("/items/{number}"));
    }
}

/// Sends what is current at each of three polls, and notes what is current when it is dropped.
struct Stream {
    left: u8,
    dropped: Arc<Mutex<Option<String>>>,
}

fn current_path() -> String {
    assert!(Audit::current().is_some());
    AuditContext::current().and_then(|context| Some(context.path()?.to_owned())).unwrap_or_default()
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        if self.left.is_multiple_of(2) {
            let waker = cx.waker().clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                waker.wake();
            });
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(format!("[{}]", current_path()).into()))))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        *self.dropped.lock().unwrap() = Some(current_path());
    }
}

#[tokio::test]
async fn streaming_body_keeps_the_context_until_it_is_dropped() {
    let dropped = Arc::new(Mutex::new(None));
    let seen = dropped.clone();
    let app = Router::new()
        .route("/stream", get(async move || Response::new(Body::new(Stream { left: 6, dropped }))))
        .layer(layer());
    let address = serve(app).await;
    let (_, body) = ask(address, "GET /stream", &[]).await;
    assert_eq!(body.matches("[/stream]").count(), 3, "{body}");
    assert_eq!(seen.lock().unwrap().as_deref(), Some("/stream"));
    assert!(AuditContext::current().is_none());
}

#[tokio::test]
async fn panicking_handler_leaves_nothing_behind() {
    // One thread serves everything, so that what a panic left on it would be found.
    let leaked = Arc::new(AtomicBool::new(false));
    let seen = leaked.clone();
    let app = Router::new()
        .route(
            "/panic",
            get(async || -> StatusCode {
                AuditContext::set_actor(Actor::user("gone")).unwrap();
                panic!("on purpose");
            }),
        )
        .route("/clean", get(told))
        .layer(layer())
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            seen.fetch_or(AuditContext::current().is_some() || Audit::current().is_some(), Ordering::SeqCst);
            next.run(request)
        }));
    let address = serve(app).await;
    let (head, _) = ask(address, "GET /panic", &[]).await;
    assert_eq!(head, "", "the connection breaks");
    let (_, body) = ask(address, "GET /clean", &[]).await;
    assert_eq!(field(&body, "actor"), "-");
    assert_eq!(field(&body, "path"), "/clean");
    assert!(!leaked.load(Ordering::SeqCst));
}

#[tokio::test]
async fn client_that_hangs_up_drops_the_handler_in_its_context() {
    struct Note(Arc<Mutex<Option<String>>>);
    impl Drop for Note {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(current_path());
        }
    }
    let dropped = Arc::new(Mutex::new(None));
    let seen = dropped.clone();
    let app = Router::new()
        .route(
            "/slow",
            patch(async move || {
                let _note = Note(dropped);
                tokio::time::sleep(Duration::from_secs(60)).await;
            }),
        )
        .layer(layer());
    let address = serve(app).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PATCH /slow HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(stream);
    for _ in 0..200 {
        if seen.lock().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen.lock().unwrap().as_deref(), Some("/slow"));
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

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut log = self.0.lock().unwrap();
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            log.push_str(&format!("{value:?}\n"));
        });
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn missing_peer_is_said_once_and_no_header_is_logged() {
    use tower::ServiceExt;

    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let app = items().layer(layer());
    for _ in 0..3 {
        let request = Request::builder()
            .uri("/items/1")
            .header("x-request-id", "secret-id with blank")
            .header("traceparent", "secret-trace")
            .header("user-agent", "secret-agent")
            .body(Body::empty())
            .unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 200);
    }
    let log = log.0.lock().unwrap();
    assert_eq!(log.matches("into_make_service_with_connect_info").count(), 1, "{log}");
    assert!(!log.contains("secret"), "{log}");
}
