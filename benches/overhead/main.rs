//! What auditing costs: the same work bare and audited, in interleaved pairs of one run. Prints
//! `overhead <database> <work> <auto|txn> <ratio>`, the median of the pairs' ratios, and the bound it is held against.
//!
//! ```text
//! cargo bench --bench overhead
//! cargo bench --bench overhead -- --quick
//! cargo bench --bench overhead -- postgres update delete
//! ```
//!
//! SQLite always; Postgres and MariaDB where `FTN_AUDIT_TEST_POSTGRES` and `FTN_AUDIT_TEST_MARIADB` say where. Bare work
//! is SeaORM on a plain connection, audited work goes through the same pool, and its records through a queue
//! to a sink that drops them. The rows `by_hand` are for comparison: what the application would do by itself to know old and new
//! values. The run fails when a bound is not met.

#[allow(dead_code, reason = "the bench `load` uses the same tables, and more of them")]
mod database;
mod work;

use std::{process::ExitCode, time::Duration};

use self::{
    database::{Database, databases},
    work::{Mode, Side, WORKS, Work},
};

/// How long a row of the table may take.
struct Effort {
    pairs: usize,
    patience: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    // `cargo test --benches` builds it and runs it for a look; a measurement it is not.
    let effort = if !has("--bench") {
        Effort { pairs: 1, patience: Duration::ZERO }
    } else if has("--quick") {
        Effort { pairs: 41, patience: Duration::from_millis(420) }
    } else {
        Effort { pairs: 201, patience: Duration::from_secs(6) }
    };
    let wanted: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut passed = true;
        for database in databases().await {
            for work in WORKS.iter().filter(|work| is_wanted(&wanted, &database, work)) {
                for mode in work.modes {
                    passed &= row(&database, work, *mode, &effort).await;
                }
            }
            database.drop().await;
        }
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// Names of databases and of work choose each by themselves; where there are none, all are wanted.
fn is_wanted(names: &[&String], database: &Database, work: &Work) -> bool {
    let (works, databases): (Vec<&str>, Vec<&str>) =
        names.iter().map(|name| name.as_str()).partition(|name| WORKS.iter().any(|work| work.name == *name));
    (works.is_empty() || works.contains(&work.name))
        && (databases.is_empty() || databases.contains(&database.name.as_str()))
}

async fn row(database: &Database, work: &Work, mode: Mode, effort: &Effort) -> bool {
    let begin = std::time::Instant::now();
    let mut ratios = Vec::with_capacity(effort.pairs);
    // One that is not counted: plans, catalogue and statements are made here.
    for side in [Side::Bare, Side::Audited] {
        (work.run)(database, side, mode).await;
    }
    while ratios.len() < effort.pairs
        && (ratios.len() < 5.min(effort.pairs) || begin.elapsed() < effort.patience)
    {
        // Whoever is first warms things up for the other: they take turns.
        let (bare, audited) = if ratios.len() % 2 == 0 {
            let bare = (work.run)(database, Side::Bare, mode).await;
            (bare, (work.run)(database, Side::Audited, mode).await)
        } else {
            let audited = (work.run)(database, Side::Audited, mode).await;
            ((work.run)(database, Side::Bare, mode).await, audited)
        };
        ratios.push(audited.as_secs_f64() / bare.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let (ratio, pairs) = (ratios[ratios.len() / 2], ratios.len());
    let quarter = |part: usize| ratios[(pairs - 1) * part / 4];
    let bound = (work.bound)(&database.name, mode);
    let missed = ratio > bound;
    println!(
        "overhead {} {} {} {ratio:.3} ({}{}, {pairs} pairs, middle half {:.3} to {:.3})",
        database.name,
        work.name,
        mode.name(),
        if bound.is_finite() { format!("bound {bound}") } else { "no bound".to_owned() },
        if missed { ", MISSED" } else { "" },
        quarter(1),
        quarter(3),
    );
    !missed || effort.pairs == 1
}
