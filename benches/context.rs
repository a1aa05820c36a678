//! What `AuditLayer` adds to a request: the same router with and without it, in interleaved pairs.
//!
//! ```text
//! cargo bench --bench context
//! ```
//!
//! A case passes when the median of the pairs' differences is within the bound; the run fails when one does not.

use std::{
    hint::black_box,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    routing::patch,
};
use ftn_audit_sea::{prelude::*, web::IpNet};
use tokio::runtime::Runtime;
use tower::Service;

type Headers = [(&'static str, &'static str)];

const BOUND: Duration = Duration::from_nanos(1500);
const PAIRS: usize = 301;
const REQUESTS: usize = 1000;

const COMMON: [(&str, &str); 2] =
    [("host", "shop.example"), ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")];

const TRACED: [(&str, &str); 4] = [
    ("x-request-id", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("x-ui-app", "till"),
    ("x-ui-flow", "reprice"),
];

const FORWARDED: [(&str, &str); 1] = [("x-forwarded-for", "198.51.100.9, 192.0.2.1, 10.0.0.2")];

fn router() -> Router {
    Router::new().route("/items/{id}", patch(async || "changed"))
}

fn requests(headers: &[(&str, &str)]) -> Vec<Request> {
    (0..REQUESTS)
        .map(|number| {
            let mut request = Request::patch(format!("/items/{number}"));
            for (name, value) in COMMON.iter().chain(headers) {
                request = request.header(*name, *value);
            }
            let mut request = request.body(Body::empty()).expect("a request");
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 7], 40_000))));
            request
        })
        .collect()
}

/// Nanoseconds a request.
fn timed(runtime: &Runtime, router: &mut Router, headers: &[(&str, &str)]) -> f64 {
    let requests = requests(headers);
    let start = Instant::now();
    runtime.block_on(async {
        for request in requests {
            let response = Service::call(router, request).await;
            drop(black_box(response));
        }
    });
    start.elapsed().as_nanos() as f64 / REQUESTS as f64
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() -> ExitCode {
    // `cargo test --benches` builds it and runs it for a look; a measurement it is not.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let pairs = if measures { PAIRS } else { 1 };
    let audit =
        Audit::builder().sink(MemorySink::new()).environment(|_| None).build().expect("a sound handle");
    let layer = || AuditLayer::new(&audit);
    let network: IpNet = "10.0.0.0/8".parse().expect("a network");
    let cases: [(&str, AuditLayer, &Headers); 4] = [
        ("an id has to be made", layer(), &[]),
        ("id, trace, user interface", layer(), &TRACED),
        ("behind trusted proxies", layer().trusted_proxies([network]), &FORWARDED),
        (
            "with a late actor that nobody asks",
            layer().late_actor(|head| {
                let path = head.path().to_owned();
                async { Ok::<_, std::convert::Infallible>(Some(Actor::user(path))) }
            }),
            &[],
        ),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!(
        "{:<36} {:>10} {:>10} {:>7} {:>10}",
        "a request, median of pairs", "bare", "layered", "ratio", "cost"
    );
    let mut passed = true;
    for (name, layer, headers) in cases {
        // As a server does: otherwise a router makes its routes and their layers anew for every request.
        let mut bare: Router = router().with_state(());
        let mut layered: Router = router().layer(layer).with_state(());
        timed(&runtime, &mut bare, headers);
        timed(&runtime, &mut layered, headers);
        let (mut without, mut with, mut costs) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..pairs {
            // Whoever is first warms things up for the other: they take turns.
            let (one, other) = if pair % 2 == 0 {
                let one = timed(&runtime, &mut bare, headers);
                (one, timed(&runtime, &mut layered, headers))
            } else {
                let other = timed(&runtime, &mut layered, headers);
                (timed(&runtime, &mut bare, headers), other)
            };
            without.push(one);
            with.push(other);
            costs.push(other - one);
        }
        let (without, with, cost) = (median(without), median(with), median(costs));
        println!("{name:<36} {without:>7.0} ns {with:>7.0} ns {:>7.2} {cost:>7.0} ns", with / without);
        passed &= !measures || cost <= BOUND.as_nanos() as f64;
    }
    println!("bound: {} ns a request{}", BOUND.as_nanos(), if passed { "" } else { ", NOT MET" });
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
