//! Messages about verification, assessment and identification.

use super::face::{reference_kind, reports, wire_reference};
use super::gallery::out_of_range;
use super::{BadAnswer, named, present};
use crate::gallery::{Answered, Filter, Instead, SubjectId};
use crate::service::pb;
use crate::service::pb::identify_request::Scope;
use crate::workflow::{
    AssessOutcome, CANDIDATES_DEFAULT, Decision, Field, Frames, IdentifiedCandidate, IdentifyOutcome, IdentifyRequest,
    IdentifyScope, Kind, VerifyOutcome, VerifyRequest, VerifyShown, WorkflowError,
};

impl From<Frames> for pb::Frames {
    fn from(frames: Frames) -> Self {
        match frames {
            Frames::Single => Self::Single,
            Frames::Natural => Self::Natural,
            Frames::Repeated => Self::Repeated,
            Frames::Still => Self::Still,
        }
    }
}

/// What several captures look like together, from the wire.
pub(super) fn frames(value: i32) -> Result<Frames, BadAnswer> {
    match pb::Frames::try_from(value) {
        Ok(pb::Frames::Single) => Ok(Frames::Single),
        Ok(pb::Frames::Natural) => Ok(Frames::Natural),
        Ok(pb::Frames::Repeated) => Ok(Frames::Repeated),
        Ok(pb::Frames::Still) => Ok(Frames::Still),
        Ok(pb::Frames::Unspecified) | Err(_) => Err(BadAnswer("frames")),
    }
}

/// Converts a request: the picture, and the profile it is judged by.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn assess_request(request: pb::AssessRequest) -> Result<(Vec<u8>, Kind), WorkflowError> {
    let kind = match pb::CaptureKind::try_from(request.kind) {
        Ok(pb::CaptureKind::Unspecified | pb::CaptureKind::Live) => Kind::Live,
        Ok(pb::CaptureKind::Chip) => Kind::Chip,
        Err(_) => return Err(out_of_range(Field::Named("kind"), "it is none this server knows")),
    };
    Ok((request.image, kind))
}

impl From<Kind> for pb::CaptureKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Live => Self::Live,
            Kind::Chip => Self::Chip,
        }
    }
}

impl From<AssessOutcome> for pb::AssessResponse {
    fn from(outcome: AssessOutcome) -> Self {
        Self { face: Some(outcome.face.into()), accepted: outcome.accepted }
    }
}

impl TryFrom<pb::AssessResponse> for AssessOutcome {
    type Error = BadAnswer;

    fn try_from(response: pb::AssessResponse) -> Result<Self, BadAnswer> {
        Ok(Self { face: present(response.face, "face")?.try_into()?, accepted: response.accepted })
    }
}

/// Converts a request. The use case checks the ranges of its values.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn verify_request(request: pb::VerifyRequest) -> Result<VerifyRequest, WorkflowError> {
    let against = reference_kind(request.reference_kind)
        .ok_or_else(|| out_of_range(Field::Named("reference_kind"), "it is none this server knows"))?;
    Ok(VerifyRequest { reference: request.reference, probes: request.probes, fmr: request.fmr, against })
}

impl From<VerifyRequest> for pb::VerifyRequest {
    fn from(request: VerifyRequest) -> Self {
        Self {
            reference: request.reference,
            probes: request.probes,
            fmr: request.fmr,
            reference_kind: wire_reference(request.against),
        }
    }
}

impl From<VerifyOutcome> for pb::VerifyResponse {
    fn from(outcome: VerifyOutcome) -> Self {
        let decision = match outcome.decision {
            Decision::Match => pb::Decision::Match,
            Decision::NoMatch => pb::Decision::NoMatch,
        };
        Self {
            decision: decision.into(),
            score: outcome.score,
            fmr: Some(outcome.fmr.into()),
            fmr_requested: outcome.fmr_requested,
            threshold: Some(outcome.threshold.into()),
            recipe: outcome.recipe,
            reference: Some(outcome.reference.into()),
            probes: outcome.probes.into_iter().map(Into::into).collect(),
            frames: pb::Frames::from(outcome.frames).into(),
            curve: Some(outcome.curve.into()),
            against: wire_reference(outcome.against),
            distinct_frames: outcome.distinct,
            copy_of_reference: outcome.copy_of_reference,
        }
    }
}

/// The decision of an answer.
fn decision(value: i32) -> Result<Decision, BadAnswer> {
    match pb::Decision::try_from(value) {
        Ok(pb::Decision::Match) => Ok(Decision::Match),
        Ok(pb::Decision::NoMatch) => Ok(Decision::NoMatch),
        // An unknown decision must never count as a match.
        Ok(pb::Decision::Unspecified) | Err(_) => Err(BadAnswer("decision")),
    }
}

impl TryFrom<pb::VerifyResponse> for VerifyShown {
    type Error = BadAnswer;

    /// Takes an answer without scores and rates, as a server gives it to desks; half of them is none.
    fn try_from(response: pb::VerifyResponse) -> Result<Self, BadAnswer> {
        if response.fmr.is_some() || response.threshold.is_some() || response.curve.is_some() {
            return VerifyOutcome::try_from(response).map(Into::into);
        }
        Ok(Self {
            decision: decision(response.decision)?,
            scores: None,
            against: present(reference_kind(response.against), "against")?,
            distinct: response.distinct_frames,
            copy_of_reference: response.copy_of_reference,
            recipe: response.recipe,
            reference: present(response.reference, "reference")?.try_into()?,
            probes: reports(response.probes)?,
            frames: frames(response.frames)?,
        })
    }
}

impl TryFrom<pb::VerifyResponse> for VerifyOutcome {
    type Error = BadAnswer;

    fn try_from(response: pb::VerifyResponse) -> Result<Self, BadAnswer> {
        Ok(Self {
            decision: decision(response.decision)?,
            score: response.score,
            fmr: present(response.fmr, "fmr")?.into(),
            fmr_requested: response.fmr_requested,
            threshold: present(response.threshold, "threshold")?.into(),
            curve: present(response.curve, "curve")?.into(),
            against: present(reference_kind(response.against), "against")?,
            distinct: response.distinct_frames,
            copy_of_reference: response.copy_of_reference,
            recipe: response.recipe,
            reference: present(response.reference, "reference")?.try_into()?,
            probes: reports(response.probes)?,
            frames: frames(response.frames)?,
        })
    }
}

/// Converts a request. The use case checks the ranges of its values.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn identify_request(request: pb::IdentifyRequest) -> Result<IdentifyRequest, WorkflowError> {
    let scope = request.scope.map(|scope| match scope {
        Scope::Fpir(pb::FpirScope { fpir, limit: 0 }) => Ok(IdentifyScope::Fpir { fpir, limit: CANDIDATES_DEFAULT }),
        Scope::Fpir(pb::FpirScope { fpir, limit }) => Ok(IdentifyScope::Fpir { fpir, limit: limit as usize }),
        Scope::Nearest(pb::NearestScope { k, mode }) => match pb::NearestMode::try_from(mode) {
            Ok(pb::NearestMode::Unspecified | pb::NearestMode::Exact) => Ok(IdentifyScope::Nearest(k as usize)),
            Ok(pb::NearestMode::Approximate) => Ok(IdentifyScope::NearestApproximate(k as usize)),
            Err(_) => Err(out_of_range(Field::Named("nearest.mode"), "it is none this server knows")),
        },
    });
    let scope = scope.transpose()?;
    let id = |id: String, field| SubjectId::new(id).map_err(|_| WorkflowError::BadId { field });
    let claimed = request.claimed_subject_id.map(|claimed| id(claimed, Field::Named("claimed_subject_id")));
    let claimed = claimed.transpose()?;
    // Checked before any id is, so that a long list costs no more than its own bytes.
    if request.excluded_subject_ids.len() > Filter::EXCLUDED_MAX {
        return Err(out_of_range(Field::Named("excluded_subject_ids"), "too many subjects are excluded"));
    }
    let excluded = request.excluded_subject_ids.into_iter().enumerate();
    let excluded = excluded.map(|(at, excluded)| id(excluded, Field::Item("excluded_subject_ids", at)));
    let excluded = excluded.collect::<Result<_, _>>()?;
    let filter = Filter { scheme: request.scheme, province: request.province, excluded, claimed, ..Filter::default() };
    Ok(IdentifyRequest { probes: request.probes, scope, filter })
}

impl From<IdentifyRequest> for pb::IdentifyRequest {
    fn from(request: IdentifyRequest) -> Self {
        // A number beyond u32 is far beyond the limit, and the server refuses it as such. A limit
        // of 0 would mean the default on the wire.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let nearest =
            |k: usize, mode: pb::NearestMode| Scope::Nearest(pb::NearestScope { k: number(k), mode: mode.into() });
        let scope = request.scope.map(|scope| match scope {
            IdentifyScope::Fpir { fpir, limit } => {
                Scope::Fpir(pb::FpirScope { fpir, limit: if limit == 0 { u32::MAX } else { number(limit) } })
            }
            IdentifyScope::Nearest(k) => nearest(k, pb::NearestMode::Exact),
            IdentifyScope::NearestApproximate(k) => nearest(k, pb::NearestMode::Approximate),
        });
        let Filter { scheme, province, excluded, claimed, .. } = request.filter;
        let text = |id: SubjectId| id.as_str().to_owned();
        Self {
            probes: request.probes,
            scope,
            claimed_subject_id: claimed.map(text),
            scheme,
            province,
            excluded_subject_ids: excluded.into_iter().map(text).collect(),
        }
    }
}

impl From<IdentifyOutcome> for pb::IdentifyResponse {
    fn from(outcome: IdentifyOutcome) -> Self {
        let candidates = outcome.candidates.into_iter().map(|candidate| pb::Candidate {
            subject_id: candidate.subject.as_str().to_owned(),
            score: candidate.score,
            fmr: Some(candidate.fmr.into()),
            recipe: candidate.recipe.unwrap_or_default(),
        });
        let (answered, graph_recall) = match outcome.answered {
            Answered::Exactly => (pb::Answered::Exactly, None),
            Answered::Approximately { recall } => (pb::Answered::Approximately, Some(recall)),
            Answered::ExactlyInstead(Instead::Off) => (pb::Answered::ExactlyGraphOff, None),
            Answered::ExactlyInstead(Instead::NotReady) => (pb::Answered::ExactlyGraphNotReady, None),
            Answered::ExactlyInstead(Instead::FewPass) => (pb::Answered::ExactlyFewPass, None),
        };
        Self {
            candidates: candidates.collect(),
            answered: answered.into(),
            graph_recall,
            truncated: outcome.truncated,
            threshold: outcome.threshold.map(Into::into),
            templates_searched: outcome.templates,
            expected_chance_hits: outcome.expected_chance_hits,
            expected_extrapolated: outcome.expected_extrapolated,
            expected_miss: outcome.expected_miss.map(Into::into),
            curve: Some(outcome.curve.into()),
            distinct_frames: outcome.distinct,
            recipe: outcome.recipe,
            probes: outcome.probes.into_iter().map(Into::into).collect(),
            frames: pb::Frames::from(outcome.frames).into(),
        }
    }
}

impl TryFrom<pb::IdentifyResponse> for IdentifyOutcome {
    type Error = BadAnswer;

    fn try_from(response: pb::IdentifyResponse) -> Result<Self, BadAnswer> {
        let candidate = |candidate: pb::Candidate| {
            Ok(IdentifiedCandidate {
                subject: SubjectId::new(candidate.subject_id).map_err(|_| BadAnswer("subject_id"))?,
                score: candidate.score,
                fmr: present(candidate.fmr, "fmr")?.into(),
                recipe: named(candidate.recipe),
            })
        };
        let answered = match pb::Answered::try_from(response.answered) {
            Ok(pb::Answered::Exactly) => Answered::Exactly,
            Ok(pb::Answered::Approximately) => {
                Answered::Approximately { recall: present(response.graph_recall, "graph_recall")? }
            }
            Ok(pb::Answered::ExactlyGraphOff) => Answered::ExactlyInstead(Instead::Off),
            Ok(pb::Answered::ExactlyGraphNotReady) => Answered::ExactlyInstead(Instead::NotReady),
            Ok(pb::Answered::ExactlyFewPass) => Answered::ExactlyInstead(Instead::FewPass),
            // An answer that may be approximate must never count as exact.
            Ok(pb::Answered::Unspecified) | Err(_) => return Err(BadAnswer("answered")),
        };
        Ok(Self {
            answered,
            candidates: response.candidates.into_iter().map(candidate).collect::<Result<_, _>>()?,
            truncated: response.truncated,
            threshold: response.threshold.map(Into::into),
            templates: response.templates_searched,
            expected_chance_hits: response.expected_chance_hits,
            expected_extrapolated: response.expected_extrapolated,
            expected_miss: response.expected_miss.map(Into::into),
            curve: present(response.curve, "curve")?.into(),
            distinct: response.distinct_frames,
            recipe: response.recipe,
            probes: reports(response.probes)?,
            frames: frames(response.frames)?,
        })
    }
}
