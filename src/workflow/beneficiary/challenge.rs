//! Challenges of Active Authentication: the server issues them, so that an answer shows that the
//! chip was there after the server asked.
//!
//! A chip signs whatever it is asked (ICAO Doc 9303-11, 6.1), so an answer that was recorded once
//! fits its challenge for ever. Whether it shows anything depends on who chose the challenge: one
//! counts that this server issued for this transaction and this caller, whose time is not over and
//! that no decision has used.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::chip::CHALLENGE_BYTES;
use crate::context::{Principal, RequestContext};
use crate::gallery::{
    ChallengeOwner, ChallengeUse, GalleryError, NewChallenge, RequestId, StoredChallenge, Timestamp, UsedChallenge,
};
use crate::random;
use crate::workflow::{Engine, WorkflowError};

/// A challenge for a chip, and until when its answer counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IssuedChallenge {
    /// What INTERNAL AUTHENTICATE is called with (RND.IFD).
    pub challenge: [u8; CHALLENGE_BYTES],
    /// From when on its answer proves nothing.
    pub expires_at: Timestamp,
}

/// Hides the challenge: whoever reads it in a log could have it answered.
impl std::fmt::Debug for IssuedChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedChallenge").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Whether the challenge that a chip answered is one that this server issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeState {
    /// For this transaction and caller, in time, and first used by this decision.
    Issued,
    /// Not for this transaction and caller, or so long ago that nothing is known of it.
    NotIssued,
    /// Its time was over.
    Expired,
    /// A decision had used it.
    Used,
}

/// A challenge that a request brings the answer to.
pub(super) struct AnsweredChallenge {
    owner: ChallengeOwner,
    digest: [u8; 32],
}

impl AnsweredChallenge {
    pub(super) fn new(context: &RequestContext, transaction: &RequestId, challenge: &[u8]) -> Self {
        Self { owner: owner(context, transaction), digest: Sha256::digest(challenge).into() }
    }

    /// Whose challenges to look it up among.
    pub(super) fn owner(&self) -> &ChallengeOwner {
        &self.owner
    }

    /// What it is among those that are kept for its owner.
    pub(super) fn state(&self, kept: &[StoredChallenge], now: Timestamp) -> ChallengeState {
        let found = kept.iter().find(|one| one.owner == self.owner && one.digest == self.digest);
        match found.map(|one| one.stands(now)) {
            None => ChallengeState::NotIssued,
            Some(ChallengeUse::Open) => ChallengeState::Issued,
            Some(ChallengeUse::Expired) => ChallengeState::Expired,
            Some(ChallengeUse::Used) => ChallengeState::Used,
        }
    }

    /// What the commit uses up.
    pub(super) fn used(&self) -> UsedChallenge {
        UsedChallenge { owner: self.owner.clone(), digest: self.digest }
    }
}

fn owner(context: &RequestContext, transaction: &RequestId) -> ChallengeOwner {
    ChallengeOwner { transaction: transaction.clone(), asked_by: principal_digest(context.principal()) }
}

/// Digest of who asks. A person is the same at every machine; all who have not said who they are
/// count as one.
fn principal_digest(principal: &Principal) -> [u8; 32] {
    let uid;
    let name: &str = match principal {
        Principal::Anonymous => "",
        Principal::OperatingSystemUser { uid: user, .. } => {
            uid = user.to_string();
            &uid
        }
        Principal::Machine { name } => name,
        Principal::Person { id, .. } => id,
        Principal::Internal { task } => task,
    };
    // No kind holds a NUL.
    Sha256::digest(format!("{}\0{name}", principal.kind())).into()
}

impl Engine {
    /// Issues a challenge for a chip that will be read in this transaction by the same caller. One
    /// decision uses it up; beyond [`CHALLENGES_MAX`](crate::gallery::CHALLENGES_MAX) of one caller
    /// and transaction the oldest ends.
    ///
    /// # Errors
    /// [`WorkflowError::NoGallery`], and the errors of the gallery;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn new_challenge(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
    ) -> Result<IssuedChallenge, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery()?;
        let challenge =
            random::secret::<CHALLENGE_BYTES>().map_err(|error| GalleryError::Storage(error.to_string()))?;
        let new = NewChallenge {
            owner: owner(context, transaction),
            digest: Sha256::digest(challenge).into(),
            lifetime_ms: self.case_rules().challenge_lifetime_ms(),
        };
        let StoredChallenge { expires_at, .. } = gallery.issue_challenge(context, new).await?;
        Ok(IssuedChallenge { challenge, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_principal_is_another_asker_and_a_person_is_the_same_at_every_machine() {
        let person =
            |id: &str, machine: Option<&str>| Principal::Person { id: id.into(), machine: machine.map(Into::into) };
        let user = |uid, name: Option<&str>| Principal::OperatingSystemUser { uid, name: name.map(Into::into) };
        let all = [
            Principal::Anonymous,
            Principal::Machine { name: "a".into() },
            Principal::Machine { name: "b".into() },
            person("a", None),
            person("b", None),
            user(1, None),
            user(2, None),
            Principal::Internal { task: "a" },
        ];
        let digests: Vec<_> = all.iter().map(principal_digest).collect();
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest), "{:?}", all[at]);
        }
        assert_eq!(principal_digest(&person("a", Some("desk"))), principal_digest(&person("a", None)));
        assert_eq!(principal_digest(&user(1, Some("lan"))), principal_digest(&user(1, None)));
    }

    #[test]
    fn an_answer_counts_for_an_open_challenge_of_the_same_owner_alone() {
        let (context, transaction) = (RequestContext::anonymous(), RequestId::new("t-1").unwrap());
        let asked = AnsweredChallenge::new(&context, &transaction, &[7; 8]);
        let stored = |owner: &ChallengeOwner, expires_at, used_by| StoredChallenge {
            number: 1,
            owner: owner.clone(),
            digest: asked.used().digest,
            expires_at: Timestamp(expires_at),
            used_by,
        };
        let state = |kept: &[StoredChallenge]| asked.state(kept, Timestamp(100));
        let own = asked.owner();
        assert_eq!(state(&[]), ChallengeState::NotIssued);
        assert_eq!(state(&[stored(own, 101, None)]), ChallengeState::Issued);
        assert_eq!(state(&[stored(own, 100, None)]), ChallengeState::Expired);
        assert_eq!(state(&[stored(own, 101, Some(1))]), ChallengeState::Used);
        assert_eq!(state(&[stored(own, 99, Some(1))]), ChallengeState::Used);
        let elsewhere = AnsweredChallenge::new(&context, &RequestId::new("t-2").unwrap(), &[7; 8]);
        let another = AnsweredChallenge::new(&RequestContext::internal("test"), &transaction, &[7; 8]);
        for other in [elsewhere.owner(), another.owner()] {
            assert_eq!(state(&[stored(other, 101, None)]), ChallengeState::NotIssued);
        }
        let zeros = AnsweredChallenge::new(&context, &transaction, &[0; 8]);
        assert_eq!(zeros.state(&[stored(own, 101, None)], Timestamp(100)), ChallengeState::NotIssued);
    }

    #[test]
    fn a_challenge_is_in_no_log() {
        let issued = IssuedChallenge { challenge: [213; 8], expires_at: Timestamp(1) };
        assert!(!format!("{issued:?}").contains("213"));
    }
}
