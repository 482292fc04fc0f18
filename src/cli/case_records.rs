//! Whose records of subjects, decisions and pairs are read and answered: a gallery's in a folder, or
//! a server's. No model pack is loaded for it, whatever pack the gallery was enrolled with.

use super::backend::{CallError, Place, Roles};
use super::settings::Settings;
use super::{Failure, caller, galleries};
use crate::context::RequestContext;
use crate::gallery::{
    AnswerRequest, ChangeStanding, ClearedPair, DecisionFilter, DecisionHead, DecisionKey, Erase, Gallery, Note,
    Outcome, PairState, Receipt, RequestAnswer, RequestId, RequestKind, Requester, StandingAction, StoredTemplate,
    Subject, SubjectId, SubjectRequest, Timestamp,
};
use crate::service::{AnswerCall, Client, RightsCall, SubjectInfo, TemplateInfo};
use crate::workflow::beneficiary::{
    CaseDecision, CasePictures, Cases, ClearPairRequest, ListPage, PageRequest, RepeatedCapture, ResolveReferral,
    ResolvedReferral, SubjectCount, SubjectFilter, SubjectSummary,
};
use crate::workflow::reason::Reason;
use crate::workflow::requests::{
    AnswerSubjectRequest, OpenSubjectRequest, RequestClocks, RequestOutcome, RequestsWanted,
};
use crate::workflow::rights::{ErasureOutcome, ErasureRequest, Rights, StandingRequest, SubjectReport};
use crate::workflow::{CaseRules, NumberIds};

/// Does the work. A server finds out by itself who calls.
pub(super) enum CaseRecords {
    Folder {
        gallery: Box<Gallery>,
        rules: CaseRules,
        number_ids: NumberIds,
        clocks: RequestClocks,
        context: RequestContext,
    },
    Server(Box<Client>),
}

/// An officer's answer to a decision; without the officer where the server knows who it is.
pub(super) struct OfficerAnswer {
    pub key: DecisionKey,
    pub officer: Option<SubjectId>,
    pub outcome: Outcome,
    pub reason: Note,
}

/// An officer's word on a pair, likewise.
pub(super) struct OfficerOnPair {
    pub one: SubjectId,
    pub other: SubjectId,
    pub officer: Option<SubjectId>,
    pub reason: Note,
}

impl OfficerOnPair {
    fn typed(self) -> Result<ClearPairRequest, Failure> {
        let Self { one, other, officer, reason } = self;
        Ok(ClearPairRequest { one, other, officer: officer.ok_or_else(nobody)?, reason })
    }
}

fn nobody() -> Failure {
    Failure::new("--officer ID (or --by ID) is missing: nothing else says who answers")
}

/// How a pair stands after an officer's word on it.
pub(super) struct PairStands {
    /// It had been so before.
    pub replayed: bool,
    /// Officers who have cleared it.
    pub officers: u32,
    /// Officers it takes.
    pub officers_needed: u32,
}

/// What came of changing how a record stands.
pub(super) enum StandingChanged {
    /// It is so now.
    Done(Receipt),
    /// The record, the restriction or the hold is not there.
    Missing(Reason),
}

/// Whose record is acted on, by whom and why; without who it is where the server knows that.
pub(super) struct RightsOf {
    pub subject: SubjectId,
    pub by: Option<SubjectId>,
    pub reason: Note,
    pub request_id: Option<RequestId>,
}

impl RightsOf {
    fn call(&self) -> RightsCall<'_> {
        let Self { subject, by, reason, request_id } = self;
        RightsCall { request_id: request_id.as_ref(), subject, by: by.as_ref(), reason }
    }

    fn by(&self) -> Result<SubjectId, Failure> {
        self.by.clone().ok_or_else(no_author)
    }
}

fn no_author() -> Failure {
    Failure::new("--by ID is missing: nothing else says who does it")
}

/// An answer to a request of a person; without who gives it where the server knows that.
pub(super) struct AnswerOf {
    pub number: u64,
    pub answer: RequestAnswer,
    pub by: Option<SubjectId>,
    pub reason: Note,
    pub request_id: Option<RequestId>,
}

/// What is told of a record: everything but the values of its templates.
fn info(of: Subject) -> SubjectInfo {
    let template = |stored: StoredTemplate| TemplateInfo {
        id: stored.id,
        source: stored.content.source,
        captured_at: stored.content.captured_at,
        quality: stored.content.quality,
    };
    SubjectInfo {
        templates: of.templates.into_iter().map(template).collect(),
        id: of.id,
        attributes: of.attributes,
        last_verified: of.last_verified,
        enrolled_at: of.enrolled_at,
        updated_at: of.updated_at,
        vouched: of.vouched,
        enrolled_by: of.enrolled_by,
        standing: of.standing,
        legal_bases: of.legal_bases,
    }
}

impl CaseRecords {
    /// A gallery that is there, or a server.
    pub(super) async fn open(command: &'static str, settings: &Settings, place: &Place) -> Result<Self, Failure> {
        match place {
            Place::Server(server) => Ok(Self::Server(Box::new(server.connect().await?))),
            Place::Folder(folder) => {
                let gallery =
                    galleries::open(folder, settings).map_err(|failure| settings.blame_folder(folder, failure))?;
                Ok(Self::Folder {
                    gallery: Box::new(gallery),
                    rules: settings.cases().clone(),
                    number_ids: settings.number_ids,
                    clocks: settings.request_clocks,
                    context: caller::context(command),
                })
            }
        }
    }

    /// One subject; `None` where it is not enrolled.
    pub(super) async fn subject(&self, subject: &SubjectId) -> Result<Option<SubjectInfo>, Failure> {
        match self {
            Self::Folder { context, .. } => {
                let found = there(self.cases()?.subject(context, subject).await, &[Reason::SubjectUnknown])?;
                Ok(found.map(info))
            }
            Self::Server(client) => there(client.subject(subject).await, &[Reason::SubjectUnknown]),
        }
    }

    /// A page of subjects.
    pub(super) async fn subjects(
        &self,
        filter: &SubjectFilter,
        page: PageRequest,
    ) -> Result<ListPage<SubjectSummary>, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.cases()?.subjects(context, filter.clone(), &page).await),
            Self::Server(client) => told(client.subjects(filter.clone(), page).await),
        }
    }

    /// How many subjects there are.
    pub(super) async fn count_subjects(&self, filter: SubjectFilter) -> Result<SubjectCount, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.cases()?.count_subjects(context, filter).await),
            Self::Server(client) => told(client.count_subjects(filter).await),
        }
    }

    /// A decision, the last of the transaction where no attempt is named; `None` where there is
    /// none.
    pub(super) async fn case(
        &self,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CaseDecision>, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.cases()?.case(context, transaction, attempt).await),
            Self::Server(client) => {
                let unknown = [Reason::TransactionUnknown, Reason::AttemptUnknown];
                there(client.case(transaction, attempt).await, &unknown)
            }
        }
    }

    /// The pictures of a decision, of the last of the transaction where no attempt is named; `None` where
    /// there is no such decision.
    pub(super) async fn pictures(
        &self,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CasePictures>, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.cases()?.pictures(context, transaction, attempt).await),
            Self::Server(client) => {
                let unknown = [Reason::TransactionUnknown, Reason::AttemptUnknown];
                there(client.pictures(transaction, attempt).await, &unknown)
            }
        }
    }

    /// A page of decisions.
    pub(super) async fn decisions(
        &self,
        filter: &DecisionFilter,
        page: PageRequest,
    ) -> Result<ListPage<DecisionHead>, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.cases()?.decisions(context, filter, &page).await),
            Self::Server(client) => {
                let mut found = told(client.decisions(filter.clone(), page).await)?;
                // A list of those that wait is not filtered by the server.
                found.entries.retain(|head| filter.passes(head));
                Ok(found)
            }
        }
    }

    /// A page of decisions whose captures had taken part in another transaction.
    pub(super) async fn repeated_captures(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.cases()?.repeated_captures(context, since, until, &page).await),
            Self::Server(client) => told(client.repeated_captures(since, until, page).await),
        }
    }

    /// A page of cleared pairs.
    pub(super) async fn pairs(
        &self,
        state: Option<PairState>,
        page: PageRequest,
    ) -> Result<ListPage<ClearedPair>, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.cases()?.pairs(context, state, &page).await),
            Self::Server(client) => told(client.pairs(state, page).await),
        }
    }

    /// Records an officer's answer; `None` where there is no such decision.
    pub(super) async fn resolve(&self, answer: OfficerAnswer) -> Result<Option<ResolvedReferral>, Failure> {
        let unknown = [Reason::TransactionUnknown, Reason::AttemptUnknown];
        let OfficerAnswer { key, officer, outcome, reason } = answer;
        match (self, officer) {
            (Self::Server(client), None) => {
                there(client.resolve_referral_as_caller(key, outcome, &reason).await, &unknown)
            }
            (Self::Server(client), Some(officer)) => {
                there(client.resolve_referral(ResolveReferral { key, officer, outcome, reason }).await, &unknown)
            }
            (Self::Folder { context, .. }, officer) => {
                let answer = ResolveReferral { key, officer: officer.ok_or_else(nobody)?, outcome, reason };
                there(self.cases()?.resolve_referral(context, answer).await, &unknown)
            }
        }
    }

    /// Clears a pair; `None` where neither is enrolled.
    pub(super) async fn clear(&self, pair: OfficerOnPair) -> Result<Option<PairStands>, Failure> {
        let unknown = [Reason::SubjectUnknown];
        match self {
            Self::Folder { context, .. } => {
                let cleared = there(self.cases()?.clear_pair(context, pair.typed()?).await, &unknown)?;
                Ok(cleared.map(|cleared| PairStands {
                    replayed: cleared.replayed,
                    // Two at most.
                    officers: cleared.pair.round().len() as u32,
                    officers_needed: cleared.pair.officers_needed,
                }))
            }
            Self::Server(client) => {
                let cleared = match pair.officer {
                    None => client.clear_pair_as_caller(&pair.one, &pair.other, &pair.reason).await,
                    Some(_) => client.clear_pair(pair.typed()?).await,
                };
                let cleared = there(cleared, &unknown)?;
                Ok(cleared.map(|cleared| PairStands {
                    replayed: cleared.replayed,
                    officers: cleared.officers,
                    officers_needed: cleared.officers_needed,
                }))
            }
        }
    }

    /// Ends the clearing of a pair, and says whether it had been ended before; `None` where it was
    /// never cleared.
    pub(super) async fn unclear(&self, pair: OfficerOnPair) -> Result<Option<bool>, Failure> {
        let unknown = [Reason::PairUnknown];
        let ended = match self {
            Self::Folder { context, .. } => there(self.cases()?.unclear_pair(context, pair.typed()?).await, &unknown)?,
            Self::Server(client) => {
                let ended = match pair.officer {
                    None => client.unclear_pair_as_caller(&pair.one, &pair.other, &pair.reason).await,
                    Some(_) => client.unclear_pair(pair.typed()?).await,
                };
                there(ended, &unknown)?
            }
        };
        Ok(ended.map(|ended| ended.replayed))
    }

    /// Restricts or holds a record, or ends that.
    pub(super) async fn change_standing(
        &self,
        of: &RightsOf,
        action: StandingAction,
    ) -> Result<StandingChanged, Failure> {
        let answer = match self {
            Self::Server(client) => client.change_standing(of.call(), &action).await.map_err(CallError::from),
            Self::Folder { context, .. } => {
                let (subject, by, reason) = (of.subject.clone(), of.by()?, of.reason.clone());
                let change = ChangeStanding { subject, action, by, reason };
                let request = StandingRequest { request_id: of.request_id.clone(), change };
                self.rights()?.change_standing(context, request).await.map_err(CallError::from)
            }
        };
        let missing = [Reason::SubjectUnknown, Reason::NotRestricted, Reason::HoldUnknown];
        match answer {
            Ok(receipt) => Ok(StandingChanged::Done(receipt)),
            Err(error) => match missing.into_iter().find(|reason| error.is(*reason)) {
                Some(reason) => Ok(StandingChanged::Missing(reason)),
                None => Err(failure(&error)),
            },
        }
    }

    /// Erases what is kept of a subject; `None` where nothing is.
    pub(super) async fn erase(
        &self,
        of: &RightsOf,
        requester: Requester,
        finding_open: bool,
    ) -> Result<Option<ErasureOutcome>, Failure> {
        let unknown = [Reason::SubjectUnknown];
        match self {
            Self::Server(client) => there(client.erase(of.call(), requester, finding_open).await, &unknown),
            Self::Folder { context, .. } => {
                let (subject, by, reason) = (of.subject.clone(), of.by()?, of.reason.clone());
                let erase = Erase { subject, requester, finding_open, by, reason };
                let request = ErasureRequest { request_id: of.request_id.clone(), erase };
                there(self.rights()?.erase(context, request).await, &unknown)
            }
        }
    }

    /// What is kept of a subject; `None` where nothing is.
    pub(super) async fn report(&self, subject: &SubjectId) -> Result<Option<SubjectReport<SubjectInfo>>, Failure> {
        let unknown = [Reason::SubjectUnknown];
        match self {
            Self::Server(client) => there(client.report(subject).await, &unknown),
            Self::Folder { context, .. } => {
                let found = there(self.rights()?.report(context, subject).await, &unknown)?;
                Ok(found.map(|report| report.map(info)))
            }
        }
    }

    /// Enters a request of a person.
    pub(super) async fn open_request(
        &self,
        of: &RightsOf,
        kind: RequestKind,
        requester: Requester,
        received_at: Option<Timestamp>,
    ) -> Result<RequestOutcome, Failure> {
        match self {
            Self::Server(client) => told(client.open_request(of.call(), kind, requester, received_at).await),
            Self::Folder { context, .. } => {
                let RightsOf { subject, reason, request_id, .. } = of;
                let (subject, reason, request_id) = (subject.clone(), reason.clone(), request_id.clone());
                let by = of.by()?;
                let open = OpenSubjectRequest { request_id, subject, kind, requester, received_at, by, reason };
                told(self.rights()?.open_request(context, open).await)
            }
        }
    }

    /// Acknowledges or ends a request of a person; `None` where there is none of that number.
    pub(super) async fn answer_request(&self, of: &AnswerOf) -> Result<Option<RequestOutcome>, Failure> {
        let unknown = [Reason::SubjectRequestUnknown];
        let AnswerOf { number, answer, by, reason, request_id } = of;
        let (number, answer) = (*number, *answer);
        match self {
            Self::Server(client) => {
                let call = AnswerCall { request_id: request_id.as_ref(), number, answer, by: by.as_ref(), reason };
                there(client.answer_request(call).await, &unknown)
            }
            Self::Folder { context, .. } => {
                let by = by.clone().ok_or_else(no_author)?;
                let answer = AnswerRequest { number, answer, by, reason: reason.clone() };
                let request = AnswerSubjectRequest { request_id: request_id.clone(), answer };
                there(self.rights()?.answer_request(context, request).await, &unknown)
            }
        }
    }

    /// A page of requests of people.
    pub(super) async fn requests(
        &self,
        wanted: &RequestsWanted,
        page: PageRequest,
    ) -> Result<ListPage<SubjectRequest>, Failure> {
        match self {
            Self::Folder { context, .. } => told(self.rights()?.requests(context, wanted, &page).await),
            Self::Server(client) => told(client.requests(wanted, page).await),
        }
    }

    fn rights(&self) -> Result<Rights<'_>, Failure> {
        match self {
            Self::Folder { gallery, number_ids, clocks, .. } => {
                Ok(Rights::new(gallery, *number_ids).with_clocks(*clocks))
            }
            Self::Server(_) => Err(Failure::new("a server's gallery is not open here; this is a defect of chinhchu")),
        }
    }

    fn cases(&self) -> Result<Cases<'_>, Failure> {
        match self {
            Self::Folder { gallery, rules, number_ids, .. } => Ok(Cases::new(gallery, rules, *number_ids)),
            Self::Server(_) => Err(Failure::new("a server's gallery is not open here; this is a defect of chinhchu")),
        }
    }
}

fn told<T>(answer: Result<T, impl Into<CallError>>) -> Result<T, Failure> {
    answer.map_err(|error| failure(&error.into()))
}

/// An answer; `None` where it is refused for one of these reasons.
fn there<T>(answer: Result<T, impl Into<CallError>>, unknown: &[Reason]) -> Result<Option<T>, Failure> {
    match answer.map_err(Into::into) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if unknown.iter().any(|reason| error.is(*reason)) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &CallError) -> Failure {
    match error.is(Reason::BadPageToken) {
        true => Failure::new("--after: this is no token of this list; begin the list again without"),
        false => error.told(&Roles::none()),
    }
}
