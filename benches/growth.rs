//! What the cost of an event grows with, and what it must not grow with: the columns of the row, the rows of a statement,
//! the records that wait.
//!
//! ```text
//! cargo bench --bench growth
//! cargo bench --bench growth -- rows
//! ```
//!
//! Prints `growth <with> <how many> <microseconds>`: what auditing adds to one row's change, on SQLite in memory; the
//! median of interleaved pairs.

#[path = "fixtures/null.rs"]
mod null;
#[path = "fixtures/stuck.rs"]
mod stuck;

use std::time::{Duration, Instant};

use ftn_audit_sea::{prelude::*, sink::Sink};
use sea_orm::{
    ActiveValue::Set, ConnectOptions, ConnectionTrait, DatabaseConnection, EntityTrait, Schema,
    TransactionTrait, entity::prelude::*,
};
use seq_macro::seq;

use self::{null::Null, stuck::Stuck};

/// A table of so many columns, one of which changes.
macro_rules! table {
    ($module:ident $name:literal $last:literal) => {
        seq!(N in 0..$last {
            mod $module {
                use ftn_audit_sea::entity::*;
                use sea_orm::entity::prelude::*;

                #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
                #[sea_orm(table_name = $name)]
                pub struct Model {
                    #[sea_orm(primary_key)]
                    pub id: i32,
                    pub changes: i64,
                    #(pub column~N: Option<i32>,)*
                }

                #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
                pub enum Relation {}
            }
        });
    };
}

table!(five "five" 3);
table!(fifty "fifty" 48);
table!(five_hundred "five_hundred" 498);

fn audit(sink: impl Sink) -> Audit {
    Audit::builder()
        .service_name("bench")
        .sink(sink)
        .delivery(Delivery::queue().capacity(1_000_000).capacity_bytes(1 << 32))
        .environment(|_| None)
        .build()
        .expect("a sound handle")
}

async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = sea_orm::Database::connect(options).await.expect("SQLite");
    let schema = Schema::new(db.get_database_backend());
    for table in [
        schema.create_table_from_entity(five::Entity),
        schema.create_table_from_entity(fifty::Entity),
        schema.create_table_from_entity(five_hundred::Entity),
    ] {
        db.execute(&table).await.expect("a table");
    }
    db
}

const PAIRS: usize = 101;

/// The median of what auditing adds to the work, in microseconds.
async fn added<B, A>(pairs: usize, mut bare: B, mut audited: A) -> f64
where
    B: AsyncFnMut() -> Duration,
    A: AsyncFnMut() -> Duration,
{
    let mut differences = Vec::with_capacity(pairs);
    bare().await;
    audited().await;
    for pair in 0..pairs {
        let (without, with) = if pair % 2 == 0 {
            let without = bare().await;
            (without, audited().await)
        } else {
            let with = audited().await;
            (bare().await, with)
        };
        differences.push((with.as_secs_f64() - without.as_secs_f64()) * 1e6);
    }
    differences.sort_by(f64::total_cmp);
    differences[pairs / 2]
}

/// Twenty updates of one row, in a transaction.
macro_rules! updates {
    ($module:ident, $db:expr) => {
        async || {
            let start = Instant::now();
            let txn = $db.begin().await.expect("a transaction");
            for _ in 0..20 {
                let change = $module::ActiveModel {
                    id: Set(1),
                    changes: Set(fastrand::i64(..)),
                    ..Default::default()
                };
                change.update(&txn).await.expect("an update");
            }
            txn.commit().await.expect("a commit");
            start.elapsed()
        }
    };
}

async fn columns() {
    let bare = database().await;
    let audited = audit(Null).connect(bare.clone()).await.expect("the database answers");
    macro_rules! of {
        ($($module:ident $columns:literal),*) => {$(
            let first = $module::ActiveModel { id: Set(1), changes: Set(0), ..Default::default() };
            first.insert(&bare).await.expect("a row");
            let each = added(PAIRS, updates!($module, bare), updates!($module, audited)).await / 20.0;
            println!("growth columns {} {each:.2}", $columns);
        )*};
    }
    of!(five 5, fifty 50, five_hundred 500);
}

async fn rows() {
    let bare = database().await;
    let audited = audit(Null).connect(bare.clone()).await.expect("the database answers");
    for rows in [1, 10, 100, 1000, 10_000] {
        five::Entity::delete_many().exec(&bare).await.expect("an empty table");
        for chunk in (0..rows).collect::<Vec<i32>>().chunks(500) {
            let new = chunk.iter().map(|_| five::ActiveModel { changes: Set(0), ..Default::default() });
            five::Entity::insert_many(new).exec_without_returning(&bare).await.expect("rows");
        }
        async fn all(db: &impl ConnectionTrait) -> Duration {
            let start = Instant::now();
            let update =
                five::Entity::update_many().col_expr(five::Column::Changes, Expr::value(fastrand::i64(..)));
            update.exec(db).await.expect("an update");
            start.elapsed()
        }
        let pairs = if rows > 1000 { 11 } else { PAIRS };
        let each = added(pairs, async || all(&bare).await, async || all(&audited).await).await;
        println!("growth rows_of_a_statement {rows} {:.2}", each / f64::from(rows));
    }
}

async fn waiting() {
    let bare = database().await;
    let audit = audit(Stuck);
    let audited = audit.connect(bare.clone()).await.expect("the database answers");
    let first = five::ActiveModel { id: Set(1), changes: Set(0), ..Default::default() };
    first.insert(&bare).await.expect("a row");
    for waiting in [0_u64, 1000, 10_000, 100_000] {
        let fill = updates!(five, audited);
        while audit.stats().captured < waiting {
            fill().await;
        }
        let each = added(PAIRS, updates!(five, bare), updates!(five, audited)).await / 20.0;
        println!("growth records_waiting {waiting} {each:.2}");
    }
}

fn main() {
    // `cargo test --benches` builds it and runs it for a look.
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let named: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|wanted| *wanted == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("columns") {
            columns().await;
        }
        if wanted("rows") {
            rows().await;
        }
        if wanted("waiting") {
            waiting().await;
        }
    });
}
