//! What a failing assertion says, and where.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use ftn_audit_sea::testing::*;
use sea_orm::TransactionTrait;

use super::life;
use crate::{
    database::{TestDatabase, on},
    entities::*,
    samples::*,
};

on! { Sqlite:
    the_nearest_record_and_how_it_differs
    a_row_that_was_not_written
    nothing_at_all
    what_should_not_be_there
    mistakes_in_the_test
}

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The words of a failure, which points at the assertion itself.
#[track_caller]
fn failure<T>(assertion: impl FnOnce() -> T) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PLACE.set(info.location().map(|place| place.file().to_owned()).unwrap_or_default());
            before(info);
        }));
    });
    let failed = catch_unwind(AssertUnwindSafe(|| drop(assertion()))).expect_err("the assertion fails");
    assert_eq!(PLACE.take(), file!());
    *failed.downcast::<String>().unwrap()
}

async fn the_nearest_record_and_how_it_differs(database: &TestDatabase) {
    life(database).await;
    let recorder = &database.recorder;
    let text = failure(
        || assert_audited!(recorder, item::Entity, update, id = 1, title: "Tea" => "Milk", owner_id: 1 => 2, price: "10.50" => "12.50"),
    );
    assert_eq!(
        text,
        r#"not audited: update Item #1
  title: "Tea" => "Milk"
  owner_id: 1 => 2
  price: "10.50" => "12.50"
nearest of 3 records: update Item #1, "Updated Item #1 (title, price, supplier_note)"
  title: expected "Tea" => "Milk", recorded "Tea" => "Mate"
  owner_id: expected 1 => 2, recorded nothing of it
"#
    );
    // The row comes before what happened to it.
    let text = failure(|| assert_audited!(recorder, item::Entity, restoration, id = 1, title: "Mate"));
    assert_eq!(
        text,
        r#"not audited: restoration Item #1
  title: "Mate"
nearest of 3 records: update Item #1, "Updated Item #1 (title, price, supplier_note)"
  event: expected restoration, recorded update
"#
    );
    let text = failure(|| assert_audited!(recorder, item::Entity, creation, id = 2));
    assert_eq!(
        text,
        r#"not audited: creation Item #2
nearest of 3 records: creation Item #1, "Created Item #1"
  key: expected 2, recorded 1
"#
    );
    let text =
        failure(|| assert_audited!(recorder, item::Entity, collection_update, id = 1, tags: add [1, 2]));
    assert_eq!(
        text,
        r#"not audited: collection_update Item #1
  tags: add [1, 2]
nearest of 3 records: creation Item #1, "Created Item #1"
  event: expected collection_update, recorded creation
  links: expected tags: add [1, 2], recorded no links
"#
    );
}

async fn a_row_that_was_not_written(database: &TestDatabase) {
    life(database).await;
    let recorder = &database.recorder;
    assert_eq!(
        failure(|| assert_audited!(recorder, owner::Entity, creation, name: None)),
        r#"not audited: creation Owner
  name: None
no record is of Owner; recorded were:
  creation Item #1, "Created Item #1"
  update Item #1, "Updated Item #1 (title, price, supplier_note)"
  deletion Item #1, "Deleted Item #1"
"#
    );
}

async fn nothing_at_all(database: &TestDatabase) {
    let recorder = &database.recorder;
    assert_eq!(
        failure(|| assert_audited!(recorder, item::Entity)),
        "not audited: any event Item\nnothing was recorded\na record comes after the commit, and from a connection that \
         `recorder.audit()` made; hooks on a plain connection find the recorder inside `recorder.audit().scope(..)`\n"
    );
    let txn = database.db.begin().await.unwrap();
    new_item("Tea").insert(&txn).await.unwrap();
    txn.rollback().await.unwrap();
    assert_eq!(
        failure(|| assert_audited!(recorder, item::Entity, creation)),
        "not audited: creation Item\nnothing was recorded\n1 record was thrown away with a rollback\n"
    );
}

async fn what_should_not_be_there(database: &TestDatabase) {
    life(database).await;
    let recorder = &database.recorder;
    assert_eq!(
        failure(|| assert_not_audited!(recorder, item::Entity, update)),
        r#"should not be audited: update Item
recorded:
  update Item #1, "Updated Item #1 (title, price, supplier_note)"
    title: "Tea" => "Mate"
    price: "10.50" => "12.50"
    supplier_note: "***" => None
"#
    );
    assert_eq!(
        failure(|| assert_not_audited!(recorder, item::Entity, deletion, id = 1, title: "Mate")),
        r#"should not be audited: deletion Item #1
  title: "Mate"
recorded:
  deletion Item #1, "Deleted Item #1"
"#
    );
}

async fn mistakes_in_the_test(database: &TestDatabase) {
    life(database).await;
    let recorder = &database.recorder;
    let mistake = |text: String| text.lines().last().unwrap().to_owned();
    for (text, expected) in [
        (
            failure(|| assert_audited!(recorder, item::Entity, update, colour: "red" => "green")),
            "but Item has no column `colour`; it has id, title, price, owner_id, supplier_note, api_token, internal, \
             updated_at",
        ),
        (
            failure(|| assert_audited!(recorder, item::Entity, update, name: "Tea" => "Mate")),
            "but records of Item call `name` by the name `title`",
        ),
        (
            failure(|| assert_audited!(recorder, item::Entity, creation, supplier_note: "secret")),
            "but `supplier_note` is masked: records show \"***\" in place of its values",
        ),
        (
            failure(|| assert_audited!(recorder, item::Entity, creation, internal: "x")),
            "but `internal` is skipped: no record says anything of it",
        ),
        (
            failure(|| assert_audited!(recorder, item::Entity, update, updated_at: None => "2026")),
            "but `updated_at` is ignored: no update says anything of it",
        ),
        (
            failure(|| assert_audited!(recorder, item::Entity, update, title = "Mate")),
            "but `title` is not in the key of Item, which is id; a column of the row is written `title: value`",
        ),
        (
            failure(|| assert_audited!(recorder, stock::Entity, update, slot = 7)),
            "but the key of Stock has a column `shelf`, too: say all of it, or nothing",
        ),
        // Its absence would say nothing.
        (
            failure(|| assert_not_audited!(recorder, item::Entity, update, colour: "red" => "green")),
            "but Item has no column `colour`; it has id, title, price, owner_id, supplier_note, api_token, internal, \
             updated_at",
        ),
    ] {
        assert_eq!(mistake(text), expected);
    }
}
