//! A challenge of Active Authentication as it lies in a store.

use prost::Message;

use super::fault::StoreError;
use crate::gallery::{ChallengeOwner, RequestId, StoredChallenge, Timestamp};

/// A challenge as it lies on disk.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct ChallengeRecord {
    #[prost(string, tag = "1")]
    pub transaction: String,
    #[prost(bytes = "vec", tag = "2")]
    pub asked_by: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub digest: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub expires_at: u64,
    /// The attempt that used it.
    #[prost(uint32, optional, tag = "5")]
    pub used_by: Option<u32>,
}

impl ChallengeRecord {
    pub(in crate::gallery) fn of(challenge: &StoredChallenge) -> Self {
        let StoredChallenge { owner: ChallengeOwner { transaction, asked_by }, digest, .. } = challenge;
        Self {
            transaction: transaction.as_str().to_owned(),
            asked_by: asked_by.to_vec(),
            digest: digest.to_vec(),
            expires_at: challenge.expires_at.0,
            used_by: challenge.used_by,
        }
    }

    pub(in crate::gallery) fn restore(self, number: u64) -> Result<StoredChallenge, StoreError> {
        let transaction =
            RequestId::new(self.transaction).map_err(|_| StoreError::damaged("a transaction's id is not one"))?;
        let digest = |bytes: Vec<u8>| {
            <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::damaged("a challenge's digest has another length"))
        };
        Ok(StoredChallenge {
            number,
            owner: ChallengeOwner { transaction, asked_by: digest(self.asked_by)? },
            digest: digest(self.digest)?,
            expires_at: Timestamp(self.expires_at),
            used_by: self.used_by,
        })
    }
}
