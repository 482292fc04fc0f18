//! One transaction that carries many writes.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::change::{Change, Row, Step};
use super::fault::StoreError;
use super::label::Traits;
use super::record::{ChangeRecord, Counters, RequestRecord, seal};
use super::tables::{
    CHANGES, CLEARED, COUNTERS_KEY, DECISIONS, GALLERY, REQUEST_ORDER, REQUESTS, SUBJECTS, TEMPLATES, read_counters,
    read_request, read_subject,
};
use super::{EmbeddedOptions, Shared, interactive};
use crate::gallery::{GalleryError, Receipt, Retry, SubjectId, Timestamp};
use crate::search::SearchError;

/// Request ids forgotten in one transaction beyond those it adds, so that no
/// caller waits for a large clean-up.
const PRUNED_MAX: usize = 64;

/// Rows of the table `changes` at most; when there are more, the index file is too
/// old to be of use.
const CHANGES_MAX: u64 = 1 << 20;

/// What a commit changes in the index.
#[derive(Default)]
pub(super) struct Delta {
    /// Templates to put in (`Some`) and to take out (`None`).
    pub(super) templates: BTreeMap<u64, Option<Vec<f32>>>,
    /// Subjects that were written, whose all new templates are.
    pub(super) written: BTreeMap<SubjectId, Written>,
    /// Subjects after the commit.
    pub(super) subjects: u64,
    /// Id of the next template after it.
    pub(super) template_next: u64,
}

/// A subject as a commit leaves it.
pub(super) struct Written {
    pub(super) templates: Vec<u64>,
    pub(super) traits: Traits,
    /// True where templates of before need another label.
    pub(super) is_relabelled: bool,
}

/// The tables of a running write transaction, and what it has done so far.
pub(super) struct Group<'t> {
    pub(super) subjects: Table<'t, &'static str, &'static [u8]>,
    pub(super) templates: Table<'t, u64, &'static [u8]>,
    pub(super) decisions: Table<'t, &'static str, &'static [u8]>,
    pub(super) cleared: Table<'t, &'static str, &'static [u8]>,
    requests: Table<'t, &'static str, &'static [u8]>,
    request_order: Table<'t, u64, &'static str>,
    gallery: Table<'t, &'static str, &'static [u8]>,
    changes: Table<'t, u64, &'static [u8]>,
    options: &'t EmbeddedOptions,
    shared: &'t Shared,
    /// The commit of the index file, where there is one.
    file_commit: Option<u64>,
    counters: Counters,
    now: Timestamp,
    live: u64,
    changed: bool,
    requests_added: usize,
    delta: BTreeMap<u64, Option<Vec<f32>>>,
    written: BTreeMap<SubjectId, Written>,
    /// Templates that came, less those of them that went.
    came: u64,
}

impl<'t> Group<'t> {
    pub(super) fn begin(
        transaction: &'t WriteTransaction,
        shared: &'t Shared,
        file_commit: Option<u64>,
    ) -> Result<Self, StoreError> {
        let gallery = transaction.open_table(GALLERY)?;
        let mut counters = read_counters(&gallery)?;
        counters.commit += 1;
        let templates = transaction.open_table(TEMPLATES)?;
        Ok(Self {
            subjects: transaction.open_table(SUBJECTS)?,
            live: templates.len()?,
            templates,
            decisions: transaction.open_table(DECISIONS)?,
            cleared: transaction.open_table(CLEARED)?,
            requests: transaction.open_table(REQUESTS)?,
            request_order: transaction.open_table(REQUEST_ORDER)?,
            gallery,
            changes: transaction.open_table(CHANGES)?,
            options: &shared.options,
            shared,
            file_commit,
            counters,
            now: Timestamp::now(),
            changed: false,
            requests_added: 0,
            delta: BTreeMap::new(),
            written: BTreeMap::new(),
            came: 0,
        })
    }

    pub(super) fn templates_live(&self) -> u64 {
        self.live
    }

    pub(super) fn templates_max(&self) -> u64 {
        self.options.templates_max
    }

    /// Whether the index has the memory for so many more templates.
    pub(super) fn room_for(&self, templates: u64) -> Result<(), SearchError> {
        match self.shared.index.room_for(self.came + templates) {
            // A graph is never the reason why somebody cannot be enrolled.
            Err(SearchError::Memory { .. }) if interactive::give_way(self.shared) => {
                self.shared.index.room_for(self.came + templates)
            }
            room => room,
        }
    }

    /// Number of the commit that will carry what is written now.
    pub(super) fn commit(&self) -> u64 {
        self.counters.commit
    }

    pub(super) fn template_next(&self) -> u64 {
        self.counters.template_next
    }

    /// Carries out one write, or finds that it was carried out before.
    /// [`StoreError::Refused`] leaves the group as it was; any other error ends it.
    pub(super) fn carry(&mut self, change: &Change, retry: Option<&Retry>) -> Result<Receipt, StoreError> {
        if let Some(retry) = retry
            && let Some(earlier) = read_request(&self.requests, retry.request_id.as_str())?
        {
            return if earlier.content == retry.content {
                Ok(earlier.receipt())
            } else {
                Err(GalleryError::RequestIdReused.into())
            };
        }
        let plan = match change.plan(self, self.now)? {
            Step::Do(plan) => plan,
            Step::Done { commit } => return Ok(Receipt { commit, templates: 0, replayed: true }),
        };
        for row in plan.rows {
            self.write(row)?;
        }
        let receipt = Receipt { commit: self.counters.commit, templates: plan.templates, replayed: false };
        if let Some(retry) = retry {
            self.remember(retry, &receipt)?;
        }
        self.changed = true;
        Ok(receipt)
    }

    fn write(&mut self, row: Row) -> Result<(), StoreError> {
        match row {
            Row::PutSubject(id, record) => {
                let traits = Traits::of(&record);
                let before = read_subject(&self.subjects, id.as_str())?;
                let relabels = before.is_some_and(|before| Traits::of(&before) != traits)
                    || self.written.get(&id).is_some_and(|written| written.is_relabelled);
                let sealed = seal("subjects", id.as_str().as_bytes(), &record);
                self.subjects.insert(id.as_str(), sealed.as_slice())?;
                let written = Written { templates: record.templates, traits, is_relabelled: relabels };
                self.written.insert(id, written);
            }
            Row::DropSubject(id) => {
                self.subjects.remove(id.as_str())?;
                self.written.remove(&id);
            }
            Row::PutTemplate(key, vector, record) => {
                let sealed = seal("templates", &key.to_le_bytes(), &record);
                self.templates.insert(key, sealed.as_slice())?;
                self.counters.template_next = key + 1;
                self.live += 1;
                self.came += 1;
                self.delta.insert(key, Some(vector));
            }
            Row::PutDecision(name, record) => {
                let sealed = seal("decisions", name.as_bytes(), &record);
                self.decisions.insert(name.as_str(), sealed.as_slice())?;
            }
            Row::PutCleared(name, record) => {
                let sealed = seal("cleared", name.as_bytes(), &record);
                self.cleared.insert(name.as_str(), sealed.as_slice())?;
            }
            Row::DropCleared(name) => {
                self.cleared.remove(name.as_str())?;
            }
            Row::DropTemplate(key) => {
                self.templates.remove(key)?;
                self.live -= 1;
                // One that came with this very group never reaches the index.
                match self.delta.remove(&key) {
                    Some(Some(_)) => self.came -= 1,
                    _ => drop(self.delta.insert(key, None)),
                }
            }
        }
        Ok(())
    }

    fn remember(&mut self, retry: &Retry, receipt: &Receipt) -> Result<(), StoreError> {
        let id = retry.request_id.as_str();
        let record = RequestRecord {
            content: retry.content.to_vec(),
            commit: receipt.commit,
            templates: receipt.templates,
            done_at: self.now.0,
        };
        self.requests.insert(id, seal("requests", id.as_bytes(), &record).as_slice())?;
        self.request_order.insert(self.counters.request_next, id)?;
        self.counters.request_next += 1;
        self.requests_added += 1;
        Ok(())
    }

    /// Forgets request ids that are too old or too many, oldest first.
    fn prune(&mut self) -> Result<(), StoreError> {
        let born_min = self.now.0.saturating_sub(self.options.request_age_max_ms);
        for _ in 0..PRUNED_MAX + self.requests_added {
            let Some((order, id)) = self.request_order.first()?.map(|(k, v)| (k.value(), v.value().to_owned())) else {
                break;
            };
            let expired = match read_request(&self.requests, &id)? {
                Some(record) => record.done_at < born_min,
                None => return Err(StoreError::damaged("a request id is listed but not there")),
            };
            if !expired && self.requests.len()? <= self.options.requests_max {
                break;
            }
            self.requests.remove(id.as_str())?;
            self.request_order.remove(order)?;
        }
        Ok(())
    }

    /// Notes what an index file of before does not know.
    fn log_changes(&mut self) -> Result<(), StoreError> {
        let commit = self.counters.commit;
        // A program that knows nothing of this table may have been at work.
        if self.counters.changes_to + 1 != commit {
            self.counters.changes_from = commit - 1;
        }
        self.counters.changes_to = commit;
        let Some(file_commit) = self.file_commit else {
            self.counters.changes_from = commit;
            return self.prune_changes(commit);
        };
        let removed: Vec<u64> = self.delta.iter().filter(|(_, new)| new.is_none()).map(|(&key, _)| key).collect();
        let relabelled = self.written.iter().filter(|(_, written)| written.is_relabelled);
        let relabelled: BTreeSet<String> = relabelled.map(|(id, _)| id.as_str().to_owned()).collect();
        if !removed.is_empty() || !relabelled.is_empty() {
            let record = ChangeRecord { removed, relabelled: relabelled.into_iter().collect() };
            self.changes.insert(commit, seal("changes", &commit.to_le_bytes(), &record).as_slice())?;
        }
        self.prune_changes(file_commit)
    }

    /// Takes out rows of `changes` up to a commit, and more where there are too many.
    fn prune_changes(&mut self, up_to: u64) -> Result<(), StoreError> {
        for _ in 0..PRUNED_MAX {
            let Some(first) = self.changes.first()?.map(|(commit, _)| commit.value()) else { break };
            if first > up_to && self.changes.len()? <= CHANGES_MAX {
                break;
            }
            self.changes.remove(first)?;
            self.counters.changes_from = self.counters.changes_from.max(first);
        }
        Ok(())
    }

    /// Ends the group: the number of its commit and what changes in the index;
    /// `None` where nothing was changed and nothing need be committed.
    pub(super) fn finish(mut self) -> Result<Option<(u64, Delta)>, StoreError> {
        if !self.changed {
            return Ok(None);
        }
        self.prune()?;
        self.log_changes()?;
        let sealed = seal("gallery", COUNTERS_KEY.as_bytes(), &self.counters);
        self.gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
        let delta = Delta {
            templates: self.delta,
            written: self.written,
            subjects: self.subjects.len()?,
            template_next: self.counters.template_next,
        };
        Ok(Some((self.counters.commit, delta)))
    }
}
