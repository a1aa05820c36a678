//! Random sequences of writes by every way that SeaORM has.
//!
//! Equivalence: the records, replayed over the rows before, give the rows after. Transparency: every answer, error and
//! row is that of a bare connection.

mod entities;
mod equivalence;
mod operations;
mod replay;
mod transparency;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Schema};
use tokio::runtime::Handle;

use self::{
    entities::*,
    operations::{Unit, units},
};

/// How many sequences a test tries.
const SEQUENCES: u32 = 24;

/// Creates the tables of the sequences.
async fn create_tables(db: &DatabaseConnection) {
    let schema = Schema::new(db.get_database_backend());
    macro_rules! create {
        ($($entity:ident),*) => {$(
            let table = schema.create_table_from_entity($entity::Entity);
            db.execute(&table).await.expect(stringify!($entity));
        )*};
    }
    create!(thing, cell, part, word, thing_word);
    if db.get_database_backend() == DbBackend::Postgres {
        // Parts of an update's rows may wait for another session's.
        db.execute_unprepared("SET lock_timeout = '20s'").await.expect("a setting");
    }
}

/// Empties the tables, and gives them the rows that every sequence begins with.
async fn begin(db: &DatabaseConnection) {
    for text in [
        "DELETE FROM thing_word",
        "DELETE FROM part",
        "DELETE FROM thing",
        "DELETE FROM cell",
        "DELETE FROM word",
        "INSERT INTO thing (id, name, code, amount) VALUES (1001, 'a', 'k1', 1), (1002, 'b', NULL, 2), (1003, 'c', 'k3', \
         NULL)",
        "INSERT INTO cell (x, y, value) VALUES (1, 1, 5), (1, 2, 6), (2, 1, 7)",
        "INSERT INTO part (id, thing_id, size) VALUES (1, 1001, 1), (2, 1001, 2), (3, 1002, 3)",
        "INSERT INTO word (id, text) VALUES (1, 'red'), (2, 'blue'), (3, 'green')",
        "INSERT INTO thing_word (thing_id, word_id) VALUES (1001, 1), (1001, 2), (1003, 3)",
    ] {
        db.execute_unprepared(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

/// Tries a property on random sequences; the one that breaks it is made as small as it goes.
fn each_sequence(backend: DbBackend, property: impl AsyncFn(Vec<Unit>) -> Result<(), TestCaseError>) {
    let mut runner =
        TestRunner::new(Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() });
    let property = &property;
    let result = tokio::task::block_in_place(|| {
        runner.run(&units(backend), |units| Handle::current().block_on(property(units)))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
