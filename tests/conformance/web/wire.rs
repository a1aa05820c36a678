//! A request as bytes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Asked;

/// Gives the answer's status.
pub async fn ask(address: SocketAddr, asked: &Asked) -> u16 {
    let mut request =
        format!("{} {} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n", asked.method, asked.uri);
    for (name, value) in &asked.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the server answers");
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {answer:?}"))
}
