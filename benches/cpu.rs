//! What an event costs in CPU, with no database about: its parts one by one, and a whole update on a mock connection, bare
//! and recorded, whose difference is what capture, formatting and the queue add.
//!
//! ```text
//! cargo bench --bench cpu
//! cargo bench --bench cpu -- look_up
//! ```
//!
//! criterion leaves its figures under `target/criterion`.

#[path = "fixtures/item.rs"]
mod item;
#[path = "fixtures/null.rs"]
mod null;

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ftn_audit_sea::{
    AttributeValue, Encoding, RawRoute, Subject,
    change::{ChangeFacts, Changeset, Marks},
    formatter::{FormatterRegistration, Rule},
    prelude::*,
};
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbBackend, MockDatabase};
use tokio::runtime::Runtime;

use self::null::Null;

#[derive(Default)]
struct Described;

impl AuditFormatter for Described {
    type Subject = item::Model;

    fn description(&self, change: &Change<item::Model>) -> String {
        format!("Item #{} repriced", change.subject().id)
    }
}

fn audit(formatters: usize, encoding: Encoding) -> Audit {
    let mut builder = Audit::builder()
        .service_name("bench")
        .sink(Null)
        .delivery(Delivery::queue().capacity(1_000_000).capacity_bytes(1 << 30))
        .encoding(encoding)
        .environment(|_| None);
    for number in 0..formatters {
        let route: &'static str = format!("PATCH|/items/:id/{number}").leak();
        let rule =
            Rule { route: Some(route), event: Some("update"), priority: 0, file: file!(), line: line!() };
        builder = builder.registration(FormatterRegistration::with(rule, Described));
    }
    builder.build().expect("a sound handle")
}

fn context(route: &str) -> AuditContext {
    AuditContext::builder()
        .actor(Actor::user(42).email("ann@example.org"))
        .raw_route(route)
        .request_id("01890a5d-ac96-774b-bcce-b302099a8057")
        .build()
}

fn row(price: i64) -> item::Model {
    item::Model {
        id: 1,
        name: "Tea".to_owned(),
        price,
        stock: 3,
        note: Some("a note of some length, as people write them".to_owned()),
        active: true,
    }
}

fn change(audit: &Audit) -> Change<item::Model> {
    let model = item::Model::model();
    let price = model.columns.iter().find(|column| column.sql_name == "price").expect("a column");
    let changed =
        audit.column_change(price, Some(AttributeValue::from(420)), Some(AttributeValue::from(450)));
    let facts = ChangeFacts {
        event: EventType::Update,
        model,
        pk: "1".to_owned(),
        changeset: [changed].into_iter().collect::<Changeset>(),
        link: None,
        hidden_key: Default::default(),
        marks: Marks::default(),
        context: Some(context("PATCH|/items/:id")),
    };
    Change::of(facts, Some(row(420)), Some(row(450)))
}

fn origin() -> ftn_audit_sea::Origin {
    ftn_audit_sea::Origin {
        database: ftn_audit_sea::Origin::database("postgresql", Some("shop")),
        operation: "UPDATE",
        occurred_at: SystemTime::now(),
    }
}

/// Which formatter describes a change: one that is there, and none.
fn look_up(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("look_up");
    for formatters in [1, 10, 100, 1000] {
        let audit = audit(formatters, Encoding::Flat);
        let present = context(&format!("PATCH|/items/:id/{}", formatters / 2));
        let absent = context("PATCH|/nothing/:id");
        for (name, context, found) in [("found", present, true), ("absent", absent, false)] {
            group.bench_function(BenchmarkId::new(name, formatters), |bench| {
                bench.iter(|| {
                    let has = audit.has_formatter(
                        item::Model::model(),
                        Some(&context),
                        black_box(&EventType::Update),
                    );
                    assert_eq!(has, found);
                });
            });
        }
    }
}

/// From the change to the record, and from there to the form that leaves.
fn record(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("record");
    let (flat, origin) = (audit(0, Encoding::Flat), origin());
    let change = change(&flat);
    group.bench_function("compose", |bench| bench.iter(|| flat.compose(black_box(&change), &origin)));
    for encoding in [Encoding::Flat, Encoding::Nested, Encoding::Json, Encoding::Seed] {
        let record = audit(0, encoding).compose(&change, &origin).expect("a record");
        group.bench_function(BenchmarkId::new("encode", encoding), |bench| {
            bench.iter(|| black_box(&record).encoded_attributes());
        });
    }
    group.bench_function("route", |bench| {
        bench.iter(|| black_box("PATCH /items/{id:[0-9]+}/tags/{tag}").parse::<RawRoute>().expect("a route"));
    });
}

/// Updates by key on a mock of Postgres, bare and recorded by the hooks.
fn update(bench: &mut Criterion) {
    const UPDATES: usize = 200;
    let runtime = Runtime::new().expect("a runtime");
    let mock = || -> DatabaseConnection {
        let mut mock = MockDatabase::new(DbBackend::Postgres);
        mock = mock.append_query_results((0..UPDATES).map(|_| vec![row(450)]));
        mock.into_connection()
    };
    let work = async |db: &DatabaseConnection| {
        for _ in 0..UPDATES {
            let mut change: item::ActiveModel = row(420).into();
            change.price = Set(450);
            change.update(db).await.expect("an update");
        }
    };
    let mut group = bench.benchmark_group("update");
    group.throughput(criterion::Throughput::Elements(UPDATES as u64)).sample_size(60);
    group.bench_function("bare", |bench| {
        bench.iter_batched(mock, |db| runtime.block_on(work(&db)), BatchSize::LargeInput);
    });
    let audit = audit(100, Encoding::Flat);
    let context = context("PATCH|/items/:id/7");
    group.bench_function("recorded", |bench| {
        bench.iter_batched(
            mock,
            |db| runtime.block_on(audit.scope(context.scope(work(&db)))),
            BatchSize::LargeInput,
        );
    });
    runtime.block_on(audit.flush(Duration::from_secs(60)));
    assert!(audit.stats().captured > 0);
}

criterion_group!(cpu, look_up, record, update);
criterion_main!(cpu);
