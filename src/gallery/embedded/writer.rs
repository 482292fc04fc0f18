//! The one thread that writes.
//!
//! It takes every write that waits, carries all of them in one transaction,
//! flushes once, brings the index up to date, and only then answers. While it
//! flushes, the next group gathers.
//!
//! After a failure (full disk, I/O error) redb refuses further work, so the
//! database is closed and opened again. A commit that failed may have reached
//! the disk all the same; the number of the last commit, read after the
//! reopening, tells, and the callers and the index are told the truth. Where
//! reopening fails too, the group stays in doubt, searches go on from memory,
//! and every later write tries again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use redb::{Database, ReadableDatabase, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::change::Change;
use super::fault::StoreError;
use super::group::{Delta, Group};
use super::keeper::{Keeper, Position};
use super::tables::{GALLERY, read_counters};
use super::{Shared, interactive};
use crate::gallery::{GalleryError, Receipt, Retry};
use crate::search::{Entry, SearchError};

/// Writes in one transaction at most: bounds its memory (64 templates of 512
/// values each come to 128 MiB at the very worst, 2 MiB as a rule) and the time
/// the first of them waits.
const GROUP_MAX: usize = 1024;

/// One write that waits for its receipt.
pub(super) struct Write {
    pub(super) change: Change,
    pub(super) retry: Option<Retry>,
    pub(super) reply: oneshot::Sender<Result<Receipt, GalleryError>>,
}

/// What can be asked of the writer.
pub(super) enum Message {
    Write(Box<Write>),
    /// A reader met an I/O error: open the database again if need be.
    Recover,
}

/// A group whose commit failed in a way that leaves open whether it is on disk.
struct InDoubt {
    commit: u64,
    delta: Delta,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// The last commit known to be on disk and in the index.
    at: Position,
    in_doubt: Option<InDoubt>,
    /// Where there is a folder for an index file.
    keeper: Option<Keeper>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, at: Position, keeper: Option<Keeper>) -> Self {
        Self { shared, at, in_doubt: None, keeper }
    }

    /// Works until every sender is gone and the queue is empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        self.tend(Keeper::tend);
        interactive::tend(&self.shared);
        while let Some(first) = queue.blocking_recv() {
            let mut writes = Vec::new();
            let mut recover = false;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(write) => writes.push(*write),
                    Message::Recover => recover = true,
                }
                next = if writes.len() < GROUP_MAX { queue.try_recv().ok() } else { None };
            }
            if recover && let Err(error) = self.recover() {
                tracing::warn!(%error, "the gallery's database cannot be opened again yet");
            }
            if !writes.is_empty() {
                self.answer(writes);
                self.tend(Keeper::tend);
                interactive::tend(&self.shared);
            }
        }
        self.tend(Keeper::close);
    }

    /// Looks after the index file.
    fn tend(&mut self, work: fn(&mut Keeper, &Arc<Shared>, Position) -> Result<(), StoreError>) {
        let Some(keeper) = &mut self.keeper else { return };
        if let Err(error) = guarded(|| work(keeper, &self.shared, self.at)) {
            let error = error.at(&self.shared.path);
            tracing::error!(%error, "the index file could not be made known; opening the database again");
            self.shared.store.close();
            if let Err(error) = self.recover() {
                tracing::warn!(%error, "the gallery's database cannot be opened again yet");
            }
        }
    }

    /// Carries out a group and tells every caller how it went.
    fn answer(&mut self, writes: Vec<Write>) {
        let results = self.carry_out(&writes);
        for (index, write) in writes.into_iter().enumerate() {
            let result = match &results {
                Ok(results) => results[index].clone(),
                Err(error) => Err(error.clone()),
            };
            // A caller that has gone is no reason to undo what is committed.
            let _ = write.reply.send(result);
        }
    }

    /// One result per write, or the one error that befell all.
    fn carry_out(&mut self, writes: &[Write]) -> Result<Vec<Result<Receipt, GalleryError>>, GalleryError> {
        self.ensure_open()?;
        let (error, staged) = match self.stage(writes) {
            Ok(Staged { results, commit: None }) => return Ok(results),
            Ok(Staged { results, commit: Some((transaction, commit, delta)) }) => {
                match guarded(|| Ok(transaction.commit()?)) {
                    Ok(()) => {
                        self.publish(commit, delta)?;
                        return Ok(results);
                    }
                    Err(error) => (error, Some((results, commit, delta))),
                }
            }
            Err(error) => (error, None),
        };

        let error = error.at(&self.shared.path);
        tracing::error!(%error, writes = writes.len(), "a group of writes failed; opening the database again");
        self.shared.store.close();
        let attempted = staged.map(|(results, commit, delta)| {
            self.in_doubt = Some(InDoubt { commit, delta });
            (results, commit)
        });
        match (self.recover(), attempted) {
            // It was on disk after all.
            (Ok(()), Some((results, commit))) if self.at.commit == commit => Ok(results),
            (Ok(()), _) | (Err(_), None) => Err(error),
            (Err(_), Some(_)) => Err(GalleryError::Storage(format!(
                "{error}; it is not known yet whether this write was kept, so send it again with the same request id"
            ))),
        }
    }

    /// Writes everything, up to the point where only the commit is missing.
    fn stage(&self, writes: &[Write]) -> Result<Staged, StoreError> {
        let database = self.shared.store.database.read().unwrap_or_else(PoisonError::into_inner);
        let database: &Database = database.as_ref().ok_or(GalleryError::Closing)?;
        guarded(|| {
            let transaction = database.begin_write()?;
            let file_commit = self.keeper.as_ref().and_then(Keeper::commit);
            let mut group = Group::begin(&transaction, &self.shared, file_commit)?;
            let mut results = Vec::with_capacity(writes.len());
            for write in writes {
                results.push(match group.carry(&write.change, write.retry.as_ref()) {
                    Err(StoreError::Refused(error)) => Err(error),
                    carried => Ok(carried?),
                });
            }
            let commit = match group.finish()? {
                Some((commit, delta)) => Some((transaction, commit, delta)),
                None => {
                    transaction.abort()?;
                    None
                }
            };
            Ok(Staged { results, commit })
        })
    }

    /// Brings the index up to a commit that is on disk.
    fn publish(&mut self, commit: u64, delta: Delta) -> Result<(), GalleryError> {
        let shared = &self.shared;
        let (mut removed, mut relabelled, mut inserted) = (Vec::new(), Vec::new(), Vec::new());
        let Delta { mut templates, written, subjects, template_next } = delta;
        let changes = templates.len();
        for (subject, written) in written {
            let label = shared.labels.label(subject.as_str(), &written.traits);
            // Four billion subjects came and went since the gallery was opened.
            let label = label.ok_or(SearchError::Full { max: u64::from(u32::MAX) })?;
            for key in written.templates {
                match templates.remove(&key) {
                    Some(Some(vector)) => inserted.push(Entry { key, label, vector }),
                    _ if written.is_relabelled => relabelled.push((key, label)),
                    _ => {}
                }
            }
        }
        removed.extend(templates.into_keys());
        let old = removed.iter().chain(relabelled.iter().map(|(key, _)| key));
        let gone: Vec<_> = old.filter_map(|&key| shared.index.label(key)).collect();
        let came: Vec<_> = inserted.iter().map(|e| e.label).chain(relabelled.iter().map(|(_, label)| *label)).collect();
        if let Some(keeper) = &mut self.keeper {
            keeper.note((changes + relabelled.len()) as u64);
        }
        self.at = Position { commit, template_next };
        // Dimension, values and limits were checked before the commit.
        let new: Vec<u64> = inserted.iter().map(|entry| entry.key).collect();
        shared.index.follow(&removed, relabelled, inserted)?;
        if let Some(interactive) = &shared.interactive {
            interactive.note(&removed, &new);
        }
        shared.labels.count(came.into_iter(), gone.into_iter());
        shared.set_subjects(subjects);
        Ok(())
    }

    fn ensure_open(&mut self) -> Result<(), GalleryError> {
        if self.shared.store.is_open() { Ok(()) } else { self.recover() }
    }

    /// Opens the database again and settles what was in doubt.
    fn recover(&mut self) -> Result<(), GalleryError> {
        // Waits for the readers, who hold it only for the time of a read.
        let mut slot = self.shared.store.database.write().unwrap_or_else(PoisonError::into_inner);
        drop(slot.take());
        let at = |error: StoreError| error.at(&self.shared.path);
        let database = self.shared.medium.reopen(&self.shared.options).map_err(at)?;
        let counters = guarded(|| read_counters(&database.begin_read()?.open_table(GALLERY)?)).map_err(at)?;
        let in_doubt = self.in_doubt.as_ref().map(|group| group.commit);
        if counters.commit != self.at.commit && Some(counters.commit) != in_doubt {
            return Err(at(StoreError::damaged("commits that were acknowledged are gone")));
        }
        *slot = Some(database);
        drop(slot);
        match self.in_doubt.take() {
            Some(group) if group.commit == counters.commit => self.publish(group.commit, group.delta),
            _ => Ok(()),
        }
    }
}

struct Staged {
    results: Vec<Result<Receipt, GalleryError>>,
    /// The transaction to commit, its number and its change to the index.
    commit: Option<(WriteTransaction, u64, Delta)>,
}

/// A panic in the store is a failure of the group, not the end of all writing.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(StoreError::damaged("the store's code panicked")))
}
