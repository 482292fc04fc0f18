//! The tables of the transparency log, made when it begins.
//!
//! | table | key | value |
//! |---|---|---|
//! | `ledger` | `head` | [`HeadRecord`]: keys, the tree's right edge, how far it is pruned |
//! | `ledger_commitments` | place | the commitment, 32 bytes |
//! | `ledger_entries` | place | [`EntryRecord`]: contents and salt, until they are pruned |
//! | `ledger_about` | keyed digest, place (big-endian) | nothing: entries about a transaction or subject |
//! | `ledger_tiles` | level of tiles in the highest byte, number | up to 256 hashes of 32 bytes |
//! | `ledger_checkpoints` | how many entries it covers | the signed note |

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, TableHandle, WriteTransaction};

use super::fault::StoreError;
use super::protection::{Owner, Protection};
use super::record::{seal, unseal};
use super::tables::{GALLERY, if_there, read_gallery};
use super::written_rows::Noted;
use crate::gallery::ledger::{LedgerHead, LedgerSetup, LedgerTables, NodeRun, SealedEntry, about};
pub(super) use crate::gallery::record::ledger::EntryRecord;
use crate::gallery::record::ledger::{HEAD_KEY, HeadRecord, commitment_of, damaged, entry_of};
use crate::gallery::{GalleryError, Timestamp};
use crate::ledger::commitment::{Commitment, Opening};
use crate::ledger::entry::{Entry, KeyedDigest};
use crate::ledger::hash::Hash;
use crate::ledger::note::Note;
use crate::ledger::tile::WIDTH;
use crate::ledger::verify::Leaf;

/// Version of the layout with these tables: an earlier program would write without entering.
pub(super) const FORMAT_VERSION_WITH_LEDGER: u32 = 3;

pub(super) const HEAD: TableDefinition<&str, &[u8]> = TableDefinition::new("ledger");
pub(super) const COMMITMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_commitments");
pub(super) const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_entries");
pub(super) const ABOUT: TableDefinition<&[u8], &[u8]> = TableDefinition::new("ledger_about");
pub(super) const TILES: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_tiles");
pub(super) const CHECKPOINTS: TableDefinition<u64, &[u8]> = TableDefinition::new("ledger_checkpoints");

/// Bits of a tile's number in its key.
const TILE_BITS: u32 = 56;
const ABOUT_BYTES: usize = KeyedDigest::BYTES + 8;

fn read_head(
    heads: &impl ReadableTable<&'static str, &'static [u8]>,
    commitments: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Option<LedgerHead>, StoreError> {
    let Some(value) = heads.get(HEAD_KEY)? else { return Ok(None) };
    let record: HeadRecord = unseal("ledger", HEAD_KEY.as_bytes(), value.value())?;
    record.restore(next_place(commitments)?).map(Some)
}

/// How many entries there are: the place behind the last.
pub(super) fn next_place(commitments: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, StoreError> {
    Ok(commitments.last()?.map_or(0, |(place, _)| place.value() + 1))
}

fn read_entry(
    entries: &impl ReadableTable<u64, &'static [u8]>,
    protection: &Protection,
    place: u64,
) -> Result<Option<Opening>, StoreError> {
    let Some(value) = entries.get(place)? else { return Ok(None) };
    entry_of(protection, place, value.value()).map(Some)
}

fn about_key(digest: &KeyedDigest, place: u64) -> [u8; ABOUT_BYTES] {
    let mut key = [0; ABOUT_BYTES];
    key[..KeyedDigest::BYTES].copy_from_slice(digest.as_bytes());
    key[KeyedDigest::BYTES..].copy_from_slice(&place.to_be_bytes());
    key
}

fn tile_key(level: u8, index: u64) -> u64 {
    u64::from(level) << TILE_BITS | index
}

/// Whether a log has begun.
pub(super) fn has_begun(transaction: &ReadTransaction) -> Result<bool, StoreError> {
    Ok(if_there(transaction.open_table(HEAD))?.is_some())
}

/// Begins the log in a gallery that has none, where a key to begin it with is given; looks whether
/// the key fits where it has one. Whether it has one now.
pub(super) fn begin_or_check(
    database: &redb::Database,
    setup: Option<&LedgerSetup>,
    protection: &Arc<Protection>,
) -> Result<bool, StoreError> {
    use redb::ReadableDatabase;
    let read = database.begin_read()?;
    if let Some(ledger) = LedgerSnapshot::open(&read, protection)? {
        let head = ledger.read_head()?.ok_or_else(|| damaged("its head is missing"))?;
        head.check_setup(setup)?;
        // What is entered next would stand in the place of what is gone.
        if head.edge.size() > head.entries {
            return Err(damaged("entries are gone; `chinhchu ledger verify` says which"));
        }
        return Ok(true);
    }
    drop(read);
    let Some((key, first_key)) = setup.and_then(|setup| Some((&setup.key, setup.begin_with.clone()?))) else {
        return Ok(false);
    };
    let transaction = database.begin_write()?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        let record = read_gallery(&gallery)?;
        let version = record.version.max(FORMAT_VERSION_WITH_LEDGER);
        super::create::put_gallery(&mut gallery, super::record::GalleryRecord { version, ..record })?;
        let mut ledger = Ledger::make(&transaction, protection)?;
        ledger.put_head(&LedgerHead::begin(key, first_key))?;
    }
    transaction.commit()?;
    Ok(true)
}

/// The log's tables in a write transaction.
pub(super) struct Ledger<'t> {
    heads: Table<'t, &'static str, &'static [u8]>,
    commitments: Table<'t, u64, &'static [u8]>,
    entries: Table<'t, u64, &'static [u8]>,
    about: Table<'t, &'static [u8], &'static [u8]>,
    tiles: Table<'t, u64, &'static [u8]>,
    checkpoints: Table<'t, u64, &'static [u8]>,
    protection: &'t Protection,
    pub(super) noted: Noted,
}

impl<'t> Ledger<'t> {
    /// Opens the tables, and makes those that are not there.
    pub(super) fn make(transaction: &'t WriteTransaction, protection: &'t Protection) -> Result<Self, StoreError> {
        Ok(Self {
            heads: transaction.open_table(HEAD)?,
            commitments: transaction.open_table(COMMITMENTS)?,
            entries: transaction.open_table(ENTRIES)?,
            about: transaction.open_table(ABOUT)?,
            tiles: transaction.open_table(TILES)?,
            checkpoints: transaction.open_table(CHECKPOINTS)?,
            protection,
            noted: Noted::default(),
        })
    }

    /// Notes which rows are written, where a sealed copy is made of a clear gallery.
    pub(super) fn noting(self, is_noting: bool) -> Self {
        Self { noted: Noted::new(is_noting), ..self }
    }

    pub(super) fn head(&self) -> Result<LedgerHead, StoreError> {
        read_head(&self.heads, &self.commitments)?.ok_or_else(|| damaged("its head is missing"))
    }

    /// Notes a row under a number, where a sealed copy is made.
    fn note(&mut self, table: TableDefinition<'static, u64, &'static [u8]>, number: u64) {
        self.noted.add_key(table.name(), || number.to_le_bytes().to_vec());
    }

    pub(super) fn put_head(&mut self, head: &LedgerHead) -> Result<(), StoreError> {
        self.noted.add_key(HEAD.name(), || HEAD_KEY.as_bytes().to_vec());
        self.heads.insert(HEAD_KEY, seal("ledger", HEAD_KEY.as_bytes(), &HeadRecord::of(head)).as_slice())?;
        Ok(())
    }

    /// The place behind the last entry.
    pub(super) fn next_place(&self) -> Result<u64, StoreError> {
        next_place(&self.commitments)
    }

    /// Commitments behind the tree's end.
    pub(super) fn unsequenced(&self, from: u64, limit: usize) -> Result<Vec<Commitment>, StoreError> {
        let rows = self.commitments.range(from..)?.take(limit);
        rows.map(|row| commitment_of(row?.1.value())).collect()
    }

    /// How many entries from `from` on, `limit` at most, were entered before a time.
    pub(super) fn entered_before(&self, from: u64, time: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut count = 0;
        for row in self.entries.range(from..)?.take(limit) {
            let (place, value) = row?;
            // Contents that cannot be read are nobody's: they stay for `verify` to find.
            let entry = Entry::decode(&entry_of(self.protection, place.value(), value.value())?.contents);
            if entry.map_err(|_| damaged("an entry cannot be read"))?.at_ms >= time.0 {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    pub(super) fn put_entry(&mut self, SealedEntry { opening, about }: SealedEntry) -> Result<(), StoreError> {
        let place = next_place(&self.commitments)?;
        self.note(COMMITMENTS, place);
        self.note(ENTRIES, place);
        self.commitments.insert(place, opening.commitment().as_bytes().as_slice())?;
        let record = EntryRecord { salt: opening.salt.as_bytes().to_vec(), contents: opening.contents };
        let sealed = self.protection.wrap("ledger_entries", &place.to_le_bytes(), Owner::Table, &record)?;
        self.entries.insert(place, sealed.as_slice())?;
        for digest in about {
            let key = about_key(&digest, place);
            self.noted.add_key(ABOUT.name(), || key.to_vec());
            self.about.insert(key.as_slice(), [].as_slice())?;
        }
        Ok(())
    }

    pub(super) fn put_nodes(&mut self, run: &NodeRun) -> Result<(), StoreError> {
        let mut hashes = run.hashes.as_slice();
        let mut first = run.first;
        while !hashes.is_empty() {
            let (index, at) = (first / WIDTH, (first % WIDTH) as usize);
            let (now, rest) = hashes.split_at(hashes.len().min(WIDTH as usize - at));
            let key = tile_key(run.level, index);
            let mut tile = self.tiles.get(key)?.map(|value| value.value().to_vec()).unwrap_or_default();
            if tile.len() != at * Hash::BYTES {
                return Err(damaged("a tile has another length than its tree"));
            }
            tile.extend(now.iter().flat_map(|hash| *hash.as_bytes()));
            self.note(TILES, key);
            self.tiles.insert(key, tile.as_slice())?;
            first += now.len() as u64;
            hashes = rest;
        }
        Ok(())
    }

    pub(super) fn put_checkpoint(&mut self, size: u64, note: &Note) -> Result<(), StoreError> {
        self.note(CHECKPOINTS, size);
        self.checkpoints.insert(size, note.to_string().as_bytes())?;
        Ok(())
    }

    pub(super) fn drop_checkpoint(&mut self, size: u64) -> Result<(), StoreError> {
        self.note(CHECKPOINTS, size);
        self.checkpoints.remove(size)?;
        Ok(())
    }

    pub(super) fn prune(&mut self, first: u64, until: u64) -> Result<(), StoreError> {
        for place in first..until {
            let Some(opening) = read_entry(&self.entries, self.protection, place)? else { continue };
            for digest in about(&opening) {
                let key = about_key(&digest, place);
                self.noted.add_key(ABOUT.name(), || key.to_vec());
                self.about.remove(key.as_slice())?;
            }
            self.note(ENTRIES, place);
            self.entries.remove(place)?;
        }
        Ok(())
    }
}

/// The log's tables in a read transaction.
pub(super) struct LedgerSnapshot {
    heads: redb::ReadOnlyTable<&'static str, &'static [u8]>,
    commitments: redb::ReadOnlyTable<u64, &'static [u8]>,
    entries: redb::ReadOnlyTable<u64, &'static [u8]>,
    about: redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    tiles: redb::ReadOnlyTable<u64, &'static [u8]>,
    checkpoints: redb::ReadOnlyTable<u64, &'static [u8]>,
    protection: Arc<Protection>,
}

impl LedgerSnapshot {
    /// `None` where no log has begun.
    pub(super) fn open(
        transaction: &ReadTransaction,
        protection: &Arc<Protection>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(heads) = if_there(transaction.open_table(HEAD))? else { return Ok(None) };
        Ok(Some(Self {
            heads,
            commitments: transaction.open_table(COMMITMENTS)?,
            entries: transaction.open_table(ENTRIES)?,
            about: transaction.open_table(ABOUT)?,
            tiles: transaction.open_table(TILES)?,
            checkpoints: transaction.open_table(CHECKPOINTS)?,
            protection: Arc::clone(protection),
        }))
    }

    pub(super) fn read_head(&self) -> Result<Option<LedgerHead>, StoreError> {
        read_head(&self.heads, &self.commitments)
    }

    /// The place behind the last entry.
    pub(super) fn next_place(&self) -> Result<u64, StoreError> {
        next_place(&self.commitments)
    }

    fn leaves(&self, first: u64, limit: usize) -> Result<Vec<Leaf>, StoreError> {
        let mut openings = self.entries.range(first..)?;
        let mut opening = openings.next().transpose()?;
        let rows = self.commitments.range(first..)?.take(limit);
        rows.map(|row| {
            let (index, value) = row?;
            let index = index.value();
            let mut of_it = None;
            // Contents without a commitment belong to nothing: passed over here, and not to `verify`,
            // which counts commitments.
            while let Some((place, bytes)) = opening.take_if(|(place, _)| place.value() <= index) {
                if place.value() == index {
                    of_it = Some(entry_of(&self.protection, index, bytes.value())?);
                }
                opening = openings.next().transpose()?;
            }
            Ok(Leaf { index, commitment: commitment_of(value.value())?, opening: of_it })
        })
        .collect()
    }

    fn places_about(&self, digest: &KeyedDigest, first: u64, limit: usize) -> Result<Vec<u64>, StoreError> {
        let (from, to) = (about_key(digest, first), about_key(digest, u64::MAX));
        let rows = self.about.range::<&[u8]>(from.as_slice()..=to.as_slice())?.take(limit);
        rows.map(|row| {
            let key = row?.0;
            let place = key.value().last_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            place.ok_or_else(|| damaged("the key of an entry is not one"))
        })
        .collect()
    }

    fn notes(&self, after: Option<u64>, limit: usize) -> Result<Vec<Note>, StoreError> {
        let first = after.map_or(0, |after| after.saturating_add(1));
        let rows = self.checkpoints.range(first..)?.take(limit);
        rows.map(|row| Note::parse(row?.1.value()).map_err(|_| damaged("a checkpoint cannot be read"))).collect()
    }
}

/// A log read on behalf of a gallery in a folder.
pub(super) struct LedgerAt<'a> {
    pub(super) tables: Option<LedgerSnapshot>,
    /// The records of the same commit.
    pub(super) records: &'a super::tables::Snapshot,
    pub(super) path: &'a std::path::Path,
}

impl LedgerAt<'_> {
    fn read<T>(&self, read: impl FnOnce(&LedgerSnapshot) -> Result<T, StoreError>) -> Result<T, GalleryError> {
        let tables = self.tables.as_ref().ok_or(GalleryError::NoLedger)?;
        super::storage::guarded(|| read(tables)).map_err(|error| error.at(self.path))
    }
}

impl LedgerTables for LedgerAt<'_> {
    fn head(&self) -> Result<Option<LedgerHead>, GalleryError> {
        match &self.tables {
            None => Ok(None),
            Some(_) => self.read(LedgerSnapshot::read_head),
        }
    }

    fn entries(&self, first: u64, limit: usize) -> Result<Vec<Leaf>, GalleryError> {
        self.read(|tables| tables.leaves(first, limit))
    }

    fn about(&self, digest: &KeyedDigest, first: u64, limit: usize) -> Result<Vec<u64>, GalleryError> {
        self.read(|tables| tables.places_about(digest, first, limit))
    }

    fn all_about(&self, visit: &mut dyn FnMut(KeyedDigest, u64)) -> Result<(), GalleryError> {
        self.read(|tables| {
            for row in tables.about.iter()? {
                let key = row?.0;
                let (digest, place) = key.value().split_at_checked(KeyedDigest::BYTES).unwrap_or_default();
                let read = digest.try_into().ok().zip(place.try_into().ok());
                let (digest, place) = read.ok_or_else(|| damaged("the key of an entry is not one"))?;
                visit(KeyedDigest::from_bytes(digest), u64::from_be_bytes(place));
            }
            Ok(())
        })
    }

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, GalleryError> {
        self.read(|tables| Ok(tables.tiles.get(tile_key(level, index))?.map(|value| value.value().to_vec())))
    }

    fn check_records(&self) -> Result<(), GalleryError> {
        super::storage::guarded(|| self.records.check_rows()).map_err(|error| error.at(self.path))
    }

    fn checkpoints(&self, after: Option<u64>, limit: usize) -> Result<Vec<Note>, GalleryError> {
        self.read(|tables| tables.notes(after, limit))
    }
}
