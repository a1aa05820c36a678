//! Context and handle in what a handler starts and does not wait for in its own future.

use std::sync::Arc;

use ftn_audit::{Actor, Audit, AuditContext, audit_carry, audit_spawn, audit_spawn_blocking};
use tokio::task::JoinSet;

use crate::{
    framework::{Answer, App, Framework, both, handler},
    recording, told,
    wire::ask,
};

both! {
    spawned_tasks_and_threads_have_the_request
    every_application_has_its_own_handle
}

async fn spawned_tasks_and_threads_have_the_request(framework: Framework) {
    let (audit, _) = recording();
    let expected = audit.clone();
    let spawning = handler(move || {
        let audit = expected.clone();
        async move {
            let here = told();
            let audit = Arc::new(audit);
            let seen = move || {
                assert!(Audit::current().unwrap().is_same(&audit));
                told()
            };
            let mut set = JoinSet::new();
            set.spawn(audit_carry({
                let seen = seen.clone();
                // A task that a task starts.
                async move { audit_spawn(async move { seen() }).await.unwrap() }
            }));
            let context = AuditContext::current().unwrap();
            let outside = std::thread::spawn({
                let (context, seen) = (context.clone(), seen.clone());
                move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    // Made where no handle is current: it has that of the layer.
                    runtime.block_on(context.carry(async move { seen() }))
                }
            });
            let all = [
                audit_spawn({
                    let seen = seen.clone();
                    async move { seen() }
                })
                .await
                .unwrap(),
                tokio::spawn(context.carry({
                    let seen = seen.clone();
                    async move { seen() }
                }))
                .await
                .unwrap(),
                audit_spawn_blocking(seen).await.unwrap(),
                set.join_next().await.unwrap().unwrap(),
                outside.join().unwrap(),
            ];
            assert!(all.iter().all(|there| *there == here), "{all:?}");
            assert!(tokio::spawn(async { AuditContext::current() }).await.unwrap().is_none(), "not carried");
            Answer::Text("all the same".to_owned())
        }
    });
    let mut app = App::of(&audit).route("/", spawning);
    app.below = Some(Actor::user("ann"));
    let address = app.serve(framework).await;
    let (head, body) = ask(address, "GET /", &[]).await;
    assert_eq!(body, "all the same", "{head}");
}

async fn every_application_has_its_own_handle(framework: Framework) {
    let mut all = Vec::new();
    for name in ["one", "two", "three"] {
        let (audit, sink) = recording();
        let noted = handler(|| async {
            Audit::current().unwrap().event("noted").record(&Audit::current().unwrap()).await;
            Answer::Text(String::new())
        });
        let mut app = App::of(&audit).route("/", noted);
        app.below = Some(Actor::user(name));
        all.push((name, sink, app.serve(framework).await));
    }
    let asked = all.iter().map(|(_, _, address)| ask(*address, "POST /", &[]));
    futures_util::future::join_all(asked).await;
    for (name, sink, _) in all {
        let actors: Vec<_> =
            sink.records().iter().map(|record| record.actor().unwrap().id().unwrap().to_owned()).collect();
        assert_eq!(actors, [name]);
    }
}
