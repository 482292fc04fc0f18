//! A sealed copy of a clear gallery's database, made while nobody has the gallery open, or while it is
//! served (`seal_serving`).
//!
//! A copy, because pages that the database has freed would go on showing what was in the clear. It is
//! written as `chinhchu.redb.sealed`, some rows a transaction, each with how far it is; so one that was
//! interrupted goes on. What the gallery's commits wrote since is carried over by what they noted
//! (`written_rows`); where one did not note it, the copy begins anew. The clear database has its name
//! until the copy is whole and was checked; then it is `chinhchu.redb.clear`, and is overwritten.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableHandle, Value,
    WriteTransaction,
};

use super::database::OpenDatabase;
use super::fault::{StoreError, from_io};
use super::folder::Folder;
use super::given_up::{DESTROYED_KEYS, DOOMED_KEYS, GivenUp, new_list};
use super::ledger::{COMMITMENTS, has_begun, next_place};
use super::protection::{Owner, Protection, check_never_served};
use super::record::{Counters, GalleryRecord, SealingRecord};
use super::row_sum::{RowSum, is_sum_of_rows};
use super::seal::{Convert, Copying, EachTable, each_table, name_of};
use super::storage::{Storage, guarded};
use super::store::EmbeddedStore;
use super::subject_keys::take_from_table;
use super::tables::{
    COUNTERS_KEY, FORMAT_VERSION_SEALED, GALLERY, ID_KEY, RETENTION_KEY, SUBJECT_KEYS, Snapshot, if_there,
    read_counters, read_gallery, read_id,
};
use super::written_rows::{RowKeys, Written, is_noted, written_after};
use super::{EmbeddedOptions, create, index};
use crate::gallery::GalleryError;
use crate::private;
use crate::sealing::KeyStoreError;

/// Rows in one transaction while nobody has the gallery open.
const ROWS_TOGETHER: usize = 20_000;
/// How far the copy is. It stays for a moment when the copy has taken the clear one's place.
pub(super) const CURSOR: TableDefinition<&str, &[u8]> = TableDefinition::new("sealing");
const CURSOR_KEY: &str = "cursor";
/// What the key of the last row is sealed for: it may be somebody's id.
const AFTER_KEY: &[u8] = b"after";

/// How far a copy is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CursorRecord {
    /// The commit of the clear gallery from which on noted rows are still to be carried over.
    #[prost(uint64, tag = "1")]
    commit: u64,
    #[prost(message, optional, tag = "2")]
    sealing: Option<SealingRecord>,
    /// The table that is copied …
    #[prost(string, tag = "3")]
    table: String,
    /// … and the last key of it that was, sealed; none at its beginning.
    #[prost(bytes = "vec", optional, tag = "4")]
    after: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "5")]
    row_sum: Vec<u8>,
    #[prost(uint64, tag = "6")]
    keys_to: u64,
    /// Rows that were copied, …
    #[prost(uint64, tag = "7")]
    pub(super) rows: u64,
    /// … of how many there were when the copy was begun or gone on with.
    #[prost(uint64, tag = "8")]
    pub(super) of: u64,
}

#[derive(Clone, PartialEq, Message)]
struct AfterRecord {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

/// What sealing a gallery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// It is sealed now: so many rows.
    Now(u64),
    /// It was before.
    Before,
}

/// How far the sealing of a gallery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealingState {
    /// It lies in the clear, and no copy was begun.
    Clear,
    /// It lies in the clear, and so many rows of a sealed copy are written …
    Copying {
        /// rows that are written,
        rows: u64,
        /// of about so many.
        of: u64,
    },
    /// It is sealed, but what lay in the clear is not overwritten yet: the next start does that.
    Overwriting,
    /// It is sealed, and nothing lies in the clear.
    Sealed,
}

/// A copy that is being made.
pub(super) struct SealedCopy {
    pub(super) target: Database,
    pub(super) protection: Arc<Protection>,
    pub(super) cursor: CursorRecord,
    /// The last key that was copied of the cursor's table.
    after: Option<Vec<u8>>,
}

/// What carrying rows over came to.
#[derive(Clone, Copy)]
pub(super) struct CarriedOver {
    /// The last commit that the copy has.
    pub(super) up_to: u64,
    /// The last that the gallery had then.
    pub(super) newest: u64,
}

impl CarriedOver {
    /// Whether nothing is left that the gallery had written by then.
    pub(super) fn is_all(self) -> bool {
        self.up_to == self.newest
    }
}

/// Told how far a copy is; breaks it off.
pub(super) type Told<'a> = &'a mut dyn FnMut(&CursorRecord) -> ControlFlow<()>;

fn io_failed(error: io::Error) -> StoreError {
    StoreError::Redb(redb::Error::Io(error))
}

impl SealedCopy {
    /// Copies every table, from where it was left, `rows_together` rows a transaction. False where it was
    /// broken off.
    pub(super) fn copy_tables(
        &mut self,
        source: &OpenDatabase,
        rows_together: usize,
        told: Told<'_>,
    ) -> Result<bool, StoreError> {
        let has_ledger = source.read(|snapshot| {
            let has_ledger = has_begun(snapshot.transaction())?;
            let mut count = CountRows { read: snapshot.transaction(), rows: 0 };
            each_table(&mut count, has_ledger)?;
            self.cursor.of = count.rows;
            Ok(has_ledger)
        })?;
        let mut whole = WholeTables { copy: self, source, rows_together, told, is_broken_off: false };
        each_table(&mut whole, has_ledger)?;
        Ok(!whole.is_broken_off)
    }

    fn write_cursor(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let after = self
            .after
            .as_ref()
            .map(|key| self.protection.wrap("gallery", AFTER_KEY, Owner::Table, &AfterRecord { key: key.clone() }));
        let cursor = CursorRecord { after: after.transpose()?, ..self.cursor.clone() };
        transaction.open_table(CURSOR)?.insert(CURSOR_KEY, cursor.encode_to_vec().as_slice())?;
        Ok(())
    }

    /// Carries over what commits have written since, up to some `rows_max` rows of it.
    pub(super) fn carry_over(&mut self, source: &OpenDatabase, rows_max: usize) -> Result<CarriedOver, StoreError> {
        let transaction = self.target.begin_write()?;
        let carried = source.read(|snapshot| {
            let newest = read_counters(snapshot.gallery()?, &Protection::Checksummed)?.commit;
            if newest == self.cursor.commit {
                return Ok((newest, None));
            }
            let written = written_after(snapshot.transaction(), self.cursor.commit, newest, rows_max)?;
            let doomed = self.carry_rows(snapshot, &transaction, &written)?;
            self.cursor.commit = written.up_to;
            self.write_cursor(&transaction)?;
            Ok((newest, Some(doomed)))
        })?;
        let (newest, Some(doomed)) = carried else {
            transaction.abort()?;
            return Ok(CarriedOver { up_to: carried.0, newest: carried.0 });
        };
        transaction.commit()?;
        tracing::debug!(up_to = self.cursor.commit, newest, "what was written meanwhile was carried over");
        // Of people who were erased since: what the copy holds of them is worthless from here on.
        if let Some(keys) = self.protection.keys().filter(|_| !doomed.is_empty()) {
            tracing::debug!("keys of people who were erased meanwhile are destroyed");
            keys.destroy(&doomed)?;
        }
        Ok(CarriedOver { up_to: self.cursor.commit, newest })
    }

    /// The same within a transaction. Keys that are to be destroyed.
    fn carry_rows(
        &mut self,
        snapshot: &Snapshot,
        transaction: &WriteTransaction,
        written: &Written,
    ) -> Result<Vec<u64>, StoreError> {
        let protection = Arc::clone(&self.protection);
        let mut copying = Copying {
            protection: &protection,
            source: snapshot,
            subject_keys: transaction.open_table(SUBJECT_KEYS)?,
            rows: RowSum::after(&protection, &self.cursor.row_sum),
            keys_to: self.cursor.keys_to,
        };
        // Before the rows: who was erased and came back has another key.
        let mut doomed = Vec::new();
        let mut given_up = GivenUp::open(transaction, &protection)?;
        for id in written.rows.get(SUBJECT_KEYS.name()).into_iter().flatten() {
            let id = str::from_utf8(id).map_err(|_| StoreError::damaged("a key is not text"))?;
            let name = protection.subject_named(id);
            doomed.extend(take_from_table(&mut copying.subject_keys, &name, &mut copying.rows)?);
        }
        if let Some(given_up) = &mut given_up {
            given_up.give_up(&doomed, &mut copying.rows)?;
        }
        let has_ledger = has_begun(snapshot.transaction())?;
        let mut carry = CarryRows { copying, transaction, rows: &written.rows };
        each_table(&mut carry, has_ledger)?;
        (self.cursor.row_sum, self.cursor.keys_to) = (carry.copying.rows.bytes(), carry.copying.keys_to);
        Ok(doomed)
    }

    /// Reads the copy whole: its rows come to the sum that was kept of them.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match is_sum_of_rows(&self.target.begin_read()?, &self.protection, &self.cursor.row_sum)? {
            true => Ok(()),
            false => Err(StoreError::damaged("the sealed copy does not hold what was written to it")),
        }
    }

    /// Writes what the copy says of itself: with this it is a gallery. Everything was carried over, and
    /// nobody writes to the clear one.
    pub(super) fn finish(&mut self, source: &OpenDatabase) -> Result<u64, StoreError> {
        let transaction = self.target.begin_write()?;
        source.read(|snapshot| {
            let read = snapshot.transaction();
            let table = snapshot.gallery()?;
            let (record, counters) = (read_gallery(table)?, read_counters(table, &Protection::Checksummed)?);
            if counters.commit != self.cursor.commit {
                return Err(StoreError::damaged("something was written while the sealed copy was ended"));
            }
            let mut same = SameCounts { read, transaction: &transaction, is_same: true };
            each_table(&mut same, has_begun(read)?)?;
            if !same.is_same {
                return Err(StoreError::damaged("the sealed copy has not as many rows as the gallery"));
            }
            let mut gallery = transaction.open_table(GALLERY)?;
            let id = table.get(ID_KEY)?.ok_or_else(|| StoreError::damaged("the gallery's id is missing"))?;
            gallery.insert(ID_KEY, id.value())?;
            if let Some(run) = table.get(RETENTION_KEY)? {
                gallery.insert(RETENTION_KEY, run.value())?;
            }
            let (version, sealing) = (FORMAT_VERSION_SEALED, self.cursor.sealing.clone());
            create::put_gallery(&mut gallery, GalleryRecord { version, sealing, ..record })?;
            let entries = match if_there(read.open_table(COMMITMENTS))? {
                Some(commitments) => next_place(&commitments)?,
                None => 0,
            };
            let CursorRecord { row_sum, keys_to, .. } = self.cursor.clone();
            let counters = Counters { row_sum, keys_to, entries, list_of_destroyed: new_list()?, ..counters };
            let sealed = self.protection.wrap("gallery", COUNTERS_KEY.as_bytes(), Owner::Table, &counters)?;
            gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
            Ok(())
        })?;
        transaction.commit()?;
        tracing::debug!("the sealed copy is whole");
        Ok(self.cursor.rows)
    }
}

/// Counts rows.
struct CountRows<'a> {
    read: &'a ReadTransaction,
    rows: u64,
}

impl EachTable for CountRows<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
        _: Convert,
    ) -> Result<(), StoreError> {
        self.rows += self.read.open_table(definition)?.len()?;
        Ok(())
    }
}

/// Compares how many rows each table has.
struct SameCounts<'a> {
    read: &'a ReadTransaction,
    transaction: &'a WriteTransaction,
    is_same: bool,
}

impl EachTable for SameCounts<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
        _: Convert,
    ) -> Result<(), StoreError> {
        let clear = self.read.open_table(definition)?.len()?;
        self.is_same &= clear == self.transaction.open_table(definition)?.len()?;
        Ok(())
    }
}

/// Writes the sealed row of a clear one.
fn put<K: Key + 'static, V: Value + 'static>(
    copying: &mut Copying<'_>,
    target: &mut redb::Table<'_, K, V>,
    convert: Convert,
    (key, value): (&[u8], &[u8]),
) -> Result<(), StoreError> {
    let table = target.name().to_owned();
    let (new_key, new_value) = convert(copying, key, value)?;
    // A row is taken away by its name alone.
    debug_assert!(name_of(copying.protection, &table, key).is_ok_and(|name| name == new_key), "the name in {table}");
    let (new_key, new_value) = (K::from_bytes(&new_key), V::from_bytes(&new_value));
    if is_summed(&table) {
        return copying.rows.insert(target, new_key, new_value);
    }
    target.insert(new_key, new_value)?;
    Ok(())
}

/// The log's rows are in no sum: it has its own.
pub(super) fn is_summed(table: &str) -> bool {
    !table.starts_with("ledger")
}

/// Copies tables whole.
struct WholeTables<'a, 't> {
    copy: &'a mut SealedCopy,
    source: &'a OpenDatabase,
    rows_together: usize,
    told: Told<'t>,
    is_broken_off: bool,
}

impl EachTable for WholeTables<'_, '_> {
    /// Copies a table, from where the cursor stands; nothing where it is behind.
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
        convert: Convert,
    ) -> Result<(), StoreError> {
        let name = definition.name();
        if self.is_broken_off {
            return Ok(());
        }
        if self.copy.cursor.table != name {
            let target = self.copy.target.begin_read()?;
            // Copied whole by an earlier run.
            if if_there(target.open_table(definition))?.is_some() {
                return Ok(());
            }
            (self.copy.cursor.table, self.copy.after) = (name.to_owned(), None);
        }
        loop {
            let transaction = self.copy.target.begin_write()?;
            let more = self.some_rows(&transaction, definition, convert)?;
            transaction.commit()?;
            self.is_broken_off = (self.told)(&self.copy.cursor).is_break();
            if !more || self.is_broken_off {
                return Ok(());
            }
        }
    }
}

impl WholeTables<'_, '_> {
    /// Copies the next rows of a table. Whether there may be more.
    fn some_rows<K: Key + 'static, V: Value + 'static>(
        &mut self,
        transaction: &WriteTransaction,
        definition: TableDefinition<'static, K, V>,
        convert: Convert,
    ) -> Result<bool, StoreError> {
        let Self { copy, source, rows_together, .. } = self;
        let protection = Arc::clone(&copy.protection);
        // Each time the newest rows: what was written to those that are copied already was noted.
        let count = source.read(|snapshot| {
            let mut copying = Copying {
                protection: &protection,
                source: snapshot,
                subject_keys: transaction.open_table(SUBJECT_KEYS)?,
                rows: RowSum::after(&protection, &copy.cursor.row_sum),
                keys_to: copy.cursor.keys_to,
            };
            let from = snapshot.transaction().open_table(definition)?;
            let mut target = transaction.open_table(definition)?;
            let after = copy.after.clone();
            let first = match &after {
                Some(key) => std::ops::Bound::Excluded(K::from_bytes(key)),
                None => std::ops::Bound::Unbounded,
            };
            let mut count = 0;
            for row in from.range::<K::SelfType<'_>>((first, std::ops::Bound::Unbounded))?.take(*rows_together) {
                let (key, value) = row?;
                let (key, value) = (key.value(), value.value());
                let (key, value) = (K::as_bytes(&key), V::as_bytes(&value));
                put(&mut copying, &mut target, convert, (key.as_ref(), value.as_ref()))?;
                copy.after = Some(key.as_ref().to_vec());
                count += 1;
            }
            (copy.cursor.row_sum, copy.cursor.keys_to) = (copying.rows.bytes(), copying.keys_to);
            Ok(count)
        })?;
        copy.cursor.rows += count as u64;
        copy.write_cursor(transaction)?;
        Ok(count == *rows_together)
    }
}

/// Carries over single rows.
struct CarryRows<'a> {
    copying: Copying<'a>,
    transaction: &'a WriteTransaction,
    rows: &'a RowKeys,
}

impl EachTable for CarryRows<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
        convert: Convert,
    ) -> Result<(), StoreError> {
        let name = definition.name();
        let Some(keys) = self.rows.get(name) else { return Ok(()) };
        let from = self.copying.source.transaction().open_table(definition)?;
        let mut target = self.transaction.open_table(definition)?;
        for key in keys {
            if let Some(value) = from.get(K::from_bytes(key))? {
                let value = value.value();
                put(&mut self.copying, &mut target, convert, (key, V::as_bytes(&value).as_ref()))?;
                continue;
            }
            let sealed = name_of(self.copying.protection, name, key)?;
            match is_summed(name) {
                true => self.copying.rows.remove(&mut target, K::from_bytes(&sealed))?,
                false => drop(target.remove(K::from_bytes(&sealed))?),
            }
        }
        Ok(())
    }
}

/// The files of a folder that is being sealed.
pub(super) struct Paths {
    dir: PathBuf,
    clear: PathBuf,
    sealed: PathBuf,
    /// The clear database, once the sealed one has its name.
    before: PathBuf,
}

impl Paths {
    pub(super) fn of(dir: &Path) -> Self {
        let clear = Folder::database_of(dir);
        let beside = |ending: &str| {
            let mut name = clear.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        Self { dir: dir.to_owned(), sealed: beside(".sealed"), before: beside(".clear"), clear }
    }

    /// Puts the sealed database in place of the clear one, which goes under another name first, so that
    /// one of the two is always there. Where this fails the clear one has its place.
    pub(super) fn put_in_place(&self) -> io::Result<()> {
        // A second name of the clear one, of an earlier try.
        if self.before.try_exists()? {
            fs::remove_file(&self.before)?;
        }
        fs::hard_link(&self.clear, &self.before)?;
        // Before the other: a crash in between must not leave the sealed one without this name.
        self.sync()?;
        tracing::debug!("the clear database has a second name");
        fs::rename(&self.sealed, &self.clear)?;
        tracing::debug!("the sealed database has its name");
        Ok(())
    }

    /// Makes renames durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        private::sync_folder(&self.dir)
    }

    /// Whether a gallery that is sealed has left something in the clear.
    pub(super) fn is_clear_left(&self) -> io::Result<bool> {
        self.before.try_exists()
    }

    /// Gives index files in the clear a name under which nobody reads them.
    pub(super) fn set_index_aside(&self) -> io::Result<()> {
        for name in index::file_names(&self.dir)? {
            let mut aside = self.before.clone().into_os_string();
            aside.push(".");
            aside.push(&name);
            fs::rename(self.dir.join(name), aside)?;
            tracing::debug!("an index file is out of the way");
        }
        Ok(())
    }

    /// Overwrites and removes what lay in the clear, the database last: as long as it is there, the next
    /// start does the same.
    pub(super) fn take_away_clear(&self) -> io::Result<()> {
        let before = self.before.file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.len() > before.len() && name.starts_with(&before)) {
                crate::sealing::overwrite_and_remove(&entry.path())?;
            }
        }
        tracing::debug!("index files are overwritten");
        crate::sealing::overwrite_and_remove(&self.before)?;
        self.sync()
    }
}

/// Takes away what tells how far a copy was, once the copy is the gallery.
pub(super) fn forget_cursor(database: &Database) -> Result<(), StoreError> {
    if if_there(database.begin_read()?.open_table(CURSOR))?.is_none() {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    transaction.delete_table(CURSOR)?;
    transaction.commit()?;
    Ok(())
}

/// The copy that an interrupted run has begun, or a new one, of a gallery that is open here.
pub(super) fn begun(dir: &Path, options: &EmbeddedOptions, source: &OpenDatabase) -> Result<SealedCopy, StoreError> {
    let paths = Paths::of(dir);
    if paths.sealed.try_exists().map_err(io_failed)? {
        match resumed(&paths, options, source) {
            Ok(Some(resumed)) => return Ok(resumed),
            // A key store that cannot be opened is no reason to begin anew.
            Err(
                error @ StoreError::Keys(
                    KeyStoreError::InUse(_) | KeyStoreError::OtherMaster { .. } | KeyStoreError::NoCopyFolder { .. },
                ),
            ) => return Err(error),
            Err(error @ StoreError::Refused(GalleryError::SealedBefore { .. })) => return Err(error),
            // Of another past of the gallery, or damaged.
            Ok(None) | Err(_) => fs::remove_file(&paths.sealed).map_err(io_failed)?,
        }
    }
    let id = source.read(|snapshot| read_id(snapshot.gallery()?))?;
    let (protection, sealing) = Protection::create(options.sealing.as_ref(), Some((dir, id)))?;
    let file = private::owner_only(fs::OpenOptions::new().write(true).create_new(true)).open(&paths.sealed);
    drop(file.map_err(io_failed)?);
    Storage::create(&paths.sealed)?.close()?;
    let (target, _) = Storage::File(paths.sealed.clone()).open(options)?;
    let commit = source.read(|snapshot| Ok(read_counters(snapshot.gallery()?, &Protection::Checksummed)?.commit))?;
    let keys_to = sealing.as_ref().map_or(0, SealingRecord::keys_to);
    let row_sum = RowSum::after(&protection, &[]).bytes();
    let cursor = CursorRecord { commit, sealing, row_sum, keys_to, ..CursorRecord::default() };
    let copy = SealedCopy { target, protection: Arc::new(protection), cursor, after: None };
    let transaction = copy.target.begin_write()?;
    copy.write_cursor(&transaction)?;
    transaction.open_table(SUBJECT_KEYS)?;
    transaction.open_table(DOOMED_KEYS)?;
    transaction.open_table(DESTROYED_KEYS)?;
    transaction.commit()?;
    Ok(copy)
}

fn read_cursor(read: &ReadTransaction) -> Result<Option<CursorRecord>, StoreError> {
    let Some(table) = if_there(read.open_table(CURSOR))? else { return Ok(None) };
    let value = table.get(CURSOR_KEY)?;
    Ok(value.and_then(|value| CursorRecord::decode(value.value()).ok()))
}

/// What an interrupted run has begun; `None` where the gallery was changed since and did not note how.
fn resumed(paths: &Paths, options: &EmbeddedOptions, source: &OpenDatabase) -> Result<Option<SealedCopy>, StoreError> {
    let (target, _) = Storage::File(paths.sealed.clone()).open(options)?;
    let Some(cursor) = read_cursor(&target.begin_read()?)? else { return Ok(None) };
    let is_known = source.read(|snapshot| {
        let commit = read_counters(snapshot.gallery()?, &Protection::Checksummed)?.commit;
        is_noted(snapshot.transaction(), cursor.commit, commit)
    })?;
    if !is_known {
        return Ok(None);
    }
    let id = source.read(|snapshot| read_id(snapshot.gallery()?))?;
    let protection = Protection::open(cursor.sealing.as_ref(), options.sealing.as_ref(), &paths.sealed, id)?;
    if let (Some(keys), Some(options)) = (protection.keys(), &options.sealing) {
        check_never_served(keys, options, &paths.dir, id)?;
        keys.used_below(cursor.keys_to);
    }
    let after = cursor.after.as_ref().map(|after| protection.unwrap::<AfterRecord>("gallery", AFTER_KEY, after));
    let after = after.transpose()?.map(|record| record.key);
    Ok(Some(SealedCopy { target, protection: Arc::new(protection), cursor, after }))
}

impl EmbeddedStore {
    /// Seals the gallery in the folder `dir`, which nobody has open, with the keys of the options; goes on
    /// where an earlier call was interrupted. `progress` is told how many rows are done.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`]; where it fails the clear gallery is as it was.
    pub(in crate::gallery) fn seal(
        dir: &Path,
        options: &EmbeddedOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Sealed, GalleryError> {
        let failed = |error: io::Error| from_io(&error, dir);
        let at = |error: StoreError| error.at(dir);
        if options.sealing.is_none() {
            return Err(GalleryError::SealingNeeded(dir.to_owned()));
        }
        let folder = Folder::claim(dir, false)?;
        if folder.is_new()? {
            let detail = "there is no gallery in it".to_owned();
            return Err(GalleryError::Damaged { path: dir.to_owned(), detail });
        }
        let paths = Paths::of(dir);
        let (source, _) = Storage::File(folder.database()).open(options).map_err(at)?;
        let is_sealed = guarded(|| Ok(read_gallery(&source.begin_read()?.open_table(GALLERY)?)?.sealing.is_some()));
        if is_sealed.map_err(at)? {
            // With its own keys alone: whoever names others would take it that these are in use.
            drop(guarded(|| create::protection(&source, options, dir)).map_err(at)?);
            guarded(|| forget_cursor(&source)).map_err(at)?;
            drop(source);
            // Of a run that was ended just behind its aim.
            if paths.is_clear_left().map_err(failed)? {
                paths.set_index_aside().map_err(failed)?;
            }
            paths.take_away_clear().map_err(failed)?;
            return Ok(Sealed::Before);
        }
        guarded(|| create::complete(&source)).map_err(at)?;
        let source = OpenDatabase::new(source, Arc::new(Protection::Checksummed));
        let rows = guarded(|| {
            let mut copy = begun(dir, options, &source)?;
            copy.copy_tables(&source, ROWS_TOGETHER, &mut |cursor| {
                progress(cursor.rows);
                ControlFlow::Continue(())
            })?;
            while !copy.carry_over(&source, ROWS_TOGETHER)?.is_all() {}
            copy.check()?;
            let rows = copy.finish(&source)?;
            copy.target.close()?;
            Ok((rows, copy.protection))
        });
        let (rows, protection) = rows.map_err(at)?;
        let id = source.read(|snapshot| read_id(snapshot.gallery()?)).map_err(at)?;
        source.close();
        paths.put_in_place().map_err(failed)?;
        paths.sync().map_err(failed)?;
        if let (Some(keys), Some(id)) = (protection.keys(), id) {
            keys.serves_sealed(id.bytes())?;
        }
        paths.set_index_aside().map_err(failed)?;
        paths.take_away_clear().map_err(failed)?;
        Ok(Sealed::Now(rows))
    }

    /// How far the sealing of the gallery in the folder `dir`, which nobody has open, is. Nothing is written.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub(in crate::gallery) fn sealing_state(dir: &Path) -> Result<SealingState, GalleryError> {
        let paths = Paths::of(dir);
        let options = EmbeddedOptions { checked_bytes_max: 0, ..EmbeddedOptions::default() };
        // One that was killed is repaired in memory.
        let open = |path: &Path| Ok::<_, StoreError>(Storage::unchanged(path.to_owned()).open(&options)?.0);
        let look = |database: &Path| -> Result<SealingState, StoreError> {
            if Storage::is_in_use(database)? {
                return Err(GalleryError::InUse(dir.to_owned()).into());
            }
            let database = open(database)?;
            let read = database.begin_read()?;
            if read_gallery(&read.open_table(GALLERY)?)?.sealing.is_some() {
                return Ok(match paths.is_clear_left().map_err(io_failed)? {
                    true => SealingState::Overwriting,
                    false => SealingState::Sealed,
                });
            }
            if !paths.sealed.try_exists().map_err(io_failed)? {
                return Ok(SealingState::Clear);
            }
            // One that cannot be read was ended before its first row, and is begun anew.
            let cursor =
                guarded(|| read_cursor(&open(&paths.sealed)?.begin_read()?)).ok().flatten().unwrap_or_default();
            let mut count = CountRows { read: &read, rows: 0 };
            each_table(&mut count, has_begun(&read)?)?;
            Ok(SealingState::Copying { rows: cursor.rows, of: count.rows.max(cursor.rows) })
        };
        let Some(database) = Folder::look(dir, false)? else { return Err(GalleryError::NotThere(dir.to_owned())) };
        guarded(|| look(&database)).map_err(|error| error.at(dir))
    }
}
