//! Headers are the client's word, and some clients are hostile.

use crate::{
    field,
    framework::{App, Framework, both},
    wire::ask,
};

both! {
    request_id_is_made_where_none_is_sane_and_sent_back_when_asked
    hostile_headers_are_cut_or_dropped
    traces_that_break_the_grammar_are_ignored
}

async fn request_id_is_made_where_none_is_sane_and_sent_back_when_asked(framework: Framework) {
    let mut app = App::items();
    app.echo = true;
    let address = app.serve(framework).await;
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

async fn hostile_headers_are_cut_or_dropped(framework: Framework) {
    let address = App::items().serve(framework).await;
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

async fn traces_that_break_the_grammar_are_ignored(framework: Framework) {
    let address = App::items().serve(framework).await;
    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
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
    let twice = [("traceparent", GOOD.as_bytes()), ("traceparent", GOOD.as_bytes())];
    let (_, body) = ask(address, "GET /items/1", &twice).await;
    assert_eq!(field(&body, "trace"), "-");
}
