//! Actors that are known only when somebody asks.

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use ftn_audit::{
    Actor, Audit, AuditContext, Delivery,
    sink::MemorySink,
    web::{HeaderName, Tenant},
};

use crate::{
    field,
    framework::{Answer, App, Framework, both, handler, recorded, telling},
    recording, told,
    wire::ask,
};

both! {
    a_late_actor_is_asked_once_and_only_for_an_event
    a_late_actor_knows_what_is_outside
    whoever_says_it_first_is_believed
    no_answer_is_an_unknown_actor_and_counted
    an_answer_that_takes_too_long_is_not_waited_for
    the_question_may_record_events_of_its_own
}

const TOKEN: HeaderName = HeaderName::from_static("x-token");

/// Believes a token, and counts how often it did.
fn counted(app: App, asked: &Arc<AtomicUsize>) -> App {
    let asked = asked.clone();
    app.late(move |head| {
        let token = head.header(&TOKEN).map(|token| String::from_utf8_lossy(token).into_owned());
        let asked = asked.clone();
        Box::pin(async move {
            asked.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
            Ok(token.map(Actor::user))
        })
    })
}

async fn a_late_actor_is_asked_once_and_only_for_an_event(framework: Framework) {
    let ((audit, sink), asked) = (recording(), Arc::new(AtomicUsize::new(0)));
    let many = audit.clone();
    let many = handler(move || {
        let audit = many.clone();
        async move {
            // At once: one of them asks, and the others wait for its answer.
            let record = || async { audit.event("noted").record(&audit).await };
            tokio::join!(record(), record(), record());
            record().await;
            Answer::Text(told())
        }
    });
    let app = App::of(&audit).route("/silent", telling()).route("/many", many);
    let address = counted(app, &asked).serve(framework).await;
    let (_, body) = ask(address, "GET /silent", &[("x-token", b"ann")]).await;
    assert_eq!((field(&body, "actor"), asked.load(SeqCst)), ("-", 0));
    let (_, body) = ask(address, "POST /many", &[("x-token", b"ann")]).await;
    assert_eq!((field(&body, "actor"), asked.load(SeqCst)), ("ann", 1));
    let (_, body) = ask(address, "POST /many", &[]).await;
    assert_eq!((field(&body, "actor"), asked.load(SeqCst)), ("-", 2), "nobody knows, and that is an answer");
    let actors: Vec<_> =
        sink.records().iter().map(|record| record.actor().and_then(Actor::id).map(str::to_owned)).collect();
    assert_eq!(actors[..4], vec![Some("ann".to_owned()); 4]);
    assert_eq!(actors[4..], vec![None; 4]);
    let stats = audit.stats();
    assert_eq!((stats.unknown_actors, stats.late_actor_failures, stats.late_actor_timeouts), (4, 0, 0));
}

async fn a_late_actor_knows_what_is_outside(framework: Framework) {
    let (audit, sink) = recording();
    let mut app = App::of(&audit).route("/notes/{id}", recorded(&audit)).late(|head| {
        let Tenant(tenant) = head.extension().unwrap();
        let found = format!("{tenant} {} {}", head.method(), head.path());
        Box::pin(async { Ok(Some(Actor::user(found))) })
    });
    app.outside.1 = Some(Tenant("acme".to_owned()));
    let address = app.serve(framework).await;
    ask(address, "POST /notes/1?x=1", &[]).await;
    assert_eq!(sink.records()[0].actor().unwrap().id(), Some("acme POST /notes/1"));
}

async fn whoever_says_it_first_is_believed(framework: Framework) {
    let ((audit, sink), asked) = (recording(), Arc::new(AtomicUsize::new(0)));
    let mut app = counted(App::of(&audit).route("/notes", recorded(&audit)), &asked);
    app.below = Some(Actor::user("ben"));
    let address = app.clone().serve(framework).await;
    ask(address, "POST /notes", &[("x-token", b"ann")]).await;
    app.below = None;
    app.outside.0 = Some(Actor::user("cem"));
    let address = app.serve(framework).await;
    ask(address, "POST /notes", &[("x-token", b"ann")]).await;
    let actors: Vec<_> =
        sink.records().iter().map(|record| record.actor().unwrap().id().unwrap().to_owned()).collect();
    assert_eq!((actors, asked.load(SeqCst)), (vec!["ben".to_owned(), "cem".to_owned()], 0));
}

async fn no_answer_is_an_unknown_actor_and_counted(framework: Framework) {
    let (audit, sink) = recording();
    let app = App::of(&audit).route("/notes", recorded(&audit)).late(|head| {
        let panics = head.header(&TOKEN).is_some();
        Box::pin(async move {
            assert!(!panics, "on purpose");
            Err(io::Error::other("ann@example.org is not known here"))
        })
    });
    let address = app.serve(framework).await;
    for headers in [&[][..], &[("x-token", b"panic".as_slice())]] {
        let (head, body) = ask(address, "POST /notes", headers).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(field(&body, "actor"), "-");
    }
    assert!(sink.records().iter().all(|record| record.attribute("audit.actor.type").unwrap() == "unknown"));
    let stats = audit.stats();
    assert_eq!((stats.unknown_actors, stats.late_actor_failures, stats.late_actor_timeouts), (2, 2, 0));
}

async fn an_answer_that_takes_too_long_is_not_waited_for(framework: Framework) {
    let sink = MemorySink::new();
    let audit = Audit::builder()
        .sink(sink.clone())
        .delivery(Delivery::sync().attempt_timeout(Duration::from_secs(60)))
        .environment(|setting| (setting == "FTN_AUDIT_LATE_ACTOR_TIMEOUT_MS").then(|| "20".to_owned()))
        .build()
        .unwrap();
    let twice = audit.clone();
    let twice = handler(move || {
        let audit = twice.clone();
        async move {
            audit.event("noted").record(&audit).await;
            // Authentication that is still late may say it all the same.
            AuditContext::set_actor(Actor::user("ann")).unwrap();
            audit.event("noted").record(&audit).await;
            Answer::Text(told())
        }
    });
    let address = App::of(&audit).route("/notes", twice).late(|_| Box::pin(pending())).serve(framework).await;
    let (_, body) = ask(address, "POST /notes", &[]).await;
    assert_eq!(field(&body, "actor"), "ann");
    let actors: Vec<_> = sink.records().iter().map(|record| record.actor().is_some()).collect();
    assert_eq!((actors, audit.stats().late_actor_timeouts), (vec![false, true], 1));
}

async fn the_question_may_record_events_of_its_own(framework: Framework) {
    let (audit, sink) = recording();
    let of_question = audit.clone();
    let app = App::of(&audit).route("/notes", recorded(&audit)).late(move |_| {
        let audit = of_question.clone();
        Box::pin(async move {
            audit.event("session.read").record(&audit).await;
            Ok(Some(Actor::user("ann")))
        })
    });
    let address = app.serve(framework).await;
    let (_, body) = ask(address, "POST /notes", &[]).await;
    assert_eq!(field(&body, "actor"), "ann");
    let told: Vec<_> = sink
        .records()
        .iter()
        .map(|record| format!("{} by {}", record.event_type(), record.actor().is_some()))
        .collect();
    assert_eq!(told, ["session.read by false", "noted by true"]);
    assert_eq!(audit.stats().late_actor_timeouts, 0);
}
