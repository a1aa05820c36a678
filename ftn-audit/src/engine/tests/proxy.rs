//! A wire to the broker that a test can cut, block and take away.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

pub(super) struct Proxy {
    address: SocketAddr,
    target: String,
    /// Connections of an earlier age are closed.
    age: watch::Sender<u64>,
    blocked: Arc<watch::Sender<bool>>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    pub(super) async fn new(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            target,
            age: watch::Sender::new(0),
            blocked: Arc::new(watch::Sender::new(false)),
            listening: Mutex::default(),
        };
        proxy.listen(listener);
        proxy
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&self, listener: TcpListener) {
        let (target, age, blocked) = (self.target.clone(), self.age.clone(), self.blocked.clone());
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let (client, server) = (client.into_split(), server.into_split());
                tokio::spawn(pump(client.0, server.1, age.subscribe(), blocked.subscribe()));
                tokio::spawn(pump(server.0, client.1, age.subscribe(), blocked.subscribe()));
            }
        });
        *self.listening.lock().unwrap() = Some(listening);
    }

    /// Closes every connection. New ones are taken.
    pub(super) fn cut(&self) {
        self.age.send_modify(|age| *age += 1);
    }

    /// Lets nothing through, and closes nothing.
    pub(super) fn block(&self, blocked: bool) {
        self.blocked.send_replace(blocked);
    }

    /// Closes every connection, and refuses new ones.
    pub(super) async fn go_away(&self) {
        let listening = self.listening.lock().unwrap().take();
        if let Some(listening) = listening {
            listening.abort();
            let _ = listening.await;
        }
        self.cut();
    }

    pub(super) async fn come_back(&self) {
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        };
        self.listen(listener);
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut age: watch::Receiver<u64>,
    mut blocked: watch::Receiver<bool>,
) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = age.changed() => return,
        };
        let Ok(count @ 1..) = read else { return };
        tokio::select! {
            open = blocked.wait_for(|blocked| !blocked) => if open.is_err() { return },
            _ = age.changed() => return,
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
