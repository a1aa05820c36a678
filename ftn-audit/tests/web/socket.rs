//! WebSockets, which talk long after their request was answered.

use ftn_audit::Actor;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{
    field,
    framework::{App, Framework, both},
};

both! { a_socket_talks_in_the_context_of_its_request }

async fn a_socket_talks_in_the_context_of_its_request(framework: Framework) {
    let mut app = App::new();
    app.socket = true;
    app.below = Some(Actor::user("ann"));
    let address = app.serve(framework).await;
    let (mut lobby, _) = connect_async(format!("ws://{address}/socket/lobby")).await.unwrap();
    let (mut attic, _) = connect_async(format!("ws://{address}/socket/attic")).await.unwrap();
    for _ in 0..3 {
        for (socket, path) in [(&mut lobby, "/socket/lobby"), (&mut attic, "/socket/attic")] {
            socket.send(Message::text("who am I?")).await.unwrap();
            let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
            assert_eq!(field(&answer, "path"), path);
            assert_eq!(field(&answer, "raw"), "GET|/socket/:room");
            assert_eq!(field(&answer, "actor"), "ann");
        }
    }
}
