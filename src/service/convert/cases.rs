//! Messages about what was decided, which pairs were cleared and who is enrolled.

use super::decision::{clear_pair, id, key, outcome, scheme_of, wire_scheme};
use super::gallery::{from_wire, out_of_range, to_wire};
use super::{BadAnswer, named, present};
use crate::gallery::{
    CasePicture, ClearedPair, DecisionFilter, DecisionHead, DecisionKey, Note, PairEntry, PairEntryKind, PairState,
    PictureOf, RequestId, Scheme, SubjectId, Timestamp,
};
use crate::service::pb;
use crate::workflow::beneficiary::{
    CaseDecision, CasePictures, ClearPairRequest, ListPage, PageRequest, PairChange, PicturesKept, RepeatedCapture,
    StandingFilter, SubjectCount, SubjectFilter, SubjectSummary, UnclearPairRequest,
};
use crate::workflow::{Field, WorkflowError};

/// Which page is asked for.
pub(in crate::service) fn page(size: u32, token: String) -> PageRequest {
    PageRequest { size: size as usize, token }
}

/// Converts a request and checks what the types of its fields do not. The attempt `None` is the
/// last one.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn get_decision(
    request: pb::GetDecisionRequest,
) -> Result<(RequestId, Option<u32>), WorkflowError> {
    let attempt = (request.attempt > 0).then_some(request.attempt);
    Ok((key(request.transaction_id, request.attempt)?.transaction, attempt))
}

impl From<CaseDecision> for pb::GetDecisionResponse {
    fn from(case: CaseDecision) -> Self {
        Self {
            decision: Some(case.outcome.into()),
            subject_id: case.subject.as_str().to_owned(),
            scheme: wire_scheme(case.scheme),
            clerk_id: case.presented_by.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            waits: case.waits,
            answer_by: case.answer_by.map(to_wire),
        }
    }
}

impl TryFrom<pb::GetDecisionResponse> for CaseDecision {
    type Error = BadAnswer;

    fn try_from(response: pb::GetDecisionResponse) -> Result<Self, BadAnswer> {
        Ok(Self {
            outcome: present(response.decision, "decision")?.try_into()?,
            subject: stored_id(response.subject_id, "subject_id")?,
            scheme: present(scheme_of(response.scheme), "scheme")?,
            presented_by: named(response.clerk_id).map(|id| stored_id(id, "clerk_id")).transpose()?,
            waits: response.waits,
            answer_by: optional_time(response.answer_by, "answer_by")?,
        })
    }
}

/// As [`get_decision`].
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn get_pictures(
    request: pb::GetPicturesRequest,
) -> Result<(RequestId, Option<u32>), WorkflowError> {
    let pb::GetPicturesRequest { transaction_id, attempt } = request;
    get_decision(pb::GetDecisionRequest { transaction_id, attempt })
}

impl From<CasePictures> for pb::GetPicturesResponse {
    fn from(of: CasePictures) -> Self {
        let picture = |CasePicture { of, jpeg }: CasePicture| {
            let (kind, frame) = match of {
                PictureOf::Capture(frame) => (pb::PictureKind::Capture, frame),
                PictureOf::Chip => (pb::PictureKind::ChipPhoto, 0),
            };
            pb::CasePicture { kind: kind.into(), frame, image: jpeg }
        };
        let (kept_until, none_reason) = match of.kept {
            PicturesKept::Until(until) => (Some(to_wire(until)), pb::NoPictures::Unspecified),
            PicturesKept::Never => (None, pb::NoPictures::NeverKept),
            PicturesKept::NoLonger => (None, pb::NoPictures::NoLongerKept),
        };
        Self {
            pictures: of.pictures.into_iter().map(picture).collect(),
            kept_until,
            none_reason: none_reason.into(),
            left_out: of.left_out,
            attempt: of.key.attempt,
        }
    }
}

/// Converts the pictures of a decision of this transaction.
///
/// # Errors
/// [`BadAnswer`] names the field that is wrong.
pub(in crate::service) fn case_pictures(
    response: pb::GetPicturesResponse,
    transaction: RequestId,
) -> Result<CasePictures, BadAnswer> {
    let picture = |of: pb::CasePicture| CasePicture {
        of: match of.kind() {
            pb::PictureKind::ChipPhoto => PictureOf::Chip,
            pb::PictureKind::Capture | pb::PictureKind::Unspecified => PictureOf::Capture(of.frame),
        },
        jpeg: of.image,
    };
    let kept = match response.none_reason() {
        pb::NoPictures::Unspecified => PicturesKept::Until(time(response.kept_until, "kept_until")?),
        pb::NoPictures::NeverKept => PicturesKept::Never,
        pb::NoPictures::NoLongerKept => PicturesKept::NoLonger,
    };
    Ok(CasePictures {
        key: DecisionKey::new(transaction, response.attempt).map_err(|_| BadAnswer("attempt"))?,
        left_out: response.left_out,
        kept,
        pictures: response.pictures.into_iter().map(picture).collect(),
    })
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn list_decisions(
    request: pb::ListDecisionsRequest,
) -> Result<(DecisionFilter, PageRequest), WorkflowError> {
    let filter = DecisionFilter {
        subject: named(request.subject_id).map(|subject| id(subject, "subject_id")).transpose()?,
        since: asked_time(request.since, "since")?,
        until: asked_time(request.until, "until")?,
        outcome: match pb::Outcome::try_from(request.outcome) {
            Ok(pb::Outcome::Unspecified) => None,
            // One of a later version must not list everything.
            _ => Some(
                outcome(request.outcome)
                    .ok_or_else(|| out_of_range(Field::Named("outcome"), "it is none this server knows"))?,
            ),
        },
        reason: named(request.reason),
        waiting: false,
        unit: named(request.unit),
        province: named(request.province),
    };
    Ok((filter, page(request.page_size, request.page_token)))
}

pub(super) fn asked_time(
    time: Option<prost_types::Timestamp>,
    field: &'static str,
) -> Result<Option<Timestamp>, WorkflowError> {
    let bad = || out_of_range(Field::Named(field), "it is no time from 1970 to 9999");
    time.map(|time| from_wire(time).ok_or_else(bad)).transpose()
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn list_repeated_captures(
    request: pb::ListRepeatedCapturesRequest,
) -> Result<(Option<Timestamp>, Option<Timestamp>, PageRequest), WorkflowError> {
    let (since, until) = (asked_time(request.since, "since")?, asked_time(request.until, "until")?);
    Ok((since, until, page(request.page_size, request.page_token)))
}

impl From<ListPage<RepeatedCapture>> for pb::ListRepeatedCapturesResponse {
    fn from(page: ListPage<RepeatedCapture>) -> Self {
        let entry = |one: RepeatedCapture| pb::RepeatedCapture {
            decision: Some(summary(one.decision)),
            unit: one.unit.unwrap_or_default(),
            captures: one.captures.into_iter().map(Into::into).collect(),
        };
        Self {
            repeated_captures: page.entries.into_iter().map(entry).collect(),
            next_page_token: page.next.unwrap_or_default(),
        }
    }
}

/// Converts a page of repeated captures.
pub(in crate::service) fn repeated_captures_page(
    response: pb::ListRepeatedCapturesResponse,
) -> Result<ListPage<RepeatedCapture>, BadAnswer> {
    let entry = |one: pb::RepeatedCapture| {
        Ok(RepeatedCapture {
            decision: head(present(one.decision, "decision")?)?,
            unit: named(one.unit),
            captures: one.captures.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    };
    let entries = response.repeated_captures.into_iter().map(entry).collect::<Result<_, _>>()?;
    Ok(ListPage { entries, next: named(response.next_page_token) })
}

/// The message of a request for decisions that do not only wait.
pub(in crate::service) fn wire_list_decisions(filter: DecisionFilter, page: PageRequest) -> pb::ListDecisionsRequest {
    let DecisionFilter { subject, since, until, outcome, reason, waiting: _, unit, province } = filter;
    pb::ListDecisionsRequest {
        subject_id: subject.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        since: since.map(to_wire),
        until: until.map(to_wire),
        outcome: outcome.map_or(pb::Outcome::Unspecified, pb::Outcome::from).into(),
        reason: reason.unwrap_or_default(),
        page_size: wire_size(&page),
        page_token: page.token,
        unit: unit.unwrap_or_default(),
        province: province.unwrap_or_default(),
    }
}

/// Entries of a page on the wire.
pub(in crate::service) fn wire_size(page: &PageRequest) -> u32 {
    u32::try_from(page.size).unwrap_or(u32::MAX)
}

fn summary(head: DecisionHead) -> pb::DecisionSummary {
    pb::DecisionSummary {
        transaction_id: head.key.transaction.as_str().to_owned(),
        attempt: head.key.attempt,
        subject_id: head.subject.as_str().to_owned(),
        scheme: Scheme::from_text(&head.scheme).map_or(pb::Scheme::Unspecified.into(), wire_scheme),
        outcome: pb::Outcome::from(head.outcome).into(),
        reasons: head.reasons,
        decided_at: Some(to_wire(head.decided_at)),
        resolved: head.resolved.map_or(pb::Outcome::Unspecified, pb::Outcome::from).into(),
        waits: head.waits,
        answer_by: head.answer_by.map(to_wire),
        unit: head.unit.unwrap_or_default(),
        province: head.province.unwrap_or_default(),
    }
}

impl From<ListPage<DecisionHead>> for pb::ListDecisionsResponse {
    fn from(page: ListPage<DecisionHead>) -> Self {
        let decisions = page.entries.into_iter().map(summary).collect();
        Self { decisions, next_page_token: page.next.unwrap_or_default() }
    }
}

impl From<ListPage<DecisionHead>> for pb::ListReferralsResponse {
    fn from(page: ListPage<DecisionHead>) -> Self {
        let referrals = page.entries.into_iter().map(summary).collect();
        Self { referrals, next_page_token: page.next.unwrap_or_default() }
    }
}

/// Converts a page of decisions. Their numbers are the server's own and 0 here.
pub(in crate::service) fn decisions_page(
    summaries: Vec<pb::DecisionSummary>,
    next: String,
) -> Result<ListPage<DecisionHead>, BadAnswer> {
    Ok(ListPage { entries: summaries.into_iter().map(head).collect::<Result<_, _>>()?, next: named(next) })
}

fn head(one: pb::DecisionSummary) -> Result<DecisionHead, BadAnswer> {
    Ok(DecisionHead {
        number: 0,
        key: key(one.transaction_id, one.attempt).map_err(|_| BadAnswer("transaction_id"))?,
        subject: stored_id(one.subject_id, "subject_id")?,
        scheme: present(scheme_of(one.scheme), "scheme")?.name().to_owned(),
        outcome: present(outcome(one.outcome), "outcome")?,
        reasons: one.reasons,
        decided_at: time(one.decided_at, "decided_at")?,
        resolved: outcome(one.resolved),
        waits: one.waits,
        answer_by: optional_time(one.answer_by, "answer_by")?,
        unit: named(one.unit),
        province: named(one.province),
    })
}

fn stored_id(id: String, field: &'static str) -> Result<SubjectId, BadAnswer> {
    SubjectId::new(id).map_err(|_| BadAnswer(field))
}

fn optional_time(time: Option<prost_types::Timestamp>, field: &'static str) -> Result<Option<Timestamp>, BadAnswer> {
    time.map(|time| present(from_wire(time), field)).transpose()
}

fn time(time: Option<prost_types::Timestamp>, field: &'static str) -> Result<Timestamp, BadAnswer> {
    present(time.and_then(from_wire), field)
}

impl From<PairState> for pb::PairState {
    fn from(state: PairState) -> Self {
        match state {
            PairState::InForce => Self::InForce,
            PairState::Waiting => Self::Waiting,
            PairState::Ended => Self::Ended,
            PairState::Expired => Self::Expired,
        }
    }
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn list_pairs(
    request: pb::ListClearedPairsRequest,
) -> Result<(Option<PairState>, PageRequest), WorkflowError> {
    let state = match pb::PairState::try_from(request.state) {
        Ok(pb::PairState::Unspecified) => None,
        Ok(pb::PairState::InForce) => Some(PairState::InForce),
        Ok(pb::PairState::Waiting) => Some(PairState::Waiting),
        Ok(pb::PairState::Ended) => Some(PairState::Ended),
        Ok(pb::PairState::Expired) => Some(PairState::Expired),
        Err(_) => return Err(out_of_range(Field::Named("state"), "it is none this server knows")),
    };
    Ok((state, page(request.page_size, request.page_token)))
}

impl From<ClearedPair> for pb::Pair {
    fn from(pair: ClearedPair) -> Self {
        let state = pb::PairState::from(pair.state(Timestamp::now())).into();
        let entry = |entry: PairEntry| pb::PairEntry {
            ended: entry.kind == PairEntryKind::Ended,
            officer_id: entry.officer.as_str().to_owned(),
            reason: entry.reason.as_str().to_owned(),
            at: Some(to_wire(entry.at)),
        };
        Self {
            subject_id_a: pair.first.as_str().to_owned(),
            subject_id_b: pair.second.as_str().to_owned(),
            state,
            round_from: u32::try_from(pair.round_from).unwrap_or(u32::MAX),
            entries: pair.entries.into_iter().map(entry).collect(),
            officers_needed: pair.officers_needed,
            expires_at: pair.expires_at.map(to_wire),
        }
    }
}

impl TryFrom<pb::Pair> for ClearedPair {
    type Error = BadAnswer;

    fn try_from(pair: pb::Pair) -> Result<Self, BadAnswer> {
        let entry = |entry: pb::PairEntry| {
            Ok(PairEntry {
                kind: if entry.ended { PairEntryKind::Ended } else { PairEntryKind::Cleared },
                officer: stored_id(entry.officer_id, "officer_id")?,
                reason: Note::stored(entry.reason),
                at: time(entry.at, "at")?,
            })
        };
        Ok(Self {
            first: stored_id(pair.subject_id_a, "subject_id_a")?,
            second: stored_id(pair.subject_id_b, "subject_id_b")?,
            entries: pair.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
            round_from: pair.round_from as usize,
            officers_needed: pair.officers_needed,
            expires_at: pair.expires_at.map(|at| present(from_wire(at), "expires_at")).transpose()?,
        })
    }
}

impl From<ListPage<ClearedPair>> for pb::ListClearedPairsResponse {
    fn from(page: ListPage<ClearedPair>) -> Self {
        let pairs = page.entries.into_iter().map(Into::into).collect();
        Self { pairs, next_page_token: page.next.unwrap_or_default() }
    }
}

/// Converts a page of pairs.
pub(in crate::service) fn pairs_page(
    response: pb::ListClearedPairsResponse,
) -> Result<ListPage<ClearedPair>, BadAnswer> {
    let entries = response.pairs.into_iter().map(ClearedPair::try_from).collect::<Result<_, _>>()?;
    Ok(ListPage { entries, next: named(response.next_page_token) })
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn unclear_pair(request: pb::UnclearPairRequest) -> Result<UnclearPairRequest, WorkflowError> {
    let pb::UnclearPairRequest { subject_id_a, subject_id_b, officer_id, reason } = request;
    clear_pair(pb::ClearPairRequest { subject_id_a, subject_id_b, officer_id, reason })
}

/// The message of a request to end the clearing of a pair.
pub(in crate::service) fn wire_unclear_pair(request: ClearPairRequest) -> pb::UnclearPairRequest {
    let pb::ClearPairRequest { subject_id_a, subject_id_b, officer_id, reason } = request.into();
    pb::UnclearPairRequest { subject_id_a, subject_id_b, officer_id, reason }
}

impl From<PairChange> for pb::UnclearPairResponse {
    fn from(outcome: PairChange) -> Self {
        Self { pair: Some(outcome.pair.into()), commit: outcome.commit, replayed: outcome.replayed }
    }
}

impl TryFrom<pb::UnclearPairResponse> for PairChange {
    type Error = BadAnswer;

    fn try_from(response: pb::UnclearPairResponse) -> Result<Self, BadAnswer> {
        let pair = present(response.pair, "pair")?.try_into()?;
        Ok(Self { pair, commit: response.commit, replayed: response.replayed })
    }
}

/// Which subjects are asked for.
///
/// # Errors
/// [`WorkflowError::OutOfRange`] for a standing that this server does not know.
pub(in crate::service) fn subject_filter(
    scheme: String,
    province: String,
    standing: i32,
) -> Result<SubjectFilter, WorkflowError> {
    let standing = match pb::StandingFilter::try_from(standing) {
        Ok(pb::StandingFilter::Unspecified) => None,
        Ok(pb::StandingFilter::Restricted) => Some(StandingFilter::Restricted),
        Ok(pb::StandingFilter::Held) => Some(StandingFilter::Held),
        Ok(pb::StandingFilter::ErasureWaits) => Some(StandingFilter::ErasureWaits),
        Ok(pb::StandingFilter::ErasureReady) => Some(StandingFilter::ErasureReady),
        Err(_) => return Err(out_of_range(Field::Named("standing"), "it is none this server knows")),
    };
    Ok(SubjectFilter { scheme: named(scheme), province: named(province), standing })
}

/// How the records stand that a request lists.
pub(in crate::service) fn wire_standing_filter(standing: Option<StandingFilter>) -> i32 {
    i32::from(match standing {
        None => pb::StandingFilter::Unspecified,
        Some(StandingFilter::Restricted) => pb::StandingFilter::Restricted,
        Some(StandingFilter::Held) => pb::StandingFilter::Held,
        Some(StandingFilter::ErasureWaits) => pb::StandingFilter::ErasureWaits,
        Some(StandingFilter::ErasureReady) => pb::StandingFilter::ErasureReady,
    })
}

impl From<ListPage<SubjectSummary>> for pb::ListSubjectsResponse {
    fn from(page: ListPage<SubjectSummary>) -> Self {
        let summary = |one: SubjectSummary| pb::SubjectSummary {
            subject_id: one.subject.as_str().to_owned(),
            attributes: Some(one.attributes.into()),
            templates: u32::try_from(one.templates).unwrap_or(u32::MAX),
            enrolled_at: Some(to_wire(one.enrolled_at)),
            updated_at: Some(to_wire(one.updated_at)),
            restricted: one.restricted,
            holds: u32::try_from(one.holds).unwrap_or(u32::MAX),
            erasure_waits: one.erasure_waits,
        };
        Self {
            subjects: page.entries.into_iter().map(summary).collect(),
            next_page_token: page.next.unwrap_or_default(),
        }
    }
}

/// Converts a page of subjects.
pub(in crate::service) fn subjects_page(
    response: pb::ListSubjectsResponse,
) -> Result<ListPage<SubjectSummary>, BadAnswer> {
    let summary = |one: pb::SubjectSummary| {
        Ok(SubjectSummary {
            subject: stored_id(one.subject_id, "subject_id")?,
            attributes: one.attributes.unwrap_or_default().into(),
            templates: one.templates as usize,
            enrolled_at: time(one.enrolled_at, "enrolled_at")?,
            updated_at: time(one.updated_at, "updated_at")?,
            restricted: one.restricted,
            holds: one.holds as usize,
            erasure_waits: one.erasure_waits,
        })
    };
    let entries = response.subjects.into_iter().map(summary).collect::<Result<_, _>>()?;
    Ok(ListPage { entries, next: named(response.next_page_token) })
}

impl From<SubjectCount> for pb::CountSubjectsResponse {
    fn from(count: SubjectCount) -> Self {
        Self { subjects: count.subjects, templates: count.templates }
    }
}

impl From<pb::CountSubjectsResponse> for SubjectCount {
    fn from(count: pb::CountSubjectsResponse) -> Self {
        Self { subjects: count.subjects, templates: count.templates }
    }
}
