//! The application on actix-web.

use std::net::SocketAddr;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, HttpServer, Scope,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    rt, web,
};
use actix_ws::Message;
use ftn_audit::{AuditContext, audit_carry, web::AuditMiddleware};
use futures_util::StreamExt;
use tracing::Instrument;

use crate::{
    framework::{Answer, App, Handler, configured},
    told,
};

/// Served by a thread of its own, as its runtime is; both end with the process.
pub async fn serve(app: App) -> SocketAddr {
    let (bound, address) = tokio::sync::oneshot::channel();
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    std::thread::spawn(move || {
        let log = dispatch.clone();
        let _guard = tracing::dispatcher::set_default(&dispatch);
        rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                // Each worker is a thread: it logs to whom the test listens.
                std::mem::forget(tracing::dispatcher::set_default(&log));
                let mut service = actix_web::App::new().app_data(web::Data::new(app.clone()));
                for (prefix, nested) in &app.nested {
                    let scope = nested.iter().fold(Scope::new(prefix), |scope, (template, handler)| {
                        scope.route(template, route(handler))
                    });
                    service = match app.twice {
                        true => service.service(scope.wrap(configured!(AuditMiddleware, app))),
                        false => service.service(scope),
                    };
                }
                for (template, handler) in &app.routes {
                    service = service.route(template, route(handler));
                }
                if app.socket {
                    service = service.route("/socket/{room}", web::to(socket));
                }
                service.wrap(from_fn(below)).wrap(configured!(AuditMiddleware, app)).wrap(from_fn(outside))
            })
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
            bound.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    address.await.unwrap()
}

fn route(handler: &Handler) -> actix_web::Route {
    let handler = handler.clone();
    web::to(move || {
        let handler = handler.clone();
        async move {
            match handler().await {
                Answer::Text(text) => HttpResponse::Ok().body(text),
                Answer::Stream(stream) => HttpResponse::Ok().streaming(stream),
            }
        }
    })
}

async fn socket(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(audit_carry(async move {
        while let Some(Ok(Message::Text(_))) = messages.next().await {
            session.text(told()).await.unwrap();
        }
    }));
    Ok(response)
}

async fn outside(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    app.look_for_a_leak();
    let (actor, tenant, reason) = app.outside.clone();
    {
        let mut extensions = request.extensions_mut();
        actor.map(|actor| extensions.insert(actor));
        tenant.map(|tenant| extensions.insert(tenant));
        reason.map(|reason| extensions.insert(reason));
    }
    if app.traced {
        return async { next.call(request).await }.instrument(tracing::info_span!("request")).await;
    }
    next.call(request).await
}

async fn below(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(actor) = app.below.clone() {
        AuditContext::set_actor(actor).unwrap();
    }
    next.call(request).await
}
