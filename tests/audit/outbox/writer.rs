//! What is in the outbox, and what is in the way when it cannot be.

use ftn_audit_sea::{AuditError, OutboxFull, outbox, prelude::*};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, PaginatorTrait, TransactionTrait, prelude::*};

use super::{
    entities::memo,
    setup::{brief, connected, handle, new_memo, rows},
};
use crate::{
    database::{TestDatabase, count, on, sql, until},
    entities::*,
    samples::{new_item, polled_once, renamed},
};

on! { Sqlite Postgres MariaDb:
    a_statement_alone
    a_transaction
    work_that_is_rolled_back
    a_commit_that_is_dropped
    a_table_that_is_missing
    an_outbox_that_fails
    an_outbox_that_fails_best_effort
    an_outbox_that_is_full
    a_full_outbox_that_stops_recording
    a_transaction_that_is_large
    a_savepoint_that_is_large
    an_event_of_the_application
    more_rows_than_the_bound
}

on! { MariaDb: a_deadlock_while_writing_ahead a_statement_that_commits_by_itself }
on! { Postgres: a_statement_that_stands_alone }

async fn break_outbox(database: &TestDatabase) {
    database.bare.execute_unprepared("DROP TABLE audit_outbox").await.unwrap();
}

async fn a_statement_alone(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox()).await;
    let item = new_item("Tea").insert(&db).await.unwrap();
    renamed(&item, "Mate").update(&db).await.unwrap();
    item.delete(&db).await.unwrap();
    let rows = rows(&database.bare).await;
    assert_eq!(brief(&rows), ["creation Item 1 1/1", "update Item 1 1/1", "deletion Item 1 1/1"]);
    assert!(rows.iter().all(|row| row.state == "waiting" && row.attempts == 0 && row.lease_owner.is_none()));
    let age = rows[0].recorded_at - rows[0].occurred_at;
    assert!(age.abs() < 60_000_000, "both clocks count microseconds since 1970: {age}");
    let record = audit.restore(rows[1].format, &rows[1].payload).unwrap();
    assert_eq!(record.id().to_string(), rows[1].id);
    assert_eq!(record.attribute("audit.changeset.title.new").unwrap(), "Mate");
    assert_eq!((audit.stats().stored, audit.stats().unattached), (3, 0));
}

async fn a_transaction(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    let context = AuditContext::builder().tenant("acme").build();
    context
        .scope(async {
            let txn = db.begin().await.unwrap();
            new_item("one").insert(&txn).await.unwrap();
            let inner = txn.begin().await.unwrap();
            new_item("two").insert(&inner).await.unwrap();
            inner.commit().await.unwrap();
            new_item("three").insert(&txn).await.unwrap();
            assert_eq!(rows(&database.bare).await, [], "nothing is there before the commit");
            txn.commit().await.unwrap();
        })
        .await;
    let rows = rows(&database.bare).await;
    assert_eq!(brief(&rows), ["creation Item 1 1/3", "creation Item 2 2/3", "creation Item 3 3/3"]);
    assert!(rows.iter().all(|row| row.transaction_id == rows[0].transaction_id));
    assert!(rows.iter().all(|row| row.tenant.as_deref() == Some("acme")));
}

async fn work_that_is_rolled_back(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox()).await;
    let txn = db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    new_item("two").insert(&inner).await.unwrap();
    inner.rollback().await.unwrap();
    txn.commit().await.unwrap();
    let txn = db.begin().await.unwrap();
    new_item("three").insert(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    let txn = db.begin().await.unwrap();
    new_item("four").insert(&txn).await.unwrap();
    drop(txn);
    assert_eq!(brief(&rows(&database.bare).await), ["creation Item 1 1/1"]);
    assert_eq!(audit.stats().stored, 1);
}

/// A client that hangs up: whatever becomes of the commit, row and record share it.
async fn a_commit_that_is_dropped(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    for _ in 0..5 {
        let txn = db.begin().await.unwrap();
        new_item("Tea").insert(&txn).await.unwrap();
        polled_once(txn.commit()).await;
    }
    crate::database::until("the commits go on", async || {
        count(&database.bare, item::Entity).await == 5 && rows(&database.bare).await.len() == 5
    })
    .await;
}

async fn a_table_that_is_missing(database: &TestDatabase) {
    let (audit, _) = handle(Delivery::outbox());
    let refusal = audit.connect(database.bare.clone()).await.unwrap_err();
    assert!(matches!(refusal, AuditError::NoOutbox), "{refusal}");
    for cure in ["outbox::migration::Migration", "audit.install(&db)", "migrate --sql"] {
        assert!(refusal.to_string().contains(cure), "{refusal}");
    }
}

async fn an_outbox_that_fails(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox()).await;
    break_outbox(database).await;
    let error = new_item("Tea").insert(&db).await.unwrap_err();
    assert!(matches!(AuditError::from_db_err(&error), Some(AuditError::Outbox(_))), "{error}");
    let txn = db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    let error = txn.commit().await.unwrap_err();
    assert!(matches!(AuditError::from_db_err(&error), Some(AuditError::Outbox(_))), "{error}");
    assert_eq!(count(&database.bare, item::Entity).await, 0, "no row without its record");
    assert_eq!(audit.stats().discarded, 2);
    // The database's own errors are not taken for ours.
    let own = db.execute_unprepared("INSERT INTO nowhere VALUES (1)").await.unwrap_err();
    assert!(AuditError::from_db_err(&own).is_none());
}

async fn an_outbox_that_fails_best_effort(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox()).await;
    break_outbox(database).await;
    new_memo("alone").insert(&db).await.expect("the write stands");
    let txn = db.begin().await.unwrap();
    new_memo("one").insert(&txn).await.unwrap();
    new_memo("two").insert(&txn).await.unwrap();
    txn.commit().await.expect("the writes stand");
    assert_eq!(count(&database.bare, memo::Entity).await, 3);
    assert!(audit.flush(std::time::Duration::from_secs(5)).await);
    let stats = audit.stats();
    assert_eq!((stats.failed("outbox_failed"), stats.dropped, stats.stored), (3, 3, 0));
    // Beside a record that its change must not be without, nothing stands.
    let txn = db.begin().await.unwrap();
    new_memo("three").insert(&txn).await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    txn.commit().await.unwrap_err();
    assert_eq!(count(&database.bare, memo::Entity).await, 3);
}

async fn an_outbox_that_is_full(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox().outbox_max_rows(2)).await;
    let txn = db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    new_item("two").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let start = std::time::Instant::now();
    let error = loop {
        match new_item("more").insert(&db).await {
            Err(error) => break error,
            Ok(_) => assert!(start.elapsed().as_secs() < 20, "the rows are never counted"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(matches!(AuditError::from_db_err(&error), Some(AuditError::OutboxFull)), "{error}");
    let stored = count(&database.bare, item::Entity).await;
    assert_eq!(stored, audit.stats().stored);
    outbox::Entity::delete_many().exec(&database.bare).await.unwrap();
    crate::database::until("writes go on when there is room", async || {
        new_item("again").insert(&db).await.is_ok()
    })
    .await;
}

async fn a_full_outbox_that_stops_recording(database: &TestDatabase) {
    let delivery = Delivery::outbox().outbox_max_rows(1).outbox_full(OutboxFull::StopRecording);
    let (audit, db, _) = connected(database, delivery).await;
    crate::database::until("the outbox is full", async || {
        new_item("Tea").insert(&db).await.expect("writes go on");
        audit.stats().failed("outbox_full") > 0
    })
    .await;
    let stats = audit.stats();
    assert_eq!(count(&database.bare, item::Entity).await, stats.stored + stats.failed("outbox_full"));
}

async fn a_transaction_that_is_large(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox().scope_bytes(4096)).await;
    let txn = db.begin().await.unwrap();
    for _ in 0..40 {
        new_item("Tea").insert(&txn).await.unwrap();
    }
    let early = outbox::Entity::find().count(txn.inner()).await.unwrap();
    assert!(early >= 20, "{early} rows were written ahead of the commit");
    assert_eq!(rows(&database.bare).await, [], "and nobody sees them before it");
    txn.commit().await.unwrap();
    let rows = rows(&database.bare).await;
    let numbers: Vec<_> = rows.iter().map(|row| row.sequence).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert_eq!(rows[39].transaction_count, Some(40));
    assert_eq!(rows[0].transaction_count, None);
    assert_eq!(audit.stats().stored, 40);

    let txn = db.begin().await.unwrap();
    for _ in 0..40 {
        new_item("Tea").insert(&txn).await.unwrap();
    }
    txn.rollback().await.unwrap();
    assert_eq!(outbox::Entity::find().count(&database.bare).await.unwrap(), 40);
    assert_eq!((audit.stats().stored, audit.stats().discarded), (40, 40));
}

/// What a savepoint wrote ahead goes back with it, and its numbers are given again.
async fn a_savepoint_that_is_large(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox().scope_bytes(4096)).await;
    let txn = db.begin().await.unwrap();
    new_item("first").insert(&txn).await.unwrap();
    for (round, kept) in [false, true, false].into_iter().enumerate() {
        let inner = txn.begin().await.unwrap();
        for _ in 0..20 {
            new_item(&format!("round {round}")).insert(&inner).await.unwrap();
        }
        match kept {
            true => inner.commit().await.unwrap(),
            false => inner.rollback().await.unwrap(),
        }
    }
    new_item("last").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let rows = rows(&database.bare).await;
    let numbers: Vec<_> = rows.iter().map(|row| row.sequence).collect();
    assert_eq!(numbers, (1..=22).collect::<Vec<_>>());
    assert_eq!(rows[21].transaction_count, Some(22));
    let stored = item::Entity::find().all(&database.bare).await.unwrap();
    let (mut keys, mut told): (Vec<_>, Vec<_>) = (
        stored.iter().map(|item| item.id.to_string()).collect(),
        rows.iter().map(|row| row.model_pk.clone()).collect(),
    );
    keys.sort();
    told.sort();
    assert_eq!(keys, told);
}

async fn an_event_of_the_application(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox()).await;
    let txn = db.begin().await.unwrap();
    audit.event("exported").subject("Report", "7").record(&txn).await;
    new_item("Tea").insert(&txn).await.unwrap();
    txn.commit().await.unwrap();
    audit.event("viewed").subject("Report", "7").record(&db).await;
    audit.event("viewed").subject("Report", "8").record(&audit).await;
    let mut told = brief(&rows(&database.bare).await);
    told.sort();
    let expected =
        ["creation Item 1 2/2", "exported Report 7 1/2", "viewed Report 7 1/1", "viewed Report 8 1/1"];
    assert_eq!(told, expected);
    assert_eq!((audit.stats().stored, audit.stats().unattached), (4, 2));
}

/// The database undoes everything, and so nothing of it may be told, also when the caller commits what is left.
async fn a_deadlock_while_writing_ahead(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox().scope_bytes(1)).await;
    let bare = &database.bare;
    for text in [
        "CREATE TABLE gate (id integer PRIMARY KEY, n integer)",
        "INSERT INTO gate VALUES (1, 0)",
        "CREATE TABLE heavy (id integer PRIMARY KEY AUTO_INCREMENT, n integer)",
        "CREATE TRIGGER gated BEFORE INSERT ON audit_outbox FOR EACH ROW UPDATE gate SET n = n + 1 WHERE id = 1",
    ] {
        bare.execute_unprepared(text).await.unwrap();
    }
    // Whoever has changed less is undone.
    let other = bare.begin().await.unwrap();
    other.execute_unprepared("INSERT INTO heavy (n) SELECT seq FROM seq_1_to_1000").await.unwrap();
    other.execute_unprepared("UPDATE gate SET n = 0").await.unwrap();
    let txn = db.begin().await.unwrap();
    new_item("one").insert(&txn).await.unwrap();
    let write = async {
        let refused = new_item("two").insert(&txn).await.unwrap_err();
        assert!(AuditError::from_db_err(&refused).is_some(), "{refused}");
    };
    let meet = async {
        until("the outbox waits", async || {
            let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> \
                         CONNECTION_ID() AND (INFO LIKE 'INSERT INTO audit_outbox%' OR INFO LIKE 'UPDATE gate%')";
            let waits = sql(bare, waits);
            bare.query_one_raw(waits).await.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap() > 0
        })
        .await;
        other.execute_unprepared("UPDATE item SET name = 'x' WHERE id = 1").await.unwrap();
    };
    tokio::join!(write, meet);
    other.rollback().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!((count(bare, item::Entity).await, rows(bare).await), (0, vec![]));
}

/// The rows share the commit that MySQL makes of its own accord before DDL.
async fn a_statement_that_commits_by_itself(database: &TestDatabase) {
    let (audit, db, _) = connected(database, Delivery::outbox()).await;
    let txn = db.begin().await.unwrap();
    let item = new_item("Tea").insert(&txn).await.unwrap();
    renamed(&item, "Mate").update(&txn).await.unwrap();
    txn.execute_unprepared("CREATE TABLE made (id INT)").await.unwrap();
    assert_eq!(brief(&rows(&database.bare).await), ["creation Item 1 1/2", "update Item 1 2/2"]);
    txn.rollback().await.unwrap();
    assert_eq!(rows(&database.bare).await.len(), 2);
    assert_eq!((count(&database.bare, item::Entity).await, audit.stats().stored), (1, 2));
}

/// A transaction around it would make it fail.
async fn a_statement_that_stands_alone(database: &TestDatabase) {
    let (_, db, _) = connected(database, Delivery::outbox()).await;
    db.execute_unprepared("CREATE INDEX CONCURRENTLY item_by_name ON item (name)").await.unwrap();
    db.execute_unprepared("DROP INDEX CONCURRENTLY item_by_name").await.unwrap();
}

/// In an outbox a statement of very many rows is told row by row all the same, and its records leave memory as they are made.
async fn more_rows_than_the_bound(database: &TestDatabase) {
    let audit = Audit::builder()
        .sink(MemorySink::new())
        .delivery(Delivery::outbox().scope_bytes(4096))
        .bulk_rows(3)
        .build()
        .unwrap();
    audit.install(&database.bare).await.unwrap();
    let db = audit.connect(database.bare.clone()).await.unwrap();
    let tags =
        (0..2500).map(|number| tag::ActiveModel { name: Set(format!("{number}")), ..Default::default() });
    tag::Entity::insert_many(tags).exec_without_returning(&db).await.unwrap();
    let update = tag::Entity::update_many().col_expr(tag::Column::Name, Expr::value("b"));
    assert_eq!(update.exec(&db).await.unwrap().rows_affected, 2500);
    let txn = db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    let inner = txn.begin().await.unwrap();
    tag::Entity::delete_many().exec(&inner).await.unwrap();
    inner.rollback().await.unwrap();
    tag::Entity::delete_many().exec(&txn).await.unwrap();
    txn.commit().await.unwrap();
    let rows = rows(&database.bare).await;
    let of =
        |event: &str, model: &str| rows.iter().filter(|row| row.event == event && row.model == model).count();
    assert_eq!(
        (of("creation", "Tag"), of("update", "Tag"), of("deletion", "Tag"), of("creation", "Item")),
        (2500, 2500, 2500, 1)
    );
    assert_eq!(rows.len(), 7501, "no summary");
    assert_eq!(audit.stats().stored, 7501);
}
