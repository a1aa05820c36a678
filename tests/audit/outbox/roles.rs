//! The writer's role: it can insert, and nothing else.

use ftn_audit_sea::{AuditError, outbox, prelude::*};
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};

use super::setup::{brief, connected, handle, rows};
use crate::{
    database::{Kind, TestDatabase, connect, on},
    samples::new_item,
};

on! { Postgres MariaDb:
    the_writer_needs_no_right_but_insert
    a_role_without_rights
}

/// A role with rights on the item table alone.
async fn role(database: &TestDatabase) -> (String, DatabaseConnection) {
    let name = format!("ftn_{}", uuid::Uuid::new_v4().simple()).chars().take(30).collect::<String>();
    let create = match database.kind {
        Kind::Postgres => vec![
            format!("CREATE ROLE {name} LOGIN"),
            format!("GRANT ALL ON item TO {name}"),
            format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}"),
        ],
        _ => vec![format!("CREATE USER '{name}'"), format!("GRANT ALL ON item TO '{name}'")],
    };
    for statement in create {
        database.bare.execute_unprepared(&statement).await.unwrap();
    }
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    (name.clone(), connect(&format!("{scheme}://{name}@{server}")).await)
}

async fn drop_role(database: &TestDatabase, name: &str, connection: DatabaseConnection) {
    connection.close().await.unwrap();
    let statements = match database.kind {
        Kind::Postgres => vec![format!("DROP OWNED BY {name}"), format!("DROP ROLE {name}")],
        _ => vec![format!("DROP USER '{name}'")],
    };
    for statement in statements {
        database.bare.execute_unprepared(&statement).await.unwrap();
    }
}

async fn the_writer_needs_no_right_but_insert(database: &TestDatabase) {
    connected(database, Delivery::outbox()).await;
    let (name, connection) = role(database).await;
    let grants = outbox::grants(database.kind.backend());
    let writer = grants.iter().find(|grant| grant.contains("audit_writer")).unwrap();
    database.bare.execute_unprepared(&writer.replace("audit_writer", &name)).await.unwrap();

    let (audit, _) = handle(Delivery::outbox().scope_bytes(2048));
    let db = audit.connect(connection.clone()).await.unwrap();
    new_item("Tea").insert(&db).await.unwrap();
    let txn = db.begin().await.unwrap();
    for _ in 0..10 {
        new_item("Mate").insert(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
    assert_eq!(brief(&rows(&database.bare).await).len(), 11);
    db.inner().execute_unprepared("DELETE FROM audit_outbox").await.unwrap_err();
    db.inner().execute_unprepared("UPDATE audit_outbox SET state = 'sent'").await.unwrap_err();
    db.inner()
        .query_one_raw(crate::database::sql(&db, "SELECT payload FROM audit_outbox"))
        .await
        .unwrap_err();

    let (limited, _) = handle(Delivery::outbox().outbox_max_rows(1000));
    let refusal = limited.connect(connection.clone()).await.unwrap_err();
    assert!(refusal.to_string().contains("SELECT (state)"), "{refusal}");
    let counting = outbox::counting_grant(database.kind.backend()).unwrap();
    database.bare.execute_unprepared(&counting.replace("audit_writer", &name)).await.unwrap();
    limited.connect(connection.clone()).await.expect("now it may count");
    drop_role(database, &name, connection).await;
}

async fn a_role_without_rights(database: &TestDatabase) {
    connected(database, Delivery::outbox()).await;
    let (name, connection) = role(database).await;
    let (audit, _) = handle(Delivery::outbox());
    let refusal = audit.connect(connection.clone()).await.unwrap_err();
    match database.kind {
        Kind::Postgres => assert!(matches!(refusal, AuditError::OutboxDenied { .. }), "{refusal}"),
        // MariaDB does not show a table to whom it is denied.
        _ => assert!(matches!(refusal, AuditError::NoOutbox), "{refusal}"),
    }
    drop_role(database, &name, connection).await;
}
