//! The rights of the people whose records are kept: restriction, legal holds, erasure, and the report
//! of what is kept of one person. They take a gallery and no networks.

use super::requests::RequestClocks;
use super::{Engine, NumberIds, WorkflowError, content_digest::ContentDigest, reach};
use crate::context::{Reach, RequestContext};
use crate::gallery::{
    Attributes, ChangeStanding, Erase, Erasure, ErasureReceipt, Gallery, GalleryError, LedgerTables, Look, Outcome,
    ReadSet, Receipt, RequestId, Retry, StandingAction, Subject, SubjectId, SubjectRequest, Timestamp, leaf_at,
};
use crate::ledger::entry::{Entry, KeyedDigest, Kind, PrincipalKind};

/// Most entries of the log that a report tells of.
pub const ACCESSES_MAX: usize = 1000;
/// Places read at a time.
const READ_AT_ONCE: usize = 1000;

/// A change of a record's standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingRequest {
    /// Makes a retry safe.
    pub request_id: Option<RequestId>,
    /// What is done to whose record, by whom and why.
    pub change: ChangeStanding,
}

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureRequest {
    /// Makes a retry safe.
    pub request_id: Option<RequestId>,
    /// What is erased, by whom and why.
    pub erase: Erase,
}

/// What an erasure came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureOutcome {
    /// Everything is gone, or what it waits for.
    pub erasure: Erasure,
    /// Number of the commit that carried it.
    pub commit: u64,
    /// An earlier request with the same request id had done it.
    pub replayed: bool,
    /// Number of its entry in the transparency log, from 0; `None` where none is kept.
    pub entry: Option<u64>,
}

/// Somebody who looked at a record, or changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordAccess {
    /// When.
    pub at: Timestamp,
    /// What was done: the kind of its entry in the log.
    pub kind: String,
    /// Of which kind whoever did it is.
    pub principal: String,
    /// Their unit, where it is known.
    pub unit: Option<String>,
}

/// What is kept of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectReport<S = Subject> {
    /// Of whom.
    pub id: SubjectId,
    /// The record; `None` where only decisions or requests are kept.
    pub subject: Option<S>,
    /// Decisions that approved, before any officer looked at them.
    pub approved: u64,
    /// Decisions that referred.
    pub referred: u64,
    /// Decisions that denied.
    pub denied: u64,
    /// Decisions that wait for an officer.
    pub waiting: u64,
    /// Pairs of which officers said why both share the face.
    pub pairs: u64,
    /// Pictures that are kept of cases which wait for an officer.
    pub pictures: u64,
    /// When the first and the last decision were made.
    pub decided: Option<(Timestamp, Timestamp)>,
    /// Requests about the record, lowest number first.
    pub requests: Vec<SubjectRequest>,
    /// Who looked at the present record; `None` where no transparency log is kept.
    pub accesses: Option<Accesses>,
}

/// Who looked at a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accesses {
    /// The newest, oldest of them first; [`ACCESSES_MAX`] at most.
    pub newest: Vec<RecordAccess>,
    /// There were more.
    pub truncated: bool,
}

impl<S> SubjectReport<S> {
    /// The same with another form of the record.
    pub fn map<T>(self, of: impl FnOnce(S) -> T) -> SubjectReport<T> {
        let Self { id, subject, approved, referred, denied, waiting, pairs, pictures, decided, requests, accesses } =
            self;
        let subject = subject.map(of);
        SubjectReport { id, subject, approved, referred, denied, waiting, pairs, pictures, decided, requests, accesses }
    }
}

/// The rights of people over their records in a gallery.
#[derive(Clone, Copy)]
pub struct Rights<'a> {
    gallery: &'a Gallery,
    number_ids: NumberIds,
    clocks: RequestClocks,
}

impl<'a> Rights<'a> {
    /// Over the records of this gallery.
    pub fn new(gallery: &'a Gallery, number_ids: NumberIds) -> Self {
        Self { gallery, number_ids, clocks: RequestClocks::default() }
    }

    /// The same with other clocks for requests of people.
    #[must_use]
    pub fn with_clocks(self, clocks: RequestClocks) -> Self {
        Self { clocks, ..self }
    }

    pub(super) fn gallery(&self) -> &'a Gallery {
        self.gallery
    }

    pub(super) fn clocks(&self) -> RequestClocks {
        self.clocks
    }

    /// Checks the id of who does something.
    pub(super) fn check_author(&self, by: &SubjectId) -> Result<(), WorkflowError> {
        self.number_ids.check(by, "by_id")
    }

    /// Refuses a number of a person as the id of a subject who is not known yet.
    pub(super) async fn check_subject(&self, subject: &SubjectId) -> Result<(), WorkflowError> {
        self.number_ids.check_subject(self.gallery, subject, "subject_id").await
    }

    /// Restricts or holds a record, or ends that.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`], [`GalleryError::NotRestricted`],
    /// [`GalleryError::SeveralRestrictions`], [`GalleryError::HoldNameTaken`],
    /// [`GalleryError::UnknownHold`], [`GalleryError::RequestIdReused`];
    /// [`WorkflowError::OutOfReach`] for a record of another place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn change_standing(
        &self,
        context: &RequestContext,
        request: StandingRequest,
    ) -> Result<Receipt, WorkflowError> {
        context.check_deadline()?;
        let StandingRequest { request_id, change } = request;
        self.check_author(&change.by)?;
        self.check_reach(context, &change.subject).await?;
        let retry = request_id.map(|request_id| Retry { request_id, content: digest(&change) });
        let action = change.action.name();
        let receipt = self.gallery.change_standing(context, change, retry).await?;
        let caller = context.principal().kind();
        tracing::info!(action, replayed = receipt.replayed, caller, "the standing of a record was changed");
        Ok(receipt)
    }

    /// Erases everything that is kept of a subject, or restricts the record until that can be.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`], [`GalleryError::RecordKept`],
    /// [`GalleryError::RequestIdReused`]; [`WorkflowError::OutOfReach`] for a record of another place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn erase(
        &self,
        context: &RequestContext,
        request: ErasureRequest,
    ) -> Result<ErasureOutcome, WorkflowError> {
        context.check_deadline()?;
        let ErasureRequest { request_id, erase } = request;
        self.check_author(&erase.by)?;
        self.check_reach(context, &erase.subject).await?;
        let retry = request_id.map(|request_id| Retry { request_id, content: digest_of_erasure(&erase) });
        let ErasureReceipt { erasure, receipt, entry } = self.gallery.erase(context, erase, retry).await?;
        let caller = context.principal().kind();
        tracing::info!(outcome = erasure.name(), replayed = receipt.replayed, caller, "an erasure was asked for");
        Ok(ErasureOutcome { erasure, commit: receipt.commit, replayed: receipt.replayed, entry })
    }

    /// What is kept of a subject, why, and who looked at it. That it was read is entered.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`] where nothing is kept;
    /// [`WorkflowError::OutOfReach`] for a record of another place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn report(&self, context: &RequestContext, id: &SubjectId) -> Result<SubjectReport, WorkflowError> {
        context.check_deadline()?;
        let wanted = ReadSet {
            subjects: vec![id.clone()],
            templates: true,
            decisions_about: Some(id.clone()),
            cleared_with: Some(id.clone()),
            requests_of: Some(id.clone()),
            pictures_of: Some(id.clone()),
            ..ReadSet::default()
        };
        let records = self.gallery.read(wanted).await?;
        let (subject, about) = (records.subject(id)?, &records.about);
        let look = Look::new(Kind::RecordRead).at([id.clone()]);
        if subject.is_none() && about.is_empty() && records.subject_requests.is_empty() {
            self.gallery.enter_look(context, look.coming_to("unknown")).await?;
            return Err(GalleryError::UnknownSubject.into());
        }
        let attributes = subject.as_ref().map(|subject| subject.attributes.clone()).unwrap_or_default();
        reach::check(context, attributes.unit.as_deref(), attributes.province.as_deref())?;
        // As it was before this report, which is entered as well.
        let accesses = self.accesses(id, subject.as_ref().map(|subject| subject.enrolled_at)).await?;
        self.gallery.enter_look(context, look.of_records(1)).await?;
        let count = |outcome| about.iter().filter(|one| one.outcome == outcome).count() as u64;
        Ok(SubjectReport {
            id: id.clone(),
            subject,
            approved: count(Outcome::Approve),
            referred: count(Outcome::Refer),
            denied: count(Outcome::Deny),
            waiting: about.iter().filter(|one| one.waits).count() as u64,
            pairs: records.pairs.len() as u64,
            pictures: records.pictures_kept,
            requests: records.subject_requests.clone(),
            decided: about.first().zip(about.last()).map(|(first, last)| (first.decided_at, last.decided_at)),
            accesses,
        })
    }

    /// Who looked at a subject's present record, where the gallery keeps a log.
    async fn accesses(
        &self,
        id: &SubjectId,
        enrolled_at: Option<Timestamp>,
    ) -> Result<Option<Accesses>, WorkflowError> {
        if !self.gallery.has_ledger() {
            return Ok(None);
        }
        let digest = self.gallery.ledger_key()?.subject(id.as_str());
        Ok(Some(self.gallery.read_ledger(move |tables| accesses(tables, &digest, enrolled_at)).await?))
    }

    /// Checks that a caller who is bound to its place acts on a record there. Of one that is not
    /// enrolled the commit says so.
    pub(super) async fn check_reach(&self, context: &RequestContext, id: &SubjectId) -> Result<(), WorkflowError> {
        if context.reach() == Reach::Everything {
            return Ok(());
        }
        let wanted = ReadSet { subjects: vec![id.clone()], ..ReadSet::default() };
        let records = self.gallery.read(wanted).await?;
        let Some(head) = records.head(id) else { return Err(GalleryError::UnknownSubject.into()) };
        let Attributes { unit, province, .. } = &head.attributes;
        reach::check(context, unit.as_deref(), province.as_deref())
    }
}

/// The newest who looked at the present record, which was enrolled at a time; at whatever is kept, where none
/// is enrolled. Who looked at an earlier record of the same id, which was erased or removed, is not told.
fn accesses(
    tables: &dyn LedgerTables,
    digest: &KeyedDigest,
    enrolled_at: Option<Timestamp>,
) -> Result<Accesses, GalleryError> {
    let (mut places, mut first) = (Vec::new(), 0);
    loop {
        let found = tables.about(digest, first, READ_AT_ONCE)?;
        let is_last = found.len() < READ_AT_ONCE;
        first = found.last().map_or(first, |last| last + 1);
        places.extend(found);
        if is_last {
            break;
        }
    }
    let mut all = Accesses::default();
    for place in places.into_iter().rev() {
        let opening = leaf_at(tables, place)?.and_then(|leaf| leaf.opening);
        // Contents that were pruned are told by nobody any more.
        let Some(entry) = opening.as_ref().and_then(Entry::opened) else { continue };
        if ends_record(&entry) {
            break;
        }
        if all.newest.len() == ACCESSES_MAX {
            all.truncated = true;
            break;
        }
        let is_first = enrolled_at.is_some_and(|at| is_enrolment(&entry) && entry.at_ms == at.0);
        all.newest.push(RecordAccess {
            at: Timestamp(entry.at_ms),
            kind: entry.kind.name().to_owned(),
            principal: PrincipalKind::name(entry.principal.kind).to_owned(),
            unit: entry.unit.map(|unit| unit.as_str().to_owned()),
        });
        if is_first {
            break;
        }
    }
    all.newest.reverse();
    Ok(all)
}

/// Whether a record of its subject was there before the entry and is not after it.
fn ends_record(entry: &Entry) -> bool {
    let is_erased = || entry.outcome.as_ref().is_some_and(|outcome| outcome.as_str() == Erasure::Erased.name());
    entry.kind == Kind::Removal || entry.kind == Kind::Erasure && is_erased()
}

/// Whether it may be the entry that a record was first enrolled with: decisions and answers enrol as well.
fn is_enrolment(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Enrolment | Kind::Replacement | Kind::Decision | Kind::OfficerAnswer)
}

/// SHA-256 of everything asked for, the request id apart.
fn digest(change: &ChangeStanding) -> [u8; 32] {
    let mut digest = ContentDigest::new("standing");
    digest.field(change.subject.as_str().as_bytes());
    digest.field(change.action.name().as_bytes());
    match &change.action {
        StandingAction::Restrict(requester) => digest.field(&[*requester as u8]),
        StandingAction::Lift => {}
        StandingAction::LiftOne(number) => digest.field(&number.to_le_bytes()),
        StandingAction::Hold(name) | StandingAction::Release(name) => digest.field(name.as_str().as_bytes()),
        StandingAction::AskErasure { requester, finding_open } => {
            digest.field(&[*requester as u8, u8::from(*finding_open)]);
        }
    }
    digest.field(change.by.as_str().as_bytes());
    digest.field(change.reason.as_str().as_bytes());
    digest.finish()
}

fn digest_of_erasure(erase: &Erase) -> [u8; 32] {
    let Erase { subject, requester, finding_open, by, reason } = erase;
    let mut digest = ContentDigest::new("erase");
    digest.field(subject.as_str().as_bytes());
    digest.field(&[*requester as u8, u8::from(*finding_open)]);
    digest.field(by.as_str().as_bytes());
    digest.field(reason.as_str().as_bytes());
    digest.finish()
}

impl Engine {
    /// The rights of people over the records of the engine's gallery.
    ///
    /// # Errors
    /// [`WorkflowError::NoGallery`].
    pub fn rights(&self) -> Result<Rights<'_>, WorkflowError> {
        Ok(Rights::new(self.gallery()?, self.number_ids()).with_clocks(self.request_clocks()))
    }
}
