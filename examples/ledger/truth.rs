//! What was committed by the database's own account, and how it compares with what arrived.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DbErr, Statement};

/// A change in one line: what happened to which row, from which value to which. No two are alike, because every value
/// is written once.
pub fn line(event: &str, model: &str, pk: &str, old: &str, new: &str) -> String {
    format!("{event} {model} {pk}: {old} -> {new}")
}

/// Writes down a change in its own transaction, past the audit: it is committed with it or not at all.
pub async fn write_down<C: ConnectionTrait>(connection: &C, line: &str) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    let placeholder = if backend == sea_orm::DbBackend::Postgres { "$1" } else { "?" };
    let sql = format!("INSERT INTO truth (line) VALUES ({placeholder})");
    connection.execute_raw(Statement::from_sql_and_values(backend, sql, [line.into()])).await.map(|_| ())
}

/// A record as it arrived.
pub struct Arrival {
    pub id: String,
    pub line: String,
}

/// The ledger's last line.
pub struct Balance {
    pub committed: usize,
    pub delivered: usize,
    pub repeats: usize,
    pub lost: Vec<String>,
    pub phantoms: Vec<String>,
}

impl Balance {
    pub fn new(truth: Vec<String>, arrivals: Vec<Arrival>) -> Self {
        let committed = truth.len();
        let arrived = arrivals.len();
        let mut ids = HashSet::new();
        // Records by what they say; a repeat has the id of the first.
        let mut records: HashMap<String, usize> = HashMap::new();
        for arrival in arrivals {
            if ids.insert(arrival.id) {
                *records.entry(arrival.line).or_default() += 1;
            }
        }
        let mut lost = Vec::new();
        for line in truth {
            match records.get_mut(&line) {
                Some(count) if *count > 0 => *count -= 1,
                _ => lost.push(line),
            }
        }
        let phantoms =
            records.into_iter().flat_map(|(line, count)| std::iter::repeat_n(line, count)).collect();
        Self { committed, delivered: ids.len(), repeats: arrived - ids.len(), lost, phantoms }
    }

    /// Shows some of what does not balance.
    pub fn explain(&self) {
        for (what, lines) in [("lost", &self.lost), ("phantom", &self.phantoms)] {
            for line in lines.iter().take(5) {
                eprintln!("{what}: {line}");
            }
        }
    }
}
