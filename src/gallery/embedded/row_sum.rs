//! A sum over all rows of a sealed gallery, by which an old value that somebody has put back is told,
//! as is a row that was taken away, added or doubled.
//!
//! Sealing binds a value to its place, not to the present: an older value of the same row opens as
//! well. So every write keeps a sum, modulo 2²⁵⁶, of a keyed hash of each row (MSet-Add-Hash of Clarke
//! and others, "Incremental Multiset Hash Functions", ASIACRYPT 2003, under HMAC-SHA-256): what a row
//! adds is taken away when it goes. The sum lies in the sealed counters, beside the number of entries
//! of the transparency log at that commit; whoever goes back with both finds the log longer than they
//! say, and whoever goes back with the log as well is told by those who remember a checkpoint.

use std::borrow::Borrow;

use hmac::Mac;
use redb::{Key, ReadTransaction, ReadableTable, Table, TableDefinition, TableHandle, Value};

use super::challenges::{CHALLENGES, OWNER_CHALLENGES};
use super::fault::StoreError;
use super::given_up::{DESTROYED_KEYS, DOOMED_KEYS};
use super::pictures::{CASE_PICTURES, PICTURE_TIMES};
use super::protection::Protection;
use super::subject_requests::{OPEN_REQUESTS, REQUESTS_OF_SUBJECT, SUBJECT_REQUESTS};
use super::tables::{
    CAPTURE_BANDS, CAPTURES, CHANGES, CLEARED, DECISION_HEADS, DECISIONS, REQUEST_ORDER, REQUESTS, SUBJECT_CAPTURES,
    SUBJECT_DECISIONS, SUBJECT_KEYS, SUBJECTS, TEMPLATES, WAITING, if_there,
};
use super::written_rows::Noted;

/// Bytes at the end of a value that are hashed; a sealed one's tag is there, which no other has.
const HASHED_BYTES: usize = 32;

/// The sum, as long as a transaction writes.
pub(super) struct RowSum<'p> {
    protection: &'p Protection,
    sum: Sum,
    /// Where a sealed copy is made of a clear gallery.
    pub(super) noted: Noted,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum([u64; 4]);

impl Sum {
    fn read(bytes: &[u8]) -> Self {
        let mut sum = Self::default();
        for (word, bytes) in sum.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        sum
    }

    fn add(&mut self, other: Self) {
        let mut carry = false;
        for (word, other) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = word.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, first || second);
        }
    }

    fn take(&mut self, other: Self) {
        let mut borrow = false;
        for (word, other) in self.0.iter_mut().zip(other.0) {
            let (rest, first) = word.overflowing_sub(other);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (rest, first || second);
        }
    }

    fn bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// What a row adds to the sum; nothing in a clear gallery.
fn hash(protection: &Protection, table: &str, key: &[u8], value: &[u8]) -> Option<Sum> {
    let mut mac = protection.row_hasher()?;
    for piece in [table.as_bytes(), key, &value[value.len().saturating_sub(HASHED_BYTES)..]] {
        mac.update(&(piece.len() as u32).to_le_bytes());
        mac.update(piece);
    }
    Some(Sum::read(&mac.finalize().into_bytes()))
}

impl<'p> RowSum<'p> {
    /// Goes on from what an earlier transaction left.
    pub(super) fn after(protection: &'p Protection, sum: &[u8]) -> Self {
        Self { protection, sum: Sum::read(sum), noted: Noted::default() }
    }

    /// Notes which rows are written, where a sealed copy is made of a clear gallery.
    pub(super) fn noting(self, is_noting: bool) -> Self {
        Self { noted: Noted::new(is_noting), ..self }
    }

    /// The sum as it is kept.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self.protection.keys() {
            Some(_) => self.sum.bytes(),
            None => Vec::new(),
        }
    }

    /// Adds a row that is written by other means, where none is.
    pub(super) fn count(&mut self, table: &str, key: &[u8], value: &[u8]) {
        hash(self.protection, table, key, value).into_iter().for_each(|row| self.sum.add(row));
    }

    /// Writes a row, in place of the one that may be there.
    pub(super) fn insert<'k, 'v, K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: &mut Table<'_, K, V>,
        key: impl Borrow<K::SelfType<'k>>,
        value: impl Borrow<V::SelfType<'v>>,
    ) -> Result<(), StoreError> {
        let (key, value) = (key.borrow(), value.borrow());
        if self.protection.keys().is_none() {
            self.noted.add_key(table.name(), || K::as_bytes(key).as_ref().to_vec());
            table.insert(key, value)?;
            return Ok(());
        }
        let name = table.name().to_owned();
        let (key_bytes, value_bytes) = (K::as_bytes(key), V::as_bytes(value));
        let new = hash(self.protection, &name, key_bytes.as_ref(), value_bytes.as_ref());
        let old = table.insert(key, value)?;
        let old =
            old.and_then(|old| hash(self.protection, &name, key_bytes.as_ref(), V::as_bytes(&old.value()).as_ref()));
        old.into_iter().for_each(|old| self.sum.take(old));
        new.into_iter().for_each(|new| self.sum.add(new));
        Ok(())
    }

    /// Takes a row away, if it is there.
    pub(super) fn remove<'k, K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: &mut Table<'_, K, V>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<(), StoreError> {
        let key = key.borrow();
        if self.protection.keys().is_none() {
            self.noted.add_key(table.name(), || K::as_bytes(key).as_ref().to_vec());
            table.remove(key)?;
            return Ok(());
        }
        let name = table.name().to_owned();
        let key_bytes = K::as_bytes(key);
        if let Some(old) = table.remove(key)? {
            let old = hash(self.protection, &name, key_bytes.as_ref(), V::as_bytes(&old.value()).as_ref());
            old.into_iter().for_each(|old| self.sum.take(old));
        }
        Ok(())
    }
}

/// Whether the rows of a sealed gallery come to the sum.
pub(super) fn is_sum_of_rows(
    transaction: &ReadTransaction,
    protection: &Protection,
    sum: &[u8],
) -> Result<bool, StoreError> {
    let mut found = Sum::default();
    let texts =
        [SUBJECTS, REQUESTS, DECISIONS, CLEARED, SUBJECT_DECISIONS, CAPTURE_BANDS, SUBJECT_CAPTURES, OWNER_CHALLENGES];
    let numbers =
        [TEMPLATES, CHANGES, DECISION_HEADS, WAITING, CAPTURES, CHALLENGES, DOOMED_KEYS, CASE_PICTURES, PICTURE_TIMES];
    texts.iter().try_for_each(|table| add_table(transaction, protection, *table, &mut found))?;
    numbers.iter().try_for_each(|table| add_table(transaction, protection, *table, &mut found))?;
    add_table(transaction, protection, REQUEST_ORDER, &mut found)?;
    add_table(transaction, protection, SUBJECT_REQUESTS, &mut found)?;
    add_table(transaction, protection, REQUESTS_OF_SUBJECT, &mut found)?;
    add_table(transaction, protection, OPEN_REQUESTS, &mut found)?;
    add_table(transaction, protection, SUBJECT_KEYS, &mut found)?;
    add_table(transaction, protection, DESTROYED_KEYS, &mut found)?;
    Ok(sum.len() == 32 && found == Sum::read(sum))
}

fn add_table<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    protection: &Protection,
    definition: TableDefinition<'_, K, V>,
    sum: &mut Sum,
) -> Result<(), StoreError> {
    // One that came later adds nothing; a row of one that was taken away is missing in the sum.
    let Some(table) = if_there(transaction.open_table(definition))? else { return Ok(()) };
    for row in table.iter()? {
        let (key, value) = row?;
        let (key, value) = (key.value(), value.value());
        let (key, value) = (K::as_bytes(&key), V::as_bytes(&value));
        hash(protection, definition.name(), key.as_ref(), value.as_ref()).into_iter().for_each(|row| sum.add(row));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_added_and_taken_again_leaves_the_sum_whatever_the_order(
            rows in prop::collection::vec(any::<[u64; 4]>(), 0..8),
            first in any::<[u64; 4]>(),
        ) {
            let mut sum = Sum(first);
            rows.iter().for_each(|row| sum.add(Sum(*row)));
            let mut other = Sum(first);
            rows.iter().rev().for_each(|row| other.add(Sum(*row)));
            prop_assert_eq!(sum, other);
            rows.iter().for_each(|row| sum.take(Sum(*row)));
            prop_assert_eq!(sum, Sum(first));
            prop_assert_eq!(Sum::read(&sum.bytes()), sum);
        }
    }
}
