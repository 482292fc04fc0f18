//! The one thread that writes.
//!
//! It takes every write that waits, carries all of them in one transaction,
//! flushes once, adds what changed to the tail of the log, and only then answers.
//! While it flushes, the next group gathers.
//!
//! After a failure (full disk, I/O error) redb refuses further work, so the
//! database is closed and opened again. A commit that failed may have reached
//! the disk all the same; the number of the last commit, read after the
//! reopening, tells, and the callers and the log are told the truth. Where
//! reopening fails too, the group stays in doubt, searches go on from memory,
//! and every later write tries again.

use std::sync::{Arc, PoisonError};

use redb::{Database, ReadableDatabase, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::fault::{StoreError, from_io};
use super::group::{Delta, Group};
use super::seal_serving::{self, Handed, Swapped};
use super::storage::guarded;
use super::store::Shared;
use super::tables::{GALLERY, read_counters};
use crate::context::RequestContext;
use crate::gallery::{Command, Committed, GalleryError};

/// Writes in one transaction at most: bounds its memory (64 templates of 512
/// values each come to 128 MiB at the very worst, 2 MiB as a rule) and the time
/// the first of them waits.
const GROUP_MAX: usize = 1024;

/// A command that waits for its answer.
pub(super) struct Waiting {
    /// Who asked for it.
    pub(super) context: RequestContext,
    pub(super) command: Command,
    pub(super) reply: oneshot::Sender<Result<Committed, GalleryError>>,
}

/// What can be asked of the writer.
pub(super) enum Message {
    Commit(Box<Waiting>),
    /// A reader met an I/O error: open the database again if need be.
    Recover,
    /// A sealed copy is to take the gallery's place: look for it.
    Swap,
}

/// A group whose commit failed in a way that leaves open whether it is on disk.
struct InDoubt {
    commit: u64,
    delta: Delta,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// The last commit known to be on disk and in the log's tail.
    commit: u64,
    in_doubt: Option<InDoubt>,
    /// Whether the folder must be flushed before anything is acknowledged: the database has its name
    /// since a moment ago.
    is_unsynced: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, commit: u64) -> Self {
        Self { shared, commit, in_doubt: None, is_unsynced: false }
    }

    /// Works until every sender is gone and the queue is empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        while let Some(first) = queue.blocking_recv() {
            let mut waiting = Vec::new();
            let mut recover = false;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Commit(one) => waiting.push(*one),
                    Message::Recover => recover = true,
                    Message::Swap => {}
                }
                let group_max = if self.shared.is_handed_over() { seal_serving::GROUP_MAX } else { GROUP_MAX };
                next = if waiting.len() < group_max { queue.try_recv().ok() } else { None };
            }
            if recover && let Err(error) = self.recover() {
                tracing::warn!(%error, "the gallery's database cannot be opened again yet");
            }
            if !waiting.is_empty() {
                self.answer(waiting);
            }
            while self.swap() && queue.is_empty() {}
        }
    }

    /// Puts the sealed copy that was handed over in place of the gallery, or carries over some rows to it.
    /// Whether it is to be done again.
    fn swap(&mut self) -> bool {
        let Some(Handed { copy, reply }) = self.shared.handed_over() else { return false };
        let swapped = match self.ensure_open() {
            Ok(()) => seal_serving::swap(&self.shared, copy, &mut self.is_unsynced),
            Err(error) => Swapped::Failed(error),
        };
        let answer = match swapped {
            Swapped::NotYet(copy) => {
                self.shared.hand_over(Some(Handed { copy, reply }));
                return true;
            }
            Swapped::Done(done) => Ok(done),
            Swapped::Failed(error) => Err(error),
        };
        let _ = reply.send(answer);
        false
    }

    /// Flushes the folder where the database has its name since a moment ago.
    fn ensure_synced(&mut self) -> Result<(), GalleryError> {
        if self.is_unsynced {
            crate::private::sync_folder(&self.shared.path).map_err(|error| from_io(&error, &self.shared.path))?;
            self.is_unsynced = false;
        }
        Ok(())
    }

    /// Carries out a group and tells every caller how it went.
    fn answer(&mut self, writes: Vec<Waiting>) {
        let results = self.carry_out(&writes);
        for (index, write) in writes.into_iter().enumerate() {
            let result = match &results {
                Ok(results) => results[index].clone(),
                Err(error) => Err(error.clone()),
            };
            tracing::trace!(caller = write.context.principal().kind(), is_done = result.is_ok(), "a command");
            // A caller that has gone is no reason to undo what is committed.
            let _ = write.reply.send(result);
        }
    }

    /// One result per write, or the one error that befell all.
    fn carry_out(&mut self, writes: &[Waiting]) -> Result<Vec<Result<Committed, GalleryError>>, GalleryError> {
        self.ensure_open()?;
        self.ensure_synced()?;
        let (error, staged) = match self.stage(writes) {
            Ok(Staged { results, commit: None }) => return Ok(results),
            Ok(Staged { results, commit: Some((transaction, commit, delta)) }) => {
                match guarded(|| Ok(transaction.commit()?)) {
                    Ok(()) => {
                        self.publish(commit, delta);
                        return Ok(results);
                    }
                    Err(error) => (error, Some((results, commit, delta))),
                }
            }
            Err(error) => (error, None),
        };

        let error = error.at(&self.shared.path);
        tracing::error!(%error, writes = writes.len(), "a group of writes failed; opening the database again");
        self.shared.database.close();
        let attempted = staged.map(|(results, commit, delta)| {
            self.in_doubt = Some(InDoubt { commit, delta });
            (results, commit)
        });
        match (self.recover(), attempted) {
            // It was on disk after all.
            (Ok(()), Some((results, commit))) if self.commit == commit => Ok(results),
            (Ok(()), _) | (Err(_), None) => Err(error),
            (Err(_), Some(_)) => Err(GalleryError::Storage(format!(
                "{error}; it is not known yet whether this write was kept, so send it again with the same request id"
            ))),
        }
    }

    /// Writes everything, up to the point where only the commit is missing.
    fn stage(&self, writes: &[Waiting]) -> Result<Staged, StoreError> {
        let database = self.shared.database.slot.read().unwrap_or_else(PoisonError::into_inner);
        let database: &Database = database.as_ref().ok_or(GalleryError::Closing)?;
        guarded(|| {
            let transaction = database.begin_write()?;
            let Shared { options, recipes, .. } = &*self.shared;
            let (has_ledger, protection) = (self.shared.has_ledger, self.shared.database.protection());
            let (keep_after, is_noting) = (self.shared.keep_after(), self.shared.database.is_noting());
            let mut group =
                Group::begin(&transaction, options, recipes, keep_after, has_ledger, &protection, is_noting)?;
            let mut results = Vec::with_capacity(writes.len());
            for write in writes {
                results.push(match group.carry(&write.command) {
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

    /// Lets everybody know of a commit that is on disk.
    fn publish(&mut self, commit: u64, delta: Delta) {
        let Delta { changes, subjects, templates, template_next } = delta;
        self.commit = commit;
        self.shared.set_sizes(subjects, templates);
        self.shared.tail.push(commit, template_next, changes);
    }

    fn ensure_open(&mut self) -> Result<(), GalleryError> {
        if self.shared.database.is_open() { Ok(()) } else { self.recover() }
    }

    /// Opens the database again and settles what was in doubt.
    fn recover(&mut self) -> Result<(), GalleryError> {
        // Waits for the readers, who hold it only for the time of a read.
        let mut slot = self.shared.database.slot.write().unwrap_or_else(PoisonError::into_inner);
        drop(slot.take());
        let at = |error: StoreError| error.at(&self.shared.path);
        let protection = self.shared.database.protection();
        let database = self.shared.storage.reopen(&self.shared.options).map_err(at)?;
        let counters =
            guarded(|| read_counters(&database.begin_read()?.open_table(GALLERY)?, &protection)).map_err(at)?;
        let in_doubt = self.in_doubt.as_ref().map(|group| group.commit);
        if counters.commit != self.commit && Some(counters.commit) != in_doubt {
            return Err(at(StoreError::damaged("commits that were acknowledged are gone")));
        }
        *slot = Some(database);
        drop(slot);
        if let Some(group) = self.in_doubt.take().filter(|group| group.commit == counters.commit) {
            self.publish(group.commit, group.delta);
        }
        Ok(())
    }
}

struct Staged {
    results: Vec<Result<Committed, GalleryError>>,
    /// The transaction to commit, its number and what it changes outside the database.
    commit: Option<(WriteTransaction, u64, Delta)>,
}
