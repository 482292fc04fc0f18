//! Makes a gallery of the rows of a backup, in a folder in which none is.
//!
//! The database has its temporary name until all is in it and was checked, so that a restoring that was
//! interrupted leaves no gallery, and none can be made or opened there; the next one begins anew. In a sealed gallery every row of the backup is
//! counted in the sum that its counters have: a row more, less or other is damage.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, Key, ReadableDatabase, TableDefinition, Value, WriteTransaction};

use super::fault::StoreError;
use super::folder::Folder;
use super::ledger::{ENTRIES, EntryRecord};
use super::protection::{Owner, Protection};
use super::record::{Counters, IndexMarksRecord, unseal};
use super::restore_filter::RestoreFilter;
use super::row_sum::RowSum;
use super::rows::{EachStored, each_stored};
use super::sealed_copy::is_summed;
use super::snapshot::enter;
use super::storage::{Storage, guarded};
use super::store::EmbeddedStore;
use super::tables::{COUNTERS_KEY, GALLERY, GALLERY_KEY, ID_KEY, INDEX_KEY, RETENTION_KEY, Snapshot, read_counters};
use super::{EmbeddedOptions, create, given_up, ledger};
use crate::context::RequestContext;
use crate::gallery::ledger::{LedgerSetup, NewEntry, entry_of};
use crate::gallery::{ErasedAfter, GalleryError, RestoreFrom, Restored, RowBatch, SubjectId, Timestamp};
use crate::ledger::entry::{Digest, DigestOf, Entry, KeyedDigest, Kind, LedgerKey, SUBJECTS_MAX};

/// Bytes of rows in one transaction, so that its memory is bounded.
const BYTES_TOGETHER: usize = 256 << 20;
/// How far numbers go on behind those in the backup: more than are given out between two backups, so that
/// none names another thing than it did in what was lost. Of commits, templates, decisions and captures …
const NUMBERS_SKIPPED: u64 = 1 << 24;
/// … and of requests of people, which are written on paper.
const REQUESTS_SKIPPED: u64 = 10_000;

/// Tells rows on their way from the backup.
type Next<'a> = &'a mut dyn FnMut() -> Result<Option<RowBatch>, GalleryError>;

fn cut() -> StoreError {
    StoreError::damaged("rows of the backup are cut short")
}

/// What is written of the backup's rows.
struct Loading<'a> {
    filter: RestoreFilter<'a>,
    /// Over all rows of the backup, …
    all: RowSum<'a>,
    /// … and over those that stay.
    kept: RowSum<'a>,
}

/// Writes the rows of a batch that stay.
struct LoadBatch<'l, 'a, 't> {
    loading: &'l mut Loading<'a>,
    transaction: &'t WriteTransaction,
    batch: &'l RowBatch,
    is_known: bool,
}

impl EachStored for LoadBatch<'_, '_, '_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        let name = self.batch.table.as_str();
        if redb::TableHandle::name(&definition) != name {
            return Ok(());
        }
        self.is_known = true;
        let Loading { filter, all, kept } = self.loading;
        let mut table = self.transaction.open_table(definition)?;
        for row in self.batch {
            let (key, value) = row.ok_or_else(cut)?;
            if is_summed(name) {
                all.count(name, key, value);
            }
            if filter.keeps(name, key, value)? {
                if is_summed(name) {
                    kept.count(name, key, value);
                }
                table.insert(K::from_bytes(key), V::from_bytes(value))?;
            }
        }
        Ok(())
    }
}

/// Makes every table that a gallery has from its beginning.
struct MakeTables<'t>(&'t WriteTransaction);

impl EachStored for MakeTables<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        let name = redb::TableHandle::name(&definition);
        // Those of the log are there where one has begun, those of keys in a sealed gallery.
        if !name.starts_with("ledger") && !name.ends_with("_keys") {
            self.0.open_table(definition)?;
        }
        Ok(())
    }
}

/// What the table `gallery` of a backup has, beside what is made anew.
fn put_own_rows(database: &Database, batches: &[RowBatch]) -> Result<Vec<IndexMarksRecord>, StoreError> {
    let mut marks = Vec::new();
    let transaction = database.begin_write()?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        for row in batches.iter().flatten() {
            let (key, value) = row.ok_or_else(cut)?;
            let name = str::from_utf8(key).map_err(|_| StoreError::damaged("a key is not text"))?;
            match name {
                GALLERY_KEY | COUNTERS_KEY | ID_KEY | RETENTION_KEY => drop(gallery.insert(name, value)?),
                index if index.starts_with(INDEX_KEY) => marks.push(unseal("gallery", key, value)?),
                other => return Err(StoreError::damaged(format!("this program does not know the row {other}"))),
            }
        }
    }
    transaction.commit()?;
    Ok(marks)
}

/// What is entered of a restoring: how many records there are and who was left out, so that nobody brings them back from
/// the same backup once the log that said why is gone.
fn restored_entries(
    context: &RequestContext,
    key: &LedgerKey,
    from: &RestoreFrom,
    records: u64,
    left_out: &BTreeSet<SubjectId>,
) -> Result<Vec<NewEntry>, GalleryError> {
    let left_out: Vec<KeyedDigest> = left_out.iter().map(|id| key.subject(id.as_str())).collect();
    let mut parts = left_out.chunks(SUBJECTS_MAX);
    let first = parts.next().unwrap_or_default();
    std::iter::once(first)
        .chain(parts)
        .map(|subjects| {
            NewEntry::new(Entry {
                records: Some(records),
                reasons: vec![from.name.clone()],
                digests: vec![Digest { of: DigestOf::Backup, sha256: from.digest }],
                subjects: subjects.to_vec(),
                ..entry_of(context, Kind::Restored, key)
            })
        })
        .collect()
}

impl EmbeddedStore {
    /// See [`gallery::restore`](crate::gallery::restore).
    ///
    /// # Errors
    /// As there.
    pub(in crate::gallery) fn restore(
        context: &RequestContext,
        dir: &Path,
        options: &EmbeddedOptions,
        from: &RestoreFrom,
        next: Next<'_>,
    ) -> Result<Restored, GalleryError> {
        let folder = Folder::claim_for_restoring(dir)?;
        let at = |error: StoreError| error.at(dir);
        let new = folder.new_restored_database()?;
        let restored = Storage::create(&new).and_then(|database| {
            let restored = guarded(|| fill(&database, &new, context, dir, options, from, next))?;
            database.close()?;
            Ok(restored)
        });
        match restored {
            Ok(restored) => {
                folder.keep_database(&new)?;
                folder.keep_version()?;
                Ok(restored)
            }
            Err(error) => {
                // Best effort: where it stays, nobody opens the folder, and the next restoring begins anew.
                let _ = std::fs::remove_file(&new);
                Err(at(error))
            }
        }
    }

    /// See [`gallery::erased_in`](crate::gallery::erased_in).
    ///
    /// # Errors
    /// As there.
    pub(in crate::gallery) fn erased_in(
        batch: &RowBatch,
        after: ErasedAfter,
        into: &mut BTreeSet<KeyedDigest>,
    ) -> Result<(), GalleryError> {
        if batch.table != redb::TableHandle::name(&ENTRIES) {
            return Ok(());
        }
        let mut read = || {
            for row in batch {
                let (key, value) = row.ok_or_else(cut)?;
                let record: EntryRecord = unseal("ledger_entries", key, value)?;
                let entry = Entry::decode(&record.contents);
                let entry = entry.map_err(|_| StoreError::damaged("an entry of the log cannot be read"))?;
                let is_after = after.entries.is_some_and(|from| u64::from_bytes(key) >= from);
                let is_later = Timestamp(entry.at_ms) > after.time;
                let is_erased = match entry.kind {
                    Kind::Erasure => entry.outcome.is_some_and(|outcome| outcome.as_str() == "erased"),
                    kind => kind == Kind::Restored,
                };
                if is_erased && (is_after || is_later) {
                    into.extend(entry.subjects);
                }
            }
            Ok(())
        };
        guarded(&mut read).map_err(|error: StoreError| error.at(Path::new("of the backup")))
    }
}

/// Writes everything into a new database, which lies at `path`.
fn fill(
    database: &Database,
    path: &Path,
    context: &RequestContext,
    dir: &Path,
    options: &EmbeddedOptions,
    from: &RestoreFrom,
    next: Next<'_>,
) -> Result<Restored, StoreError> {
    let (mut own, mut batch) = (Vec::new(), next()?);
    while let Some(of_gallery) = batch.take_if(|batch| batch.table == redb::TableHandle::name(&GALLERY)) {
        own.push(of_gallery);
        batch = next()?;
    }
    let marks = put_own_rows(database, &own)?;
    // Before anything of anybody is written: a wrong key, or none, is an error here.
    let protection = Arc::new(create::protection(database, options, dir)?);
    create::checked_id(database, options, dir)?;
    let before = read_counters(&database.begin_read()?.open_table(GALLERY)?, &protection)?;
    let setup = options.ledger.as_ref().map(|setup| LedgerSetup { begin_with: None, ..setup.clone() });
    let filter = RestoreFilter::new(&protection, &from.without, setup.as_ref().map(|setup| &setup.key))?;
    let (all, kept) = (RowSum::after(&protection, &[]), RowSum::after(&protection, &[]));
    let mut loading = Loading { filter, all, kept };
    load(database, &mut loading, batch, next)?;
    if protection.keys().is_some() && loading.all.bytes() != before.row_sum {
        return Err(StoreError::damaged("the rows of the backup do not come to the sum that the gallery kept of them"));
    }
    finish(database, &protection, &loading, &before, &marks)?;
    let Loading { filter, .. } = loading;
    create::complete(database)?;
    let has_ledger = ledger::begin_or_check(database, setup.as_ref(), &protection)?;
    let snapshot = || Ok::<_, StoreError>(Snapshot::new(database.begin_read()?, Arc::clone(&protection)));
    let head = snapshot()?.head()?;
    if (head.subjects + filter.subjects, head.templates + filter.templates) != (from.head.subjects, from.head.templates)
    {
        return Err(StoreError::damaged("the backup has not as many records as it says"));
    }
    let mut entry = None;
    if let Some(LedgerSetup { key, .. }) = setup.as_ref().filter(|_| has_ledger) {
        entry = snapshot()?.ledger()?.map(|ledger| ledger.next_place()).transpose()?;
        for new in restored_entries(context, key, from, head.subjects, &filter.left_out)? {
            enter(database, options, &head, new, setup.as_ref(), &protection)?;
        }
    }
    let restored = snapshot()?;
    given_up::catch_up(&restored)?;
    restored.check_rows()?;
    // As an opening does: whole where that takes some seconds.
    if std::fs::metadata(path).is_ok_and(|file| file.len() <= options.checked_bytes_max) {
        restored.visit(&head, &mut |_| ControlFlow::Continue(()))?;
    }
    let commit = restored.counters()?.commit;
    let not_found = from.without.subjects.difference(&filter.left_out).count() as u64;
    let (subjects, templates, left_out) = (head.subjects, head.templates, filter.subjects);
    Ok(Restored { subjects, templates, left_out, not_found, entry, commit })
}

/// Writes the rows that stay.
fn load(
    database: &Database,
    loading: &mut Loading<'_>,
    mut batch: Option<RowBatch>,
    next: Next<'_>,
) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    each_stored(&mut MakeTables(&transaction))?;
    transaction.commit()?;
    while batch.is_some() {
        let transaction = database.begin_write()?;
        let mut bytes = 0;
        while let Some(rows) = batch.take() {
            let mut load =
                LoadBatch { loading: &mut *loading, transaction: &transaction, batch: &rows, is_known: false };
            each_stored(&mut load)?;
            if !load.is_known {
                return Err(StoreError::damaged(format!("this program does not know the table {}", rows.table)));
            }
            bytes += rows.bytes.len();
            batch = next()?;
            if bytes >= BYTES_TOGETHER {
                break;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Writes the counters anew, and in a sealed gallery which keys are given up.
fn finish(
    database: &Database,
    protection: &Protection,
    loading: &Loading<'_>,
    before: &Counters,
    marks: &[IndexMarksRecord],
) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        let commit = before.commit + NUMBERS_SKIPPED;
        let counters = Counters {
            commit,
            template_next: before.template_next + NUMBERS_SKIPPED,
            decision_next: before.decision_next + NUMBERS_SKIPPED,
            captures: before.captures + NUMBERS_SKIPPED,
            subject_requests: before.subject_requests + REQUESTS_SKIPPED,
            // The log of changes begins anew.
            changes_to: commit,
            changes_from: commit,
            arrivals_to: commit,
            arrivals_from: commit,
            listed_to: commit,
            // Keys that what was lost has used are nobody else's.
            keys_to: protection.keys().map_or(before.keys_to, |keys| keys.made()),
            row_sum: loading.kept.bytes(),
            list_of_destroyed: match protection.keys() {
                Some(_) => given_up::new_list()?,
                None => Vec::new(),
            },
            ..before.clone()
        };
        let sealed = protection.wrap("gallery", COUNTERS_KEY.as_bytes(), Owner::Table, &counters)?;
        gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
        let mut numbers: BTreeSet<u64> = loading.filter.given_up.clone();
        // No index file comes with a backup, and what is left of one elsewhere is to be worthless.
        numbers.extend(marks.iter().flat_map(|marks| marks.keys.iter().copied()));
        let numbers: Vec<u64> = numbers.into_iter().collect();
        given_up::complete(&transaction, &mut gallery, protection, &numbers)?;
    }
    transaction.commit()?;
    Ok(())
}
