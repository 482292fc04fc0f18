//! Messages about decisions, referrals and cleared pairs.

use super::gallery::{from_wire, out_of_range, subject_id, to_wire};
use super::{BadAnswer, named, present};
use crate::chip::{self, ChallengeResponse, Personal};
use crate::gallery::{DecisionKey, Note, Outcome, RequestId, Resolution, SubjectId, resolution};
use crate::service::pb;
use crate::workflow::beneficiary::{
    AppliedRule, BeneficiaryOutcome, BeneficiaryRequest, ClearPairRequest, Consequence, Decided, EvidenceKind,
    IssuedChallenge, PairChange, ReasonCode, Record, ResolveReferral, ResolvedReferral, Scheme, citizen_sentence,
    decision_sentence, resolved_sentence,
};
use crate::workflow::{Field, WorkflowError};

/// The key of a decision; attempt 0 is the first.
pub(super) fn key(transaction: String, attempt: u32) -> Result<DecisionKey, WorkflowError> {
    Ok(DecisionKey::new(self::transaction(transaction)?, attempt.max(1))?)
}

/// The id of a transaction from the wire.
///
/// # Errors
/// [`WorkflowError`] where it is none.
pub(in crate::service) fn transaction(id: String) -> Result<RequestId, WorkflowError> {
    RequestId::new(id).map_err(|_| bad("transaction_id", "1 to 128 printable ASCII characters"))
}

impl From<IssuedChallenge> for pb::NewChallengeResponse {
    fn from(issued: IssuedChallenge) -> Self {
        Self { challenge: issued.challenge.to_vec(), expires_at: Some(to_wire(issued.expires_at)) }
    }
}

impl TryFrom<pb::NewChallengeResponse> for IssuedChallenge {
    type Error = BadAnswer;

    fn try_from(response: pb::NewChallengeResponse) -> Result<Self, BadAnswer> {
        Ok(Self {
            challenge: response.challenge.try_into().map_err(|_| BadAnswer("challenge"))?,
            expires_at: present(response.expires_at.and_then(from_wire), "expires_at")?,
        })
    }
}

/// The error of a field whose value is not allowed.
fn bad(field: &'static str, detail: &str) -> WorkflowError {
    out_of_range(Field::Named(field), detail)
}

/// An outcome from the wire; `None` for one that this version does not know.
pub(super) fn outcome(value: i32) -> Option<Outcome> {
    match pb::Outcome::try_from(value) {
        Ok(pb::Outcome::Approve) => Some(Outcome::Approve),
        Ok(pb::Outcome::Refer) => Some(Outcome::Refer),
        Ok(pb::Outcome::Deny) => Some(Outcome::Deny),
        Ok(pb::Outcome::Unspecified) | Err(_) => None,
    }
}

/// A scheme from the wire; `None` for one that this version does not know.
pub(super) fn scheme_of(value: i32) -> Option<Scheme> {
    match pb::Scheme::try_from(value) {
        Ok(pb::Scheme::Social) => Some(Scheme::Social),
        Ok(pb::Scheme::Health) => Some(Scheme::Health),
        Ok(pb::Scheme::Unemployment) => Some(Scheme::Unemployment),
        Ok(pb::Scheme::Unspecified) | Err(_) => None,
    }
}

/// A scheme on the wire.
pub(super) fn wire_scheme(scheme: Scheme) -> i32 {
    i32::from(match scheme {
        Scheme::Social => pb::Scheme::Social,
        Scheme::Health => pb::Scheme::Health,
        Scheme::Unemployment => pb::Scheme::Unemployment,
    })
}

impl From<Outcome> for pb::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Approve => Self::Approve,
            Outcome::Refer => Self::Refer,
            Outcome::Deny => Self::Deny,
        }
    }
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn beneficiary_request(
    request: pb::VerifyBeneficiaryRequest,
) -> Result<BeneficiaryRequest, WorkflowError> {
    let scheme = scheme_of(request.scheme).ok_or_else(|| bad("scheme", "name one of the three schemes"))?;
    let record = request.record.unwrap_or_default();
    let text = |text: String| (!text.trim().is_empty()).then(|| Personal::new(text));
    let record = Record {
        number: text(record.number),
        name: text(record.name),
        birth: text(record.birth_date),
        sex: match pb::Sex::try_from(record.sex) {
            Ok(pb::Sex::Unspecified) => None,
            Ok(pb::Sex::Male) => Some(chip::Sex::Male),
            Ok(pb::Sex::Female) => Some(chip::Sex::Female),
            Err(_) => return Err(bad("record.sex", "it is none this server knows")),
        },
    };
    let active = request
        .active_authentication
        .map(|exchange| ChallengeResponse { challenge: exchange.challenge, response: exchange.response });
    Ok(BeneficiaryRequest {
        key: key(request.transaction_id, request.attempt)?,
        subject: subject_id(request.subject_id)?,
        unit: match request.unit {
            unit if unit.len() > 128 || unit.chars().any(char::is_control) => {
                return Err(bad("unit", "1 to 128 bytes without control characters"));
            }
            unit => named(unit),
        },
        presented_by: named(request.clerk_id).map(|clerk| id(clerk, "clerk_id")).transpose()?,
        scheme,
        policy: request.policy,
        record,
        chip_files: request.chip_files,
        active,
        frames: request.frames,
    })
}

impl From<BeneficiaryRequest> for pb::VerifyBeneficiaryRequest {
    fn from(request: BeneficiaryRequest) -> Self {
        let text = |personal: Option<Personal>| personal.map(|text| text.reveal().to_owned()).unwrap_or_default();
        let Record { number, name, birth, sex } = request.record;
        let sex = match sex {
            None => pb::Sex::Unspecified,
            Some(chip::Sex::Male) => pb::Sex::Male,
            Some(chip::Sex::Female) => pb::Sex::Female,
        };
        Self {
            transaction_id: request.key.transaction.as_str().to_owned(),
            attempt: request.key.attempt,
            subject_id: request.subject.as_str().to_owned(),
            scheme: wire_scheme(request.scheme),
            policy: request.policy,
            record: Some(pb::BenefitRecord {
                number: text(number),
                name: text(name),
                birth_date: text(birth),
                sex: sex.into(),
            }),
            chip_files: request.chip_files,
            active_authentication: request.active.map(|exchange| pb::ActiveAuthenticationExchange {
                challenge: exchange.challenge,
                response: exchange.response,
            }),
            frames: request.frames,
            unit: request.unit.unwrap_or_default(),
            clerk_id: request.presented_by.map(|clerk| clerk.as_str().to_owned()).unwrap_or_default(),
        }
    }
}

impl From<BeneficiaryOutcome> for pb::VerifyBeneficiaryResponse {
    fn from(outcome: BeneficiaryOutcome) -> Self {
        let BeneficiaryOutcome {
            key,
            decided,
            evidence,
            policy,
            policy_digest,
            anchors_digest,
            enrolled,
            recipe,
            decided_at,
            commit,
            resolutions,
            officers_needed,
        } = outcome;
        let resolved = resolution(&resolutions, officers_needed).map(|closing| closing.outcome);
        let clerk = decision_sentence(&decided, &evidence);
        let citizen = citizen_sentence(&decided);
        let evidence = pb::DecisionEvidence::of(evidence, &decided);
        let (outcome, retake) = (decided.outcome, decided.retake);
        let reason = |weighed: AppliedRule| {
            let sentence = weighed.sentence(outcome, retake);
            let AppliedRule { ground, consequence, follows } = weighed;
            pb::DecisionReason {
                code: ground.code().to_owned(),
                evidence: ground.piece().name().to_owned(),
                consequence: i32::from(match consequence {
                    Consequence::Accept => pb::Consequence::Accept,
                    Consequence::Refer => pb::Consequence::Refer,
                    Consequence::Deny => pb::Consequence::Deny,
                }),
                message_vi: sentence.vi,
                message_en: sentence.en,
                follows: follows.map(|cause| cause.code().to_owned()).unwrap_or_default(),
            }
        };
        Self {
            transaction_id: key.transaction.as_str().to_owned(),
            attempt: key.attempt,
            outcome: pb::Outcome::from(decided.outcome).into(),
            message_vi: clerk.vi,
            message_en: clerk.en,
            citizen_vi: citizen.vi,
            citizen_en: citizen.en,
            reasons: decided.grounds.into_iter().map(reason).collect(),
            without: decided.without.into_iter().map(|piece| piece.name().to_owned()).collect(),
            retake: decided.retake,
            evidence: Some(evidence),
            policy,
            policy_digest,
            anchors_digest,
            enrolled,
            recipe,
            decided_at: Some(to_wire(decided_at)),
            commit,
            officer_answers: resolutions.into_iter().map(wire_answer).collect(),
            officers_needed,
            resolved: resolved.map_or(pb::Outcome::Unspecified, pb::Outcome::from).into(),
        }
    }
}

fn wire_answer(answer: Resolution) -> pb::OfficerAnswer {
    pb::OfficerAnswer {
        officer_id: answer.officer.as_str().to_owned(),
        outcome: pb::Outcome::from(answer.outcome).into(),
        reason: answer.reason.as_str().to_owned(),
        answered_at: Some(to_wire(answer.resolved_at)),
    }
}

fn answer(answer: pb::OfficerAnswer) -> Result<Resolution, BadAnswer> {
    Ok(Resolution {
        officer: SubjectId::new(answer.officer_id).map_err(|_| BadAnswer("officer_id"))?,
        outcome: present(outcome(answer.outcome), "officer_answers.outcome")?,
        reason: Note::stored(answer.reason),
        resolved_at: present(answer.answered_at.and_then(from_wire), "answered_at")?,
    })
}

impl TryFrom<pb::VerifyBeneficiaryResponse> for BeneficiaryOutcome {
    type Error = BadAnswer;

    fn try_from(response: pb::VerifyBeneficiaryResponse) -> Result<Self, BadAnswer> {
        let weighed = |reason: pb::DecisionReason| {
            Ok(AppliedRule {
                ground: present(ReasonCode::from_code(&reason.code), "reasons")?,
                consequence: match pb::Consequence::try_from(reason.consequence) {
                    Ok(pb::Consequence::Accept) => Consequence::Accept,
                    Ok(pb::Consequence::Refer) => Consequence::Refer,
                    Ok(pb::Consequence::Deny) => Consequence::Deny,
                    Ok(pb::Consequence::Unspecified) | Err(_) => return Err(BadAnswer("consequence")),
                },
                follows: match reason.follows.as_str() {
                    "" => None,
                    code => Some(present(ReasonCode::from_code(code), "follows")?),
                },
            })
        };
        let without = response.without.iter().map(|name| present(EvidenceKind::from_name(name), "without"));
        Ok(Self {
            key: key(response.transaction_id, response.attempt).map_err(|_| BadAnswer("transaction_id"))?,
            decided: Decided {
                // An unknown outcome must never count as an approval.
                outcome: present(outcome(response.outcome), "outcome")?,
                without: without.collect::<Result<_, _>>()?,
                grounds: response.reasons.into_iter().map(weighed).collect::<Result<_, _>>()?,
                retake: response.retake,
            },
            evidence: present(response.evidence, "evidence")?.try_into()?,
            policy: response.policy,
            policy_digest: response.policy_digest,
            anchors_digest: response.anchors_digest,
            enrolled: response.enrolled,
            recipe: response.recipe,
            decided_at: present(response.decided_at.and_then(from_wire), "decided_at")?,
            commit: response.commit,
            resolutions: response.officer_answers.into_iter().map(answer).collect::<Result<_, _>>()?,
            officers_needed: response.officers_needed,
        })
    }
}

/// The id of a subject from the wire, in this field.
pub(super) fn id(id: String, field: &'static str) -> Result<SubjectId, WorkflowError> {
    SubjectId::new(id).map_err(|_| WorkflowError::BadId { field: Field::Named(field) })
}

/// The id of an officer from the wire.
fn officer(id: String) -> Result<SubjectId, WorkflowError> {
    self::id(id, "officer_id")
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn resolve_referral(
    request: pb::ResolveReferralRequest,
) -> Result<ResolveReferral, WorkflowError> {
    Ok(ResolveReferral {
        key: key(request.transaction_id, request.attempt)?,
        officer: officer(request.officer_id)?,
        outcome: outcome(request.outcome).ok_or_else(|| bad("outcome", "an officer approves or denies"))?,
        reason: Note::new(request.reason)?,
    })
}

impl From<ResolveReferral> for pb::ResolveReferralRequest {
    fn from(request: ResolveReferral) -> Self {
        Self {
            transaction_id: request.key.transaction.as_str().to_owned(),
            attempt: request.key.attempt,
            officer_id: request.officer.as_str().to_owned(),
            outcome: pb::Outcome::from(request.outcome).into(),
            reason: request.reason.as_str().to_owned(),
        }
    }
}

impl From<ResolvedReferral> for pb::ResolveReferralResponse {
    fn from(resolved: ResolvedReferral) -> Self {
        let citizen = resolved_sentence(resolved.outcome);
        Self {
            outcome: pb::Outcome::from(resolved.outcome).into(),
            resolved_at: Some(to_wire(resolved.resolved_at)),
            citizen_vi: citizen.vi,
            citizen_en: citizen.en,
            officers: resolved.officers,
            officers_needed: resolved.officers_needed,
        }
    }
}

/// Converts the answer about the referral that `key` names.
pub(in crate::service) fn resolved_referral(
    response: pb::ResolveReferralResponse,
    key: DecisionKey,
) -> Result<ResolvedReferral, BadAnswer> {
    Ok(ResolvedReferral {
        key,
        outcome: present(outcome(response.outcome), "outcome")?,
        resolved_at: present(response.resolved_at.and_then(from_wire), "resolved_at")?,
        officers: response.officers,
        officers_needed: response.officers_needed,
    })
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn clear_pair(request: pb::ClearPairRequest) -> Result<ClearPairRequest, WorkflowError> {
    Ok(ClearPairRequest {
        one: id(request.subject_id_a, "subject_id_a")?,
        other: id(request.subject_id_b, "subject_id_b")?,
        officer: officer(request.officer_id)?,
        reason: Note::new(request.reason)?,
    })
}

impl From<ClearPairRequest> for pb::ClearPairRequest {
    fn from(request: ClearPairRequest) -> Self {
        Self {
            subject_id_a: request.one.as_str().to_owned(),
            subject_id_b: request.other.as_str().to_owned(),
            officer_id: request.officer.as_str().to_owned(),
            reason: request.reason.as_str().to_owned(),
        }
    }
}

/// The answer about a pair that was cleared.
pub(in crate::service) fn cleared(outcome: &PairChange) -> pb::ClearPairResponse {
    pb::ClearPairResponse {
        commit: outcome.commit,
        replayed: outcome.replayed,
        // Two at most.
        officers: outcome.pair.round().len() as u32,
        officers_needed: outcome.pair.officers_needed,
        expires_at: outcome.pair.expires_at.map(to_wire),
    }
}
