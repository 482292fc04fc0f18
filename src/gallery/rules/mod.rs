//! The gallery's rules: which command may be carried out on what is stored, and what it writes.
//!
//! Pure: a command says what must be read for it ([`Command::reads`]), a record store reads that,
//! and [`Command::plan`] makes of both the rows to write, or refuses. So the rules hold for every
//! store, and stand nowhere else.

mod challenge;
mod decision;
mod enrolment;
mod ledger;
mod pair;
mod retention;
mod standing;
mod subject_request;

pub use self::decision::next_attempt;
pub(super) use self::enrolment::check as check_enrolment;
pub use self::ledger::Signer;
use super::ledger::{LedgerHead, NewEntry, NodeRun, SealedEntry};
use super::records::{Committed, ReadSet, Records, StoredRequest};
use super::{
    AnswerRequest, ChangeStanding, ClearPair, ClearedPair, DecisionKey, EnrolMode, Enrolment, Erase, Expired,
    GalleryError, NewChallenge, NewDecision, NewTemplate, OpenRequest, Receipt, RequestId, ResolveCommand,
    RetentionRun, Retry, StoredCapture, StoredChallenge, StoredDecision, StoredPictures, SubjectHead, SubjectId,
    SubjectRequest, Timestamp, UnclearPair,
};
use crate::ledger::note::Note;

/// One thing to do, whole or not at all.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "one at a time, and boxed where many wait")]
pub enum Command {
    /// Adds or changes a subject.
    Enrol(Enrolment, Option<Retry>),
    /// Removes a subject with all its templates.
    Remove(SubjectId, Option<Retry>),
    /// Restricts or holds a record, or ends that.
    ChangeStanding(ChangeStanding, Option<Retry>),
    /// Takes away everything that is kept of a subject, or restricts the record until that can be.
    Erase(Erase, Option<Retry>),
    /// Enters a request of a person about their record.
    OpenRequest(OpenRequest, Option<Retry>),
    /// Acknowledges or ends such a request.
    AnswerRequest(AnswerRequest, Option<Retry>),
    /// Takes away what is older than this time, where nothing stands against it. What a run of them took
    /// is entered at its end.
    Retain(Expired, Timestamp),
    /// Keeps what a run of retention did.
    EndRetention(RetentionRun),
    /// Stores a decision, with the enrolment that goes with it and, where it approves, the time of
    /// the verification.
    Decide(NewDecision),
    /// Records what an officer made of a decision that did not approve, and where that closes it
    /// with an approval the time of the verification.
    Resolve(ResolveCommand),
    /// Remembers that two subjects share a face for a good reason.
    Clear(ClearPair),
    /// Ends that.
    Unclear(UnclearPair),
    /// Keeps a challenge of Active Authentication, to be used up by a decision.
    Issue(NewChallenge),
    /// A command with its entries in the gallery's log: all or nothing. Where an earlier commit did
    /// it, that its answer is handed out again is entered.
    Entered(Box<Command>, Vec<NewEntry>),
    /// Enters what was read, refused or begun.
    Enter(NewEntry),
    /// Takes entries into the tree of the log and signs a checkpoint.
    Sequence(Signer),
    /// Gives up the key that signs for another.
    ChangeSigner {
        /// The key until then.
        before: Signer,
        /// The key from then on.
        after: Signer,
        /// What is entered of it.
        entry: NewEntry,
    },
    /// Takes away the contents of entries from before a time; tree and receipts stay. Enters how
    /// many.
    Prune(Timestamp, NewEntry),
}

/// What a command comes to.
#[derive(Clone, PartialEq)]
pub enum Planned {
    /// These rows are to be written.
    Write(Plan),
    /// Nothing: an earlier commit did it, and this is its answer.
    Done(Committed),
}

/// Rows to write together, and the answer when they are durable.
#[derive(Clone, PartialEq)]
pub struct Plan {
    /// In this order.
    pub writes: Vec<Write>,
    /// The answer.
    pub committed: Committed,
}

/// One row to write.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// A subject without its vectors, in place of the one that may be there.
    Subject(SubjectHead),
    /// Takes a subject away; its templates go by rows of their own.
    RemoveSubject(SubjectId),
    /// A new template under a new id.
    Template {
        /// Its id.
        id: u64,
        /// Whose.
        subject: SubjectId,
        /// Itself.
        content: NewTemplate,
    },
    /// Takes a template of a subject away.
    RemoveTemplate {
        /// Its id.
        id: u64,
        /// Whose it must be.
        subject: SubjectId,
    },
    /// A decision, in place of the one that may be there.
    Decision(StoredDecision),
    /// Takes a decision away, with what it is listed by, its captures and its pictures.
    RemoveDecision(DecisionKey),
    /// A new capture under a new number.
    Capture(StoredCapture),
    /// The pictures of a decision, in a sealed gallery.
    Pictures(StoredPictures),
    /// Takes away the pictures of the decision with this number, where there are any.
    RemovePictures(u64),
    /// Takes away the pictures of every decision about a subject.
    ForgetPictures(SubjectId),
    /// A challenge, in place of the one that may be there.
    Challenge(StoredChallenge),
    /// Takes the challenge with this number away.
    RemoveChallenge(u64),
    /// Takes away every capture of decisions about a subject.
    ForgetCaptures(SubjectId),
    /// Takes away every challenge of a transaction.
    ForgetChallenges(RequestId),
    /// Takes away every decision about a subject, with what they are listed by and their pictures.
    ForgetDecisions(SubjectId),
    /// A request of a person, in place of the one that may be there.
    SubjectRequest(SubjectRequest),
    /// Takes the request of a person with this number away.
    RemoveRequest(u64),
    /// What a run of retention did, in place of the last one.
    Retention(RetentionRun),
    /// Takes away every request about a subject, with what it is listed by.
    ForgetRequests(SubjectId),
    /// Destroys the key that rows of a subject are sealed under.
    ForgetKey(SubjectId),
    /// A cleared pair, in place of the one that may be there.
    Cleared(ClearedPair),
    /// Takes a cleared pair away, in whatever order its ids are stored.
    RemoveCleared(SubjectId, SubjectId),
    /// What a write with a request id did.
    Request(RequestId, StoredRequest),
    /// A new entry of the log, behind all others.
    Entry(SealedEntry),
    /// Nodes of the log's tree that will never change.
    Nodes(NodeRun),
    /// A checkpoint, in place of the one of this size that may be there.
    Checkpoint {
        /// How many entries it covers.
        size: u64,
        /// Itself.
        note: Note,
    },
    /// Takes the checkpoint of this size away.
    DropCheckpoint(u64),
    /// Takes contents and salts of entries away, and what they are found by.
    Prune {
        /// The first of them.
        first: u64,
        /// The first that stays.
        until: u64,
    },
    /// What is known of the log besides its entries; how many there are the store counts.
    Ledger(Box<LedgerHead>),
}

impl Command {
    /// What must be read before it can be planned.
    pub fn reads(&self) -> ReadSet {
        match self {
            Self::Enrol(enrolment, retry) => ReadSet { request: request_of(retry), ..enrolment::reads(enrolment) },
            Self::Remove(subject, retry) => {
                let (request, requests_of) = (request_of(retry), Some(subject.clone()));
                ReadSet { request, requests_of, ..standing::reads_for_removal(subject) }
            }
            Self::ChangeStanding(change, retry) => standing::reads(change, retry),
            Self::Erase(erase, retry) => standing::reads_for_erasure(erase, retry),
            Self::OpenRequest(open, retry) => subject_request::reads_to_open(open, retry),
            Self::AnswerRequest(answer, retry) => subject_request::reads_to_answer(answer, retry),
            Self::Retain(expired, before) => retention::reads(expired, *before),
            Self::EndRetention(_) => ReadSet::default(),
            Self::Decide(decision) => decision::reads(decision),
            Self::Resolve(ResolveCommand { key, .. }) => {
                ReadSet { decision: Some(key.clone()), decided_subject: true, attempts: true, ..ReadSet::default() }
            }
            Self::Clear(ClearPair { first, second, .. }) => {
                ReadSet { presented_about: vec![first.clone(), second.clone()], ..pair::reads(first, second) }
            }
            Self::Unclear(UnclearPair { first, second, .. }) => pair::reads(first, second),
            Self::Issue(challenge) => challenge::reads(challenge),
            Self::Entered(command, _) => command.reads(),
            Self::Enter(_) => ReadSet::default(),
            Self::Sequence(_) | Self::ChangeSigner { .. } => ledger::reads_for_sequence(),
            Self::Prune(before, _) => ledger::reads_for_pruning(*before),
        }
    }

    /// The rows that carry it out on top of what is stored. `records` holds what
    /// [`Command::reads`] asks for, `now` is the clock.
    ///
    /// # Errors
    /// What forbids it: [`GalleryError::SubjectExists`], [`GalleryError::UnknownSubject`],
    /// [`GalleryError::TemplateCount`], [`GalleryError::PhotosDisagree`],
    /// [`GalleryError::RecordDisagrees`], [`GalleryError::RequestIdReused`],
    /// [`GalleryError::TransactionReused`], [`GalleryError::AttemptOutOfOrder`],
    /// [`GalleryError::TransactionClosed`], [`GalleryError::Outdated`],
    /// [`GalleryError::UnknownTransaction`], [`GalleryError::UnknownAttempt`],
    /// [`GalleryError::NotReferred`], [`GalleryError::AlreadyResolved`],
    /// [`GalleryError::OfficerInvolved`], [`GalleryError::UnknownPair`],
    /// [`GalleryError::RecordKept`], [`GalleryError::RecordRestricted`], [`GalleryError::NotRestricted`],
    /// [`GalleryError::SeveralRestrictions`], [`GalleryError::HoldNameTaken`],
    /// [`GalleryError::UnknownHold`], [`GalleryError::UnknownRequest`],
    /// [`GalleryError::RequestClosed`], [`GalleryError::LedgerNeeded`], [`GalleryError::NoLedger`], [`GalleryError::Entry`],
    /// [`GalleryError::LedgerSigner`], and [`GalleryError::Search`] in a full store.
    pub fn plan(&self, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
        match (records.has_ledger, self.enters()) {
            (true, Some(false)) => return Err(GalleryError::LedgerNeeded),
            (false, Some(true)) => return Err(GalleryError::NoLedger),
            _ => {}
        }
        self.planned(records, now)
    }

    fn planned(&self, records: &Records, now: Timestamp) -> Result<Planned, GalleryError> {
        match self {
            Self::Enrol(enrolment, retry) => {
                once(retry.as_ref(), records, || enrolment::plan_command(enrolment, records, now).map(Rows::of_subject))
            }
            Self::Remove(subject, retry) => once(retry.as_ref(), records, || enrolment::plan_removal(subject, records)),
            Self::ChangeStanding(change, retry) => standing::plan(change, retry.as_ref(), records, now),
            Self::Erase(erase, retry) => standing::plan_erasure(erase, retry.as_ref(), records, now),
            Self::OpenRequest(open, retry) => subject_request::plan(open, retry.as_ref(), records, now),
            Self::AnswerRequest(answer, retry) => subject_request::plan_answer(answer, retry.as_ref(), records, now),
            Self::Retain(expired, before) => Ok(retention::plan(expired, *before, records)),
            Self::EndRetention(run) => Ok(retention::plan_end(run, records)),
            Self::Decide(decision) => decision::plan(decision, records, now),
            Self::Resolve(command) => decision::plan_resolution(command, records, now),
            Self::Clear(clear) => pair::plan(clear, records, now),
            Self::Unclear(unclear) => pair::plan_end(unclear, records, now),
            Self::Issue(challenge) => Ok(challenge::plan(challenge, records, now)),
            Self::Entered(command, entries) => {
                ledger::with_entries(command.planned(records, now)?, entries, records, now)
            }
            Self::Enter(entry) => ledger::plan_entry(entry, records, now),
            Self::Sequence(signer) => ledger::plan_sequence(signer, records, now),
            Self::ChangeSigner { before, after, entry } => ledger::plan_key_change(before, after, entry, records, now),
            Self::Prune(_, entry) => ledger::plan_pruning(entry, records, now),
        }
    }

    /// Whether it comes with an entry of the log; `None` where that is all the same.
    fn enters(&self) -> Option<bool> {
        match self {
            // The nonce of a card that is about to be read: whoever decides with it is entered.
            Self::Issue(_) | Self::Sequence(_) => None,
            // That a run begins is entered before it takes anything, and what it took at its end.
            Self::Retain(..) => None,
            Self::Entered(..) | Self::Enter(_) | Self::ChangeSigner { .. } | Self::Prune(..) => Some(true),
            _ => Some(false),
        }
    }

    /// Templates that come with it.
    pub(super) fn templates(&self) -> u64 {
        let count = |enrolment: &Enrolment| enrolment.templates.len() as u64;
        match self {
            Self::Enrol(enrolment, _) => count(enrolment),
            Self::Decide(decision) => decision.enrolment.as_ref().map_or(0, count),
            Self::Entered(command, _) => command.templates(),
            _ => 0,
        }
    }

    /// Whether as many templates may go as come.
    pub(super) fn replaces(&self) -> Option<&SubjectId> {
        match self {
            Self::Enrol(enrolment, _) => (enrolment.mode == EnrolMode::Replace).then_some(&enrolment.subject),
            Self::Entered(command, _) => command.replaces(),
            _ => None,
        }
    }
}

/// Rows about one subject, and what a retry is told of them.
struct Rows {
    writes: Vec<Write>,
    /// Templates the subject has afterwards.
    templates: u32,
    /// Number of the request of a person that was entered; 0 where none was.
    number: u64,
}

impl Rows {
    fn of(writes: Vec<Write>) -> Self {
        Self { writes, templates: 0, number: 0 }
    }

    fn of_subject((mut writes, head): (Vec<Write>, SubjectHead)) -> Self {
        // At most `Subject::TEMPLATES_MAX`.
        let templates = head.templates.len() as u32;
        writes.push(Write::Subject(head));
        Self { templates, ..Self::of(writes) }
    }
}

fn request_of(retry: &Option<Retry>) -> Option<RequestId> {
    retry.as_ref().map(|retry| retry.request_id.clone())
}

/// Plans a write that a request id names: once, and then the receipt of that.
fn once(
    retry: Option<&Retry>,
    records: &Records,
    plan: impl FnOnce() -> Result<Rows, GalleryError>,
) -> Result<Planned, GalleryError> {
    if let (Some(retry), Some(earlier)) = (retry, &records.request) {
        return match earlier.content == retry.content {
            true => Ok(Planned::Done(Committed::of(earlier.receipt()))),
            false => Err(GalleryError::RequestIdReused),
        };
    }
    let Rows { mut writes, templates, number } = plan()?;
    let receipt = Receipt { commit: records.commit, templates, replayed: false };
    if let Some(Retry { request_id, content }) = retry {
        let request = StoredRequest { content: *content, commit: receipt.commit, templates, number };
        writes.push(Write::Request(request_id.clone(), request));
    }
    let gives_up_key = writes.iter().any(|write| matches!(write, Write::ForgetKey(_)));
    Ok(Planned::Write(Plan { writes, committed: Committed { gives_up_key, ..Committed::of(receipt) } }))
}

/// Rows that take away every pair a subject was cleared in, however it stands.
fn forgotten_pairs(records: &Records) -> impl Iterator<Item = Write> {
    records.pairs.iter().map(|pair| Write::RemoveCleared(pair.first.clone(), pair.second.clone()))
}
