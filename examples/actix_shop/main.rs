//! A small shop on actix-web that asks itself over a real socket, and checks what was recorded:
//!
//! ```text
//! cargo run --example actix_shop
//! ```
//!
//! What a service would have beside it: `JsonlSink` or `OtlpSink` in place of the recorder.

mod items;

use std::{error::Error, net::SocketAddr, thread};

use actix_web::{
    App, HttpServer,
    dev::{ServerHandle, Service},
    rt, web,
};
use ftn_audit_sea::{prelude::*, testing::*, web::HeaderName};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, Schema};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use self::items::item;

/// A formatter for a route that is not here is refused at start-up.
const ROUTES: [&str; 3] = ["POST|/items", "PATCH|/items/:id", "DELETE|/items/:id"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recorder = Recorder::with(Audit::builder().service_name("actix-shop").routes(ROUTES));
    let db = open(recorder.audit()).await?;
    let (address, server, running) = serve(recorder.audit().clone(), db).await?;

    ask(address, "POST /items", r#"{"title":"Tea","price":"4.20"}"#).await?;
    ask(address, "PATCH /items/1", r#"{"price":"4.50"}"#).await?;
    ask(address, "PATCH /items/1", r#"{"price":"4.50"}"#).await?;
    ask(address, "DELETE /items/1", "").await?;

    server.stop(true).await;
    running.join().map_err(|_| "the server panicked")??;
    check(&recorder);
    println!("{}", recorder.snapshot());
    Ok(())
}

/// Serves on a thread of its own, as actix-web's runtime is another one.
async fn serve(
    audit: Audit,
    db: AuditedConnection,
) -> Result<(SocketAddr, ServerHandle, thread::JoinHandle<std::io::Result<()>>), Box<dyn Error>> {
    let (started, server) = oneshot::channel();
    let application = move || {
        App::new()
            .app_data(web::Data::new(db.clone()))
            .route("/items", web::post().to(items::create))
            .route("/items/{id}", web::patch().to(items::change))
            .route("/items/{id}", web::delete().to(items::remove))
            // In place of an authenticating middleware. It is below the audit's, because actix-web runs the last one first.
            .wrap_fn(|request, service| {
                let who = request.headers().get("x-user").and_then(|user| user.to_str().ok());
                if let Some(Err(error)) = who.map(|user| AuditContext::set_actor(Actor::user(user))) {
                    eprintln!("the audit trail will not know this user: {error}");
                }
                service.call(request)
            })
            .wrap(
                AuditMiddleware::new(&audit)
                    .request_id_header(HeaderName::from_static("x-correlation-id"))
                    .echo_request_id(true),
            )
    };
    let running = thread::spawn(move || {
        rt::System::new().block_on(async move {
            let server = HttpServer::new(application).workers(1).disable_signals().bind("127.0.0.1:0")?;
            let address = server.addrs()[0];
            let server = server.run();
            // Nobody waits any more where the other end is gone.
            let _ = started.send((address, server.handle()));
            server.await
        })
    });
    let (address, handle) = server.await?;
    Ok((address, handle, running))
}

/// A request of a signed-in user, as bytes on a socket.
async fn ask(address: SocketAddr, line: &str, body: &str) -> Result<(), Box<dyn Error>> {
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nx-user: 42\r\nx-correlation-id: c-1\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    match answer.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(format!("{line}: {answer}").into()),
    }
}

fn check(recorder: &Recorder) {
    let created = assert_audited!(recorder, item::Entity, creation, id = 1, title: "Tea", price: "4.20");
    assert_eq!(created.description(), "New item Tea");
    let repriced = assert_audited!(recorder, item::Entity, update, id = 1, price: "4.20" => "4.50");
    assert_eq!(repriced.attribute("audit.raw_route").unwrap(), "PATCH|/items/:id");
    assert_eq!(repriced.attribute("http.route").unwrap(), "/items/{id}");
    assert_eq!(repriced.attribute("audit.request_id").unwrap(), "c-1");
    assert_audited!(recorder, item::Entity, deletion, id = 1, price: "4.50");
    let records = recorder.records();
    assert_eq!(records.len(), 3, "the price that was the same already makes no record");
    assert!(records.iter().all(|record| record.actor() == Some(&Actor::user("42"))), "{records:#?}");
}

async fn open(audit: &Audit) -> Result<AuditedConnection, Box<dyn Error>> {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
    let bare = Database::connect(options).await?;
    create_table(&bare).await?;
    Ok(audit.connect(bare).await?)
}

async fn create_table(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(item::Entity)).await?;
    Ok(())
}
