//! `reason = "required"`: a change says why it was made, or its record says that it did not.

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, ConnectionTrait};

use crate::{
    database::{TestDatabase, on_every_database},
    entities::*,
};

on_every_database! { a_missing_reason_is_marked_and_counted }

async fn write(db: &impl ConnectionTrait) {
    let plan = document::ActiveModel { title: Set("Plan".into()), ..Default::default() };
    let plan = plan.insert(db).await.unwrap();
    document::ActiveModel::from(plan).delete(db).await.unwrap();
}

async fn a_missing_reason_is_marked_and_counted(test: &TestDatabase) {
    let missing = |test: &TestDatabase| {
        test.take()
            .iter()
            .map(|record| record.attribute("audit.reason_missing").is_some())
            .collect::<Vec<_>>()
    };
    write(&test.db).await;
    AuditContext::builder().tenant("acme").build().scope(test.hooked(write(&test.plain))).await;
    assert_eq!(missing(test), [true; 4]);
    assert_eq!(test.audit.stats().missing_reasons, 4);

    let justified = AuditContext::builder().reason("ticket 4711").build();
    justified.scope(write(&test.db)).await;
    justified.scope(test.hooked(write(&test.plain))).await;
    assert_eq!(missing(test), [false; 4]);

    // A model that asks for none has none missing.
    let topic = topic::ActiveModel { name: Set("Tea".into()), ..Default::default() };
    topic.insert(&test.db).await.unwrap();
    assert_eq!(missing(test), [false]);
    assert_eq!(test.audit.stats().missing_reasons, 4);
}
