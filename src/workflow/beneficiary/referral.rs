//! What officers add: their answer to a referral, and pairs that share a face for
//! a good reason.

use crate::context::RequestContext;
use crate::gallery::{ClearedPair, DecisionKey, Note, Outcome, Receipt, Resolution, SubjectId, Timestamp};
use crate::workflow::{Engine, Field, WorkflowError};

/// An officer's answer to a referral.
#[derive(Clone)]
pub struct ResolveReferral {
    /// Which attempt of which transaction was referred.
    pub key: DecisionKey,
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// [`Outcome::Approve`] or [`Outcome::Deny`].
    pub outcome: Outcome,
    /// Why.
    pub reason: Note,
}

/// A referral that an officer has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedReferral {
    /// Which.
    pub key: DecisionKey,
    /// What the officer decided.
    pub outcome: Outcome,
    /// When it was committed.
    pub resolved_at: Timestamp,
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

impl Engine {
    /// Records an officer's answer to a referral and closes the transaction. Sent
    /// again it gives the same answer.
    ///
    /// # Errors
    /// [`crate::gallery::GalleryError::UnknownTransaction`],
    /// [`crate::gallery::GalleryError::UnknownAttempt`],
    /// [`crate::gallery::GalleryError::NotReferred`],
    /// [`crate::gallery::GalleryError::AlreadyResolved`];
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
        self.check_officer(&officer, "officer_id")?;
        let gallery = self.gallery()?;
        // A retake that is being decided goes first: then this attempt is not the last.
        let _turn = self.counter().turns.take(&key.transaction).await;
        let resolution = Resolution { officer, outcome, reason, resolved_at: Timestamp::now() };
        let (stored, replayed) = gallery.resolve(context, &key, resolution).await?;
        let resolution = stored.resolution.ok_or(WorkflowError::Answer)?;
        let caller = context.principal().kind();
        tracing::info!(outcome = ?resolution.outcome, replayed, caller, "a referral was resolved");
        Ok(ResolvedReferral { key, outcome: resolution.outcome, resolved_at: resolution.resolved_at })
    }

    /// Remembers that two subjects share a face for a good reason: neither is found
    /// as a duplicate of the other again. At least one must be enrolled.
    ///
    /// # Errors
    /// [`crate::gallery::GalleryError::SamePair`],
    /// [`crate::gallery::GalleryError::UnknownSubject`];
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn clear_pair(
        &self,
        context: &RequestContext,
        request: ClearPairRequest,
    ) -> Result<Receipt, WorkflowError> {
        context.check_deadline()?;
        let ClearPairRequest { one: first, other: second, officer, reason } = request;
        self.check_officer(&officer, "officer_id")?;
        let gallery = self.gallery()?;
        self.check_subject(gallery, &first, "subject_id_a").await?;
        self.check_subject(gallery, &second, "subject_id_b").await?;
        let pair = ClearedPair { first, second, officer, reason, cleared_at: Timestamp::now() };
        let receipt = gallery.clear_pair(context, pair).await?;
        let caller = context.principal().kind();
        tracing::info!(replayed = receipt.replayed, caller, "a pair was cleared");
        Ok(receipt)
    }

    /// Up to `limit` cleared pairs in byte order of their ids, those after `after`:
    /// for an audit, which does not report them again.
    ///
    /// # Errors
    /// The errors of the gallery; [`WorkflowError::DeadlineExceeded`] where the deadline has
    /// passed already.
    pub async fn cleared_pairs(
        &self,
        context: &RequestContext,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, WorkflowError> {
        context.check_deadline()?;
        Ok(self.gallery()?.cleared_pairs(after, limit).await?)
    }
}
