//! When the index file is written, and by whom: beside the work, or at closing.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::Database;

use super::file::{FilePath, new_mark};
use super::shared::Shared;
use crate::gallery::GalleryError;
use crate::gallery::embedded::fault::StoreError;
use crate::gallery::embedded::given_up;
use crate::gallery::embedded::record::{IndexHeadRecord, IndexMarksRecord, seal};
use crate::gallery::embedded::store::EmbeddedStore;
use crate::gallery::embedded::tables::{GALLERY, read_marks};
use crate::search::FileError;

/// While the gallery is open the file is written anew when one template in so many is not in it:
/// what is written in all is then twenty times what is enrolled, as much again as the database
/// writes.
const BEHIND_SHARE: u64 = 20;
/// The same at closing. What is not in the file is replayed at opening, some ten times as slowly as
/// it would be read.
const BEHIND_SHARE_CLOSING: u64 = 100;

/// How long after an erasure the next file is begun, while the gallery is open: whoever erases many waits for
/// no file that the next one takes away.
const QUIET: Duration = Duration::from_secs(30);

/// How far the log has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Number of the last commit.
    pub(super) commit: u64,
    /// Id of the next template.
    pub(super) template_next: u64,
}

/// A file that is there, or on its way.
pub(super) struct Kept {
    pub(super) mark: Vec<u8>,
    pub(super) commit: u64,
    /// The number of its key, where it is sealed.
    pub(super) key: Option<u64>,
}

/// A file that is being written.
struct Saving {
    file: Kept,
    thread: JoinHandle<Result<Option<u64>, FileError>>,
    /// Changes that it will hold.
    behind: u64,
}

/// Looks after the index file; lives with whoever applies changes.
pub(super) struct FileWriter {
    place: FilePath,
    kept: Option<Kept>,
    saving: Option<Saving>,
    /// Changes that the kept file does not hold.
    behind: u64,
    /// When a file was last taken away for somebody who was erased.
    forgotten: Option<Instant>,
}

impl FileWriter {
    /// `kept` is the file the index was read from.
    pub(super) fn new(place: FilePath, kept: Option<Kept>, behind: u64) -> Self {
        Self { place, kept, saving: None, behind, forgotten: None }
    }

    /// The commit after which changes must be remembered.
    pub(super) fn commit(&self) -> Option<u64> {
        self.kept.as_ref().or(self.saving.as_ref().map(|saving| &saving.file)).map(|file| file.commit)
    }

    /// Notes so many changes to the index.
    pub(super) fn note(&mut self, changes: u64) {
        self.behind = self.behind.saturating_add(changes);
    }

    /// Does what is due: keeps a file that was finished, begins one that is needed.
    /// Called after changes were applied.
    ///
    /// # Errors
    /// Where the database failed: it must be opened again.
    pub(super) fn tend(&mut self, store: &EmbeddedStore, shared: &Shared, at: Position) -> Result<(), StoreError> {
        self.renew(shared);
        if self.saving.as_ref().is_some_and(|saving| saving.thread.is_finished()) {
            self.finish(shared)?;
        }
        let is_quiet = self.forgotten.is_none_or(|at| at.elapsed() >= QUIET);
        if self.saving.is_none() && is_quiet && self.is_due(store, shared, BEHIND_SHARE) {
            self.begin(shared, at);
        }
        Ok(())
    }

    /// The same at the end: waits until all is done.
    pub(super) fn close(&mut self, store: &EmbeddedStore, shared: &Shared, at: Position) -> Result<(), StoreError> {
        self.renew(shared);
        self.finish(shared)?;
        if self.is_due(store, shared, BEHIND_SHARE_CLOSING) {
            self.begin(shared, at);
            self.finish(shared)?;
        }
        Ok(())
    }

    /// Takes the file away, and what is being written of the index as it was: somebody who is in it was
    /// erased. The next one is due.
    ///
    /// # Errors
    /// Where the database failed: it must be opened again.
    pub(super) fn forget(&mut self, shared: &Shared) -> Result<(), StoreError> {
        self.renew(shared);
        // However it went, it is not kept.
        let written = self.saving.take().and_then(|saving| saving.thread.join().ok()?.ok()?);
        let place = &self.place;
        // Sealed in this very moment: then nothing of before is used.
        place
            .while_unchanged(|database| make_known(database, place, &IndexMarksRecord::default(), written))
            .transpose()?;
        self.kept = None;
        self.forgotten = Some(Instant::now());
        self.place.take_away();
        self.behind = shared.index.len().max(1);
        Ok(())
    }

    /// Begins anew where the gallery was sealed since: what was written of the index before lies in the
    /// clear, and is out of the way.
    fn renew(&mut self, shared: &Shared) {
        let Some(place) = self.place.renewed() else { return };
        if let Some(saving) = self.saving.take() {
            // Into a file that has no name any more, or none that is used.
            let _ = saving.thread.join();
        }
        (self.place, self.kept, self.behind) = (place, None, shared.index.len().max(1));
    }

    fn is_due(&self, store: &EmbeddedStore, shared: &Shared, share: u64) -> bool {
        // A small gallery is read whole at opening.
        self.behind > 0
            && self.behind.saturating_mul(share) >= shared.index.len()
            && store.shared.storage.bytes().is_ok_and(|bytes| bytes > store.shared.options.checked_bytes_max)
    }

    fn begin(&mut self, shared: &Shared, at: Position) {
        let mark = match new_mark() {
            Ok(mark) => mark,
            Err(error) => {
                tracing::warn!(%error, "no random numbers for the index file's mark");
                return;
            }
        };
        // Taken together by the only thread that changes either.
        let (view, labels) = (shared.index.view(), shared.labels.freeze());
        let head = IndexHeadRecord {
            mark: mark.clone(),
            recipe: shared.recipe.0.to_vec(),
            commit: at.commit,
            template_next: at.template_next,
            subjects: labels.subjects,
        };
        let place = self.place.clone();
        let spawned =
            std::thread::Builder::new().name("gallery-index".into()).spawn(move || place.write(&head, &view, &labels));
        match spawned {
            Ok(thread) => {
                let file = Kept { mark, commit: at.commit, key: None };
                self.saving = Some(Saving { file, thread, behind: std::mem::take(&mut self.behind) });
            }
            Err(error) => tracing::warn!(%error, "no thread to write the index file"),
        }
    }

    /// Waits for a file that is being written, and keeps it.
    fn finish(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let Some(mut saving) = self.saving.take() else { return Ok(()) };
        let failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(error = %error, "the index file could not be written; opening will take longer");
            // As much again must change before the next try.
            self.place.drop_new();
        };
        match saving.thread.join() {
            Ok(Ok(key)) => saving.file.key = key,
            Ok(Err(error)) => {
                failed(&error);
                return Ok(());
            }
            Err(_) => {
                failed(&"its thread panicked");
                return Ok(());
            }
        }
        let files = || self.kept.iter().chain([&saving.file]);
        let marks = files().map(|file| file.mark.clone()).collect();
        let record = IndexMarksRecord { marks, keys: files().filter_map(|file| file.key).collect() };
        let place = &self.place;
        let kept = place.while_unchanged(|database| {
            make_known(database, place, &record, None)?;
            Ok::<_, StoreError>(place.keep())
        });
        let kept = match kept.transpose() {
            Ok(Some(kept)) => kept,
            Ok(None) => {
                self.renew(shared);
                return Ok(());
            }
            Err(error) => {
                self.place.drop_new();
                return Err(error);
            }
        };
        place.destroy_given_up();
        match kept {
            Ok(()) => {
                self.kept = Some(saving.file);
                tracing::info!(templates = shared.index.len(), "the index file was written");
            }
            Err(error) => {
                self.behind = self.behind.saturating_add(saving.behind);
                failed(&error);
            }
        }
        Ok(())
    }
}

/// Lets the database accept these files and no others. Gives up the keys of those that it accepted until
/// now, and that of `written`, a file which it is never to accept.
fn make_known(
    database: Option<&Database>,
    place: &FilePath,
    record: &IndexMarksRecord,
    written: Option<u64>,
) -> Result<(), StoreError> {
    let (index, transaction) = (place.name(), database.ok_or(GalleryError::Closing)?.begin_write()?);
    let is_changed = {
        let mut gallery = transaction.open_table(GALLERY)?;
        let before = read_marks(&gallery, index)?;
        let gone = before.keys.iter().copied().filter(|key| !record.keys.contains(key)).chain(written);
        let gone: Vec<u64> = gone.collect();
        given_up::give_up_in(&transaction, &mut gallery, place.protection(), &gone)?;
        gallery.insert(index, seal("gallery", index.as_bytes(), record).as_slice())?;
        before != *record || !gone.is_empty()
    };
    match is_changed {
        true => transaction.commit()?,
        false => transaction.abort()?,
    }
    Ok(())
}
