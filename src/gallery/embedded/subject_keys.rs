//! Which key in the key store is whose, as far as a write transaction needs it.
//!
//! The number of a subject's key stands in the head of every value that is sealed under it, so the
//! subject's own row tells it and costs no further look-up. The table `subject_keys` has it where there is
//! no such row: of ids that decisions were made about and nobody is enrolled under, and of those who
//! were removed. A gallery that was sealed by copying has it of everybody there; what stands in both
//! places is the same.

use std::collections::HashMap;

use redb::{ReadableTable, Table, WriteTransaction};

use super::fault::StoreError;
use super::protection::{Owner, Protection};
use super::row_sum::RowSum;
use super::tables::SUBJECT_KEYS;
use crate::gallery::SubjectId;
use crate::sealing::KeyStore;

/// Where the number of a key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    /// Nowhere yet: it was handed out in this transaction.
    Nowhere,
    /// In the head of the subject's row, and perhaps in the table as well.
    Row,
    /// In the table.
    Table,
}

/// The keys of subjects that a transaction has met.
pub(super) struct SubjectKeys<'t> {
    keys: &'t KeyStore,
    protection: &'t Protection,
    table: Table<'t, &'static str, u64>,
    met: HashMap<SubjectId, (u64, Home)>,
}

impl<'t> SubjectKeys<'t> {
    /// Those of a sealed gallery; `None` of a clear one.
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        protection: &'t Protection,
    ) -> Result<Option<Self>, StoreError> {
        let Some(keys) = protection.keys() else { return Ok(None) };
        let table = transaction.open_table(SUBJECT_KEYS)?;
        Ok(Some(Self { keys, protection, table, met: HashMap::new() }))
    }

    /// Under whose key is sealed what is about a subject: a new one where it has none yet. `keys_to` stays
    /// above the numbers of all.
    pub(super) fn owner(
        &mut self,
        subject: &SubjectId,
        subjects: &impl ReadableTable<&'static str, &'static [u8]>,
        keys_to: &mut u64,
    ) -> Result<Owner, StoreError> {
        if let Some((number, _)) = self.met.get(subject) {
            return Ok(Owner::Subject(*number));
        }
        let name = self.protection.subject(subject);
        let (number, home) = match found(self.protection, subjects, &self.table, &name)? {
            Some(found) => found,
            None => (handed_out(self.keys, keys_to)?, Home::Nowhere),
        };
        self.met.insert(subject.clone(), (number, home));
        Ok(Owner::Subject(number))
    }

    /// Whether a subject has a key that stands in no row of its own.
    pub(super) fn has(&self, subject: &SubjectId) -> Result<bool, StoreError> {
        let name = self.protection.subject(subject);
        Ok(self.met.contains_key(subject) || self.table.get(name.as_str())?.is_some())
    }

    /// The subject's row was written: its head tells the number from now on.
    pub(super) fn is_in_row(&mut self, subject: &SubjectId, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        if let Some((_, home)) = self.met.get_mut(subject) {
            if *home == Home::Table {
                rows.remove(&mut self.table, self.protection.subject(subject).as_str())?;
            }
            *home = Home::Row;
        }
        Ok(())
    }

    /// The subject's row, which had the name `name` and is `row`, is taken away: the table tells the number.
    pub(super) fn leaves_row(
        &mut self,
        subject: &SubjectId,
        name: &str,
        row: &[u8],
        rows: &mut RowSum<'_>,
    ) -> Result<(), StoreError> {
        if let Some(number) = self.protection.subject_key_in(row)? {
            rows.insert(&mut self.table, name, number)?;
            self.met.insert(subject.clone(), (number, Home::Table));
        }
        Ok(())
    }

    /// Forgets which key a subject has, whose row is gone: what is written of the subject from here on
    /// has another. Its number, where it had one.
    pub(super) fn forget(&mut self, subject: &SubjectId, rows: &mut RowSum<'_>) -> Result<Option<u64>, StoreError> {
        let name = self.protection.subject(subject);
        let in_table = take_from_table(&mut self.table, &name, rows)?;
        let met = self.met.remove(subject).map(|(number, _)| number);
        Ok(met.or(in_table))
    }

    /// Writes into the table what is written nowhere else.
    pub(super) fn finish(&mut self, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        for (subject, (number, home)) in &mut self.met {
            if *home == Home::Nowhere {
                rows.insert(&mut self.table, self.protection.subject(subject).as_str(), *number)?;
                *home = Home::Table;
            }
        }
        Ok(())
    }
}

/// A new key; `keys_to` stays above the numbers of all.
fn handed_out(keys: &KeyStore, keys_to: &mut u64) -> Result<u64, StoreError> {
    let number = keys.hand_out()?;
    *keys_to = (*keys_to).max(number + 1);
    Ok(number)
}

/// Under whose key is sealed what is about a subject of a gallery that is sealed by copying, whose keys
/// are all in the table: a new one where it has none yet.
pub(super) fn owner_in_table(
    protection: &Protection,
    subject: &str,
    table: &mut Table<'_, &'static str, u64>,
    rows: &mut RowSum<'_>,
    keys_to: &mut u64,
) -> Result<Owner, StoreError> {
    let Some(keys) = protection.keys() else { return Ok(Owner::Table) };
    let name = protection.subject_named(subject);
    if let Some(number) = table.get(name.as_str())? {
        return Ok(Owner::Subject(number.value()));
    }
    let number = handed_out(keys, keys_to)?;
    rows.insert(table, name.as_str(), number)?;
    Ok(Owner::Subject(number))
}

/// Takes the number of a key out of the table, where it is there.
pub(super) fn take_from_table(
    table: &mut Table<'_, &'static str, u64>,
    name: &str,
    rows: &mut RowSum<'_>,
) -> Result<Option<u64>, StoreError> {
    let number = table.get(name)?.map(|number| number.value());
    if number.is_some() {
        rows.remove(table, name)?;
    }
    Ok(number)
}

fn found(
    protection: &Protection,
    subjects: &impl ReadableTable<&'static str, &'static [u8]>,
    table: &impl ReadableTable<&'static str, u64>,
    name: &str,
) -> Result<Option<(u64, Home)>, StoreError> {
    if let Some(row) = subjects.get(name)? {
        let number = protection.subject_key_in(row.value())?;
        return Ok(number.map(|number| (number, Home::Row)));
    }
    Ok(table.get(name)?.map(|number| (number.value(), Home::Table)))
}
