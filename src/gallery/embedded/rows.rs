//! Every row of the database as it lies, in one read transaction: for backups.
//!
//! Index files are derived and are no rows. What is noted while a clear gallery is sealed is of use to that
//! sealing alone, and is left out. In a sealed gallery the rows that were handed on are held at the end against the sum
//! that its counters keep of them: where one was taken away, added or put back, they end with an error.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use redb::{
    Key, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableHandle, Value,
};
use tokio::sync::{mpsc, oneshot};

use super::challenges::{CHALLENGES, OWNER_CHALLENGES};
use super::fault::StoreError;
use super::folder::Folder;
use super::given_up::{self, DESTROYED_KEYS, DOOMED_KEYS};
use super::ledger::{self, ABOUT, CHECKPOINTS, COMMITMENTS, ENTRIES, HEAD, TILES, next_place};
use super::pictures::{CASE_PICTURES, PICTURE_TIMES};
use super::row_sum::RowSum;
use super::sealed_copy::{CURSOR, is_summed};
use super::snapshot::{Offer, enter, snapshot_entry};
use super::storage::{Storage, guarded};
use super::store::{EmbeddedStore, Shared};
use super::subject_requests::{OPEN_REQUESTS, REQUESTS_OF_SUBJECT, SUBJECT_REQUESTS};
use super::tables::{
    CAPTURE_BANDS, CAPTURES, CHANGES, CLEARED, DECISION_HEADS, DECISIONS, GALLERY, REQUEST_ORDER, REQUESTS,
    SUBJECT_CAPTURES, SUBJECT_DECISIONS, SUBJECT_KEYS, SUBJECTS, Snapshot, TEMPLATES, Tables, WAITING, if_there,
    read_gallery, read_id,
};
use super::written_rows::WRITTEN_ROWS;
use super::{EmbeddedOptions, create};
use crate::context::RequestContext;
use crate::gallery::ledger::LedgerSetup;
use crate::gallery::rows::{GalleryRows, RowBatch, RowsHead, RowsSent, lower_priority};
use crate::gallery::{GalleryError, Timestamp};

/// Bytes of a batch; one row more may lie behind them.
const BATCH_BYTES: usize = 256 << 10;
/// Batches ready before they are asked for.
const BATCHES_AHEAD: usize = 4;

/// Does something to each table that a gallery is stored in.
pub(super) trait EachStored {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError>;
}

/// Goes through all tables: what a gallery is first, what is about people before what lists it.
pub(super) fn each_stored(each: &mut impl EachStored) -> Result<(), StoreError> {
    each.table(GALLERY)?;
    each.table(SUBJECTS)?;
    each.table(TEMPLATES)?;
    each.table(REQUESTS)?;
    each.table(REQUEST_ORDER)?;
    each.table(DECISIONS)?;
    each.table(DECISION_HEADS)?;
    each.table(SUBJECT_DECISIONS)?;
    each.table(WAITING)?;
    each.table(CLEARED)?;
    each.table(CHANGES)?;
    each.table(CAPTURES)?;
    each.table(CAPTURE_BANDS)?;
    each.table(SUBJECT_CAPTURES)?;
    each.table(CHALLENGES)?;
    each.table(OWNER_CHALLENGES)?;
    each.table(SUBJECT_REQUESTS)?;
    each.table(REQUESTS_OF_SUBJECT)?;
    each.table(OPEN_REQUESTS)?;
    each.table(CASE_PICTURES)?;
    each.table(PICTURE_TIMES)?;
    each.table(SUBJECT_KEYS)?;
    each.table(DOOMED_KEYS)?;
    each.table(DESTROYED_KEYS)?;
    each.table(HEAD)?;
    each.table(COMMITMENTS)?;
    each.table(ENTRIES)?;
    each.table(ABOUT)?;
    each.table(TILES)?;
    each.table(CHECKPOINTS)
}

/// Told each batch; breaks off rows that nobody wants any more.
type VisitRows<'a> = &'a mut dyn FnMut(RowBatch) -> ControlFlow<GalleryError>;

struct ReadRows<'a, 'v> {
    read: &'a ReadTransaction,
    names: BTreeSet<String>,
    /// Over all rows that are in the sum of a sealed gallery.
    sum: RowSum<'a>,
    visit: VisitRows<'v>,
}

impl ReadRows<'_, '_> {
    fn hand_on(&mut self, batch: RowBatch) -> Result<(), StoreError> {
        match (self.visit)(batch) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error.into()),
        }
    }
}

impl EachStored for ReadRows<'_, '_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        let name = definition.name().to_owned();
        self.names.insert(name.clone());
        let Some(table) = if_there(self.read.open_table(definition))? else { return Ok(()) };
        let mut batch = RowBatch::of(&name);
        // The sum itself lies in `gallery`.
        let counts = is_summed(&name) && name != GALLERY.name();
        for row in table.iter()? {
            let (key, value) = row?;
            let (key, value) = (key.value(), value.value());
            let (key, value) = (K::as_bytes(&key), V::as_bytes(&value));
            batch.push(key.as_ref(), value.as_ref());
            if counts {
                self.sum.count(&name, key.as_ref(), value.as_ref());
            }
            if batch.bytes.len() >= BATCH_BYTES {
                self.hand_on(std::mem::replace(&mut batch, RowBatch::of(&name)))?;
            }
        }
        if batch.rows > 0 { self.hand_on(batch) } else { Ok(()) }
    }
}

/// Tables that no backup has.
fn is_passed_over(name: &str) -> bool {
    [WRITTEN_ROWS.name(), CURSOR.name()].contains(&name)
}

impl Snapshot {
    fn rows_head(&self) -> Result<RowsHead, StoreError> {
        let (gallery, counters) = (self.gallery()?, self.counters()?);
        let record = read_gallery(gallery)?;
        let entries = if_there(self.transaction().open_table(COMMITMENTS))?;
        let key_store = record.sealing.map(|sealing| {
            let id = <[u8; 16]>::try_from(sealing.key_store);
            id.map_err(|_| StoreError::damaged("the id of the key store has another length"))
        });
        Ok(RowsHead {
            gallery: read_id(gallery)?.ok_or_else(|| StoreError::damaged("the gallery's id is missing"))?,
            commit: counters.commit,
            taken_at: Timestamp::now(),
            subjects: self.subjects()?.len()?,
            templates: self.templates()?.len()?,
            entries: entries.map(|table| next_place(&table)).transpose()?.unwrap_or(0),
            layout: record.version,
            key_store: key_store.transpose()?,
        })
    }

    /// Every row, in the order of [`each_stored`]. An error where they are not those of the sum in a sealed gallery.
    fn visit_rows(&self, visit: VisitRows<'_>) -> Result<(), StoreError> {
        let sum = RowSum::after(self.protection(), &[]);
        let mut reading = ReadRows { read: self.transaction(), names: BTreeSet::new(), sum, visit };
        each_stored(&mut reading)?;
        self.check_rows_read(&reading.sum)?;
        let more = self.transaction().list_tables()?;
        match more
            .map(|table| table.name().to_owned())
            .find(|name| !reading.names.contains(name) && !is_passed_over(name))
        {
            None => Ok(()),
            // A backup without it would be none.
            Some(name) => Err(StoreError::damaged(format!("this program does not know the table {name}"))),
        }
    }
}

impl EmbeddedStore {
    /// Reads the rows of a gallery that nobody has open. `begin` is told what it is of, `visit` every batch.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`], and what `begin` and `visit` break off with.
    pub(in crate::gallery) fn read_rows(
        context: &RequestContext,
        dir: &Path,
        options: &EmbeddedOptions,
        begin: &mut dyn FnMut(&RowsHead) -> ControlFlow<GalleryError>,
        visit: VisitRows<'_>,
    ) -> Result<(), GalleryError> {
        let folder = Folder::claim(dir, false)?;
        if folder.is_new()? {
            let detail = "there is no gallery in it".to_owned();
            return Err(GalleryError::Damaged { path: dir.to_owned(), detail });
        }
        let mut read = || {
            let storage = Storage::File(folder.database());
            let is_small = storage.bytes().map_err(redb::StorageError::from)? <= options.checked_bytes_max;
            let (database, _) = storage.open(options)?;
            let protection = Arc::new(guarded(|| create::protection(&database, options, dir))?);
            create::complete(&database)?;
            create::checked_id(&database, options, dir)?;
            let snapshot = || Ok::<_, StoreError>(Snapshot::new(database.begin_read()?, Arc::clone(&protection)));
            guarded(|| given_up::catch_up(&snapshot()?))?.tell();
            // What somebody has put back or taken away must not be taken for the gallery in a backup, either.
            if is_small {
                guarded(|| snapshot()?.check_rows())?;
            }
            let setup = options.ledger.as_ref().map(|setup| LedgerSetup { begin_with: None, ..setup.clone() });
            let has_ledger = guarded(|| ledger::begin_or_check(&database, setup.as_ref(), &protection))?;
            guarded(|| {
                if let Some(LedgerSetup { key, .. }) = setup.as_ref().filter(|_| has_ledger) {
                    // First, so that it is in the backup as well.
                    let head = snapshot()?.head()?;
                    enter(
                        &database,
                        options,
                        &head,
                        snapshot_entry(context, key, &head)?,
                        setup.as_ref(),
                        &protection,
                    )?;
                }
                let snapshot = snapshot()?;
                if let ControlFlow::Break(error) = begin(&snapshot.rows_head()?) {
                    return Err(error.into());
                }
                snapshot.visit_rows(visit)
            })
        };
        read().map_err(|error: StoreError| error.at(dir))
    }

    pub(super) async fn take_rows(&self) -> Result<GalleryRows, GalleryError> {
        let shared = Arc::clone(&self.shared);
        let (begun, head) = oneshot::channel();
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        // A thread of its own, whose priority nobody else's work takes over.
        let read = move || {
            lower_priority();
            if let Err(error) = stream(&shared, begun, &sender) {
                // Where nobody listens there is nobody to tell.
                let _ = sender.blocking_send(Err(error.at(&shared.path)));
            }
        };
        let thread = std::thread::Builder::new().name("gallery-rows".into()).spawn(read);
        thread.map_err(|error| super::fault::from_io(&error, &self.shared.path))?;
        let head = head.await.map_err(|_| GalleryError::Closing)??;
        Ok(GalleryRows::new(head, batches))
    }
}

fn stream(
    shared: &Shared,
    begun: oneshot::Sender<Result<RowsHead, GalleryError>>,
    sender: &mpsc::Sender<Result<RowsSent, GalleryError>>,
) -> Result<(), StoreError> {
    let offer = Offer::new(shared, sender);
    shared.read(|snapshot| {
        let head = match snapshot.rows_head() {
            Ok(head) => head,
            Err(error) => {
                let _ = begun.send(Err(error.at(&shared.path)));
                return Ok(());
            }
        };
        if begun.send(Ok(head)).is_err() {
            return Ok(());
        }
        guarded(|| snapshot.visit_rows(&mut |batch| offer.send(RowsSent::Batch(batch))))?;
        match offer.send(RowsSent::End) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error.into()),
        }
    })
}
