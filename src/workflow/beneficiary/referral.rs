//! What officers add: their answers to decisions that did not approve, and pairs that share a face
//! for a good reason.

use super::BeneficiaryOutcome;
use super::cases::Cases;
use super::decide::AppliedRule;
use super::flow;
use super::policy::Consequence;
use super::reason_code::ReasonCode;
use crate::context::{Reach, RequestContext};
use crate::gallery::{
    Attributes, ClearPair, ClearedPair, DecisionKey, Note, Outcome, ReadSet, Resolution, ResolveCommand, SubjectHead,
    SubjectId, Timestamp, UnclearPair,
};
use crate::workflow::{Engine, Field, WorkflowError, reach};

/// An officer's answer to a decision that did not approve.
#[derive(Clone)]
pub struct ResolveReferral {
    /// Which attempt of which transaction.
    pub key: DecisionKey,
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// [`Outcome::Approve`] or [`Outcome::Deny`].
    pub outcome: Outcome,
    /// Why.
    pub reason: Note,
}

/// What officers have made of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedReferral {
    /// Which.
    pub key: DecisionKey,
    /// What the officers decided; [`Outcome::Refer`] while another must answer.
    pub outcome: Outcome,
    /// When the last answer was committed.
    pub resolved_at: Timestamp,
    /// Officers who have approved.
    pub officers: u32,
    /// Officers it takes to approve.
    pub officers_needed: u32,
}

/// Two subjects who share a face for a good reason, such as twins.
#[derive(Clone)]
pub struct ClearPairRequest {
    /// The one.
    pub one: SubjectId,
    /// The other.
    pub other: SubjectId,
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// Why.
    pub reason: Note,
}

/// Two subjects who do not, or not any more.
pub type UnclearPairRequest = ClearPairRequest;

/// Reasons against which it takes two officers to approve: what is shown to be wrong with the
/// card, and another person's face.
const TWO_OFFICERS: [ReasonCode; 6] = [
    ReasonCode::ChipAltered,
    ReasonCode::ChipUntrusted,
    ReasonCode::ChipNotOriginal,
    ReasonCode::ChipCountryDiffers,
    ReasonCode::ChipFaceDiffers,
    ReasonCode::ReferenceFaceDiffers,
];

impl Cases<'_> {
    /// Records an officer's answer to the last attempt of a transaction, which did not approve:
    /// referred, denied, or out of attempts. A denial closes the transaction, and so does an
    /// approval; of two officers where any attempt of it showed the card to be wrong, or the face to
    /// be another person's. Sent again it gives the same answer. Nothing may be deciding on the transaction
    /// meanwhile: [`Engine::resolve_referral`] waits for its turn.
    ///
    /// # Errors
    /// [`crate::gallery::GalleryError::UnknownTransaction`], [`crate::gallery::GalleryError::UnknownAttempt`],
    /// [`crate::gallery::GalleryError::NotReferred`], [`crate::gallery::GalleryError::AlreadyResolved`];
    /// [`crate::gallery::GalleryError::OfficerInvolved`] for one who presented the case or enrolled the record;
    /// [`WorkflowError::OutOfReach`] for a case of another place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn resolve_referral(
        &self,
        context: &RequestContext,
        request: ResolveReferral,
    ) -> Result<ResolvedReferral, WorkflowError> {
        context.check_deadline()?;
        let ResolveReferral { key, officer, outcome, reason } = request;
        if outcome == Outcome::Refer {
            let detail = "an officer approves or denies".to_owned();
            return Err(WorkflowError::OutOfRange { field: Field::Named("outcome"), detail });
        }
        self.number_ids.check(&officer, "officer_id")?;
        let gallery = self.gallery;
        let wanted = ReadSet { decision: Some(key.clone()), attempts: true, ..ReadSet::default() };
        let records = gallery.read(wanted).await?;
        if let Some(stored) = &records.decision {
            reach::check(context, stored.unit.as_deref(), stored.province.as_deref())?;
        }
        // A card that was shown to be wrong is not forgotten for another attempt without it. Where
        // there is none, the commit says what is missing.
        let mut needed = 1;
        for attempt in records.attempts {
            needed = needed.max(officers_needed(&flow::outcome(attempt)?));
        }
        let officers_needed = needed;
        let resolution = Resolution { officer, outcome, reason, resolved_at: Timestamp::now() };
        let command = ResolveCommand { key: key.clone(), resolution, officers_needed };
        let (stored, replayed) = gallery.resolve(context, command).await?;
        let closing = stored.resolution();
        let outcome = closing.map_or(Outcome::Refer, |closing| closing.outcome);
        let last = closing.or(stored.resolutions.last()).ok_or(WorkflowError::Answer)?;
        let approvals = stored.resolutions.iter().filter(|one| one.outcome == Outcome::Approve).count();
        let caller = context.principal().kind();
        tracing::info!(?outcome, replayed, caller, "an officer answered");
        Ok(ResolvedReferral {
            key,
            outcome,
            resolved_at: last.resolved_at,
            // Two at most.
            officers: approvals as u32,
            officers_needed: stored.officers_needed,
        })
    }

    /// Remembers that two subjects share a face for a good reason: neither is found
    /// as a duplicate of the other again. At least one must be enrolled. Where the operator asks
    /// for two officers, it is in force once a second one has cleared the pair as well.
    ///
    /// # Errors
    /// [`crate::gallery::GalleryError::SamePair`], [`crate::gallery::GalleryError::UnknownSubject`];
    /// [`WorkflowError::OutOfReach`] where neither record is of the caller's place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn clear_pair(
        &self,
        context: &RequestContext,
        request: ClearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        context.check_deadline()?;
        let ClearPairRequest { one: first, other: second, officer, reason } = request;
        self.number_ids.check(&officer, "officer_id")?;
        let gallery = self.gallery;
        self.number_ids.check_subject(gallery, &first, "subject_id_a").await?;
        self.number_ids.check_subject(gallery, &second, "subject_id_b").await?;
        self.check_pair(context, &first, &second).await?;
        let rules = self.rules;
        let (officers_needed, lifetime_ms) = (rules.clear_officers, rules.clear_lifetime_ms());
        let clear = ClearPair { first, second, officer, reason, officers_needed, lifetime_ms };
        let (pair, receipt) = gallery.clear_pair(context, clear).await?;
        let caller = context.principal().kind();
        tracing::info!(replayed = receipt.replayed, caller, "a pair was cleared");
        Ok(PairChange { pair, commit: receipt.commit, replayed: receipt.replayed })
    }

    /// Ends the clearing of a pair: both are found as duplicates of each other again. What was
    /// said of it is kept.
    ///
    /// # Errors
    /// [`crate::gallery::GalleryError::SamePair`], [`crate::gallery::GalleryError::UnknownPair`];
    /// [`WorkflowError::OutOfReach`] where neither record is of the caller's place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn unclear_pair(
        &self,
        context: &RequestContext,
        request: UnclearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        context.check_deadline()?;
        let ClearPairRequest { one: first, other: second, officer, reason } = request;
        self.number_ids.check(&officer, "officer_id")?;
        self.check_pair(context, &first, &second).await?;
        let unclear = UnclearPair { first, second, officer, reason };
        let (pair, receipt) = self.gallery.unclear_pair(context, unclear).await?;
        let caller = context.principal().kind();
        tracing::info!(replayed = receipt.replayed, caller, "the clearing of a pair was ended");
        Ok(PairChange { pair, commit: receipt.commit, replayed: receipt.replayed })
    }

    /// Checks that at least one of two records belongs to the caller's place.
    async fn check_pair(
        &self,
        context: &RequestContext,
        one: &SubjectId,
        other: &SubjectId,
    ) -> Result<(), WorkflowError> {
        if context.reach() == Reach::Everything {
            return Ok(());
        }
        let subjects = vec![one.clone(), other.clone()];
        let heads = self.gallery.read(ReadSet { subjects, ..ReadSet::default() }).await?.subjects;
        let is_own = |head: &SubjectHead| {
            let Attributes { unit, province, .. } = &head.attributes;
            reach::check(context, unit.as_deref(), province.as_deref()).is_ok()
        };
        match heads.iter().any(is_own) {
            true => Ok(()),
            // Of what is not there the commit says so.
            false if heads.is_empty() => Ok(()),
            false => Err(WorkflowError::OutOfReach),
        }
    }
}

impl Engine {
    /// [`Cases::resolve_referral`] of the engine's gallery, after a retake of the transaction that
    /// is being decided.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn resolve_referral(
        &self,
        context: &RequestContext,
        request: ResolveReferral,
    ) -> Result<ResolvedReferral, WorkflowError> {
        context.check_deadline()?;
        let cases = self.cases()?;
        // A retake that is being decided goes first: then this attempt is not the last.
        let _turn = self.decision_service().turns.take(&request.key.transaction).await;
        cases.resolve_referral(context, request).await
    }

    /// [`Cases::clear_pair`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn clear_pair(
        &self,
        context: &RequestContext,
        request: ClearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        self.cases()?.clear_pair(context, request).await
    }

    /// [`Cases::unclear_pair`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn unclear_pair(
        &self,
        context: &RequestContext,
        request: UnclearPairRequest,
    ) -> Result<PairChange, WorkflowError> {
        self.cases()?.unclear_pair(context, request).await
    }
}

/// A pair as an officer left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairChange {
    /// The pair, with what officers said of it.
    pub pair: ClearedPair,
    /// Number of the commit that carried it; of the latest one where replayed.
    pub commit: u64,
    /// It had been so before.
    pub replayed: bool,
}

/// How many officers an approval takes that goes against the reasons of this decision, and against
/// those of earlier attempts that are in its evidence.
pub fn officers_needed(of: &BeneficiaryOutcome) -> u32 {
    let stands = |one: &&AppliedRule| one.consequence > Consequence::Accept;
    let is_grave = of.decided.grounds.iter().filter(stands).any(|one| TWO_OFFICERS.contains(&one.ground));
    let is_code = |code: &String| TWO_OFFICERS.iter().any(|one| one.code() == code);
    let mut earlier = of.evidence.history.iter().flat_map(|history| &history.transaction);
    if is_grave || earlier.any(|attempt| attempt.reasons.iter().any(is_code)) { 2 } else { 1 }
}
