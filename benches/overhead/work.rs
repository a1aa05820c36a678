//! The work that is measured.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, QuerySelect, TransactionTrait, entity::prelude::*,
    sea_query::OnConflict,
};

use crate::database::{Database, item, machine, part, plain};

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Auto,
    Txn,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Txn => "txn",
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Bare,
    Audited,
}

type Running<'a> = Pin<Box<dyn Future<Output = Duration> + Send + 'a>>;

pub struct Work {
    pub name: &'static str,
    pub modes: &'static [Mode],
    pub run: for<'a> fn(&'a Database, Side, Mode) -> Running<'a>,
    /// The most that it may cost.
    pub bound: fn(&str, Mode) -> f64,
}

const BOTH: &[Mode] = &[Mode::Auto, Mode::Txn];

/// How many writes are one measurement, in a transaction and alone.
const WRITES: i32 = 20;

macro_rules! work {
    ($name:literal, $modes:expr, $run:ident, $bound:expr) => {
        Work {
            name: $name,
            modes: $modes,
            run: |database, side, mode| Box::pin($run(database, side, mode)),
            bound: $bound,
        }
    };
}

pub const WORKS: &[Work] = &[
    work!("insert", BOTH, insert, |database, _| if database == "mariadb" { 1.6 } else { 1.05 }),
    work!("update", BOTH, update, |database, mode| match (database, mode) {
        ("sqlite", Mode::Auto) => 1.30,
        ("mariadb", Mode::Auto) => 1.4,
        ("mariadb", Mode::Txn) => 1.6,
        _ => 1.20,
    }),
    work!("delete", BOTH, delete, |_, _| 2.1),
    work!("update_many_100", BOTH, update_many, |_, _| 2.5),
    work!("delete_many_100", BOTH, delete_many, |_, _| 2.5),
    work!("insert_many_100", BOTH, insert_many, |_, _| 2.5),
    work!("upsert", BOTH, upsert, |_, _| 2.5),
    work!("delete_with_children", BOTH, delete_with_children, |_, _| 4.0),
    work!("by_hand_update", &[Mode::Auto], update_by_hand, |_, _| f64::INFINITY),
    work!("by_hand_update_many_100", &[Mode::Auto], update_many_by_hand, |_, _| f64::INFINITY),
    work!("select", &[Mode::Auto], select, |_, _| 1.02),
    work!("unaudited_update", BOTH, unaudited, |_, _| 1.02),
    work!("hooks_update", &[Mode::Auto], hooks, |_, _| 2.2),
    work!("noop_update", BOTH, noop, |_, _| 1.01),
    work!("disabled_update", BOTH, disabled, |_, _| 1.01),
    work!("outbox_update", &[Mode::Auto], outbox, |_, _| 3.5),
    work!("outbox_ten_updates", &[Mode::Txn], outbox_ten, |_, _| 1.35),
];

/// Runs work on a side's connection, alone or in a transaction, and takes the time.
macro_rules! timed {
    ($database:expr, $side:expr, $mode:expr, $audited:expr, $work:expr) => {{
        let start = Instant::now();
        match ($side, $mode) {
            (Side::Bare, Mode::Auto) => $work(&$database.bare).await,
            (Side::Audited, Mode::Auto) => $work($audited).await,
            (Side::Bare, Mode::Txn) => {
                let txn = $database.bare.begin().await.expect("a transaction");
                $work(&txn).await;
                txn.commit().await.expect("a commit");
            }
            (Side::Audited, Mode::Txn) => {
                let txn = $audited.begin().await.expect("a transaction");
                $work(&txn).await;
                txn.commit().await.expect("a commit");
            }
        }
        start.elapsed()
    }};
}

fn new_item(number: i32) -> item::ActiveModel {
    item::ActiveModel {
        name: Set(format!("item {number}")),
        price: Set(i64::from(number)),
        stock: Set(number),
        note: Set(Some("a note of some length, as people write them".to_owned())),
        active: Set(true),
        ..Default::default()
    }
}

/// Fresh rows, on the bare connection.
async fn rows(database: &Database, count: i32) -> Vec<item::Model> {
    database.bare.execute_unprepared("DELETE FROM item").await.expect("an empty table");
    let items = (0..count).map(new_item);
    item::Entity::insert_many(items).exec_without_returning(&database.bare).await.expect("rows");
    item::Entity::find().all(&database.bare).await.expect("rows")
}

async fn insert(database: &Database, side: Side, mode: Mode) -> Duration {
    rows(database, 1).await;
    async fn work(db: &impl ConnectionTrait) {
        for number in 0..WRITES {
            new_item(number).insert(db).await.expect("an insert");
        }
    }
    timed!(database, side, mode, &database.audited, work)
}

async fn reprice(db: &impl ConnectionTrait, items: &[item::Model]) {
    for item in items {
        let mut item: item::ActiveModel = item.clone().into();
        item.price = Set(item.price.unwrap() + 1);
        item.update(db).await.expect("an update");
    }
}

async fn reprice_all(db: &impl ConnectionTrait) {
    let update = item::Entity::update_many().col_expr(item::Column::Price, Expr::value(7777));
    update.filter(item::Column::Stock.gte(0)).exec(db).await.expect("an update");
}

async fn update(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    timed!(database, side, mode, &database.audited, async |db| reprice(db, &items).await)
}

/// What a program does by itself to know the old row: nothing is recorded, but it could be.
async fn update_by_hand(database: &Database, side: Side, _: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    let start = Instant::now();
    match side {
        Side::Bare => reprice(&database.bare, &items).await,
        Side::Audited => {
            for item in items {
                let txn = database.bare.begin().await.expect("a transaction");
                let old = item::Entity::find_by_id(item.id).lock_exclusive().one(&txn).await.expect("a row");
                let mut new: item::ActiveModel = old.expect("a row").into();
                new.price = Set(item.price + 1);
                new.update(&txn).await.expect("an update");
                txn.commit().await.expect("a commit");
            }
        }
    }
    start.elapsed()
}

/// The same for many rows: a read of them, the statement, and a read of what became of them.
async fn update_many_by_hand(database: &Database, side: Side, _: Mode) -> Duration {
    rows(database, 100).await;
    let start = Instant::now();
    match side {
        Side::Bare => reprice_all(&database.bare).await,
        Side::Audited => {
            let find = || item::Entity::find().filter(item::Column::Stock.gte(0));
            let txn = database.bare.begin().await.expect("a transaction");
            find().lock_exclusive().all(&txn).await.expect("rows");
            reprice_all(&txn).await;
            find().all(&txn).await.expect("rows");
            txn.commit().await.expect("a commit");
        }
    }
    start.elapsed()
}

async fn delete(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    async fn work(db: &impl ConnectionTrait, items: &[item::Model]) {
        for item in items {
            item.clone().delete(db).await.expect("a deletion");
        }
    }
    timed!(database, side, mode, &database.audited, async |db| work(db, &items).await)
}

async fn update_many(database: &Database, side: Side, mode: Mode) -> Duration {
    rows(database, 100).await;
    timed!(database, side, mode, &database.audited, reprice_all)
}

async fn delete_many(database: &Database, side: Side, mode: Mode) -> Duration {
    rows(database, 100).await;
    async fn work(db: &impl ConnectionTrait) {
        let delete = item::Entity::delete_many().filter(item::Column::Stock.gte(0));
        delete.exec(db).await.expect("a deletion");
    }
    timed!(database, side, mode, &database.audited, work)
}

async fn insert_many(database: &Database, side: Side, mode: Mode) -> Duration {
    rows(database, 1).await;
    async fn work(db: &impl ConnectionTrait) {
        let items = (0..100).map(new_item);
        item::Entity::insert_many(items).exec_without_returning(db).await.expect("rows");
    }
    timed!(database, side, mode, &database.audited, work)
}

async fn upsert(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    async fn work(db: &impl ConnectionTrait, items: &[item::Model]) {
        for item in items {
            let mut fresh: item::ActiveModel = item.clone().into();
            fresh.price = Set(item.price + 1);
            fresh.id = Set(item.id);
            let conflict = OnConflict::column(item::Column::Id).update_column(item::Column::Price).to_owned();
            let insert = item::Entity::insert(fresh.reset_all()).on_conflict(conflict);
            insert.exec_without_returning(db).await.expect("an upsert");
        }
    }
    timed!(database, side, mode, &database.audited, async |db| work(db, &items).await)
}

/// Rows with three children each, which the database deletes along.
async fn delete_with_children(database: &Database, side: Side, mode: Mode) -> Duration {
    let bare = &database.bare;
    bare.execute_unprepared("DELETE FROM machine").await.expect("an empty table");
    let machines = (0..WRITES)
        .map(|number| machine::ActiveModel { name: Set(number.to_string()), ..Default::default() });
    machine::Entity::insert_many(machines).exec_without_returning(bare).await.expect("rows");
    let machines = machine::Entity::find().all(bare).await.expect("rows");
    let parts = machines.iter().flat_map(|machine| {
        (0..3).map(|size| part::ActiveModel {
            machine_id: Set(machine.id),
            size: Set(size),
            ..Default::default()
        })
    });
    part::Entity::insert_many(parts).exec_without_returning(bare).await.expect("children");
    async fn work(db: &impl ConnectionTrait, machines: &[machine::Model]) {
        for machine in machines {
            machine.clone().delete(db).await.expect("a deletion");
        }
    }
    timed!(database, side, mode, &database.audited, async |db| work(db, &machines).await)
}

async fn select(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    async fn work(db: &impl ConnectionTrait, items: &[item::Model]) {
        for item in items {
            item::Entity::find_by_id(item.id).one(db).await.expect("a row");
        }
    }
    timed!(database, side, mode, &database.audited, async |db| work(db, &items).await)
}

async fn unaudited(database: &Database, side: Side, mode: Mode) -> Duration {
    database.bare.execute_unprepared("DELETE FROM plain").await.expect("an empty table");
    let mut items = Vec::new();
    for number in 0..WRITES {
        let item = plain::ActiveModel {
            name: Set("a".to_owned()),
            price: Set(1),
            stock: Set(number),
            active: Set(true),
            ..Default::default()
        };
        items.push(item.insert(&database.bare).await.expect("a row"));
    }
    async fn work(db: &impl ConnectionTrait, items: &[plain::Model]) {
        for item in items {
            let mut item: plain::ActiveModel = item.clone().into();
            item.price = Set(2);
            item.update(db).await.expect("an update");
        }
    }
    timed!(database, side, mode, &database.audited, async |db| work(db, &items).await)
}

async fn hooks(database: &Database, side: Side, _: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    let start = Instant::now();
    match side {
        Side::Bare => reprice(&database.bare, &items).await,
        Side::Audited => database.audit.scope(reprice(&database.bare, &items)).await,
    }
    start.elapsed()
}

async fn noop(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    timed!(database, side, mode, &database.noop, async |db| reprice(db, &items).await)
}

async fn disabled(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    timed!(database, side, mode, &database.disabled, async |db| reprice(db, &items).await)
}

/// The rows of the outbox are nobody's: no relay takes a part of the time.
async fn outbox(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, WRITES).await;
    timed!(database, side, mode, &database.outbox, async |db| reprice(db, &items).await)
}

async fn outbox_ten(database: &Database, side: Side, mode: Mode) -> Duration {
    let items = rows(database, 10).await;
    timed!(database, side, mode, &database.outbox, async |db| reprice(db, &items).await)
}
