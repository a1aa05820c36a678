//! Where a context is current, and that nothing is left of it afterwards.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    task::{Context, Poll},
};

use bytes::Bytes;
use ftn_audit::{Actor, Audit, AuditContext};
use futures_util::Stream;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify};

use crate::{
    field,
    framework::{Answer, App, Framework, both, handler, telling},
    told, until,
    wire::ask,
};

both! {
    streaming_body_keeps_the_context_until_it_is_dropped
    panicking_handler_leaves_nothing_behind
    concurrent_requests_never_mix
}

/// Sends what is current at each of three polls, and notes what is current when it is dropped.
struct Chunks {
    left: u8,
    dropped: Arc<Mutex<Option<String>>>,
}

fn current_path() -> String {
    assert!(Audit::current().is_some());
    AuditContext::current().and_then(|context| Some(context.path()?.to_owned())).unwrap_or_default()
}

impl Stream for Chunks {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        if self.left.is_multiple_of(2) {
            let waker = cx.waker().clone();
            // From elsewhere, so that the body is polled again in a turn of its own.
            std::thread::spawn(move || waker.wake());
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(format!("[{}]", current_path()).into())))
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        *self.dropped.lock().unwrap() = Some(current_path());
    }
}

async fn streaming_body_keeps_the_context_until_it_is_dropped(framework: Framework) {
    let dropped = Arc::new(Mutex::new(None));
    let seen = dropped.clone();
    let streaming = handler(move || {
        let dropped = dropped.clone();
        async move { Answer::Stream(Box::pin(Chunks { left: 6, dropped })) }
    });
    let address = App::new().route("/stream", streaming).serve(framework).await;
    let (_, body) = ask(address, "GET /stream", &[]).await;
    assert_eq!(body.matches("[/stream]").count(), 3, "{body}");
    until("the body is dropped", || seen.lock().unwrap().is_some()).await;
    assert_eq!(seen.lock().unwrap().as_deref(), Some("/stream"));
    assert!(AuditContext::current().is_none());
}

async fn panicking_handler_leaves_nothing_behind(framework: Framework) {
    let panicking = handler(|| async {
        AuditContext::set_actor(Actor::user("gone")).unwrap();
        panic!("on purpose");
    });
    let app = App::new().route("/panic", panicking).route("/clean", telling());
    let leaked = app.leaked.clone();
    let address = app.serve(framework).await;
    // More often than there are threads, so that one that kept something would be met again.
    for _ in 0..8 {
        let (head, _) = ask(address, "GET /panic", &[]).await;
        assert_eq!(head, "", "the connection breaks");
        let (_, body) = ask(address, "GET /clean", &[]).await;
        assert_eq!(field(&body, "actor"), "-");
        assert_eq!(field(&body, "path"), "/clean");
    }
    assert!(!leaked.load(SeqCst));
}

/// actix-web lets a handler come to its end.
#[tokio::test]
async fn client_that_hangs_up_drops_the_handler_in_its_context() {
    struct Note(Arc<Mutex<Option<String>>>);
    impl Drop for Note {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(current_path());
        }
    }
    let (dropped, begun) = (Arc::new(Mutex::new(None)), Arc::new(Notify::new()));
    let (seen, waiting) = (dropped.clone(), begun.clone());
    let slow = handler(move || {
        let (dropped, begun) = (dropped.clone(), begun.clone());
        async move {
            let _note = Note(dropped);
            begun.notify_one();
            std::future::pending().await
        }
    });
    let address = App::new().route("/slow", slow).serve(Framework::Axum).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PATCH /slow HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
    waiting.notified().await;
    drop(stream);
    until("the handler is dropped", || seen.lock().unwrap().is_some()).await;
    assert_eq!(seen.lock().unwrap().as_deref(), Some("/slow"));
}

async fn concurrent_requests_never_mix(framework: Framework) {
    let yielding = handler(|| async {
        let own = current_path();
        AuditContext::set_actor(Actor::user(&own)).unwrap();
        for _ in 0..20 {
            tokio::task::yield_now().await;
            let told = told();
            assert_eq!(field(&told, "path"), own);
            assert_eq!(field(&told, "actor"), own);
        }
        Answer::Text(own)
    });
    let address = App::new().route("/items/{id}", yielding).serve(framework).await;
    let requests = (0..100)
        .map(|number| tokio::spawn(async move { ask(address, &format!("GET /items/{number}"), &[]).await }));
    for (number, request) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        let (head, body) = request.await.unwrap();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, format!("/items/{number}"));
    }
}
