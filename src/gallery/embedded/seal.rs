//! Seals a clear gallery: makes a sealed copy of its database, which takes its place.
//!
//! A copy, because pages that the database has freed would go on showing what was in the clear. It is
//! written as `chinhchu.redb.sealed`, some rows a transaction, each with how far it is; so one that was
//! interrupted goes on, unless the gallery was changed meanwhile: then it begins anew. The clear
//! database has its name until the copy is whole and was checked, and is overwritten afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableHandle, Value,
    WriteTransaction,
};

use super::challenges::{CHALLENGES, ChallengeRecord, OWNER_CHALLENGES};
use super::create;
use super::fault::{StoreError, from_io};
use super::folder::Folder;
use super::ledger::{ABOUT, CHECKPOINTS, COMMITMENTS, ENTRIES, EntryRecord, HEAD, TILES, has_begun, next_place};
use super::protection::{Owner, Protection};
use super::record::{
    CaptureRecord, ChangeRecord, ClearedRecord, Counters, DecisionHeadRecord, DecisionRecord, GalleryRecord,
    RequestRecord, SealingRecord, SubjectRecord, TemplateRecord, unseal,
};
use super::row_sum::RowSum;
use super::storage::{Storage, guarded};
use super::store::EmbeddedStore;
use super::subject_requests::{OPEN_REQUESTS, REQUESTS_OF_SUBJECT, SUBJECT_REQUESTS, SubjectRequestRecord};
use super::tables::{
    CAPTURE_BANDS, CAPTURES, CHANGES, CLEARED, COUNTERS_KEY, DECISION_HEADS, DECISIONS, DOOMED_KEYS,
    FORMAT_VERSION_SEALED, GALLERY, ID_KEY, REQUEST_ORDER, REQUESTS, RETENTION_KEY, SUBJECT_CAPTURES,
    SUBJECT_DECISIONS, SUBJECT_KEYS, SUBJECTS, Snapshot, TEMPLATES, WAITING, cleared_ids, decision_key,
    decision_key_of, if_there, read_counters, read_gallery, read_subject,
};
use super::{EmbeddedOptions, index};
use crate::gallery::{CaptureBand, GalleryError, RequestId};
use crate::hex;
use crate::private;
use crate::sealing::KeyStoreError;

/// Rows in one transaction.
const ROWS_TOGETHER: usize = 20_000;
/// How far the copy is; taken away when it is whole.
const CURSOR: TableDefinition<&str, &[u8]> = TableDefinition::new("sealing");
const CURSOR_KEY: &str = "cursor";

/// How far a copy is.
#[derive(Clone, PartialEq, Message)]
struct CursorRecord {
    /// The last commit of the clear gallery.
    #[prost(uint64, tag = "1")]
    commit: u64,
    #[prost(message, optional, tag = "2")]
    sealing: Option<SealingRecord>,
    /// The table that is copied …
    #[prost(string, tag = "3")]
    table: String,
    /// … and the last key of it that was; none at its beginning.
    #[prost(bytes = "vec", optional, tag = "4")]
    after: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "5")]
    row_sum: Vec<u8>,
    #[prost(uint64, tag = "6")]
    keys_to: u64,
    #[prost(uint64, tag = "7")]
    rows: u64,
}

/// What sealing a gallery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// It is sealed now: so many rows.
    Now(u64),
    /// It was before.
    Before,
}

/// Bytes of a row, key and value.
type Row = (Vec<u8>, Vec<u8>);
/// Makes the sealed row of a clear one.
type Convert = fn(&mut Copying<'_>, &[u8], &[u8]) -> Result<Row, StoreError>;

/// What rows are made with.
struct Copying<'a> {
    protection: &'a Protection,
    source: &'a Snapshot,
    subject_keys: redb::Table<'a, &'static str, u64>,
    rows: RowSum<'a>,
    keys_to: u64,
}

fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    str::from_utf8(bytes).map_err(|_| StoreError::damaged("a key is not text"))
}

impl Copying<'_> {
    fn owner(&mut self, subject: &str) -> Result<Owner, StoreError> {
        self.protection.owner(subject, &mut self.subject_keys, &mut self.rows, &mut self.keys_to)
    }

    fn wrap(&self, table: &'static str, key: Vec<u8>, owner: Owner, record: &impl Message) -> Result<Row, StoreError> {
        let value = self.protection.wrap(table, &key, owner, record)?;
        Ok((key, value))
    }

    /// A row under a number, about the subject that its record names.
    fn numbered<M: Message + Default>(
        &mut self,
        table: &'static str,
        (key, value): (&[u8], &[u8]),
        subject: fn(&M) -> &str,
    ) -> Result<Row, StoreError> {
        let record: M = unseal(table, key, value)?;
        let owner = self.owner(subject(&record))?;
        self.wrap(table, key.to_vec(), owner, &record)
    }

    /// The key of a list of what a subject has, which begins with the id.
    fn of_subject(&self, key: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (id, rest) = text(key)?.split_once('\0').ok_or_else(|| StoreError::damaged("a list's key is not one"))?;
        Ok(format!("{}\0{rest}", self.protection.subject_named(id)).into_bytes())
    }
}

fn same(_: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    Ok((key.to_vec(), value.to_vec()))
}

fn subject(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: SubjectRecord = unseal("subjects", key, value)?;
    let id = record.subject(text(key)?)?;
    let (name, owner) = (copying.protection.subject(&id).into_bytes(), copying.owner(id.as_str())?);
    copying.wrap("subjects", name, owner, &SubjectRecord { id: id.as_str().to_owned(), ..record })
}

fn decision(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: DecisionRecord = unseal("decisions", key, value)?;
    let of = decision_key_of(text(key)?)?;
    let (name, owner) = (decision_key(copying.protection, &of).into_bytes(), copying.owner(&record.subject)?);
    let transaction = of.transaction.as_str().to_owned();
    copying.wrap("decisions", name, owner, &DecisionRecord { transaction, attempt: of.attempt, ..record })
}

fn cleared(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: ClearedRecord = unseal("cleared", key, value)?;
    let (one, other) = cleared_ids(text(key)?)?;
    let name = super::tables::cleared_key(copying.protection, &one, &other).into_bytes();
    let owner = Owner::of_both(copying.owner(one.as_str())?, copying.owner(other.as_str())?);
    let (first, second) = if one < other { (one, other) } else { (other, one) };
    let (first, second) = (first.as_str().to_owned(), second.as_str().to_owned());
    copying.wrap("cleared", name, owner, &ClearedRecord { first, second, ..record })
}

fn request(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: RequestRecord = unseal("requests", key, value)?;
    let name = request_name(copying, key)?;
    copying.wrap("requests", name, Owner::Table, &record)
}

fn request_name(copying: &Copying<'_>, id: &[u8]) -> Result<Vec<u8>, StoreError> {
    let id = RequestId::new(text(id)?).map_err(|_| StoreError::damaged("a request id is not one"))?;
    Ok(copying.protection.request(&id).into_bytes())
}

fn change(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: ChangeRecord = unseal("changes", key, value)?;
    let mut relabelled_templates = record.relabelled_templates.clone();
    for id in &record.relabelled {
        let subject = read_subject(copying.source, id)?;
        relabelled_templates.extend(subject.map(|subject| subject.templates).unwrap_or_default());
    }
    let record = ChangeRecord { relabelled: Vec::new(), relabelled_templates, ..record };
    copying.wrap("changes", key.to_vec(), Owner::Table, &record)
}

fn subject_request(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let record: SubjectRequestRecord = unseal("subject_requests", key, value)?;
    let owner = match record.subject.as_str() {
        // Of somebody who was erased.
        "" => Owner::Table,
        subject => copying.owner(subject)?,
    };
    copying.wrap("subject_requests", key.to_vec(), owner, &record)
}

fn band(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let damaged = || StoreError::damaged("the key of a capture is not one");
    let (digits, rest) = text(key)?.split_at_checked(16).ok_or_else(damaged)?;
    let number = u64::from_str_radix(digits, 16).map_err(|_| damaged())?;
    let blinded: CaptureBand = copying.protection.band(&number.to_be_bytes());
    Ok((format!("{}{rest}", hex::encode(&blinded)).into_bytes(), value.to_vec()))
}

fn challenge_of_owner(copying: &mut Copying<'_>, key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let damaged = || StoreError::damaged("the key of a challenge is not one");
    let (transaction, rest) = text(key)?.split_once(' ').ok_or_else(damaged)?;
    let transaction = RequestId::new(transaction).map_err(|_| damaged())?;
    Ok((format!("{} {rest}", copying.protection.transaction(&transaction)).into_bytes(), value.to_vec()))
}

/// A clear database that is copied, and the copy.
struct Copy<'a> {
    source: ReadTransaction,
    snapshot: Snapshot,
    target: &'a Database,
    protection: &'a Protection,
    cursor: CursorRecord,
    progress: &'a mut dyn FnMut(u64),
}

impl Copy<'_> {
    fn all(&mut self) -> Result<(), StoreError> {
        self.table(SUBJECTS, subject)?;
        self.table(TEMPLATES, |copying, key, value| {
            copying.numbered::<TemplateRecord>("templates", (key, value), |record| &record.subject)
        })?;
        self.table(REQUESTS, request)?;
        self.table(REQUEST_ORDER, |copying, key, value| Ok((key.to_vec(), request_name(copying, value)?)))?;
        self.table(DECISIONS, decision)?;
        self.table(DECISION_HEADS, |copying, key, value| {
            copying.numbered::<DecisionHeadRecord>("decision_heads", (key, value), |record| &record.subject)
        })?;
        self.table(SUBJECT_DECISIONS, |copying, key, value| Ok((copying.of_subject(key)?, value.to_vec())))?;
        self.table(WAITING, same)?;
        self.table(CLEARED, cleared)?;
        self.table(CHANGES, change)?;
        self.table(CAPTURES, |copying, key, value| {
            copying.numbered::<CaptureRecord>("captures", (key, value), |record| &record.subject)
        })?;
        self.table(CAPTURE_BANDS, band)?;
        self.table(SUBJECT_CAPTURES, |copying, key, value| Ok((copying.of_subject(key)?, value.to_vec())))?;
        self.table(CHALLENGES, |copying, key, value| {
            let record: ChallengeRecord = unseal("challenges", key, value)?;
            copying.wrap("challenges", key.to_vec(), Owner::Table, &record)
        })?;
        self.table(OWNER_CHALLENGES, challenge_of_owner)?;
        self.table(SUBJECT_REQUESTS, subject_request)?;
        self.table(REQUESTS_OF_SUBJECT, |copying, key, value| Ok((copying.of_subject(key)?, value.to_vec())))?;
        self.table(OPEN_REQUESTS, same)?;
        if has_begun(&self.source)? {
            self.table(HEAD, same)?;
            self.table(COMMITMENTS, same)?;
            self.table(ENTRIES, |copying, key, value| {
                let record: EntryRecord = unseal("ledger_entries", key, value)?;
                copying.wrap("ledger_entries", key.to_vec(), Owner::Table, &record)
            })?;
            self.table(ABOUT, same)?;
            self.table(TILES, same)?;
            self.table(CHECKPOINTS, same)?;
        }
        Ok(())
    }

    /// Copies a table, from where the cursor stands; nothing where it is behind.
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
        convert: Convert,
    ) -> Result<(), StoreError> {
        let name = definition.name();
        let is_begun = self.cursor.table == name;
        let source = self.source.open_table(definition)?;
        if !is_begun {
            let target = self.target.begin_read()?;
            // Copied whole by an earlier run.
            if if_there(target.open_table(definition))?.is_some() {
                return Ok(());
            }
            (self.cursor.table, self.cursor.after) = (name.to_owned(), None);
        }
        loop {
            let transaction = self.target.begin_write()?;
            let more = self.some_rows(&transaction, definition, &source, convert)?;
            transaction.commit()?;
            (self.progress)(self.cursor.rows);
            if !more {
                return Ok(());
            }
        }
    }

    fn some_rows<K: Key + 'static, V: Value + 'static>(
        &mut self,
        transaction: &WriteTransaction,
        definition: TableDefinition<'static, K, V>,
        source: &redb::ReadOnlyTable<K, V>,
        convert: Convert,
    ) -> Result<bool, StoreError> {
        let protection = self.protection;
        let mut copying = Copying {
            protection,
            source: &self.snapshot,
            subject_keys: transaction.open_table(SUBJECT_KEYS)?,
            rows: RowSum::after(protection, &self.cursor.row_sum),
            keys_to: self.cursor.keys_to,
        };
        // The log's rows are in no sum: it has its own.
        let is_summed = !definition.name().starts_with("ledger");
        let mut unsummed = RowSum::after(&Protection::Checksummed, &[]);
        let mut target = transaction.open_table(definition)?;
        let after = self.cursor.after.clone();
        let from = match &after {
            Some(key) => std::ops::Bound::Excluded(K::from_bytes(key)),
            None => std::ops::Bound::Unbounded,
        };
        let mut count = 0;
        for row in source.range::<K::SelfType<'_>>((from, std::ops::Bound::Unbounded))?.take(ROWS_TOGETHER) {
            let (key, value) = row?;
            let (key, value) = (key.value(), value.value());
            let (key, value) = (K::as_bytes(&key), V::as_bytes(&value));
            let (new_key, new_value) = convert(&mut copying, key.as_ref(), value.as_ref())?;
            let rows = if is_summed { &mut copying.rows } else { &mut unsummed };
            rows.insert(&mut target, K::from_bytes(&new_key), V::from_bytes(&new_value))?;
            self.cursor.after = Some(key.as_ref().to_vec());
            count += 1;
        }
        self.cursor.rows += count as u64;
        (self.cursor.row_sum, self.cursor.keys_to) = (copying.rows.bytes(), copying.keys_to);
        transaction.open_table(CURSOR)?.insert(CURSOR_KEY, self.cursor.encode_to_vec().as_slice())?;
        Ok(count == ROWS_TOGETHER)
    }

    /// What the copy says of itself: with this it is a gallery.
    fn finish(&self, counters: Counters, record: GalleryRecord) -> Result<(), StoreError> {
        let transaction = self.target.begin_write()?;
        {
            let from = self.source.open_table(GALLERY)?;
            let mut gallery = transaction.open_table(GALLERY)?;
            let id = from.get(ID_KEY)?.ok_or_else(|| StoreError::damaged("the gallery's id is missing"))?;
            gallery.insert(ID_KEY, id.value())?;
            if let Some(run) = from.get(RETENTION_KEY)? {
                gallery.insert(RETENTION_KEY, run.value())?;
            }
            let version = FORMAT_VERSION_SEALED;
            create::put_gallery(
                &mut gallery,
                GalleryRecord { version, sealing: self.cursor.sealing.clone(), ..record },
            )?;
            let entries = match if_there(self.source.open_table(COMMITMENTS))? {
                Some(commitments) => next_place(&commitments)?,
                None => 0,
            };
            let CursorRecord { row_sum, keys_to, .. } = self.cursor.clone();
            let counters = Counters { row_sum, keys_to, entries, ..counters };
            let sealed = self.protection.wrap("gallery", COUNTERS_KEY.as_bytes(), Owner::Table, &counters)?;
            gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
            transaction.open_table(DOOMED_KEYS)?;
            transaction.open_table(SUBJECT_KEYS)?;
        }
        transaction.delete_table(CURSOR)?;
        transaction.commit()?;
        Ok(())
    }
}

/// The files of a folder that is being sealed.
struct Paths {
    clear: PathBuf,
    sealed: PathBuf,
    /// The clear database, once the sealed one has its name.
    before: PathBuf,
}

impl Paths {
    fn of(dir: &Path) -> Self {
        let clear = Folder::database_of(dir);
        let beside = |ending: &str| {
            let mut name = clear.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        Self { sealed: beside(".sealed"), before: beside(".clear"), clear }
    }
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
        let failed = |error: std::io::Error| from_io(&error, dir);
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
            drop(source);
            // Of a run that was ended just behind its aim.
            take_away_clear(&paths, dir).map_err(failed)?;
            return Ok(Sealed::Before);
        }
        guarded(|| create::complete(&source)).map_err(at)?;
        let rows = guarded(|| copied(&source, &paths, options, progress)).map_err(at)?;
        drop(source);
        // The clear database goes under another name first, so that one of the two is always there.
        if paths.before.try_exists().map_err(failed)? {
            fs::remove_file(&paths.before).map_err(failed)?;
        }
        fs::hard_link(&paths.clear, &paths.before).map_err(failed)?;
        fs::rename(&paths.sealed, &paths.clear).map_err(failed)?;
        private::sync_folder(dir).map_err(failed)?;
        take_away_clear(&paths, dir).map_err(failed)?;
        Ok(Sealed::Now(rows))
    }
}

/// Makes the sealed copy, whole and checked. How many rows it has.
fn copied(
    source: &Database,
    paths: &Paths,
    options: &EmbeddedOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, StoreError> {
    let read = source.begin_read()?;
    let table = read.open_table(GALLERY)?;
    let (record, counters) = (read_gallery(&table)?, read_counters(&table, &Protection::Checksummed)?);
    let (target, protection, cursor) = begun(paths, options, counters.commit)?;
    let protection = std::sync::Arc::new(protection);
    let snapshot = Snapshot::new(source.begin_read()?, std::sync::Arc::new(Protection::Checksummed));
    let rows = {
        let mut copy = Copy { source: read, snapshot, target: &target, protection: &protection, cursor, progress };
        copy.all()?;
        copy.finish(counters, record)?;
        copy.cursor.rows
    };
    let sealed = Snapshot::new(target.begin_read()?, protection);
    sealed.check_rows()?;
    let (clear, sealed) = (source.begin_read()?, target.begin_read()?);
    let is_alike = |table| Ok::<_, StoreError>(clear.open_table(table)?.len()? == sealed.open_table(table)?.len()?);
    if !is_alike(SUBJECTS)?
        || !is_alike(DECISIONS)?
        || clear.open_table(TEMPLATES)?.len()? != sealed.open_table(TEMPLATES)?.len()?
    {
        return Err(StoreError::damaged("the sealed copy has not as many rows as the gallery"));
    }
    drop(sealed);
    target.close()?;
    Ok(rows)
}

/// The copy that an interrupted run has begun, or a new one.
fn begun(
    paths: &Paths,
    options: &EmbeddedOptions,
    commit: u64,
) -> Result<(Database, Protection, CursorRecord), StoreError> {
    let failed = |error: std::io::Error| StoreError::Redb(redb::Error::Io(error));
    if paths.sealed.try_exists().map_err(failed)? {
        match resumed(paths, options, commit) {
            Ok(Some(resumed)) => return Ok(resumed),
            // A key store that cannot be opened is no reason to begin anew.
            Err(error @ StoreError::Keys(KeyStoreError::InUse(_) | KeyStoreError::OtherMaster { .. })) => {
                return Err(error);
            }
            // Of another past of the gallery, or damaged.
            Ok(None) | Err(_) => fs::remove_file(&paths.sealed).map_err(failed)?,
        }
    }
    let (protection, sealing) = Protection::create(options.sealing.as_ref())?;
    let file = private::owner_only(fs::OpenOptions::new().write(true).create_new(true)).open(&paths.sealed);
    drop(file.map_err(failed)?);
    let target = Storage::create(&paths.sealed)?;
    let keys_to = sealing.as_ref().map_or(0, SealingRecord::keys_to);
    let row_sum = RowSum::after(&protection, &[]).bytes();
    let cursor = CursorRecord { commit, sealing, row_sum, keys_to, ..CursorRecord::default() };
    let transaction = target.begin_write()?;
    transaction.open_table(CURSOR)?.insert(CURSOR_KEY, cursor.encode_to_vec().as_slice())?;
    transaction.open_table(SUBJECT_KEYS)?;
    transaction.commit()?;
    Ok((target, protection, cursor))
}

/// What an interrupted run has begun; `None` where the gallery was changed since, or it is whole and
/// has not got its name.
fn resumed(
    paths: &Paths,
    options: &EmbeddedOptions,
    commit: u64,
) -> Result<Option<(Database, Protection, CursorRecord)>, StoreError> {
    let (target, _) = Storage::File(paths.sealed.clone()).open(options)?;
    let cursor = {
        let read = target.begin_read()?;
        let Some(table) = if_there(read.open_table(CURSOR))? else { return Ok(None) };
        let value = table.get(CURSOR_KEY)?;
        value.and_then(|value| CursorRecord::decode(value.value()).ok())
    };
    let Some(cursor) = cursor.filter(|cursor| cursor.commit == commit) else { return Ok(None) };
    let protection = Protection::open(cursor.sealing.as_ref(), options.sealing.as_ref(), &paths.sealed)?;
    Ok(Some((target, protection, cursor)))
}

/// Overwrites and removes what lay in the clear.
fn take_away_clear(paths: &Paths, dir: &Path) -> std::io::Result<()> {
    crate::sealing::overwrite_and_remove(&paths.before)?;
    index::take_files_away(dir);
    private::sync_folder(dir)
}
