//! Which rows of a clear gallery were written while a sealed copy of it is made beside the work.
//!
//! | table | key | value |
//! |---|---|---|
//! | `written_rows` | commit | [`WrittenRecord`]: table and key of every row that it wrote or took away |
//!
//! Each commit adds its row in its own transaction, as long as a copy is made, so nothing is missed
//! whatever is interrupted. A commit without one is of a program that does not note: then a copy cannot
//! be brought up to date, and is begun anew. The table goes with the clear database.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use redb::{ReadTransaction, Table, TableDefinition, TableHandle};

use super::fault::StoreError;
use super::record::{seal, unseal};
use super::tables::{SUBJECT_KEYS, if_there};

pub(super) const WRITTEN_ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("written_rows");
const TABLE: &str = "written_rows";

/// By table, keys of its rows.
pub(super) type RowKeys = BTreeMap<String, BTreeSet<Vec<u8>>>;

/// What one commit wrote.
#[derive(Clone, PartialEq, Message)]
struct WrittenRecord {
    #[prost(message, repeated, tag = "1")]
    tables: Vec<WrittenTable>,
}

#[derive(Clone, PartialEq, Message)]
struct WrittenTable {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", repeated, tag = "2")]
    keys: Vec<Vec<u8>>,
}

/// Rows that a transaction has written so far; nothing is noted unless a copy is made.
#[derive(Default)]
pub(super) struct Noted(Option<RowKeys>);

impl Noted {
    pub(super) fn new(is_noting: bool) -> Self {
        Self(is_noting.then(RowKeys::new))
    }

    /// Notes a row by the bytes of its key.
    pub(super) fn add_key(&mut self, table: &str, key: impl FnOnce() -> Vec<u8>) {
        if let Some(rows) = &mut self.0 {
            match rows.get_mut(table) {
                Some(keys) => drop(keys.insert(key())),
                None => drop(rows.insert(table.to_owned(), [key()].into())),
            }
        }
    }

    /// Notes that what was written of a subject until now is to be read by nobody any more.
    pub(super) fn forget(&mut self, subject: &str) {
        self.add_key(SUBJECT_KEYS.name(), || subject.as_bytes().to_vec());
    }

    /// Writes down, as part of a commit, what it wrote in all.
    pub(super) fn keep(self, table: &mut Table<'_, u64, &'static [u8]>, commit: u64) -> Result<(), StoreError> {
        let tables = self.0.unwrap_or_default().into_iter();
        let tables = tables.map(|(name, keys)| WrittenTable { name, keys: keys.into_iter().collect() }).collect();
        table.insert(commit, seal(TABLE, &commit.to_le_bytes(), &WrittenRecord { tables }).as_slice())?;
        Ok(())
    }

    /// What another part of the transaction has noted, too.
    pub(super) fn join(&mut self, other: Self) {
        for (table, keys) in other.0.unwrap_or_default() {
            keys.into_iter().for_each(|key| self.add_key(&table, || key));
        }
    }
}

/// What the commits after one wrote.
pub(super) struct Written {
    pub(super) rows: RowKeys,
    /// How many rows these are.
    pub(super) count: usize,
    /// The last of these commits.
    pub(super) up_to: u64,
}

/// Whether every commit after `after` up to `up_to` has noted what it wrote.
pub(super) fn is_noted(read: &ReadTransaction, after: u64, up_to: u64) -> Result<bool, StoreError> {
    if after >= up_to {
        return Ok(after == up_to);
    }
    let Some(table) = if_there(read.open_table(WRITTEN_ROWS))? else { return Ok(false) };
    let mut expected = after + 1;
    for row in table.range(after + 1..=up_to)? {
        if row?.0.value() != expected {
            return Ok(false);
        }
        expected += 1;
    }
    Ok(expected == up_to + 1)
}

/// Rows that commits after `after` up to `up_to` wrote, of as many commits as come to `rows_max` rows,
/// and of one at least.
pub(super) fn written_after(
    read: &ReadTransaction,
    after: u64,
    up_to: u64,
    rows_max: usize,
) -> Result<Written, StoreError> {
    let mut written = Written { rows: RowKeys::new(), count: 0, up_to: after };
    let table = read.open_table(WRITTEN_ROWS)?;
    for row in table.range(after + 1..=up_to)? {
        let (commit, value) = row?;
        let commit = commit.value();
        if commit != written.up_to + 1 {
            return Err(StoreError::damaged("a commit did not note what it wrote"));
        }
        let record: WrittenRecord = unseal(TABLE, &commit.to_le_bytes(), value.value())?;
        let more: usize = record.tables.iter().map(|table| table.keys.len()).sum();
        if written.count > 0 && written.count + more > rows_max {
            return Ok(written);
        }
        for table in record.tables {
            written.rows.entry(table.name).or_default().extend(table.keys);
        }
        (written.count, written.up_to) = (written.count + more, commit);
    }
    match written.up_to == up_to {
        true => Ok(written),
        false => Err(StoreError::damaged("a commit did not note what it wrote")),
    }
}
