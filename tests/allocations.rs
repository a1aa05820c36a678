//! How many allocations an event costs, counted: a bound that a change of this library breaks before anybody feels it.
//!
//! Alone in its program, because counting takes the place of the allocator.

#[path = "../benches/fixtures/item.rs"]
mod item;
#[path = "../benches/fixtures/stuck.rs"]
mod stuck;

use std::future::Future;

use allocation_counter::{AllocationInfo, measure};
use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbBackend, MockDatabase};

use self::stuck::Stuck;

fn row(price: i64) -> item::Model {
    item::Model { id: 1, name: "Tea".to_owned(), price, stock: 3, note: None, active: true }
}

fn mock(updates: usize) -> DatabaseConnection {
    let answers = (0..updates).map(|_| vec![row(450)]);
    MockDatabase::new(DbBackend::Postgres).append_query_results(answers).into_connection()
}

/// Takes the connection along, whose log of statements would count as kept.
async fn update(db: DatabaseConnection, times: usize) {
    for _ in 0..times {
        let mut change: item::ActiveModel = row(420).into();
        change.price = Set(450);
        change.update(&db).await.unwrap();
    }
}

fn audit() -> Audit {
    Audit::builder()
        .service_name("count")
        .sink(Stuck)
        .delivery(Delivery::queue().capacity(10_000))
        .environment(|_| None)
        .build()
        .unwrap()
}

fn context() -> AuditContext {
    AuditContext::builder()
        .actor(Actor::user(42).email("ann@example.org"))
        .raw_route("PATCH|/items/:id")
        .request_id("r-1")
        .build()
}

/// The work runs once uncounted, because the first time makes what later ones find.
fn counted<F: Future<Output = ()>>(times: usize, work: impl Fn(DatabaseConnection) -> F) -> AllocationInfo {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let db = mock(times);
    runtime.block_on(work(mock(times)));
    measure(|| runtime.block_on(work(db)))
}

#[test]
fn an_update_is_recorded_within_bounds() {
    const UPDATES: usize = 100;
    let (audit, context) = (audit(), context());
    let bare = counted(UPDATES, async |db| update(db, UPDATES).await);
    let recorded = counted(UPDATES, async |db| audit.scope(context.scope(update(db, UPDATES))).await);
    assert_eq!(audit.stats().captured, 2 * UPDATES as u64);
    let each = |count: u64| count as f64 / UPDATES as f64;
    let (count, bytes) =
        (each(recorded.count_total - bare.count_total), each(recorded.bytes_total - bare.bytes_total));
    println!("an update: {count} allocations, {bytes} bytes beyond the bare one");
    assert!(count <= 40.0, "{count} allocations an event");
    assert!(bytes <= 6144.0, "{bytes} bytes an event");
}

/// A queue of 10,000 waiting records is to fit into 20 MiB.
#[test]
fn a_waiting_record_is_kept_within_bounds() {
    const UPDATES: usize = 2_000;
    let (audit, context) = (audit(), context());
    let bare = counted(UPDATES, async |db| update(db, UPDATES).await);
    let recorded = counted(UPDATES, async |db| audit.scope(context.scope(update(db, UPDATES))).await);
    assert_eq!(audit.stats().delivered, 0, "nothing may have left");
    let kept = (recorded.bytes_current - bare.bytes_current) as f64 / UPDATES as f64;
    println!("a waiting record: {kept} bytes");
    assert!(kept > 0.0 && kept * 10_000.0 <= f64::from(20 << 20), "{kept} bytes a record");
}
