//! The same update with a millisecond of network between the service and the database, beside none: what counts there is
//! the number of round trips.

use std::time::{Duration, Instant};

use ftn_audit_sea::prelude::*;
use sea_orm::{ConnectOptions, ConnectionTrait, TransactionTrait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{database::Database, median, reprice, rows};

/// There and back.
const ROUND_TRIP: Duration = Duration::from_millis(1);
const PAIRS: usize = 31;
const UPDATES: i64 = 10;

pub async fn run(database: &Database) {
    let ids = rows(database, 1).await;
    let mut options = ConnectOptions::new(delayed(&database.url).await);
    options.max_connections(2).sqlx_logging(false);
    let far = sea_orm::Database::connect(options).await.expect("the database answers through the proxy");
    let far_audited = database.audit.connect(far.clone()).await.expect("the database answers");
    for (name, bare, audited) in
        [("localhost", &database.bare, &database.audited), ("1ms", &far, &far_audited)]
    {
        let (mut auto, mut txn) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            auto.push(ratio(alone(bare, ids[0]).await, alone(audited, ids[0]).await));
            txn.push(ratio(together(bare, ids[0]).await, together(audited, ids[0]).await));
        }
        println!("load {} update_{name}_auto {:.2}", database.name, median(auto));
        println!("load {} update_{name}_txn {:.2}", database.name, median(txn));
    }
}

fn ratio(bare: Duration, audited: Duration) -> f64 {
    audited.as_secs_f64() / bare.as_secs_f64()
}

async fn alone(db: &impl ConnectionTrait, id: i32) -> Duration {
    let start = Instant::now();
    for _ in 0..UPDATES {
        reprice(db, id, fastrand::i64(1..)).await.expect("an update");
    }
    start.elapsed()
}

async fn together<C: TransactionTrait>(db: &C, id: i32) -> Duration {
    let start = Instant::now();
    let txn = db.begin().await.expect("a transaction");
    for _ in 0..UPDATES {
        reprice(&txn, id, fastrand::i64(1..)).await.expect("an update");
    }
    sea_orm::TransactionSession::commit(txn).await.expect("a commit");
    start.elapsed()
}

/// A database URL through a proxy that holds back what it forwards.
async fn delayed(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (user, rest) = rest.split_once('@').expect("a URL with a user");
    let (server, name) = rest.split_once('/').expect("a URL with a database");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("{scheme}://{user}@{}/{name}", listener.local_addr().expect("an address"));
    let server = server.to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.expect("the database listens");
            for socket in [&client, &server] {
                socket.set_nodelay(true).expect("a socket without delays of its own");
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(forward(from_client, to_server));
            tokio::spawn(forward(from_server, to_client));
        }
    });
    url
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // Blocking would be more exact, and hold back the runtime.
        tokio::time::sleep(ROUND_TRIP / 2).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}
