//! Retention: what is kept no longer than the operator says, by kind, and the job that takes it away.
//!
//! The job looks for what is old enough, page by page, and takes each away by a command of its own,
//! planned on what stands then: nothing goes that an open referral, a legal hold or a restriction
//! needs. One commit is one transaction's decisions, one request, or one record's standing, so nobody
//! who is served waits for it. At its end it says what it did, in the log and in the store.

use std::time::Duration;

use super::ledger::{NewEntry, entry_of};
use super::records::ReadSet;
use super::rules::{Command, Planned};
use super::{DecisionFilter, DecisionKey, Gallery, GalleryError, RequestFilter, SubjectId, Timestamp};
use crate::context::RequestContext;
use crate::ledger::entry::{Code, Entry, Kind};

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Rows looked at at a time.
const READ_AT_ONCE: usize = 256;
/// Cases whose pictures one commit takes away.
const PICTURES_AT_ONCE: usize = 16;

/// For how many days each kind of data is kept; `None` for ever. The default keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionRules {
    /// Decisions and their answers, from the newest decision or officer's answer of their transaction on.
    pub decision_days: Option<u32>,
    /// Requests of people, from their end on.
    pub request_days: Option<u32>,
    /// What was said of the standing of a record that is neither restricted nor held, from the newest on.
    pub standing_days: Option<u32>,
    /// Pictures of cases that wait for an officer, from their decision on: where that is less than was said
    /// when they were kept. What is over by that goes with every run that has days here.
    pub picture_days: Option<u32>,
}

impl RetentionRules {
    /// Whether anything is taken away.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// What is older than this is taken away, of each kind.
    fn cutoff(now: Timestamp, days: Option<u32>) -> Option<Timestamp> {
        days.map(|days| Timestamp(now.0.saturating_sub(u64::from(days) * DAY_MS)))
    }
}

/// What is old enough to be taken away.
#[derive(Clone, PartialEq, Eq)]
pub enum Expired {
    /// The decisions of the transaction that this is one of, about this subject.
    Decisions(DecisionKey, SubjectId),
    /// The request of a person with this number, about this subject where it still names one.
    Request(u64, Option<SubjectId>),
    /// What was said of the standing of this subject's record.
    Standing(SubjectId),
    /// The pictures of so many cases.
    Pictures(usize),
}

opaque!(Expired);

/// How much was taken away, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct RetentionCounts {
    /// Decisions with their answers.
    pub decisions: u64,
    /// Requests of people.
    pub requests: u64,
    /// Entries about the standing of records.
    pub standing_entries: u64,
    /// Decisions whose pictures went.
    pub pictures: u64,
    /// Transactions, requests and records of which something is old enough and is kept, because of an open
    /// referral, a legal hold or a restriction, or a younger part.
    pub kept: u64,
}

impl RetentionCounts {
    fn by_kind(&self) -> [(&'static str, u64); 4] {
        [
            ("decisions", self.decisions),
            ("requests", self.requests),
            ("standing_entries", self.standing_entries),
            ("pictures", self.pictures),
        ]
    }
}

/// What a run of the job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRun {
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it took away.
    pub counts: RetentionCounts,
}

/// How the job works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionOptions {
    /// It only counts what it would take away.
    pub dry_run: bool,
    /// How long it waits between two commits, and between two reads of records; needs a runtime with a
    /// clock where it is not zero.
    pub pause: Duration,
}

/// A run under way.
struct Job<'a> {
    gallery: &'a Gallery,
    context: &'a RequestContext,
    options: RetentionOptions,
    now: Timestamp,
    counts: RetentionCounts,
    /// That something will be taken away is entered.
    is_entered: bool,
}

impl Gallery {
    /// Takes away what is older than the rules say, as far as nothing stands against it, and enters that.
    /// One that is interrupted has taken away what it has; the next run goes on.
    ///
    /// # Errors
    /// As [`RecordStore::commit`](super::RecordStore::commit).
    pub async fn retain(
        &self,
        context: &RequestContext,
        rules: &RetentionRules,
        options: RetentionOptions,
    ) -> Result<RetentionRun, GalleryError> {
        let now = Timestamp::now();
        let counts = RetentionCounts::default();
        let mut job = Job { gallery: self, context, options, now, counts, is_entered: false };
        if let Some(before) = RetentionRules::cutoff(now, rules.picture_days) {
            job.pictures(before).await?;
        }
        if let Some(before) = RetentionRules::cutoff(now, rules.decision_days) {
            job.decisions(before).await?;
        }
        if let Some(before) = RetentionRules::cutoff(now, rules.request_days) {
            job.requests(before).await?;
        }
        if let Some(before) = RetentionRules::cutoff(now, rules.standing_days) {
            job.standing(before).await?;
        }
        job.end().await
    }

    /// What the last run of retention did; `None` before the first.
    ///
    /// # Errors
    /// As [`RecordStore::read`](super::RecordStore::read).
    pub async fn last_retention(&self) -> Result<Option<RetentionRun>, GalleryError> {
        let wanted = ReadSet { last_retention: true, ..ReadSet::default() };
        Ok(self.store.read(wanted).await?.last_retention)
    }
}

impl Job<'_> {
    async fn pictures(&mut self, before: Timestamp) -> Result<(), GalleryError> {
        // Of those that would go the numbers alone are read.
        let limit = if self.options.dry_run { usize::MAX } else { PICTURES_AT_ONCE };
        loop {
            let taken = self.taken_by(Command::Retain(Expired::Pictures(limit), before)).await?;
            self.counts.pictures += taken;
            if taken == 0 || self.options.dry_run {
                return Ok(());
            }
        }
    }

    async fn decisions(&mut self, before: Timestamp) -> Result<(), GalleryError> {
        let filter = DecisionFilter { until: Some(before), ..DecisionFilter::default() };
        let mut after = Some(0);
        while let Some(from) = after {
            let page = self.gallery.store.decisions_after(&filter, from, READ_AT_ONCE).await?;
            // Attempts go with the first one.
            for head in page.decisions.into_iter().filter(|head| head.key.attempt == 1) {
                self.counts.decisions += self.take(Expired::Decisions(head.key, head.subject), before).await?;
            }
            after = page.more_after;
        }
        Ok(())
    }

    async fn requests(&mut self, before: Timestamp) -> Result<(), GalleryError> {
        let mut after = Some(0);
        while let Some(from) = after {
            let page = self.gallery.store.requests_after(&RequestFilter::default(), from, READ_AT_ONCE).await?;
            for request in page.requests {
                if request.closed.as_ref().is_some_and(|(_, step)| step.at < before) {
                    let expired = Expired::Request(request.number, request.subject);
                    self.counts.requests += self.take(expired, before).await?;
                }
            }
            after = page.more_after;
        }
        Ok(())
    }

    async fn standing(&mut self, before: Timestamp) -> Result<(), GalleryError> {
        let store = &self.gallery.store;
        let mut subjects = store.subjects_after(None, READ_AT_ONCE).await?;
        while let Some(last) = subjects.last().cloned() {
            let wanted = ReadSet { subjects: std::mem::take(&mut subjects), ..ReadSet::default() };
            for head in store.read(wanted).await?.subjects {
                if head.standing.entries.last().is_some_and(|entry| entry.at < before) {
                    self.counts.standing_entries += self.take(Expired::Standing(head.id), before).await?;
                }
            }
            // Every record is read: the reads are not to crowd out those of others either.
            self.pause().await;
            subjects = store.subjects_after(Some(&last), READ_AT_ONCE).await?;
        }
        Ok(())
    }

    async fn pause(&self) {
        if !self.options.pause.is_zero() {
            tokio::time::sleep(self.options.pause).await;
        }
    }

    /// Takes one thing away, where nothing stands against it. How many rows callers know that was.
    async fn take(&mut self, expired: Expired, before: Timestamp) -> Result<u64, GalleryError> {
        let taken = self.taken_by(Command::Retain(expired, before)).await?;
        self.counts.kept += u64::from(taken == 0);
        Ok(taken)
    }

    /// Carries one command out, unless it would take nothing or this is no run.
    async fn taken_by(&mut self, command: Command) -> Result<u64, GalleryError> {
        let store = &self.gallery.store;
        let planned = command.plan(&store.read(command.reads()).await?, self.now)?;
        Ok(match planned {
            Planned::Done(_) => 0,
            Planned::Write(plan) if self.options.dry_run => plan.committed.taken,
            Planned::Write(_) => {
                self.enter_begin().await?;
                self.pause().await;
                store.commit(self.context, command).await?.taken
            }
        })
    }

    fn entry(&self, outcome: &str, kind: Option<&str>, records: u64) -> Result<Option<NewEntry>, GalleryError> {
        let Some(ledger) = &self.gallery.ledger else { return Ok(None) };
        let entry = Entry {
            outcome: Code::new(outcome).ok(),
            reasons: kind.and_then(|kind| Code::new(kind).ok()).into_iter().collect(),
            records: Some(records),
            ..entry_of(self.context, Kind::Retention, &ledger.key)
        };
        NewEntry::new(entry).map(Some)
    }

    /// Enters, before anything goes, that something will: a run that is interrupted is known by it.
    async fn enter_begin(&mut self) -> Result<(), GalleryError> {
        if !std::mem::replace(&mut self.is_entered, true)
            && let Some(entry) = self.entry("begun", None, 0)?
        {
            self.gallery.store.commit(self.context, Command::Enter(entry)).await?;
            self.gallery.sign_entered().await?;
        }
        Ok(())
    }

    /// Stores and enters what the run did.
    async fn end(self) -> Result<RetentionRun, GalleryError> {
        let run = RetentionRun { began_at: self.now, ended_at: Timestamp::now(), counts: self.counts };
        if self.options.dry_run {
            return Ok(run);
        }
        let mut entries = Vec::new();
        for (kind, count) in self.counts.by_kind().into_iter().filter(|(_, count)| *count > 0) {
            entries.extend(self.entry("done", Some(kind), count)?);
        }
        if entries.is_empty() {
            entries.extend(self.entry("done", None, 0)?);
        }
        let command = Command::EndRetention(run);
        let command = match self.gallery.has_ledger() {
            true => Command::Entered(Box::new(command), entries),
            false => command,
        };
        self.gallery.store.commit(self.context, command).await?;
        self.gallery.sign_entered().await?;
        Ok(run)
    }
}
