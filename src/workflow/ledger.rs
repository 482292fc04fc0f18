//! What is read of the transparency log: receipts, checkpoints, and who did what. It takes a gallery
//! and no networks: [`LedgerReader`] is what a program without an engine works with.

use std::time::Instant;

use super::beneficiary::{ListPage, PageRequest};
use super::page_token::{self, List};
use super::{Engine, WorkflowError, reach};
use crate::context::{Reach, RequestContext, Role};
use crate::gallery::{
    DecisionKey, Gallery, GalleryError, LedgerTables, LedgerTiles, Look, ReadSet, RequestId, SubjectId, Timestamp,
    kind_digest, leaf_at,
};
use crate::ledger::entry::{CALLS_MAX, Calls, Code, Entry, KeyedDigest, Kind, Label, LedgerKey, Principal};
use crate::ledger::hash::Hash;
use crate::ledger::key_change::{LogKeys, NotLogKeys};
use crate::ledger::note::{Note, VerifierKey};
use crate::ledger::receipt::{CannotProve, Receipt};
use crate::ledger::tile::TileNodes;
use crate::ledger::tree::{self, TreeError};
use crate::ledger::verify::Leaf;

/// Entries looked at for one page; a page may be short, and have a next one.
const LOOKED_AT_MAX: u64 = 100_000;
/// Entries read at a time.
const READ_AT_ONCE: usize = 1000;

/// What is to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofOf {
    /// A decision; `None` is the last attempt.
    Decision(RequestId, Option<u32>),
    /// An entry by its place in the log.
    Entry(u64),
}

/// The proof that something was entered.
#[derive(Debug, Clone, PartialEq)]
pub struct ProvenEntry {
    /// Its place.
    pub index: u64,
    /// The receipt.
    pub receipt: Receipt,
}

/// The newest checkpoint with what it takes to verify it.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedLedger {
    /// The checkpoint.
    pub checkpoint: Note,
    /// The log's first key.
    pub first_key: VerifierKey,
    /// Changes of its key, oldest first.
    pub key_changes: Vec<Note>,
    /// That it goes on from the log of the size that was asked for (RFC 9162, section 2.1.4).
    pub consistency: Vec<Hash>,
    /// Entries there are, those that no checkpoint covers yet included.
    pub entries: u64,
    /// Entries before this one have no contents any more.
    pub pruned: u64,
}

impl SignedLedger {
    /// The keys that the log says it has.
    ///
    /// # Errors
    /// [`NotLogKeys`].
    pub fn keys(&self) -> Result<LogKeys, NotLogKeys> {
        LogKeys::after(self.first_key.clone(), &self.key_changes)
    }
}

/// What came of calls that store nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// Access control refused one.
    Refused {
        /// Code of the reason.
        reason: &'static str,
        /// How often, where it is told together.
        count: Option<u64>,
    },
    /// How many came to what.
    Counts {
        /// From when on they were counted.
        since: Timestamp,
        /// Method, outcome as a code, and how many.
        counts: Vec<(&'static str, &'static str, u64)>,
    },
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// About this transaction.
    pub transaction: Option<RequestId>,
    /// About this subject: who looked at this person's record.
    pub subject: Option<SubjectId>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// By this machine, person or account.
    pub principal: Option<String>,
    /// From this unit.
    pub unit: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// Entered at this time or later.
    pub since: Option<Timestamp>,
    /// Entered before this time.
    pub until: Option<Timestamp>,
}

/// A filter with the digests and labels that it asks for, which are made once for all entries.
struct Asked<'f> {
    filter: &'f EntryFilter,
    transaction: Option<KeyedDigest>,
    subject: Option<KeyedDigest>,
    principal: Option<Label>,
    unit: Option<Label>,
}

impl<'f> Asked<'f> {
    fn new(filter: &'f EntryFilter, key: &LedgerKey) -> Self {
        Self {
            filter,
            transaction: filter.transaction.as_ref().map(|id| key.transaction(id.as_str())),
            subject: filter.subject.as_ref().map(|id| key.subject(id.as_str())),
            principal: filter.principal.as_ref().map(|name| key.label(name)),
            unit: filter.unit.as_ref().map(|name| key.label(name)),
        }
    }

    /// By what the entries are found, where there is a list of those.
    fn about(&self) -> Option<KeyedDigest> {
        self.transaction.or(self.subject).or(self.filter.kind.and_then(kind_digest))
    }

    /// Whether a leaf passes; one that was pruned does where nothing is asked of contents.
    fn passes(&self, leaf: &Leaf) -> bool {
        *self.filter == EntryFilter::default()
            || leaf.opening.as_ref().and_then(Entry::opened).is_some_and(|entry| self.is_of(&entry))
    }

    fn is_of(&self, entry: &Entry) -> bool {
        let Principal { kind, name, machine } = &entry.principal;
        let is_named = |asked: &Label| [name, machine, &entry.named].into_iter().flatten().any(|found| found == asked);
        let EntryFilter { kind: asked_kind, principal, reason, since, until, .. } = self.filter;
        self.transaction.is_none_or(|asked| entry.transaction == Some(asked))
            && self.subject.is_none_or(|asked| entry.subjects.contains(&asked))
            && asked_kind.is_none_or(|asked| asked == entry.kind)
            && (self.principal.as_ref().is_none_or(is_named) || principal.as_deref() == Some(kind.name()))
            && self.unit.as_ref().is_none_or(|asked| entry.unit.as_ref() == Some(asked))
            && reason.as_ref().is_none_or(|asked| entry.reasons.iter().any(|found| found.as_str() == asked))
            && since.is_none_or(|since| entry.at_ms >= since.0)
            && until.is_none_or(|until| entry.at_ms < until.0)
    }
}

/// Reads a gallery's log.
#[derive(Clone, Copy)]
pub struct LedgerReader<'a> {
    gallery: &'a Gallery,
}

impl<'a> LedgerReader<'a> {
    /// Of this gallery.
    pub fn new(gallery: &'a Gallery) -> Self {
        Self { gallery }
    }

    /// Whether there is one.
    pub fn is_kept(&self) -> bool {
        self.gallery.has_ledger()
    }

    /// Enters what came of calls that stored nothing.
    ///
    /// # Errors
    /// As [`Gallery::enter_with`].
    pub async fn note(&self, context: &RequestContext, noted: Noted) -> Result<(), WorkflowError> {
        let code = |text: &str| Code::new(text).ok();
        match noted {
            Noted::Refused { reason, count } => {
                let fill = move |entry: &mut Entry, _: &LedgerKey| {
                    entry.records = count;
                    entry.method = entry.method.take().or_else(|| code("unknown"));
                    entry.reasons.extend(code(reason));
                };
                self.gallery.enter_with(context, Kind::AccessRefused, fill).await?;
            }
            Noted::Counts { since, counts } => {
                let calls = counts.into_iter().filter_map(|(method, outcome, count)| {
                    Some(Calls { method: code(method)?, outcome: code(outcome)?, count })
                });
                let calls: Vec<Calls> = calls.take(CALLS_MAX).collect();
                if calls.is_empty() {
                    return Ok(());
                }
                let fill = move |entry: &mut Entry, _: &LedgerKey| {
                    // Of many methods.
                    (entry.method, entry.since_ms, entry.calls) = (None, since.0.max(1), calls);
                };
                self.gallery.enter_with(context, Kind::Calls, fill).await?;
            }
        }
        Ok(())
    }

    /// The receipt of an entry. Waits until a checkpoint covers it, to the deadline of the request
    /// at most; a sequencer must be at work. Contents are shown of decisions, and to auditors.
    ///
    /// # Errors
    /// [`GalleryError::UnknownTransaction`], [`GalleryError::UnknownAttempt`],
    /// [`GalleryError::UnknownEntry`], [`GalleryError::NoLedger`]; [`WorkflowError::OutOfReach`] for
    /// the case of another place; [`WorkflowError::DeadlineExceeded`].
    pub async fn prove(&self, context: &RequestContext, of: ProofOf) -> Result<ProvenEntry, WorkflowError> {
        context.check_deadline()?;
        let proven = self.proven(context, &of).await;
        let look = Look::new(Kind::RecordRead);
        let look = match &of {
            ProofOf::Decision(transaction, attempt) => look.at_transaction(transaction, *attempt),
            ProofOf::Entry(_) => look,
        };
        match &proven {
            Ok((ProvenEntry { receipt, .. }, subject)) => {
                let entry = receipt.opening().and_then(|opening| Entry::opened(&opening));
                self.gallery.enter_look(context, look.at(subject.clone()).at_entry(entry).of_records(1)).await?;
            }
            // That there is none is an answer, too.
            Err(WorkflowError::Gallery(
                GalleryError::UnknownTransaction | GalleryError::UnknownAttempt | GalleryError::UnknownEntry,
            )) => self.gallery.enter_look(context, look.coming_to("unknown")).await?,
            Err(_) => {}
        }
        proven.map(|(proven, _)| proven)
    }

    async fn proven(
        &self,
        context: &RequestContext,
        of: &ProofOf,
    ) -> Result<(ProvenEntry, Option<SubjectId>), WorkflowError> {
        let (index, subject, is_shown) = match of {
            ProofOf::Decision(transaction, attempt) => {
                let (index, subject) = self.entry_of(context, transaction, *attempt).await?;
                (index, Some(subject), true)
            }
            ProofOf::Entry(index) => {
                if context.reach() != Reach::Everything {
                    return Err(WorkflowError::OutOfReach);
                }
                // Without access control there are no roles.
                let is_shown = context.roles().is_empty() || context.roles().contains(Role::Auditor);
                (*index, None, is_shown)
            }
        };
        let entries = self.gallery.ledger_head().await?.entries;
        if index >= entries {
            return Err(GalleryError::UnknownEntry.into());
        }
        let signed = self.gallery.until_signed(index);
        match context.deadline() {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), signed)
                .await
                .map_err(|_| WorkflowError::DeadlineExceeded(crate::context::DeadlinePassed))??,
            None => signed.await?,
        }
        let receipt = self.gallery.read_ledger(move |tables| receipt(tables, index, is_shown)).await?;
        Ok((ProvenEntry { index, receipt }, subject))
    }

    /// Place of a decision's entry, with the decision's subject.
    async fn entry_of(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<(u64, SubjectId), WorkflowError> {
        let key = DecisionKey::new(transaction.clone(), attempt.unwrap_or(1))?;
        let records = self.gallery.read(ReadSet { decision: Some(key), ..ReadSet::default() }).await?;
        let last = records.last_decision.ok_or(GalleryError::UnknownTransaction)?;
        let stored = match attempt {
            Some(_) => records.decision.ok_or(GalleryError::UnknownAttempt)?,
            None => last,
        };
        reach::check(context, stored.unit.as_deref(), stored.province.as_deref())?;
        let digest = self.gallery.ledger_key()?.transaction(transaction.as_str());
        let attempt = stored.key.attempt;
        let place = self.gallery.read_ledger(move |tables| decision_place(tables, &digest, attempt)).await?;
        Ok((place.ok_or(GalleryError::UnknownEntry)?, stored.subject))
    }

    /// The newest checkpoint; with the size of an earlier one, the proof that the log goes on from
    /// it.
    ///
    /// # Errors
    /// [`GalleryError::UnknownEntry`] for a size beyond the checkpoint's, or before the first is
    /// signed; [`GalleryError::NoLedger`]; [`WorkflowError::DeadlineExceeded`].
    pub async fn checkpoint(
        &self,
        context: &RequestContext,
        since: Option<u64>,
    ) -> Result<SignedLedger, WorkflowError> {
        context.check_deadline()?;
        Ok(self.gallery.read_ledger(move |tables| signed(tables, since)).await?)
    }

    /// Entries that pass the filter, in their order. That they were looked at is entered.
    ///
    /// # Errors
    /// [`WorkflowError::PageToken`], [`WorkflowError::OutOfRange`], [`GalleryError::NoLedger`];
    /// [`WorkflowError::DeadlineExceeded`].
    pub async fn entries(
        &self,
        context: &RequestContext,
        filter: &EntryFilter,
        page: &PageRequest,
    ) -> Result<ListPage<Leaf>, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery;
        let size = page.size()?;
        let first = page_token::number(page_token::decode(List::Entries, gallery.id(), &page.token)?)?;
        let (key, filter_of_read) = (gallery.ledger_key()?.clone(), filter.clone());
        let read = move |tables: &dyn LedgerTables| listed(tables, &Asked::new(&filter_of_read, &key), first, size);
        let (entries, next) = gallery.read_ledger(read).await?;
        let look = Look::new(Kind::LookUp).of_records(entries.len()).at(filter.subject.clone());
        let look = match &filter.transaction {
            Some(transaction) => look.at_transaction(transaction, None),
            None => look,
        };
        gallery.enter_look(context, look).await?;
        let next = next.map(|place| page_token::encode(List::Entries, gallery.id(), &place.to_le_bytes()));
        Ok(ListPage { entries, next })
    }
}

fn decision_place(tables: &dyn LedgerTables, digest: &KeyedDigest, attempt: u32) -> Result<Option<u64>, GalleryError> {
    let mut first = 0;
    loop {
        let places = tables.about(digest, first, READ_AT_ONCE)?;
        for &place in &places {
            let leaf = leaf_at(tables, place)?;
            let entry = leaf.and_then(|leaf| leaf.opening).and_then(|opening| Entry::opened(&opening));
            if entry.is_some_and(|entry| entry.kind == Kind::Decision && entry.attempt == attempt) {
                return Ok(Some(place));
            }
        }
        match places.last() {
            Some(last) if places.len() == READ_AT_ONCE => first = last + 1,
            _ => return Ok(None),
        }
    }
}

/// The receipt of an entry that the newest checkpoint covers.
fn receipt(tables: &dyn LedgerTables, index: u64, is_shown: bool) -> Result<Receipt, GalleryError> {
    let head = tables.head()?.ok_or(GalleryError::NoLedger)?;
    let size = head.signed();
    let checkpoint = head.checkpoint.filter(|_| index < size).ok_or(GalleryError::UnknownEntry)?;
    let opening = leaf_at(tables, index)?.ok_or(GalleryError::UnknownEntry)?.opening.filter(|_| is_shown);
    let nodes = TileNodes::new(LedgerTiles(tables), size);
    Receipt::prove(&nodes, index, checkpoint, opening.as_ref()).map_err(|error| match error {
        CannotProve::Tree(error) => of_tree(error),
        other => GalleryError::Ledger(other.to_string()),
    })
}

fn of_tree(error: TreeError<GalleryError>) -> GalleryError {
    match error {
        TreeError::Source(error) => error,
        other => GalleryError::Ledger(other.to_string()),
    }
}

fn signed(tables: &dyn LedgerTables, since: Option<u64>) -> Result<SignedLedger, GalleryError> {
    let head = tables.head()?.ok_or(GalleryError::NoLedger)?;
    let size = head.signed();
    let checkpoint = head.checkpoint.ok_or(GalleryError::UnknownEntry)?;
    let consistency = match since {
        None | Some(0) => Vec::new(),
        Some(since) if since > size => return Err(GalleryError::UnknownEntry),
        Some(since) => {
            let nodes = TileNodes::new(LedgerTiles(tables), size);
            tree::consistency_proof(&nodes, since, size).map_err(of_tree)?
        }
    };
    let (first_key, key_changes, entries, pruned) = (head.first_key, head.changes, head.entries, head.pruned);
    Ok(SignedLedger { checkpoint, first_key, key_changes, consistency, entries, pruned })
}

/// Up to `size` entries that pass, from `first` on, and where to go on.
fn listed(
    tables: &dyn LedgerTables,
    asked: &Asked<'_>,
    first: u64,
    size: usize,
) -> Result<(Vec<Leaf>, Option<u64>), GalleryError> {
    if let Some(digest) = asked.about() {
        return listed_about(tables, asked, &digest, first, size);
    }
    let mut found = Vec::new();
    let mut from = first;
    while from - first < LOOKED_AT_MAX {
        let leaves = tables.entries(from, READ_AT_ONCE)?;
        let is_end = leaves.len() < READ_AT_ONCE;
        for leaf in leaves {
            if found.len() == size {
                return Ok((found, Some(leaf.index)));
            }
            from = leaf.index + 1;
            if asked.passes(&leaf) {
                found.push(leaf);
            }
        }
        if is_end {
            return Ok((found, None));
        }
    }
    Ok((found, Some(from)))
}

fn listed_about(
    tables: &dyn LedgerTables,
    asked: &Asked<'_>,
    digest: &KeyedDigest,
    first: u64,
    size: usize,
) -> Result<(Vec<Leaf>, Option<u64>), GalleryError> {
    let (mut found, mut from, began) = (Vec::new(), first, Instant::now());
    loop {
        let places = tables.about(digest, from, READ_AT_ONCE)?;
        let is_end = places.len() < READ_AT_ONCE;
        for place in places {
            if found.len() == size {
                return Ok((found, Some(place)));
            }
            from = place + 1;
            found.extend(leaf_at(tables, place)?.filter(|leaf| asked.passes(leaf)));
        }
        if is_end {
            return Ok((found, None));
        }
        if began.elapsed().as_secs() >= 1 {
            return Ok((found, Some(from)));
        }
    }
}

impl Engine {
    /// Reads the log of its gallery.
    ///
    /// # Errors
    /// [`WorkflowError::NoGallery`].
    pub fn ledger(&self) -> Result<LedgerReader<'_>, WorkflowError> {
        Ok(LedgerReader::new(self.gallery()?))
    }
}
