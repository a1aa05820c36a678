//! Plain SeaORM connections, where the hooks of the derive do what SeaORM lets them.

use std::time::Duration;

use ftn_audit_sea::testing::*;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbBackend,
    DbErr, EntityLoaderTrait, EntityTrait, IntoActiveModel, MockDatabase, MockExecResult, ModelTrait,
    TransactionTrait,
};

use crate::{
    database::{Kind, TestDatabase, connect, on, recording},
    entities::*,
    samples::*,
};

on! { Sqlite Postgres MariaDb:
    outside_a_transaction
    inside_a_transaction
    two_updates_at_once
    a_failed_update_leaves_nothing_behind
    nested_models
    generic_code
    a_hook_that_is_called_alone
    deletion_by_the_model
    what_is_not_there_is_no_event
    a_statement_without_a_read_back
}
on! { Postgres MariaDb: a_dropped_update_leaves_nothing_behind }
on! { Sqlite: a_deferred_transaction_waits_for_another_writer }

async fn outside_a_transaction(database: &TestDatabase) {
    let bare = &database.bare;
    let work = async {
        let item = new_item("Tea").insert(bare).await.unwrap();
        let item = renamed(&item, "Mate").update(bare).await.unwrap();
        item.into_active_model().delete(bare).await.unwrap();
    };
    database.audit.scope(work).await;
    assert_audited!(database.recorder, item::Entity, update, id = 1, title: "Tea" => "Mate");
    let records = database.take();
    assert_eq!(brief(&records), ["creation Item 1", "update Item 1", "deletion Item 1"]);
    for record in &records {
        assert_eq!(record.attribute("audit.capture").unwrap(), "hook");
        assert_eq!(record.attribute("audit.commit_confirmed"), None);
        let old = (record.event_type() != "creation").then_some(false);
        assert_eq!(record.attribute("audit.old_confirmed"), old.map(Into::into));
        assert_eq!((record.sequence(), record.transaction_count()), (Some(1), Some(1)));
    }
}

async fn inside_a_transaction(database: &TestDatabase) {
    let work = async {
        let txn = database.bare.begin().await.unwrap();
        let item = new_item("Tea").insert(&txn).await.unwrap();
        let item = renamed(&item, "Mate").update(&txn).await.unwrap();
        item.into_active_model().delete(&txn).await.unwrap();
        txn.commit().await.unwrap();
    };
    database.audit.scope(work).await;
    let records = database.take();
    assert_eq!(brief(&records), ["creation Item 1", "update Item 1", "deletion Item 1"]);
    for record in &records {
        assert_eq!(record.attribute("audit.capture").unwrap(), "hook");
        assert_eq!(record.attribute("audit.commit_confirmed").unwrap(), false);
        assert_eq!(record.attribute("audit.old_confirmed"), None, "read under the lock");
    }
    if database.kind == Kind::Sqlite {
        return;
    }
    // Nobody comes between the old row and the statement: the lock is there already.
    let item = stored_item(database, "Tea").await;
    let txn = database.bare.begin().await.unwrap();
    let other = async {
        for step in 0..20 {
            renamed(&item, &format!("other {step}")).update(&database.bare).await.unwrap();
        }
    };
    let mine = async {
        renamed(&item, "mine").update(&txn).await.unwrap();
        txn.commit().await.unwrap();
    };
    tokio::join!(database.audit.scope(mine), other);
    assert_eq!(database.take().len(), 1);
}

/// `join!` polls both in one task: nothing that is keyed by the task alone can tell them apart.
async fn two_updates_at_once(database: &TestDatabase) {
    let (one, two) = (stored_item(database, "one").await, stored_item(database, "two").await);
    let bare = &database.bare;
    let work = async {
        for round in 0..10 {
            let (left, right) = tokio::join!(
                renamed(&one, &format!("one {round}")).update(bare),
                renamed(&two, &format!("two {round}")).update(bare)
            );
            left.unwrap();
            right.unwrap();
        }
    };
    database.audit.scope(work).await;
    let records = database.take();
    assert_eq!(records.len(), 20);
    assert_eq!(chain_end(&records, one.id, "one"), "one 9");
    assert_eq!(chain_end(&records, two.id, "two"), "two 9");
}

async fn a_failed_update_leaves_nothing_behind(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let bare = &database.bare;
    let work = async {
        let mut failing = renamed(&item, "never");
        failing.owner_id = Set(Some(99));
        failing.clone().update(bare).await.unwrap_err();
        // Behind the hooks' back.
        bare.execute_unprepared("UPDATE item SET name = 'Mate'").await.unwrap();
        renamed(&item, "Mate").update(bare).await.unwrap();
        database.silent();
        failing.clone().update(bare).await.unwrap_err();
        failing.owner_id = Set(None);
        failing.name = Set("retried".to_owned());
        failing.clone().update(bare).await.unwrap();
        assert_eq!(titles(&database.one()), ("Mate".to_owned(), "retried".to_owned()));
        failing.owner_id = Set(Some(99));
        failing.update(bare).await.unwrap_err();
        // Generic code has no old row, and does not find the one that the failure left.
        save_any(renamed(&item, "generic"), bare).await;
    };
    database.audit.scope(work).await;
    assert_eq!(titles(&database.one()), ("-".to_owned(), "generic".to_owned()));
}

async fn a_dropped_update_leaves_nothing_behind(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let bare = &database.bare;
    let work = async {
        let blocker = connect(&database.url).await.begin().await.unwrap();
        renamed(&item, "Mate").update(&blocker).await.unwrap();
        let blocked = renamed(&item, "never").update(bare);
        tokio::time::timeout(Duration::from_millis(200), blocked).await.unwrap_err();
        database.recorder.clear();
        blocker.rollback().await.unwrap();
        crate::database::until("the dropped statement is over", async || {
            stored(database, item.id).await.unwrap().name == "never"
        })
        .await;
        renamed(&item, "Milk").update(bare).await.unwrap();
    };
    database.audit.scope(work).await;
    assert_eq!(titles(&database.one()), ("never".to_owned(), "Milk".to_owned()));
}

async fn nested_models(database: &TestDatabase) {
    let work = async {
        item::ActiveModel::builder()
            .set_name("Tea")
            .set_price(price(300))
            .set_owner(owner::ActiveModel::builder().set_name("Ann"))
            .save(&database.bare)
            .await
            .unwrap();
        let item = item::Entity::load()
            .filter_by_id(1)
            .with(owner::Entity)
            .one(&database.bare)
            .await
            .unwrap()
            .unwrap();
        let mut change = item.into_active_model();
        change.name = Set("Mate".to_owned());
        change.update(&database.bare).await.unwrap();
        stored(database, 1).await.unwrap().cascade_delete(&database.bare).await.unwrap();
    };
    database.audit.scope(work).await;
    assert_audited!(database.recorder, item::Entity, update, title: "Tea" => "Mate");
    assert_audited!(database.recorder, item::Entity, deletion, title: "Mate");
    let events = ["creation Owner 1", "creation Item 1", "update Item 1", "deletion Item 1"];
    assert_eq!(brief(&database.take()), events);
}

/// Code that is written for any entity finds the trait's methods, and not the derive's.
async fn save_any<A>(model: A, db: &DatabaseConnection) -> A
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    model.save(db).await.unwrap()
}

async fn generic_code(database: &TestDatabase) {
    let work = async {
        let saved = save_any(new_item("Tea"), &database.bare).await;
        let item: item::Model = saved.try_into().unwrap();
        save_any(renamed(&item, "Mate"), &database.bare).await;
    };
    database.audit.scope(work).await;
    let [creation, update] = database.take().try_into().unwrap();
    assert_eq!(creation.attribute("audit.old_confirmed"), None);
    assert_eq!(titles(&update), ("-".to_owned(), "Mate".to_owned()));
    assert_eq!(update.attribute("audit.old_confirmed").unwrap(), false);
    assert_eq!(update.attribute("audit.changeset.price.old"), None);
}

/// As code does that writes by `update_many` and calls the hook for the row itself.
async fn a_hook_that_is_called_alone(database: &TestDatabase) {
    let mut item = stored_item(database, "Tea").await;
    item.name = "Mate".to_owned();
    let work = <item::ActiveModel as ActiveModelBehavior>::after_save(item, &database.bare, false);
    database.audit.scope(work).await.unwrap();
    let update = database.one();
    assert_eq!(update.event_type(), "update");
    assert_eq!(titles(&update), ("-".to_owned(), "Mate".to_owned()));
    assert_eq!(update.attribute("audit.old_confirmed").unwrap(), false);
}

async fn deletion_by_the_model(database: &TestDatabase) {
    async fn delete_any<M>(model: M, db: &impl ConnectionTrait) -> u64
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        <M::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send,
    {
        model.delete(db).await.unwrap().rows_affected
    }
    let item = stored_item(database, "Tea").await;
    // The caller's own copy is old; what is stored counts.
    database.bare.execute_unprepared("UPDATE item SET name = 'Mate'").await.unwrap();
    let work = async {
        assert_eq!(delete_any(item.clone(), &database.bare).await, 1);
        assert_eq!(delete_any(item.clone(), &database.bare).await, 0);
        let other = stored_item(database, "Milk").await;
        other.delete(&database.bare).await.unwrap();
    };
    database.audit.scope(work).await;
    let records = database.take();
    let deletions: Vec<_> = records.iter().filter(|record| record.event_type() == "deletion").collect();
    assert_eq!(deletions.len(), 2, "{records:#?}");
    assert_eq!(deletions[0].attribute("audit.changeset.title.old").unwrap(), "Mate");
    assert_eq!(deletions[1].attribute("audit.changeset.title.old").unwrap(), "Milk");
}

async fn what_is_not_there_is_no_event(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let ghost = item::Model { id: 4711, ..item.clone() };
    let work = async {
        ghost.clone().into_active_model().delete(&database.bare).await.unwrap();
        item::Entity::delete_by_id(4711).exec(&database.bare).await.unwrap();
        assert_eq!(renamed(&ghost, "x").update(&database.bare).await.unwrap_err(), DbErr::RecordNotUpdated);
        renamed(&item, "Tea").update(&database.bare).await.unwrap();
    };
    database.audit.scope(work).await;
    database.silent();
}

async fn a_statement_without_a_read_back(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let work = async {
        renamed(&item, "Mate").update_without_returning(&database.bare).await.unwrap();
        renamed(&item, "Mate").update_without_returning(&database.bare).await.unwrap();
        let ghost = item::Model { id: 4711, ..item.clone() };
        let _ = renamed(&ghost, "x").update_without_returning(&database.bare).await;
    };
    database.audit.scope(work).await;
    assert_eq!(titles(&database.one()), ("Tea".to_owned(), "Mate".to_owned()));
}

/// As on an audited connection: the SELECT must not be what fails.
async fn a_deferred_transaction_waits_for_another_writer(database: &TestDatabase) {
    let item = stored_item(database, "Tea").await;
    let other = connect(&database.url).await.begin().await.unwrap();
    renamed(&item, "other").update(&other).await.unwrap();
    let work = async {
        let txn = database.bare.begin().await.unwrap();
        let release = async {
            // Long enough for a statement that does not wait to have failed.
            tokio::time::sleep(Duration::from_millis(200)).await;
            other.commit().await.unwrap();
        };
        let (written, ()) = tokio::join!(renamed(&item, "mine").update(&txn), release);
        written.unwrap();
        txn.commit().await.unwrap();
    };
    database.audit.scope(work).await;
    assert_eq!(titles(&database.one()), ("other".to_owned(), "mine".to_owned()));
}

fn mock(backend: DbBackend) -> DatabaseConnection {
    let item = item::Model {
        id: 1,
        name: "Mate".to_owned(),
        price: price(1),
        owner_id: None,
        supplier_note: None,
        api_token: None,
        internal: None,
        updated_at: None,
    };
    let done = MockExecResult { last_insert_id: 1, rows_affected: 1 };
    MockDatabase::new(backend)
        .append_query_results([vec![item.clone()], vec![item.clone()], vec![item]])
        .append_exec_results([done.clone(), done.clone(), done.clone(), done])
        .into_connection()
}

/// The script of a mock has answers for the application's own statements only.
#[tokio::test]
async fn mocks_see_no_statement_of_ours() {
    async fn script(db: &DatabaseConnection) {
        let item = new_item("Tea").insert(db).await.unwrap();
        renamed(&item, "Milk").update(db).await.unwrap();
        item.clone().into_active_model().delete(db).await.unwrap();
        ModelTrait::delete(item, db).await.unwrap();
    }
    for backend in [DbBackend::Postgres, DbBackend::MySql] {
        let without = mock(backend);
        script(&without).await;
        let with = mock(backend);
        let (audit, sink) = recording();
        audit.scope(script(&with)).await;
        let expected: Vec<_> = if backend == DbBackend::Postgres {
            vec!["INSERT", "UPDATE", "DELETE", "DELETE"]
        } else {
            vec!["INSERT", "SELECT", "UPDATE", "SELECT", "DELETE", "DELETE"]
        };
        for connection in [without, with] {
            let log = connection.into_transaction_log();
            let verbs: Vec<_> = log
                .iter()
                .flat_map(sea_orm::Transaction::statements)
                .map(|statement| statement.sql.split(' ').next().unwrap().to_owned())
                .collect();
            assert_eq!(verbs, expected);
        }
        assert!(brief(&sink.records()).contains(&"creation Item 1".to_owned()));
    }
}

/// Without a handle nothing is recorded, and that is said once a process: so it takes a process.
#[test]
fn no_handle_is_said_once() {
    let child = "FTN_AUDIT_TEST_NO_HANDLE";
    if std::env::var_os(child).is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let db = mock(DbBackend::Postgres);
            let item = new_item("Tea").insert(&db).await.unwrap();
            renamed(&item, "Milk").update(&db).await.unwrap();
            item.into_active_model().delete(&db).await.unwrap();
        });
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hooks::no_handle_is_said_once", "--nocapture"])
        .env(child, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let said = text.lines().filter(|line| line.contains("WARN") && line.contains("no audit handle")).count();
    assert_eq!(said, 1, "{text}");
}
