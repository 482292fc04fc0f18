//! Reading everything in one transaction, without disturbing the writer.
//!
//! redb keeps the pages of an open read transaction, so a snapshot costs disk, not
//! time: what is written meanwhile goes elsewhere. It ends when the database has to be
//! closed, and where nobody takes its parts.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::fault::StoreError;
use super::folder::Folder;
use super::group::Group;
use super::ledger::LedgerAt;
use super::protection::Protection;
use super::storage::{Storage, guarded};
use super::store::{EmbeddedStore, Shared};
use super::tables::{Snapshot, Tables, cleared_key, read_cleared_pairs, read_gallery};
use super::{EmbeddedOptions, create, given_up, ledger, read};
use crate::context::RequestContext;
use crate::gallery::ledger::{LedgerSetup, LedgerTables, NewEntry, entry_of};
use crate::gallery::snapshot::Sent;
use crate::gallery::{Command, GalleryError, GallerySnapshot, Signer, SnapshotHead, SnapshotPart, Timestamp};
use crate::ledger::entry::{Entry, Kind, LedgerKey};

/// Parts ready before they are asked for.
const PARTS_AHEAD: usize = 64;
/// How long a part waits to be taken.
const STALL_MAX: Duration = Duration::from_secs(60);
/// How long to wait before a part that was not taken is offered again: longer every time,
/// so that a quick reader is not held up and a slow one costs little.
const PAUSE: std::ops::RangeInclusive<Duration> = Duration::from_micros(50)..=Duration::from_millis(2);
/// Cleared pairs read at a time.
const PAIRS_AT_ONCE: usize = 1024;

/// Told each part; breaks off a snapshot nobody wants any more.
type Visit<'a> = &'a mut dyn FnMut(SnapshotPart) -> ControlFlow<GalleryError>;

impl Snapshot {
    pub(super) fn head(&self) -> Result<SnapshotHead, StoreError> {
        Ok(SnapshotHead {
            recipes: read_gallery(self.gallery()?)?.recipes()?,
            subjects: self.subjects()?.len()?,
            templates: self.templates()?.len()?,
            template_next: self.counters()?.template_next,
            taken_at: Timestamp::now(),
            master_key: self.protection().keys().map(|keys| keys.master().0),
        })
    }

    /// Everything, checked as at opening: what is handed on adds up to what the head says.
    pub(super) fn visit(&self, head: &SnapshotHead, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut templates = 0u64;
        for row in self.subjects()?.iter()? {
            let (id, bytes) = row?;
            let (id, record) = read::subject_in(self, id.value(), bytes.value())?;
            let subject = read::subject(self, record.into_head(id)?, &head.recipes)?;
            templates += subject.templates.len() as u64;
            if let ControlFlow::Break(error) = visit(SnapshotPart::Subject(subject)) {
                return Err(error.into());
            }
        }
        if templates != head.templates {
            return Err(StoreError::damaged("there are templates that belong to nobody, or to two"));
        }
        let mut after: Option<String> = None;
        loop {
            let pairs = read_cleared_pairs(self, after.as_deref(), PAIRS_AT_ONCE)?;
            let Some(last) = pairs.last() else { return Ok(()) };
            after = Some(cleared_key(self.protection(), &last.first, &last.second));
            for pair in pairs {
                if let ControlFlow::Break(error) = visit(SnapshotPart::Cleared(pair)) {
                    return Err(error.into());
                }
            }
        }
    }
}

impl EmbeddedStore {
    /// Whether there is a gallery in the folder `dir`.
    pub(in crate::gallery) fn is_at(dir: &Path) -> bool {
        Folder::holds_database(dir)
    }

    /// Whether the gallery in the folder `dir` keeps a transparency log; told as yes where another
    /// process has it open.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`], [`GalleryError::Storage`].
    pub(in crate::gallery) fn keeps_ledger(dir: &Path) -> Result<bool, GalleryError> {
        if !Folder::holds_database(dir) {
            return Ok(false);
        }
        let read = || {
            let Some(database) = Storage::look(&Folder::database_of(dir))? else { return Ok(true) };
            guarded(|| ledger::has_begun(&database.begin_read()?))
        };
        read().map_err(|error: StoreError| error.at(dir))
    }

    /// Reads a gallery that nobody has open, of whatever recipe, without an index in
    /// memory. `begin` is told what it is of, `visit` every part.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`], and what `begin` and `visit` break off with.
    pub(in crate::gallery) fn read_all(
        context: &RequestContext,
        dir: &Path,
        options: &EmbeddedOptions,
        begin: &mut dyn FnMut(&SnapshotHead) -> ControlFlow<GalleryError>,
        visit: Visit<'_>,
    ) -> Result<(), GalleryError> {
        let folder = Folder::claim(dir, false)?;
        if folder.is_new()? {
            let detail = "there is no gallery in it".to_owned();
            return Err(GalleryError::Damaged { path: dir.to_owned(), detail });
        }
        let mut read = || {
            let (database, _) = Storage::File(folder.database()).open(options)?;
            let protection = Arc::new(guarded(|| create::protection(&database, options, dir))?);
            create::complete(&database)?;
            create::checked_id(&database, options, dir)?;
            guarded(|| given_up::catch_up(&Snapshot::new(database.begin_read()?, Arc::clone(&protection))))?.tell();
            let setup = options.ledger.as_ref().map(|setup| LedgerSetup { begin_with: None, ..setup.clone() });
            let has_ledger = guarded(|| ledger::begin_or_check(&database, setup.as_ref(), &protection))?;
            guarded(|| {
                let snapshot = Snapshot::new(database.begin_read()?, Arc::clone(&protection));
                let head = snapshot.head()?;
                if let ControlFlow::Break(error) = begin(&head) {
                    return Err(error.into());
                }
                if let Some(LedgerSetup { key, .. }) = setup.as_ref().filter(|_| has_ledger) {
                    let entry = snapshot_entry(context, key, &head)?;
                    enter(&database, options, &head, entry, setup.as_ref(), &protection)?;
                }
                snapshot.visit(&head, visit)
            })
        };
        read().map_err(|error: StoreError| error.at(dir))
    }

    /// Reads the transparency log of a gallery that nobody has open.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`], and what `read` ends with.
    pub(in crate::gallery) fn read_ledger_at(
        dir: &Path,
        options: &EmbeddedOptions,
        read: &mut dyn FnMut(&dyn LedgerTables) -> Result<(), GalleryError>,
    ) -> Result<(), GalleryError> {
        let folder = Folder::claim(dir, false)?;
        let at = |error: StoreError| error.at(dir);
        let (database, _) = Storage::File(folder.database()).open(options).map_err(at)?;
        let protection = Arc::new(guarded(|| create::protection(&database, options, dir)).map_err(at)?);
        let begin = || Ok(Snapshot::new(database.begin_read()?, Arc::clone(&protection)));
        let records = guarded(begin).map_err(at)?;
        guarded(|| given_up::catch_up(&records)).map_err(at)?.tell();
        let tables = guarded(|| records.ledger()).map_err(at)?;
        read(&LedgerAt { tables, records: &records, path: dir })
    }

    pub(super) async fn take_snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        let shared = Arc::clone(&self.shared);
        let (begun, head) = oneshot::channel();
        let (sender, parts) = mpsc::channel(PARTS_AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = stream(&shared, begun, &sender) {
                // Where nobody listens there is nobody to tell.
                let _ = sender.blocking_send(Err(error.at(&shared.path)));
            }
        });
        let head = head.await.map_err(|_| GalleryError::Closing)??;
        Ok(GallerySnapshot::new(head, parts))
    }
}

pub(super) fn snapshot_entry(
    context: &RequestContext,
    key: &LedgerKey,
    head: &SnapshotHead,
) -> Result<NewEntry, GalleryError> {
    let records = Some(head.subjects);
    NewEntry::new(Entry { records, ..entry_of(context, Kind::Snapshot, key) })
}

/// Enters what is about to be handed on, in a database that nobody else has open.
pub(super) fn enter(
    database: &Database,
    options: &EmbeddedOptions,
    head: &SnapshotHead,
    entry: NewEntry,
    setup: Option<&LedgerSetup>,
    protection: &Protection,
) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    // The log of changes stays as long as it is: an index file may need it.
    let mut group = Group::begin(&transaction, options, &head.recipes, 0, true, protection, false)?;
    group.carry(&Command::Enter(entry))?;
    for key in setup.map(|setup| setup.sign_at_once.as_slice()).unwrap_or_default() {
        // One of them is the log's.
        match group.carry(&Command::Sequence(Signer(Arc::clone(key)))) {
            Ok(_) | Err(StoreError::Refused(GalleryError::LedgerSigner)) => {}
            Err(error) => return Err(error),
        }
    }
    group.finish()?;
    transaction.commit()?;
    Ok(())
}

/// Hands parts to whoever reads them, as long as the database need not be closed.
pub(super) struct Offer<'a, T> {
    shared: &'a Shared,
    closings: u64,
    sender: &'a mpsc::Sender<Result<T, GalleryError>>,
}

impl<'a, T> Offer<'a, T> {
    pub(super) fn new(shared: &'a Shared, sender: &'a mpsc::Sender<Result<T, GalleryError>>) -> Self {
        Self { shared, closings: shared.database.closings(), sender }
    }

    pub(super) fn send(&self, sent: T) -> ControlFlow<GalleryError> {
        let must_close = || self.shared.database.closings() != self.closings;
        if must_close() {
            return ControlFlow::Break(GalleryError::Closing);
        }
        // Asked again and again rather than awaited: whoever closes the database waits
        // for this thread, perhaps on the one that would take the part or keep the time.
        let (mut part, clock, mut pause) = (Ok(sent), Instant::now(), *PAUSE.start());
        loop {
            part = match self.sender.try_send(part) {
                Ok(()) => return ControlFlow::Continue(()),
                Err(TrySendError::Full(part)) => part,
                Err(TrySendError::Closed(_)) => return ControlFlow::Break(GalleryError::Closing),
            };
            if must_close() || clock.elapsed() > STALL_MAX {
                return ControlFlow::Break(GalleryError::Closing);
            }
            std::thread::sleep(pause);
            pause = (2 * pause).min(*PAUSE.end());
        }
    }
}

fn stream(
    shared: &Shared,
    begun: oneshot::Sender<Result<SnapshotHead, GalleryError>>,
    sender: &mpsc::Sender<Result<Sent, GalleryError>>,
) -> Result<(), StoreError> {
    let offer = Offer::new(shared, sender);
    shared.read(|snapshot| {
        let head = match snapshot.head() {
            Ok(head) => head,
            Err(error) => {
                let _ = begun.send(Err(error.at(&shared.path)));
                return Ok(());
            }
        };
        if begun.send(Ok(head.clone())).is_err() {
            return Ok(());
        }
        guarded(|| snapshot.visit(&head, &mut |part| offer.send(Sent::Part(Box::new(part)))))?;
        match offer.send(Sent::End) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error.into()),
        }
    })
}
