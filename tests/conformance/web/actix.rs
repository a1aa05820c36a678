//! The one route of a scenario, on actix-web.

use std::thread;

use actix_web::{App, HttpMessage, HttpResponse, HttpServer, dev::Service, rt, web};
use ftn_audit_sea::prelude::*;
use tokio::sync::oneshot;

use super::{Answer, Asked, Handler, Server, wire};

pub async fn answer(asked: &Asked, audit: &Audit, handler: Handler) -> Answer {
    let (audit, template) = (audit.clone(), template(&asked.template));
    let (peer, login) = (asked.peer, asked.login.clone());
    let application = move || {
        let (handler, login) = (handler.clone(), login.clone());
        let answer = move || {
            let handler = handler.clone();
            async move {
                if handler().await { HttpResponse::Ok() } else { HttpResponse::InternalServerError() }
                    .finish()
            }
        };
        App::new().route(&template, web::to(answer)).wrap(AuditMiddleware::new(&audit)).wrap_fn(
            move |mut request, service| {
                // The client of the runs, and whom their session middleware knew.
                request.head_mut().peer_addr = Some(peer);
                login.clone().map(|actor| request.extensions_mut().insert(actor));
                service.call(request)
            },
        )
    };
    let (started, server) = oneshot::channel();
    let runtime = thread::spawn(move || {
        rt::System::new().block_on(async move {
            let server = HttpServer::new(application).workers(1).disable_signals();
            let server = server.bind("127.0.0.1:0").expect("a port");
            let address = server.addrs()[0];
            let server = server.run();
            started.send((address, server.handle())).expect("the test waits for it");
            server.await
        })
    });
    let (address, handle) = server.await.expect("the server starts");
    Answer { status: wire::ask(address, asked).await, server: Server::Actix(handle, runtime) }
}

/// The template in actix-web's spelling, which has a pattern for the rest.
fn template(axum: &str) -> String {
    match axum.split_once("{*") {
        Some((head, name)) => format!("{head}{{{}:.*}}", name.trim_end_matches('}')),
        None => axum.to_owned(),
    }
}
