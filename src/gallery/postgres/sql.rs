//! Statements within one transaction, and the numbers that the gate counts.

use std::path::Path;

use deadpool_postgres::Transaction;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::record::fault::StoreError;
use super::super::record::protection::Protection;
use crate::face::RecipeDigest;

/// Values of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What every read and write must know of the gallery.
pub(super) struct Layout {
    /// How values and names lie in it.
    pub(super) protection: Protection,
    /// Those that templates may be of, the one first that it was opened for.
    pub(super) recipes: Vec<(RecipeDigest, usize)>,
    /// Most templates it may hold.
    pub(super) templates_max: u64,
    /// Whether it keeps a transparency log.
    pub(super) has_ledger: bool,
    /// What it is called in errors.
    pub(super) place: std::path::PathBuf,
}

impl Layout {
    pub(super) fn place(&self) -> &Path {
        &self.place
    }
}

/// A transaction.
pub(super) struct Sql<'t> {
    transaction: Transaction<'t>,
    pub(super) layout: &'t Layout,
}

impl<'t> Sql<'t> {
    pub(super) fn new(transaction: Transaction<'t>, layout: &'t Layout) -> Self {
        Self { transaction, layout }
    }

    pub(super) fn protection(&self) -> &Protection {
        &self.layout.protection
    }

    /// The rows of a query.
    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        let statement = self.transaction.prepare_cached(sql).await?;
        Ok(self.transaction.query(&statement, values).await?)
    }

    /// The row of a query that has one at most.
    pub(super) async fn row(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.pop())
    }

    /// Runs a statement; how many rows it was about.
    pub(super) async fn run(&self, sql: &str, values: Values<'_>) -> Result<u64, StoreError> {
        let statement = self.transaction.prepare_cached(sql).await?;
        Ok(self.transaction.execute(&statement, values).await?)
    }

    /// The value of a fact.
    pub(super) async fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.row("SELECT value FROM facts WHERE name = $1", &[&name]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Keeps a fact, in place of the one that may be there.
    pub(super) async fn put_fact(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2";
        self.run(sql, &[&name, &value]).await.map(drop)
    }

    /// What the gate counts, as of the last commit or, for whoever holds it, now.
    pub(super) async fn gate(&self) -> Result<Gate, StoreError> {
        let sql = "SELECT commit, template_next, decision_next, captures, subject_requests, subjects, templates, \
                   requests, challenges, last_change, log_from, entries FROM gate";
        let row = self.row(sql, &[]).await?.ok_or_else(|| StoreError::damaged("the gate is missing"))?;
        Ok(Gate {
            commit: number(&row, 0)?,
            template_next: number(&row, 1)?,
            decision_next: number(&row, 2)?,
            captures: number(&row, 3)?,
            subject_requests: number(&row, 4)?,
            subjects: number(&row, 5)?,
            templates: number(&row, 6)?,
            requests: number(&row, 7)?,
            challenges: number(&row, 8)?,
            last_change: number(&row, 9)?,
            log_from: number(&row, 10)?,
            entries: row.try_get::<_, Option<i64>>(11)?.map(|entries| entries as u64),
        })
    }

    /// Waits until no other transaction has the gate, and holds it until this one has ended. What is read
    /// after that is as the last holder left it: each statement sees what was committed before it.
    pub(super) async fn lock_gate(&self) -> Result<(), StoreError> {
        self.run("SELECT 1 FROM gate FOR UPDATE", &[]).await.map(drop)
    }

    pub(super) async fn put_gate(&self, gate: &Gate) -> Result<(), StoreError> {
        let sql = "UPDATE gate SET commit = $1, template_next = $2, decision_next = $3, captures = $4, \
                   subject_requests = $5, subjects = $6, templates = $7, requests = $8, challenges = $9, \
                   last_change = $10, log_from = $11, entries = $12";
        let entries = gate.entries.map(signed);
        let numbers = [
            gate.commit,
            gate.template_next,
            gate.decision_next,
            gate.captures,
            gate.subject_requests,
            gate.subjects,
            gate.templates,
            gate.requests,
            gate.challenges,
            gate.last_change,
            gate.log_from,
        ]
        .map(signed);
        let mut values: Vec<&(dyn ToSql + Sync)> = numbers.iter().map(|number| number as _).collect();
        values.push(&entries);
        match self.run(sql, &values).await? {
            1 => Ok(()),
            _ => Err(StoreError::damaged("the gate is missing")),
        }
    }

    /// Ends the transaction so that it is kept. The server answers the COMMIT of a transaction that has
    /// failed as if it were one: whoever commits has seen every statement before succeed, and goes no
    /// further where one has not.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }

    /// Ends it so that nothing is.
    pub(super) async fn roll_back(self) {
        // Where that fails the connection is gone, and the transaction with it.
        let _ = self.transaction.rollback().await;
    }
}

/// What the gate counts.
#[derive(Clone, PartialEq)]
pub(super) struct Gate {
    /// Number of the last commit.
    pub(super) commit: u64,
    /// Id of the next template.
    pub(super) template_next: u64,
    pub(super) decision_next: u64,
    /// Number of the last capture.
    pub(super) captures: u64,
    /// Number of the last request of a person.
    pub(super) subject_requests: u64,
    /// How many there are.
    pub(super) subjects: u64,
    pub(super) templates: u64,
    pub(super) requests: u64,
    pub(super) challenges: u64,
    /// The last commit that an index follows.
    pub(super) last_change: u64,
    /// The log tells of every commit after this one.
    pub(super) log_from: u64,
    /// Entries of the transparency log, where one is kept.
    pub(super) entries: Option<u64>,
}

/// A number as the server knows it; none of ours comes near the end of its range.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number in a column.
pub(super) fn number(row: &Row, column: usize) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| StoreError::damaged("a number is below zero"))
}

/// The bytes in a column.
pub(super) fn bytes(row: &Row, column: usize) -> Result<&[u8], StoreError> {
    Ok(row.try_get(column)?)
}

/// How many rows are asked for.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
