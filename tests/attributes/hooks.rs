//! Entities with hooks of their own.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, ModelTrait};

use crate::{
    database::{TestDatabase, changed, on_every_database},
    entities::*,
};

on_every_database! {
    own_hooks_run_first_and_the_stored_row_is_recorded
    a_hook_that_refuses_leaves_no_record
    a_hook_that_fails_afterwards_leaves_one
    an_audited_connection_needs_no_audited_hooks
}

fn letter(text: &str) -> letter::ActiveModel {
    letter::ActiveModel { text: Set(text.to_owned()), ..Default::default() }
}

async fn own_hooks_run_first_and_the_stored_row_is_recorded(test: &TestDatabase) {
    test.hooked(async {
        let stored = letter("Dear").insert(&test.plain).await.unwrap();
        assert_eq!((stored.text.as_str(), stored.version), ("Dear, as read", 1));
        let record = test.one();
        assert_eq!(record.attribute("audit.changeset.text.new").unwrap(), "Dear");
        assert_eq!(record.attribute("audit.changeset.version.new").unwrap(), "1");
        assert_eq!(record.attribute("audit.capture").unwrap(), "hook");

        let mut change = letter::ActiveModel { id: Set(stored.id), ..Default::default() };
        change.version = Set(1);
        change.text = Set("Dearest".to_owned());
        let stored = change.update(&test.plain).await.unwrap();
        let record = test.one();
        assert_eq!(changed(&record), ["text", "version"]);
        assert_eq!(record.attribute("audit.changeset.version.old").unwrap(), "1");
        assert_eq!(record.attribute("audit.changeset.version.new").unwrap(), "2");

        // Hooks that the entity does not have were added.
        stored.delete(&test.plain).await.unwrap();
        assert_eq!(test.one().event_type(), "deletion");
    })
    .await;
}

async fn a_hook_that_refuses_leaves_no_record(test: &TestDatabase) {
    test.hooked(async {
        let stored = letter("Dear").insert(&test.plain).await.unwrap();
        test.take();
        let change = letter::ActiveModel { id: Set(stored.id), version: Set(-1), ..Default::default() };
        let error = change.update(&test.plain).await.unwrap_err();
        assert_eq!(error, DbErr::Custom("a letter has no negative version".to_owned()));
        assert_eq!(test.events(), [""; 0]);
    })
    .await;
}

async fn a_hook_that_fails_afterwards_leaves_one(test: &TestDatabase) {
    test.hooked(async {
        let error = letter("fail after save").insert(&test.plain).await.unwrap_err();
        assert_eq!(error, DbErr::Custom("on demand".to_owned()));
    })
    .await;
    assert_eq!(letter::Entity::find().all(&test.plain).await.unwrap().len(), 1);
    assert_eq!(test.one().event_type(), "creation");
}

async fn an_audited_connection_needs_no_audited_hooks(test: &TestDatabase) {
    let stored =
        sealed::ActiveModel { text: Set("x".into()), ..Default::default() }.insert(&test.db).await.unwrap();
    assert_eq!(test.events(), [format!("creation Sealed #{}", stored.id)]);
    letter("Dear").insert(&test.db).await.unwrap();
    assert_eq!(test.take().len(), 1, "hooks do nothing where statements are captured");
    test.hooked(stored.delete(&test.plain)).await.unwrap();
    assert_eq!(test.events(), [""; 0]);
}
