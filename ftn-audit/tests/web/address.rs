//! Whose address it is. The client here is 127.0.0.1, which is a proxy where a test says so.

use crate::{
    field,
    framework::{App, Framework, both},
    wire::ask,
};

both! {
    without_trusted_proxies_headers_are_not_believed
    a_trusted_peer_says_for_whom_it_speaks
    contradicting_headers_are_not_believed
    one_header_can_be_named
    hostile_hops_never_reach_a_record
}

fn behind(networks: &[&str]) -> App {
    let mut app = App::items();
    app.proxies = networks.iter().map(|network| network.parse().unwrap()).collect();
    app
}

async fn without_trusted_proxies_headers_are_not_believed(framework: Framework) {
    for app in [App::items(), behind(&["10.0.0.0/8"])] {
        let address = app.serve(framework).await;
        let headers: [(&str, &[u8]); 2] = [("x-forwarded-for", b"10.0.0.7"), ("forwarded", b"for=10.0.0.7")];
        let (_, body) = ask(address, "GET /items/1", &headers).await;
        assert_eq!(field(&body, "peer"), "127.0.0.1");
    }
}

async fn a_trusted_peer_says_for_whom_it_speaks(framework: Framework) {
    let address = behind(&["127.0.0.0/8", "10.0.0.0/8", "2001:db8:ffff::/48"]).serve(framework).await;
    for (headers, client) in [
        (&[][..], "127.0.0.1"),
        (&[("x-forwarded-for", "192.0.2.1")], "192.0.2.1"),
        (&[("x-forwarded-for", "192.0.2.1:4711")], "192.0.2.1"),
        (&[("x-forwarded-for", "::ffff:192.0.2.1")], "192.0.2.1"),
        // What stands left of the first unknown address is the client's own word.
        (&[("x-forwarded-for", "10.1.1.1, 198.51.100.9, 192.0.2.1, 10.0.0.2")], "192.0.2.1"),
        (&[("x-forwarded-for", "198.51.100.9"), ("x-forwarded-for", "192.0.2.1, 10.0.0.2")], "192.0.2.1"),
        (&[("x-forwarded-for", "192.0.2.1, 10.0.0.2"), ("x-forwarded-for", "10.0.0.3")], "192.0.2.1"),
        (&[("x-forwarded-for", "10.0.0.9, 10.0.0.2")], "10.0.0.9"),
        (&[("forwarded", "for=192.0.2.1;proto=https")], "192.0.2.1"),
        (&[("forwarded", "for=198.51.100.9, for=\"[2001:db8::1]:80\";by=_x, For=10.0.0.2")], "2001:db8::1"),
        (&[("forwarded", "for=192.0.2.1, for=\"[2001:db8:ffff::7]\"")], "192.0.2.1"),
        (&[("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.1")], "192.0.2.1"),
    ] {
        let sent: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let (_, body) = ask(address, "GET /items/1", &sent).await;
        assert_eq!(field(&body, "peer"), client, "{headers:?}");
    }
}

/// A client writes the header that its proxy does not, and the proxy lets it through.
async fn contradicting_headers_are_not_believed(framework: Framework) {
    let address = behind(&["127.0.0.1/32"]).serve(framework).await;
    let headers: [(&str, &[u8]); 2] = [("forwarded", b"for=10.0.0.7"), ("x-forwarded-for", b"192.0.2.1")];
    let (_, body) = ask(address, "GET /items/1", &headers).await;
    assert_eq!(field(&body, "peer"), "127.0.0.1");
}

async fn one_header_can_be_named(framework: Framework) {
    let headers: [(&str, &[u8]); 3] =
        [("forwarded", b"for=192.0.2.1"), ("x-forwarded-for", b"192.0.2.2"), ("x-real-ip", b"192.0.2.3")];
    for (name, client) in
        [("forwarded", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2"), ("x-real-ip", "192.0.2.3")]
    {
        let mut app = behind(&["127.0.0.1/32"]);
        app.address = Some(name.parse().unwrap());
        let address = app.serve(framework).await;
        let (_, body) = ask(address, "GET /items/1", &headers).await;
        assert_eq!(field(&body, "peer"), client, "{name}");
    }
}

async fn hostile_hops_never_reach_a_record(framework: Framework) {
    let address = behind(&["127.0.0.0/8", "10.0.0.0/8"]).serve(framework).await;
    let hundred = vec!["203.0.113.5"; 100].join(", ");
    let trusted = vec!["10.0.0.5"; 100].join(", ");
    let long = "9".repeat(10 * 1024);
    for (name, value, client) in [
        // Where an entry is no address, the last one that a proxy vouched for stays.
        ("x-forwarded-for", "unknown".as_bytes().to_vec(), "127.0.0.1"),
        ("x-forwarded-for", b"192.0.2.1, evil, 10.0.0.2".to_vec(), "10.0.0.2"),
        ("x-forwarded-for", b"192.0.2.1, , 10.0.0.2".to_vec(), "10.0.0.2"),
        ("x-forwarded-for", b"192.0.2.1, \xff\xfe".to_vec(), "127.0.0.1"),
        ("x-forwarded-for", b"\xff\xfe, 192.0.2.1".to_vec(), "192.0.2.1"),
        ("x-forwarded-for", b"127.0.0.1' OR 1=1 --".to_vec(), "127.0.0.1"),
        ("x-forwarded-for", b"1.2.3.4\t".to_vec(), "1.2.3.4"),
        ("x-forwarded-for", b"256.256.256.256".to_vec(), "127.0.0.1"),
        ("x-forwarded-for", long.clone().into_bytes(), "127.0.0.1"),
        ("x-forwarded-for", format!("{long}, 192.0.2.1").into_bytes(), "192.0.2.1"),
        ("x-forwarded-for", format!("{hundred}, 192.0.2.1").into_bytes(), "192.0.2.1"),
        ("x-forwarded-for", format!("192.0.2.1, {trusted}").into_bytes(), "192.0.2.1"),
        // A private address that the client made up stands left of its own.
        ("x-forwarded-for", b"10.0.0.99, 192.0.2.1".to_vec(), "192.0.2.1"),
        ("forwarded", b"for=10.0.0.99, for=192.0.2.1".to_vec(), "192.0.2.1"),
        ("forwarded", b"for=\"10.0.0.99".to_vec(), "127.0.0.1"),
        ("forwarded", b"for=_hidden".to_vec(), "127.0.0.1"),
        ("forwarded", b"for=192.0.2.1, for=unknown, for=10.0.0.2".to_vec(), "10.0.0.2"),
        ("forwarded", b"proto=https".to_vec(), "127.0.0.1"),
        ("forwarded", b"\xff".to_vec(), "127.0.0.1"),
        ("forwarded", format!("for={long}").into_bytes(), "127.0.0.1"),
    ] {
        let (head, body) = ask(address, "GET /items/1", &[(name, &value)]).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(field(&body, "peer"), client, "{name}: {:?}", String::from_utf8_lossy(&value));
    }
}
