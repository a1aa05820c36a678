//! What a record in the outbox adds to the database's own log, in bytes: WAL on Postgres, redo log on MariaDB.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::{database::Database, reprice, rows};

const UPDATES: u64 = 500;

pub async fn run(database: &Database) {
    let ids = rows(database, 10).await;
    let bare = written(database, &database.bare, &ids).await;
    let outbox = written(database, &database.outbox, &ids).await;
    println!(
        "load {} log_bytes_a_record {:.0} (an update writes {:.0} bare)",
        database.name,
        (outbox as f64 - bare as f64) / UPDATES as f64,
        bare as f64 / UPDATES as f64
    );
}

async fn written(database: &Database, db: &impl ConnectionTrait, ids: &[i32]) -> u64 {
    // Whole pages go into the log at the first change behind a checkpoint: once before counting.
    for id in ids {
        reprice(db, *id, fastrand::i64(1..)).await.expect("an update");
    }
    let before = position(&database.bare).await;
    for number in 0..UPDATES {
        let id = ids[number as usize % ids.len()];
        reprice(db, id, fastrand::i64(1..)).await.expect("an update");
    }
    position(&database.bare).await - before
}

/// How far the log is written.
async fn position(db: &DatabaseConnection) -> u64 {
    let backend = db.get_database_backend();
    let (sql, column) = match backend {
        DbBackend::Postgres => ("SELECT (pg_current_wal_insert_lsn() - '0/0')::text", 0),
        _ => ("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'", 1),
    };
    let row = db.query_one_raw(Statement::from_string(backend, sql)).await.expect("a position");
    let text: String = row.and_then(|row| row.try_get_by_index(column).ok()).expect("a position");
    text.parse().expect("a number")
}
