//! A process that writes random transactions, until it is killed.

use std::{error::Error, time::Duration};

use ftn_audit_sea::prelude::*;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, SqliteTransactionMode, TransactionOptions, TransactionTrait, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    arguments::Arguments,
    database::connect,
    entities::{account, note},
    mutants::{LateOutbox, Mutant},
    truth::{line, write_down},
};

pub async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    fastrand::seed(arguments.seed);
    let bare = connect(&arguments.url, 4).await?;
    let builder = Audit::builder().service_name("ledger");
    let audit = match arguments.mutant {
        Some(Mutant::RecordsLate) => builder
            .sink(LateOutbox(bare.clone()))
            .delivery(Delivery::queue().linger(Duration::from_millis(50)))
            .build()?,
        // Two versions of the service side by side: one of them writes large transactions ahead of their commit.
        _ => builder
            .service_version(if arguments.slot == 0 { "1" } else { "2" })
            .sink(MemorySink::new())
            .delivery(Delivery::outbox().scope_bytes(if arguments.slot == 0 { 1 << 20 } else { 1024 }))
            .build()?,
    };
    let writer = Writer {
        db: audit.connect(bare).await?,
        slot: arguments.slot,
        flat: arguments.mutant == Some(Mutant::IgnoresSavepoints),
    };
    loop {
        if fastrand::u8(0..4) == 0 {
            // What a statement that stands alone did is told by its own table.
            let _ = note::ActiveModel { label: Set(label()), ..Default::default() }.insert(&writer.db).await;
            continue;
        }
        let work = writer.transaction();
        if fastrand::u8(0..6) == 0 {
            // A client that hangs up: the future is dropped wherever it is.
            let patience = Duration::from_micros(fastrand::u64(0..20_000));
            let _ = tokio::time::timeout(patience, work).await;
        } else {
            let _ = work.await;
        }
    }
}

/// A value that is written once.
fn label() -> String {
    Uuid::new_v4().simple().to_string()
}

struct Writer {
    db: AuditedConnection,
    slot: i32,
    /// Savepoints past the scope.
    flat: bool,
}

impl Writer {
    async fn transaction(&self) -> Result<(), DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.db.get_database_backend() == DbBackend::Sqlite)
                .then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let txn = self.db.begin_with_options(options).await?;
        let worked = self.work(&txn).await;
        match (worked, fastrand::u8(0..10)) {
            (Ok(()), 0) => txn.rollback().await,
            (Ok(()), 1) => {
                drop(txn);
                Ok(())
            }
            // Also with an error inside that nobody minds.
            (Ok(()), _) | (Err(_), 0..4) => txn.commit().await,
            (Err(error), _) => {
                txn.rollback().await?;
                Err(error)
            }
        }
    }

    async fn work(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        for _ in 0..fastrand::u8(1..6) {
            match fastrand::u8(0..8) {
                0 if self.flat => self.unseen_savepoint(txn).await?,
                0 => self.savepoint(txn).await?,
                1 if !self.flat => self.siblings(txn).await?,
                2 => self.failing(txn).await?,
                _ => self.change(txn).await?,
            }
        }
        Ok(())
    }

    async fn savepoint(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        let inner = txn.begin().await?;
        for _ in 0..fastrand::u8(1..4) {
            self.change(&inner).await?;
        }
        match fastrand::u8(0..4) {
            0 => inner.rollback().await,
            1 => {
                drop(inner);
                Ok(())
            }
            _ => inner.commit().await,
        }
    }

    /// Two savepoints at once: the database ends the inner one first, whichever object asks.
    async fn siblings(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        let (one, two) = (txn.begin().await?, txn.begin().await?);
        self.change(&one).await?;
        self.change(&two).await?;
        one.rollback().await?;
        two.commit().await
    }

    /// A statement that fails, in a savepoint of its own or not.
    async fn failing(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        const WRONG: &str = "INSERT INTO account (id, slot) VALUES (NULL, NULL)";
        if fastrand::bool() {
            return txn.execute_unprepared(WRONG).await.map(|_| ());
        }
        let inner = txn.begin().await?;
        self.change(&inner).await?;
        let _ = inner.execute_unprepared(WRONG).await;
        inner.rollback().await
    }

    async fn unseen_savepoint(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        txn.inner().execute_unprepared("SAVEPOINT unseen").await?;
        self.change(txn).await?;
        txn.inner().execute_unprepared("ROLLBACK TO SAVEPOINT unseen").await.map(|_| ())
    }

    async fn change(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        match fastrand::u8(0..10) {
            0..4 => self.create(txn).await,
            4..7 => self.relabel(txn).await,
            7 => self.delete(txn).await,
            8 => self.raise_many(txn).await,
            _ => self.create_many(txn).await,
        }
    }

    /// Some of this writer's accounts, locked.
    async fn own(&self, txn: &AuditedTransaction, most: u64) -> Result<Vec<account::Model>, DbErr> {
        let own = account::Entity::find().filter(account::Column::Slot.eq(self.slot));
        let mut own = own.order_by_desc(account::Column::Id).limit(most).lock_exclusive().all(txn).await?;
        fastrand::shuffle(&mut own);
        Ok(own)
    }

    async fn create(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        let made = self.new_account().insert(txn).await?;
        write_down(txn, &line("creation", "Account", &made.id.to_string(), "", &made.label)).await
    }

    fn new_account(&self) -> account::ActiveModel {
        account::ActiveModel {
            slot: Set(self.slot),
            label: Set(label()),
            amount: Set(0),
            ..Default::default()
        }
    }

    /// One statement for several rows.
    async fn create_many(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        let accounts: Vec<_> = (0..4).map(|_| self.new_account()).collect();
        let labels: Vec<String> = accounts.iter().filter_map(|new| new.label.try_as_ref().cloned()).collect();
        account::Entity::insert_many(accounts).exec(txn).await?;
        let made = account::Entity::find().filter(account::Column::Label.is_in(labels)).all(txn).await?;
        for account in made {
            write_down(txn, &line("creation", "Account", &account.id.to_string(), "", &account.label))
                .await?;
        }
        Ok(())
    }

    async fn relabel(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        let Some(account) = self.own(txn, 10).await?.pop() else { return Ok(()) };
        let (id, old, new) = (account.id.to_string(), account.label.clone(), label());
        let mut change: account::ActiveModel = account.into();
        change.label = Set(new.clone());
        change.update(txn).await?;
        write_down(txn, &line("update", "Account", &id, &old, &new)).await
    }

    async fn delete(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        let Some(account) = self.own(txn, 10).await?.pop() else { return Ok(()) };
        let (id, old) = (account.id.to_string(), account.label.clone());
        account::ActiveModel::from(account).delete(txn).await?;
        write_down(txn, &line("deletion", "Account", &id, &old, "")).await
    }

    async fn raise_many(&self, txn: &AuditedTransaction) -> Result<(), DbErr> {
        let accounts = self.own(txn, 5).await?;
        let ids = accounts.iter().map(|account| account.id);
        let raise = account::Entity::update_many()
            .col_expr(account::Column::Amount, Expr::col(account::Column::Amount).add(1))
            .filter(account::Column::Id.is_in(ids));
        raise.exec(txn).await?;
        for account in accounts {
            let (old, new) = (account.amount.to_string(), (account.amount + 1).to_string());
            write_down(txn, &line("update", "Account", &account.id.to_string(), &old, &new)).await?;
        }
        Ok(())
    }
}
