//! Challenges of Active Authentication (ICAO Doc 9303-11, 6.1: RND.IFD) that were issued: for which
//! transaction, to whom, and whether a decision has used one. The challenge itself is not kept, its
//! digest is.

use super::{DecisionKey, RequestId, Timestamp};

/// Most challenges that are kept for one asker and transaction: a new one beyond it ends the oldest.
pub const CHALLENGES_MAX: usize = 16;

/// Whose challenges: those of one transaction that one principal asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChallengeOwner {
    /// The caller's name for the transaction.
    pub transaction: RequestId,
    /// Digest of who asked.
    pub asked_by: [u8; 32],
}

/// A challenge about to be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct NewChallenge {
    /// Whose it is.
    pub owner: ChallengeOwner,
    /// Its digest.
    pub digest: [u8; 32],
    /// For how many milliseconds it may be answered.
    pub lifetime_ms: u64,
}

/// A challenge in the store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredChallenge {
    /// Its place in the order of those that are kept, from 1.
    pub number: u64,
    /// Whose it is.
    pub owner: ChallengeOwner,
    /// Its digest.
    pub digest: [u8; 32],
    /// From when on an answer to it counts for nothing; it is forgotten then.
    pub expires_at: Timestamp,
    /// The attempt of its transaction that used it.
    pub used_by: Option<u32>,
}

/// What an answer to a challenge is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeUse {
    /// No decision has used it, and its time is not over.
    Open,
    /// Its time is over.
    Expired,
    /// A decision has used it.
    Used,
}

impl StoredChallenge {
    /// What an answer to it is worth at `now`.
    pub fn stands(&self, now: Timestamp) -> ChallengeUse {
        match self.used_by {
            Some(_) => ChallengeUse::Used,
            None if self.expires_at <= now => ChallengeUse::Expired,
            None => ChallengeUse::Open,
        }
    }

    /// The decision that used it.
    pub fn used_in(&self) -> Option<DecisionKey> {
        self.used_by.map(|attempt| DecisionKey { transaction: self.owner.transaction.clone(), attempt })
    }
}

opaque!(ChallengeOwner NewChallenge StoredChallenge);
