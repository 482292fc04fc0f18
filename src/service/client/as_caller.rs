//! Answers of an officer whom the client's token names: the request says nothing of who it is, and the
//! server, which knows, writes it in.

use super::{ClearedInfo, Client, ClientError};
use crate::gallery::{DecisionKey, Note, Outcome, SubjectId};
use crate::service::{convert, pb};
use crate::workflow::beneficiary::{PairChange, ResolvedReferral};

impl Client {
    /// Stores the caller's answer to a referral, as [`Client::resolve_referral`] does an officer's.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn resolve_referral_as_caller(
        &self,
        key: DecisionKey,
        outcome: Outcome,
        reason: &Note,
    ) -> Result<ResolvedReferral, ClientError> {
        let request = self.request(pb::ResolveReferralRequest {
            transaction_id: key.transaction.as_str().to_owned(),
            attempt: key.attempt,
            officer_id: String::new(),
            outcome: pb::Outcome::from(outcome).into(),
            reason: reason.as_str().to_owned(),
        });
        let answer = self.beneficiary.clone().resolve_referral(request).await?.into_inner();
        Ok(convert::resolved_referral(answer, key)?)
    }

    /// Marks two subjects as two people who look alike, in the caller's name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn clear_pair_as_caller(
        &self,
        one: &SubjectId,
        other: &SubjectId,
        reason: &Note,
    ) -> Result<ClearedInfo, ClientError> {
        let request = self.request(pb::ClearPairRequest {
            subject_id_a: one.as_str().to_owned(),
            subject_id_b: other.as_str().to_owned(),
            officer_id: String::new(),
            reason: reason.as_str().to_owned(),
        });
        let answer = self.beneficiary.clone().clear_pair(request).await?.into_inner();
        let pb::ClearPairResponse { commit, replayed, officers, officers_needed, .. } = answer;
        Ok(ClearedInfo { commit, replayed, officers, officers_needed })
    }

    /// Ends the clearing of a pair, in the caller's name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn unclear_pair_as_caller(
        &self,
        one: &SubjectId,
        other: &SubjectId,
        reason: &Note,
    ) -> Result<PairChange, ClientError> {
        let request = self.request(pb::UnclearPairRequest {
            subject_id_a: one.as_str().to_owned(),
            subject_id_b: other.as_str().to_owned(),
            officer_id: String::new(),
            reason: reason.as_str().to_owned(),
        });
        Ok(self.cases.clone().unclear_pair(request).await?.into_inner().try_into()?)
    }
}
