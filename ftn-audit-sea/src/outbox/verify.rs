//! Whether anything is missing: the records of a transaction are numbered and counted.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io::BufRead,
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use uuid::Uuid;

use super::{
    claim::micros,
    operations::Operations,
    schema::{TABLE, now},
    statement::Text,
};

/// What arrived, by the account of its receiver: the lines that `JsonlSink` writes.
///
/// ```
/// use ftn_audit_sea::outbox::Export;
///
/// let lines = r#"{"id":"0199d1c2-5a0e-7c4e-8a51-2f0d6b9c1e77","transaction_id":"0199d1c2-5a0e-7c4e-8a51-2f0d6b9c1e78","sequence":1}"#;
/// assert_eq!(Export::read(lines.as_bytes())?.records(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Export {
    ids: HashSet<Uuid>,
    transactions: BTreeMap<Uuid, BTreeSet<u32>>,
    unreadable: u64,
}

impl Export {
    /// Reads JSON lines; those that are no records are counted and passed over.
    ///
    /// # Errors
    ///
    /// When the reader fails.
    pub fn read(reader: impl BufRead) -> std::io::Result<Self> {
        let mut export = Self::default();
        for line in reader.lines() {
            let line = line?;
            if !line.trim().is_empty() && export.add(&line).is_none() {
                export.unreadable += 1;
            }
        }
        Ok(export)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let json: serde_json::Value = serde_json::from_str(line).ok()?;
        self.ids.insert(json.get("id")?.as_str()?.parse().ok()?);
        let transaction = json.get("transaction_id").and_then(|id| id.as_str()?.parse().ok());
        let sequence = json.get("sequence").and_then(|sequence| u32::try_from(sequence.as_u64()?).ok());
        if let (Some(transaction), Some(sequence)) = (transaction, sequence) {
            self.transactions.entry(transaction).or_default().insert(sequence);
        }
        Some(())
    }

    /// How many records it has.
    pub fn records(&self) -> usize {
        self.ids.len()
    }

    /// How many lines were no records.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// Records of one transaction that are missing.
///
/// ```
/// # fn example(found: ftn_audit_sea::outbox::Verification) {
/// for gap in &found.gaps {
///     println!("{}: missing {:?}", gap.transaction, gap.missing);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The transaction.
    pub transaction: String,
    /// The numbers between present ones that are missing; the first hundred.
    pub missing: Vec<u32>,
    /// Whether records are missing at its end.
    pub tail: bool,
}

/// What [`verify`](Operations::verify) found.
///
/// ```no_run
/// # async fn example(operations: ftn_audit_sea::outbox::Operations<sea_orm::DatabaseConnection>) -> Result<(), sea_orm::DbErr> {
/// let found = operations.verify(None, std::time::Duration::from_secs(24 * 3600)).await?;
/// assert!(found.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Rows by state.
    pub states: Vec<(String, u64)>,
    /// How many transactions have rows.
    pub transactions: u64,
    /// Transactions of which records are missing; the first thousand.
    pub gaps: Vec<Gap>,
    /// Rows marked as sent that the export does not have; the first thousand. Always empty without an export.
    pub not_arrived: Vec<String>,
    /// Transactions whose missing records may have been removed as old: only an export can tell.
    pub unchecked: u64,
}

impl Verification {
    /// Whether nothing is missing, as far as could be checked.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty() && self.not_arrived.is_empty()
    }
}

const MOST: usize = 1000;

impl<C> Operations<C>
where
    C: ConnectionTrait + TransactionTrait,
{
    /// Looks for missing records, in the table alone or together with what arrived. Reads the whole table.
    ///
    /// `keep_sent` is how long relays keep sent rows: where a transaction is older, what is missing of it may have been
    /// sent and removed.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn verify(&self, export: Option<&Export>, keep_sent: Duration) -> Result<Verification, DbErr> {
        let connection = self.connection();
        let mut found = Verification { states: self.status().await?.states, ..Verification::default() };
        let all = Text::new(format!("SELECT COUNT(DISTINCT transaction_id) FROM {TABLE}"), []);
        found.transactions = number(all.rows(connection).await?.first())?.unsigned_abs();
        let horizon = self.horizon(keep_sent).await?;
        let mut after = String::new();
        loop {
            let rows = Text::new(
                format!(
                    "SELECT transaction_id, MAX(recorded_at), MAX(transaction_count) FROM {TABLE} \
                     WHERE transaction_id > ? GROUP BY transaction_id \
                     HAVING COUNT(DISTINCT sequence) <> COALESCE(MAX(transaction_count), -1) \
                     ORDER BY transaction_id LIMIT 1000"
                ),
                [after.as_str().into()],
            )
            .rows(connection)
            .await?;
            for row in &rows {
                after = row.try_get_by_index(0)?;
                let count: Option<i32> = row.try_get_by_index(2)?;
                let recorded: i64 = row.try_get_by_index(1)?;
                let Some(gap) = self.gap(&after, count, export).await? else { continue };
                if export.is_none() && recorded < horizon {
                    found.unchecked += 1;
                } else if found.gaps.len() < MOST {
                    found.gaps.push(gap);
                }
            }
            if rows.is_empty() {
                break;
            }
        }
        if let Some(export) = export {
            found.not_arrived = self.not_arrived(export).await?;
        }
        Ok(found)
    }

    /// What was recorded since then cannot have been removed as sent long ago.
    async fn horizon(&self, keep_sent: Duration) -> Result<i64, DbErr> {
        let now = now(self.connection().get_database_backend());
        let text = Text::new(
            format!("SELECT {now} - ?, MIN(due_at) FROM {TABLE} WHERE state = 'sent'"),
            [micros(keep_sent).into()],
        );
        let rows = text.rows(self.connection()).await?;
        let Some(row) = rows.first() else { return Ok(i64::MAX) };
        let (kept, oldest): (i64, Option<i64>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        Ok(oldest.map_or(kept, |oldest| oldest.min(kept)))
    }

    async fn gap(
        &self,
        transaction: &str,
        count: Option<i32>,
        export: Option<&Export>,
    ) -> Result<Option<Gap>, DbErr> {
        let text =
            Text::new(format!("SELECT sequence FROM {TABLE} WHERE transaction_id = ?"), [transaction.into()]);
        let mut present = BTreeSet::new();
        for row in text.rows(self.connection()).await? {
            present.extend(u32::try_from(row.try_get_by_index::<i32>(0)?).ok());
        }
        if let Some(export) = export
            && let Ok(id) = transaction.parse()
            && let Some(arrived) = export.transactions.get(&id)
        {
            present.extend(arrived);
        }
        let last = present.last().copied().unwrap_or_default();
        let count = count.and_then(|count| u32::try_from(count).ok());
        let missing = (1..last).filter(|sequence| !present.contains(sequence)).take(100).collect::<Vec<_>>();
        let tail = count.is_none_or(|count| last < count);
        let gap = Gap { transaction: transaction.to_owned(), missing, tail };
        Ok((gap.tail || !gap.missing.is_empty()).then_some(gap))
    }

    async fn not_arrived(&self, export: &Export) -> Result<Vec<String>, DbErr> {
        let mut missing = Vec::new();
        let mut after = String::new();
        loop {
            let text = Text::new(
                format!("SELECT id FROM {TABLE} WHERE state = 'sent' AND id > ? ORDER BY id LIMIT 5000"),
                [after.as_str().into()],
            );
            let rows = text.rows(self.connection()).await?;
            for row in &rows {
                after = row.try_get_by_index(0)?;
                if after.parse().is_ok_and(|id: Uuid| !export.ids.contains(&id)) {
                    missing.push(after.clone());
                }
            }
            if rows.is_empty() || missing.len() >= MOST {
                return Ok(missing);
            }
        }
    }
}

fn number(row: Option<&sea_orm::QueryResult>) -> Result<i64, DbErr> {
    row.map_or(Ok(0), |row| row.try_get_by_index(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_read_line_by_line() {
        let (id, transaction) = (Uuid::now_v7(), Uuid::now_v7());
        let line = format!(r#"{{"id": "{id}", "transaction_id": "{transaction}", "sequence": 2}}"#);
        let export = Export::read(format!("{line}\n\nnonsense\n").as_bytes()).unwrap();
        assert_eq!((export.records(), export.unreadable()), (1, 1));
        assert!(export.transactions[&transaction].contains(&2));
    }
}
