//! What an operator does with an outbox, on every database.

use std::time::Duration;

use ftn_audit_sea::{
    outbox::{self, Column, Export, Operations, Selection, State},
    prelude::*,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::Expr,
};

use super::setup::{brief, connected, rows};
use crate::{
    database::{TestDatabase, on},
    samples::new_item,
};

on! { Sqlite Postgres MariaDb:
    rows_are_repeated_discarded_and_removed
    the_state_of_things
    missing_records
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn state(state: &str) -> Selection {
    Selection { state: Some(state.to_owned()), ..Selection::default() }
}

async fn set(db: &DatabaseConnection, pk: &str, column: Column, value: &str) {
    let set = outbox::Entity::update_many().col_expr(column, Expr::value(value));
    set.filter(Column::ModelPk.eq(pk)).exec(db).await.unwrap();
}

async fn three_items(database: &TestDatabase) -> (Audit, MemorySink, Operations<DatabaseConnection>) {
    let (audit, db, sink) = connected(database, Delivery::outbox()).await;
    let txn = db.begin().await.unwrap();
    for name in ["one", "two", "three"] {
        new_item(name).insert(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
    let operations = Operations::new(&audit, database.bare.clone(), "ann");
    (audit, sink, operations)
}

async fn rows_are_repeated_discarded_and_removed(database: &TestDatabase) {
    let (audit, sink, operations) = three_items(database).await;
    let db = &database.bare;
    set(db, "1", Column::LeaseOwner, "a relay").await;
    set(db, "2", Column::State, "dead").await;
    assert_eq!(
        operations.discard_batch(&Selection::default(), "a test").await.unwrap(),
        2,
        "not what a relay has"
    );
    assert_eq!(operations.discard_batch(&state("discarded"), "a test").await.unwrap(), 0);
    let discarded = rows(db).await.into_iter().filter(|row| row.state == "discarded").collect::<Vec<_>>();
    assert_eq!(brief(&discarded), ["creation Item 2 2/3", "creation Item 3 3/3"]);
    assert_eq!(discarded[0].last_error.as_deref(), Some("discarded by ann: a test"));
    let one = Selection { ids: vec![discarded[0].id.clone()], ..Selection::default() };
    assert_eq!(operations.retry_batch(&one, "needed after all").await.unwrap(), 1);
    assert_eq!(operations.prune_batch(State::Discarded, DAY, "full").await.unwrap(), 0, "not as old as that");
    assert_eq!(operations.prune_batch(State::Discarded, Duration::ZERO, "full").await.unwrap(), 1);
    audit.relay([db.clone()]).drain().await.unwrap();
    let mut told: Vec<_> = sink.records().iter().map(|record| record.description().to_owned()).collect();
    told.sort();
    let expected = [
        "1 rows of the outbox pruned: full",
        "1 rows of the outbox retried: needed after all",
        "2 rows of the outbox discarded: a test",
        "Created Item #1",
        "Created Item #2",
    ];
    assert_eq!(told, expected);
    let retried = sink.records().into_iter().find(|record| record.event_type() == "outbox.retried").unwrap();
    assert_eq!(retried.actor().unwrap().id(), Some("ann"));
}

async fn the_state_of_things(database: &TestDatabase) {
    let (_, _, operations) = three_items(database).await;
    set(&database.bare, "1", Column::State, "sent").await;
    let newer = outbox::Entity::update_many().col_expr(Column::Format, Expr::value(99));
    newer.filter(Column::ModelPk.eq("2")).exec(&database.bare).await.unwrap();
    let status = operations.status().await.unwrap();
    assert_eq!(status.states, [("sent".to_owned(), 1), ("waiting".to_owned(), 2)]);
    assert_eq!((status.newer_format, status.parked), (1, 0));
    assert!(status.oldest_waiting < DAY);
    let listed = operations.list(&state("waiting"), 1).await.unwrap();
    assert_eq!(listed[0].model_pk, "3");
    assert_eq!(operations.record(&listed[0]).unwrap().transaction_count(), Some(3));
}

async fn missing_records(database: &TestDatabase) {
    let (audit, sink, operations) = three_items(database).await;
    let db = &database.bare;
    assert!(operations.verify(None, DAY).await.unwrap().is_complete());
    audit.relay([db.clone()]).drain().await.unwrap();
    let export = sink.records().iter().map(|record| record.to_json().to_string() + "\n").collect::<String>();
    let export = Export::read(export.as_bytes()).unwrap();
    let found = operations.verify(Some(&export), DAY).await.unwrap();
    assert!(found.is_complete() && found.transactions == 1);

    db.execute_unprepared("DELETE FROM audit_outbox WHERE sequence = 2").await.unwrap();
    let found = operations.verify(None, DAY).await.unwrap();
    assert_eq!((found.gaps.len(), found.gaps[0].missing.clone(), found.gaps[0].tail), (1, vec![2], false));
    assert!(operations.verify(Some(&export), DAY).await.unwrap().is_complete(), "it has arrived");
    let unsure = operations.verify(None, Duration::ZERO).await.unwrap();
    assert_eq!((unsure.is_complete(), unsure.unchecked), (true, 1));

    db.execute_unprepared("UPDATE audit_outbox SET transaction_count = 5").await.unwrap();
    let found = operations.verify(Some(&export), DAY).await.unwrap();
    assert!(found.gaps[0].tail, "{found:?}");
    let nothing = Export::read("".as_bytes()).unwrap();
    assert_eq!(operations.verify(Some(&nothing), DAY).await.unwrap().not_arrived.len(), 2);
}
