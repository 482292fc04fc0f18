//! Seals a clear gallery while it is served.
//!
//! A thread beside the work makes the sealed copy (`sealed_copy`), some rows at a time, while every commit
//! notes which rows it writes (`written_rows`). Then it carries those over, again and again, reads the copy
//! whole once, and hands it to the writer. The writer, between two groups of commands, carries over a
//! bounded number of rows, and swaps where none are left: the sealed database takes the clear one's name,
//! and the open database is another from the next read on. As long as it has the copy, groups are small,
//! so that it carries over more than they write. What lay in the clear is overwritten after that.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase};
use tokio::sync::{mpsc, oneshot};

use super::EmbeddedOptions;
use super::database::OpenDatabase;
use super::fault::StoreError;
use super::sealed_copy::{Paths, SealedCopy, begun, forget_cursor};
use super::storage::{Storage, guarded};
use super::store::Shared;
use super::tables::if_there;
use super::writer::Message;
use super::written_rows::WRITTEN_ROWS;
use crate::gallery::GalleryError;

/// Rows in one transaction of the thread beside the work. The database cannot be closed meanwhile.
const ROWS_TOGETHER: usize = 2_000;
/// Rows that the writer carries over at most between two groups of commands: with the flushes, this
/// bounds how long it keeps callers waiting.
const ROWS_LEFT_MAX: usize = 4_000;
/// How long the writer looks for a moment in which nobody reads; then it takes the next group first.
const READERS_MAX: Duration = Duration::from_millis(50);
/// Commands in a group as long as the writer has the copy: they write fewer rows than it carries over.
pub(super) const GROUP_MAX: usize = 32;
/// Rounds of carrying over beside the work, each of what the gallery had written when it began.
const ROUNDS_MAX: usize = 16;
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(60);

/// What the writer made of a copy.
pub(super) enum Swapped {
    /// There is more to carry over.
    NotYet(Box<SealedCopy>),
    Done(Done),
    Failed(GalleryError),
}

/// The gallery is the sealed copy.
pub(super) struct Done {
    /// The clear one, to be closed.
    clear: Option<Database>,
    /// How many rows were copied.
    rows: u64,
    /// Whether index files in the clear are out of the way.
    is_index_aside: bool,
}

/// A copy on its way to the writer.
pub(super) struct Handed {
    pub(super) copy: Box<SealedCopy>,
    pub(super) reply: oneshot::Sender<Result<Done, GalleryError>>,
}

/// What there is to do beside the work.
pub(super) enum Task {
    Seal(Box<SealedCopy>),
    /// What lay in the clear is to be overwritten still.
    TakeAwayClear,
}

/// Begins the copy of a clear gallery that is to be sealed, or finds the one that was begun: with wrong
/// keys the gallery is not served. Every commit from here on notes what it writes.
pub(super) fn begin(
    dir: &Path,
    storage: &Storage,
    options: &EmbeddedOptions,
    database: &OpenDatabase,
) -> Result<Option<Task>, StoreError> {
    if !matches!(storage, Storage::File(_)) {
        return match options.sealing.is_some() && database.protection().keys().is_none() {
            true => Err(GalleryError::NotSealed(dir.to_owned()).into()),
            false => Ok(None),
        };
    }
    if database.protection().keys().is_some() {
        let paths = Paths::of(dir);
        database.write(forget_cursor)?;
        if !paths.is_clear_left().map_err(redb::StorageError::from)? {
            return Ok(None);
        }
        // Before the key store is told that it is sealed: a power cut must not bring the clear one back then.
        paths.sync().map_err(redb::StorageError::from)?;
        // Before anybody reads it.
        paths.set_index_aside().map_err(redb::StorageError::from)?;
        return Ok(Some(Task::TakeAwayClear));
    }
    if options.sealing.is_none() {
        // Whoever takes the keys out gives the copy up.
        database.write(stop_noting)?;
        return Ok(None);
    }
    database.write(|database| {
        let transaction = database.begin_write()?;
        transaction.open_table(WRITTEN_ROWS)?;
        transaction.commit()?;
        Ok(())
    })?;
    let copy = begun(dir, options, database)?;
    database.note_rows();
    Ok(Some(Task::Seal(Box::new(copy))))
}

fn stop_noting(database: &Database) -> Result<(), StoreError> {
    if if_there(database.begin_read()?.open_table(WRITTEN_ROWS))?.is_none() {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    transaction.delete_table(WRITTEN_ROWS)?;
    transaction.commit()?;
    Ok(())
}

/// The thread beside the work.
pub(super) struct Sealing {
    pub(super) shared: Arc<Shared>,
    pub(super) is_closing: Arc<AtomicBool>,
    /// Weak, as the writer works until every sender is gone.
    pub(super) queue: mpsc::WeakSender<Message>,
}

impl Sealing {
    pub(super) fn run(self, task: Task) {
        let mut copy = match task {
            Task::TakeAwayClear => return self.take_away_clear(),
            Task::Seal(copy) => Some(copy),
        };
        let path = &self.shared.path;
        tracing::info!(
            "the gallery is being sealed while it is served; until that is done it lies in the clear, and copies that \
             were made of it before stay readable"
        );
        while !self.is_closing() {
            let sealed = match copy.take() {
                Some(copy) => guarded(|| self.seal(copy)),
                None => guarded(|| self.seal(Box::new(begun(path, &self.shared.options, &self.shared.database)?))),
            };
            match sealed {
                Ok(Some(Done { clear, rows, is_index_aside })) => {
                    drop(clear);
                    tracing::info!(rows, "the gallery is sealed; what lay in the clear is being overwritten");
                    match is_index_aside {
                        true => self.take_away_clear(),
                        false => tracing::error!("an index file lies in the clear still; the next start overwrites it"),
                    }
                    return;
                }
                Ok(None) => break,
                Err(error) => {
                    let error = error.at(path);
                    tracing::error!(%error, "the gallery could not be sealed; it is served as it was, and tried again");
                    self.pause();
                }
            }
        }
        tracing::info!("the sealing of the gallery goes on at the next start");
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    fn pause(&self) {
        let begun = Instant::now();
        while begun.elapsed() < PAUSE && !self.is_closing() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `None` where the gallery is being closed.
    fn seal(&self, mut copy: Box<SealedCopy>) -> Result<Option<Done>, StoreError> {
        let database = &self.shared.database;
        let mut tenths = None;
        let told = &mut |cursor: &super::sealed_copy::CursorRecord| {
            let now = cursor.rows * 10 / cursor.of.max(1);
            if tenths != Some(now) {
                tenths = Some(now);
                tracing::info!(rows = cursor.rows, of = cursor.of, "rows of the gallery are sealed");
            }
            if self.is_closing() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if !copy.copy_tables(database, ROWS_TOGETHER, told)? || !self.catch_up(&mut copy)? {
            return Ok(None);
        }
        tracing::info!("the sealed copy is being checked");
        copy.check()?;
        if !self.catch_up(&mut copy)? {
            return Ok(None);
        }
        tracing::info!("the sealed copy takes the place of the clear gallery");
        let (reply, swapped) = oneshot::channel();
        self.shared.hand_over(Some(Handed { copy, reply }));
        match self.queue.upgrade() {
            // Full: then commands wait, and with them the writer comes by.
            Some(queue) => drop(queue.try_send(Message::Swap)),
            None => self.shared.hand_over(None),
        }
        match swapped.blocking_recv() {
            Ok(swapped) => swapped.map(Some).map_err(StoreError::from),
            Err(_) => Ok(None),
        }
    }

    /// Carries over until little is left, or it does not become less. False where the gallery is being
    /// closed.
    fn catch_up(&self, copy: &mut SealedCopy) -> Result<bool, StoreError> {
        for round in 1..=ROUNDS_MAX {
            let mut carried = copy.carry_over(&self.shared.database, ROWS_TOGETHER)?;
            if carried.is_all() {
                break;
            }
            let aim = carried.newest;
            tracing::info!(
                round,
                commits = aim - carried.up_to,
                "the gallery wrote more meanwhile; that is carried over"
            );
            while carried.up_to < aim {
                if self.is_closing() {
                    return Ok(false);
                }
                carried = copy.carry_over(&self.shared.database, ROWS_TOGETHER)?;
            }
        }
        Ok(!self.is_closing())
    }

    fn take_away_clear(&self) {
        let paths = Paths::of(&self.shared.path);
        // From here on a clear folder of this gallery is one of before. Not sooner: until the names are on the
        // disk, a power cut brings the clear one back.
        let is_noted = paths.sync().map_err(|error| error.to_string()).and_then(|()| {
            let protection = self.shared.database.protection();
            let noted = protection.keys().map(|keys| keys.serves_sealed(self.shared.id.bytes()));
            noted.transpose().map(drop).map_err(|error| error.to_string())
        });
        if let Err(error) = is_noted {
            tracing::warn!(%error, "the key store does not know yet that the gallery is sealed; the next start notes it");
        }
        let forgotten = guarded(|| self.shared.database.write(forget_cursor));
        if let Err(error) = forgotten {
            let error = error.at(&self.shared.path);
            tracing::warn!(%error, "how far the sealing was is still noted; the next start takes that away");
        }
        match paths.take_away_clear() {
            Ok(()) => tracing::info!(
                "what lay in the clear is overwritten; copies that were made of it before (backups, snapshots of the \
                 file system, cells of a disk) are readable still: destroy them, or keep them as you would the photos"
            ),
            Err(error) => {
                tracing::error!(%error, "what lay in the clear could not be overwritten; the next start tries again");
            }
        }
    }
}

/// What the writer does between two groups of commands: carries over a bounded number of rows, and where
/// nothing is left puts the sealed copy in place of the clear gallery. `unsynced` is set where the folder
/// must be flushed before anything is acknowledged.
pub(super) fn swap(shared: &Shared, copy: Box<SealedCopy>, unsynced: &mut bool) -> Swapped {
    let begun = Instant::now();
    let swapped =
        guarded(|| try_swap(shared, copy, unsynced)).unwrap_or_else(|error| Swapped::Failed(error.at(&shared.path)));
    if matches!(swapped, Swapped::Done(_)) {
        tracing::info!(paused_ms = begun.elapsed().as_millis() as u64, "the gallery was swapped for its sealed copy");
    }
    swapped
}

fn try_swap(shared: &Shared, mut copy: Box<SealedCopy>, unsynced: &mut bool) -> Result<Swapped, StoreError> {
    if !copy.carry_over(&shared.database, ROWS_LEFT_MAX)?.is_all() {
        return Ok(Swapped::NotYet(copy));
    }
    let rows = copy.finish(&shared.database)?;
    let paths = Paths::of(&shared.path);
    // Nobody reads meanwhile, and no index file comes: one in the clear would stay.
    let Some(alone) = shared.database.alone(READERS_MAX) else { return Ok(Swapped::NotYet(copy)) };
    paths.put_in_place().map_err(redb::StorageError::from)?;
    // From here on the sealed copy is the gallery, whatever else fails.
    let is_index_aside = paths.set_index_aside().is_ok();
    let SealedCopy { target, protection, .. } = *copy;
    let clear = alone.replace(target, protection);
    *unsynced = paths.sync().is_err();
    Ok(Swapped::Done(Done { clear, rows, is_index_aside }))
}
