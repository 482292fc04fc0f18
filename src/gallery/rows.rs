//! A whole gallery row by row, as it is stored: what a backup is made of, and what one is restored from.
//!
//! Rows are handed on as they lie: in a sealed gallery values stay sealed and names hashed, and no key is
//! needed to carry them. Rows of one table follow each other in the order of their keys; a batch holds
//! rows of one table, each as the length of its key (four bytes, little-endian), the key, the length of its
//! value likewise, and the value.

use std::collections::BTreeSet;
use std::fmt;

use tokio::sync::mpsc;

use super::{GalleryError, GalleryId, SubjectId, Timestamp};
use crate::ledger::entry::{Code, KeyedDigest};

/// Niceness of threads that read, seal and write backups, the lowest: a seventieth of the processor's time where others want it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// Lets others go first from here on: lowers the priority of this thread, for good. A backup must not slow who is
/// served, so whoever takes one with this library calls it on the thread that does.
pub fn lower_priority() {
    // Elsewhere than on Linux it would be that of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread's priority cannot be lowered");
    }
}

/// What rows that follow are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsHead {
    /// The gallery's id.
    pub gallery: GalleryId,
    /// The last commit that is in them.
    pub commit: u64,
    /// The clock when they were read.
    pub taken_at: Timestamp,
    /// Records of people.
    pub subjects: u64,
    /// Their templates.
    pub templates: u64,
    /// Entries of the transparency log.
    pub entries: u64,
    /// Version of the layout of the tables.
    pub layout: u32,
    /// Id of the key store that the gallery is sealed with; `None` for one in the clear.
    pub key_store: Option<[u8; 16]>,
}

/// Rows of one table.
#[derive(Clone, PartialEq, Eq)]
pub struct RowBatch {
    /// The table.
    pub table: String,
    /// How many.
    pub rows: u64,
    /// The rows, one behind the other.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for RowBatch {
    /// Without the rows, which in a clear gallery name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {}", self.rows, self.table)
    }
}

impl RowBatch {
    /// An empty one.
    pub fn of(table: &str) -> Self {
        Self { table: table.to_owned(), rows: 0, bytes: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        for piece in [key, value] {
            // Rows are some kilobytes; those with pictures some megabytes.
            self.bytes.extend_from_slice(&(piece.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(piece);
        }
        self.rows += 1;
    }

    /// Its rows, key and value.
    pub fn iter(&self) -> Rows<'_> {
        Rows { rest: &self.bytes }
    }
}

impl<'a> IntoIterator for &'a RowBatch {
    type Item = Option<(&'a [u8], &'a [u8])>;
    type IntoIter = Rows<'a>;

    fn into_iter(self) -> Rows<'a> {
        self.iter()
    }
}

/// Rows that lie one behind the other.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    rest: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Those in `bytes`.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn piece(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.rest.split_first_chunk::<4>()?;
        let (piece, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.rest = rest;
        Some(piece)
    }
}

impl<'a> Iterator for Rows<'a> {
    /// `None` for what is cut; nothing follows it.
    type Item = Option<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let row = self.piece().and_then(|key| Some((key, self.piece()?)));
        if row.is_none() {
            self.rest = &[];
        }
        Some(row)
    }
}

/// What comes through the channel. The end is said, so that a sender that is gone is never taken for it.
pub(super) enum RowsSent {
    Batch(RowBatch),
    End,
}

/// The rows of a gallery as they were at one moment. Writes go on meanwhile and do not show.
///
/// Take the batches without long pauses: one that is not read for a minute ends with an error.
pub struct GalleryRows {
    head: RowsHead,
    batches: mpsc::Receiver<Result<RowsSent, GalleryError>>,
    has_ended: bool,
}

impl GalleryRows {
    pub(super) fn new(head: RowsHead, batches: mpsc::Receiver<Result<RowsSent, GalleryError>>) -> Self {
        Self { head, batches, has_ended: false }
    }

    /// What they are of.
    pub fn head(&self) -> &RowsHead {
        &self.head
    }

    /// The next rows; `None` after the last ones, and only then.
    ///
    /// # Errors
    /// Whatever the store met, and [`GalleryError::Closing`] where it closed meanwhile: then what came before
    /// is not the whole gallery.
    pub async fn next(&mut self) -> Result<Option<RowBatch>, GalleryError> {
        if self.has_ended {
            return Ok(None);
        }
        match self.batches.recv().await {
            Some(Ok(RowsSent::Batch(batch))) => Ok(Some(batch)),
            Some(Ok(RowsSent::End)) => {
                self.has_ended = true;
                Ok(None)
            }
            Some(Err(error)) => Err(error),
            None => Err(GalleryError::Closing),
        }
    }
}

/// What a gallery is restored from, beside its rows.
#[derive(Debug, Clone)]
pub struct RestoreFrom {
    /// What the rows are of.
    pub head: RowsHead,
    /// What the backup is called in the log.
    pub name: Code,
    /// Its digest, SHA-256.
    pub digest: [u8; 32],
    /// Who is left out.
    pub without: Without,
}

/// Who is left out of a gallery that is restored, with everything that is about them. Out of a sealed gallery are
/// left in any case those whose keys were destroyed.
#[derive(Debug, Clone, Default)]
pub struct Without {
    /// These.
    pub subjects: BTreeSet<SubjectId>,
    /// Those whom the log names so, under the key of its digests.
    pub erased: BTreeSet<KeyedDigest>,
    /// In a sealed gallery, rows of the table `destroyed_keys` of a later backup: whose keys were destroyed by then,
    /// also where a key store from before that has them again.
    pub destroyed: Vec<RowBatch>,
}

impl Without {
    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.erased.is_empty()
    }
}

/// From where on the log of another backup of the same gallery tells who was erased after the one that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedAfter {
    /// The number of the first entry that the restored backup does not have, where the other one has later commits.
    pub entries: Option<u64>,
    /// When the restored backup was taken: an entry from later counts whatever its number, since it may be that of a
    /// gallery that was restored in between.
    pub time: Timestamp,
}

/// What restoring came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Records of people that are there.
    pub subjects: u64,
    /// Their templates.
    pub templates: u64,
    /// Records of people that were left out.
    pub left_out: u64,
    /// Of the named in [`Without::subjects`] so many are in no row of the backup that can be read.
    pub not_found: u64,
    /// The number of the log's entry that says so; `None` where no log is kept.
    pub entry: Option<u64>,
    /// The last commit.
    pub commit: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_pushed_is_read_and_what_is_cut_is_told(
            rows in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9), prop::collection::vec(any::<u8>(), 0..30)), 1..9),
            cut in 1usize..8,
        ) {
            let mut batch = RowBatch::of("t");
            rows.iter().for_each(|(key, value)| batch.push(key, value));
            let read: Option<Vec<_>> = batch.iter().map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect();
            prop_assert_eq!(read.as_ref(), Some(&rows));
            prop_assert_eq!(batch.rows, rows.len() as u64);
            // Of the last row at least its value's length is cut, where the cut is no whole row.
            let left = batch.bytes.len() - cut;
            let read: Option<Vec<_>> = Rows::of(&batch.bytes[..left]).collect();
            let whole = rows.iter().scan(0, |at, (key, value)| { *at += 8 + key.len() + value.len(); Some(*at) });
            prop_assert_eq!(read.is_some(), left == 0 || whole.collect::<Vec<_>>().contains(&left));
        }
    }
}
