//! One transaction that carries many writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::EmbeddedOptions;
use super::change::{Change, Row, Step};
use super::fault::StoreError;
use super::record::{Counters, RequestRecord, seal};
use super::tables::{
    CLEARED, COUNTERS_KEY, DECISIONS, GALLERY, REQUEST_ORDER, REQUESTS, SUBJECTS, TEMPLATES, read_counters,
    read_request,
};
use crate::gallery::{GalleryError, Receipt, Retry, SubjectId, Timestamp};
use crate::search::Entry;

/// Request ids forgotten in one transaction beyond those it adds, so that no
/// caller waits for a large clean-up.
const PRUNED_MAX: usize = 64;

/// What a commit changes in the index: templates to put in (`Some`) and to take
/// out (`None`).
#[derive(Default)]
pub(super) struct Delta {
    pub(super) templates: BTreeMap<u64, Option<Entry<Arc<SubjectId>>>>,
    /// Subjects after the commit.
    pub(super) subjects: u64,
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
    options: &'t EmbeddedOptions,
    counters: Counters,
    now: Timestamp,
    live: u64,
    changed: bool,
    requests_added: usize,
    delta: BTreeMap<u64, Option<Entry<Arc<SubjectId>>>>,
}

impl<'t> Group<'t> {
    pub(super) fn begin(transaction: &'t WriteTransaction, options: &'t EmbeddedOptions) -> Result<Self, StoreError> {
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
            options,
            counters,
            now: Timestamp::now(),
            changed: false,
            requests_added: 0,
            delta: BTreeMap::new(),
        })
    }

    pub(super) fn templates_live(&self) -> u64 {
        self.live
    }

    pub(super) fn templates_max(&self) -> u64 {
        self.options.templates_max
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
                let sealed = seal("subjects", id.as_str().as_bytes(), &record);
                self.subjects.insert(id.as_str(), sealed.as_slice())?;
            }
            Row::DropSubject(id) => {
                self.subjects.remove(id.as_str())?;
            }
            Row::PutTemplate(entry, record) => {
                let sealed = seal("templates", &entry.key.to_le_bytes(), &record);
                self.templates.insert(entry.key, sealed.as_slice())?;
                self.counters.template_next = entry.key + 1;
                self.live += 1;
                self.delta.insert(entry.key, Some(entry));
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
                if !matches!(self.delta.remove(&key), Some(Some(_))) {
                    self.delta.insert(key, None);
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

    /// Ends the group: the number of its commit and what changes in the index;
    /// `None` where nothing was changed and nothing need be committed.
    pub(super) fn finish(mut self) -> Result<Option<(u64, Delta)>, StoreError> {
        if !self.changed {
            return Ok(None);
        }
        self.prune()?;
        let sealed = seal("gallery", COUNTERS_KEY.as_bytes(), &self.counters);
        self.gallery.insert(COUNTERS_KEY, sealed.as_slice())?;
        let delta = Delta { templates: self.delta, subjects: self.subjects.len()? };
        Ok(Some((self.counters.commit, delta)))
    }
}
