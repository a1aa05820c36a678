//! Where a context is current, and that nothing is left of it afterwards.

use std::{
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
    routing::{get, patch},
};
use bytes::Bytes;
use ftn_audit::{Actor, Audit, AuditContext, web::AuditLayer};
use http_body::Frame;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    audit, field, items, layer, told,
    wire::{ask, serve},
};

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
