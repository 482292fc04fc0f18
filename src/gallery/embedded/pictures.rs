//! The tables of pictures of cases that wait for an officer, by the numbers of their decisions: the
//! pictures, sealed under the key of whom the decision is about, and until when they are kept, so that
//! what is over is found without reading them. Numbers name nobody, so no name has to be hashed.

use std::cell::OnceCell;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::fault::StoreError;
use super::protection::{Owner, Protection};
use super::row_sum::RowSum;
use super::tables::{Tables, read_subject_decisions};
pub(super) use crate::gallery::record::picture::{CasePicturesRecord, PictureTimesRecord};
use crate::gallery::{StoredPictures, SubjectId, Timestamp};

/// By number of a decision, its pictures.
pub(super) const CASE_PICTURES: TableDefinition<u64, &[u8]> = TableDefinition::new("case_pictures");
/// By number of a decision, until when its pictures are kept, and how many there are.
pub(super) const PICTURE_TIMES: TableDefinition<u64, &[u8]> = TableDefinition::new("picture_times");

/// Cases whose pictures are taken away in one transaction because their time is over, so that no caller
/// waits for a large clean-up.
const PRUNED_MAX: usize = 16;

/// The pictures of the decision with this number.
pub(super) fn read_pictures(tables: &impl Tables, number: u64) -> Result<Option<StoredPictures>, StoreError> {
    let Some(value) = tables.case_pictures()?.get(number)? else { return Ok(None) };
    let record: CasePicturesRecord =
        tables.protection().unwrap("case_pictures", &number.to_le_bytes(), value.value())?;
    record.restore(number).map(Some)
}

fn times_of(protection: &Protection, number: u64, value: &[u8]) -> Result<PictureTimesRecord, StoreError> {
    protection.unwrap("picture_times", &number.to_le_bytes(), value)
}

/// How many pictures are kept of decisions about a subject, those whose time is over left out.
pub(super) fn count_pictures(tables: &impl Tables, subject: &SubjectId, now: Timestamp) -> Result<u64, StoreError> {
    let mut count = 0;
    for number in read_subject_decisions(tables.subject_decisions()?, tables.protection(), subject, 0)? {
        let number = number?;
        let Some(value) = tables.picture_times()?.get(number)? else { continue };
        let times = times_of(tables.protection(), number, value.value())?;
        count += if times.kept_until > now.0 { u64::from(times.pictures) } else { 0 };
    }
    Ok(count)
}

/// Numbers of decisions, up to `limit`, whose pictures were kept before a time, or whose time is over.
pub(super) fn expired_pictures(
    tables: &impl Tables,
    before: Timestamp,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    for row in tables.picture_times()?.iter()? {
        if found.len() == limit {
            break;
        }
        let (number, value) = row?;
        let (number, times) = (number.value(), times_of(tables.protection(), number.value(), value.value())?);
        if times.kept_at < before.0 || times.kept_until <= now.0 {
            found.push(number);
        }
    }
    Ok(found)
}

/// The tables in a write transaction, opened when one of them is first used: those of a gallery in the
/// clear are empty.
pub(super) struct Pictures<'t> {
    transaction: &'t WriteTransaction,
    protection: &'t Protection,
    opened: OnceCell<Opened<'t>>,
}

pub(super) struct Opened<'t> {
    pub(super) pictures: Table<'t, u64, &'static [u8]>,
    pub(super) times: Table<'t, u64, &'static [u8]>,
}

impl<'t> Pictures<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction, protection: &'t Protection) -> Self {
        Self { transaction, protection, opened: OnceCell::new() }
    }

    pub(super) fn tables(&self) -> Result<&Opened<'t>, StoreError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = Opened {
            pictures: self.transaction.open_table(CASE_PICTURES)?,
            times: self.transaction.open_table(PICTURE_TIMES)?,
        };
        Ok(self.opened.get_or_init(|| opened))
    }

    fn tables_mut(&mut self) -> Result<&mut Opened<'t>, StoreError> {
        self.tables()?;
        self.opened.get_mut().ok_or_else(|| StoreError::damaged("a table that was opened is not"))
    }

    /// Whether this gallery has any, or may come to have some.
    fn is_sealed(&self) -> bool {
        self.protection.keys().is_some()
    }

    /// Writes the pictures of a decision, in place of those that may be there.
    pub(super) fn put(
        &mut self,
        stored: &StoredPictures,
        owner: Owner,
        rows: &mut RowSum<'_>,
    ) -> Result<(), StoreError> {
        if !self.is_sealed() {
            // The rules ask for none; nothing of a face is to lie in the clear, whoever asks.
            return Err(StoreError::damaged("pictures were to be kept in a gallery that lies in the clear"));
        }
        let (number, protection) = (stored.number, self.protection);
        let key = number.to_le_bytes();
        let sealed = protection.wrap("case_pictures", &key, owner, &CasePicturesRecord::of(stored))?;
        let times = PictureTimesRecord {
            kept_at: stored.kept_at.0,
            kept_until: stored.kept_until.0,
            // Six at most.
            pictures: stored.pictures.len() as u32,
        };
        let times = protection.wrap("picture_times", &key, Owner::Table, &times)?;
        let tables = self.tables_mut()?;
        rows.insert(&mut tables.pictures, number, sealed.as_slice())?;
        rows.insert(&mut tables.times, number, times.as_slice())
    }

    /// Takes the pictures of a decision away, where there are any.
    pub(super) fn remove(&mut self, number: u64, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        if !self.is_sealed() {
            return Ok(());
        }
        let tables = self.tables_mut()?;
        rows.remove(&mut tables.pictures, number)?;
        rows.remove(&mut tables.times, number)
    }

    /// Takes away the pictures of the oldest decisions, as far as their time is over.
    pub(super) fn prune(&mut self, now: Timestamp, rows: &mut RowSum<'_>) -> Result<(), StoreError> {
        if !self.is_sealed() {
            return Ok(());
        }
        for _ in 0..PRUNED_MAX {
            let first = self.tables()?.times.first()?;
            let first = first.map(|(number, value)| {
                let number = number.value();
                Ok::<_, StoreError>((number, times_of(self.protection, number, value.value())?))
            });
            match first.transpose()? {
                Some((number, times)) if times.kept_until <= now.0 => self.remove(number, rows)?,
                _ => break,
            }
        }
        Ok(())
    }
}
