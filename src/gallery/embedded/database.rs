//! The open database, and the vectors that searches read from it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard, TryLockError};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase};

use super::fault::StoreError;
use super::protection::Protection;
use super::tables::{Rows, Snapshot, TEMPLATES, template_in};
use crate::float32;
use crate::gallery::GalleryError;
use crate::search::{Originals, SearchError};

/// Where the database is. `None` while it is being opened again after a failure.
pub(super) struct OpenDatabase {
    pub(super) slot: RwLock<Option<Database>>,
    /// How what is in it can be read. Changed with the slot alone, when a clear gallery is sealed.
    protection: RwLock<Arc<Protection>>,
    /// Whether commits note which rows they write, as a sealed copy is made.
    is_noting: AtomicBool,
    /// Times it had to be closed: snapshots under way end then.
    closings: AtomicU64,
}

/// Nobody reads as long as this lives.
pub(super) struct Alone<'a> {
    slot: RwLockWriteGuard<'a, Option<Database>>,
    of: &'a OpenDatabase,
}

impl Alone<'_> {
    /// Puts another database in place of the open one, which it returns.
    pub(super) fn replace(mut self, database: Database, protection: Arc<Protection>) -> Option<Database> {
        *self.of.protection.write().unwrap_or_else(PoisonError::into_inner) = protection;
        self.of.is_noting.store(false, Ordering::Release);
        self.slot.replace(database)
    }
}

fn closed() -> StoreError {
    GalleryError::Storage("the database is closed after a failure; try again".into()).into()
}

impl OpenDatabase {
    pub(super) fn new(database: Database, protection: Arc<Protection>) -> Self {
        Self {
            slot: RwLock::new(Some(database)),
            protection: RwLock::new(protection),
            is_noting: AtomicBool::new(false),
            closings: AtomicU64::new(0),
        }
    }

    /// How what is in it can be read: the same as long as the slot is held.
    pub(super) fn protection(&self) -> Arc<Protection> {
        Arc::clone(&self.protection.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has commits note which rows they write.
    pub(super) fn note_rows(&self) {
        self.is_noting.store(true, Ordering::Release);
    }

    pub(super) fn is_noting(&self) -> bool {
        self.is_noting.load(Ordering::Acquire)
    }

    /// Keeps readers out, where none is there at some moment within `patience`. It is not waited for them
    /// with others behind it: who reads may read again within that, and would wait for itself.
    pub(super) fn alone(&self, patience: Duration) -> Option<Alone<'_>> {
        // Snapshots under way would be there for long.
        self.closings.fetch_add(1, Ordering::AcqRel);
        let begun = Instant::now();
        loop {
            match self.slot.try_write() {
                Ok(slot) => return Some(Alone { slot, of: self }),
                Err(TryLockError::Poisoned(slot)) => return Some(Alone { slot: slot.into_inner(), of: self }),
                Err(TryLockError::WouldBlock) if begun.elapsed() > patience => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    /// Works on the database itself.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let database = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        work(database.as_ref().ok_or_else(closed)?)
    }

    /// Does something as long as what is in it lies as before; `None` where it was sealed since.
    pub(super) fn while_under<T>(
        &self,
        protection: &Arc<Protection>,
        work: impl FnOnce(Option<&Database>) -> T,
    ) -> Option<T> {
        let database = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        Arc::ptr_eq(protection, &self.protection()).then(|| work(database.as_ref()))
    }

    pub(super) fn is_open(&self) -> bool {
        self.slot.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Closes the database once every reader is done with it.
    pub(super) fn close(&self) {
        self.closings.fetch_add(1, Ordering::AcqRel);
        drop(self.slot.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// How often it was closed.
    pub(super) fn closings(&self) -> u64 {
        self.closings.load(Ordering::Acquire)
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let database = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.as_ref().ok_or_else(closed)?.begin_read()?;
        read(&Snapshot::new(transaction, self.protection()))
    }

    /// Does work that reads vectors as they are at this moment, and no others. The
    /// database stays open meanwhile. What befell reading, if anything, comes second.
    pub(super) fn pinned<T>(&self, work: impl FnOnce(&Pinned) -> T) -> (T, Option<StoreError>) {
        let database = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        let open = || Ok(database.as_ref().ok_or_else(closed)?.begin_read()?.open_table(TEMPLATES)?);
        let protection = self.protection();
        let pinned = match open() {
            Ok(templates) => Pinned { templates: Some(templates), protection, failure: Mutex::default() },
            Err(error) => Pinned { templates: None, protection, failure: Mutex::new(Some(error)) },
        };
        let done = work(&pinned);
        (done, pinned.failure.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The templates of one moment.
pub(super) struct Pinned {
    templates: Option<Rows<u64>>,
    protection: Arc<Protection>,
    /// The first thing that went wrong.
    failure: Mutex<Option<StoreError>>,
}

impl Pinned {
    fn try_read(&self, keys: &[u64], take: &mut dyn FnMut(usize, &[f32])) -> Result<(), StoreError> {
        let templates = self.templates.as_ref().ok_or_else(closed)?;
        let mut vector = Vec::new();
        for (at, &key) in keys.iter().enumerate() {
            let Some(record) = template_in(templates, &self.protection, key)? else { continue };
            let values = float32::values(&record.vector);
            vector.clear();
            vector.extend(values.ok_or_else(|| StoreError::damaged("a template is cut short"))?);
            take(at, &vector);
        }
        Ok(())
    }
}

impl Originals for Pinned {
    fn read(&self, keys: &[u64], take: &mut dyn FnMut(usize, &[f32])) -> Result<(), SearchError> {
        self.try_read(keys, take).map_err(|error| {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
            SearchError::Unreadable
        })
    }
}

/// Each call reads the newest templates: for the index's own needs, which are met
/// while no write is published.
impl Originals for OpenDatabase {
    fn read(&self, keys: &[u64], take: &mut dyn FnMut(usize, &[f32])) -> Result<(), SearchError> {
        let (done, failure) = self.pinned(|pinned| Originals::read(pinned, keys, take));
        if let Some(error) = failure {
            tracing::warn!(?error, "vectors outside memory cannot be read");
        }
        done
    }
}
