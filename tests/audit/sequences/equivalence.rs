//! The records, replayed over the rows before, give the rows after.

use ftn_audit_sea::prelude::*;
use proptest::test_runner::TestCaseError;

use super::{begin, create_tables, each_sequence, operations::run, replay::Rows};
use crate::database::{TestDatabase, on};

on! { Sqlite Postgres MariaDb: records_lead_to_the_rows }

async fn records_lead_to_the_rows(database: &TestDatabase) {
    create_tables(&database.bare).await;
    // The catalogue knows the tables from here on.
    let db = database.audit.connect(database.bare.clone()).await.unwrap();
    each_sequence(database.kind.backend(), async |units| {
        begin(&database.bare).await;
        let mut rows = Rows::stored(&database.bare).await;
        for unit in &units {
            let answers = run(&db, unit).await;
            let records = database.take();
            let context = || format!("{unit:#?} answered {answers:#?}");
            rows.apply_all(&records)
                .map_err(|why| TestCaseError::fail(format!("{why}\nafter {}", context())))?;
            let stored = Rows::stored(&database.bare).await;
            if rows != stored {
                return Err(TestCaseError::fail(format!(
                    "{}\nrecords: {records:#?}\nlead to {rows:#?}\nstored: {stored:#?}",
                    context()
                )));
            }
        }
        Ok(())
    });
}
