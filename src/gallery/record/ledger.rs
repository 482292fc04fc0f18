//! The transparency log as it lies in a store.

use prost::Message;

use super::fault::StoreError;
use super::protection::Protection;
use crate::gallery::Timestamp;
use crate::gallery::ledger::LedgerHead;
use crate::ledger::commitment::{Commitment, Opening, Salt};
use crate::ledger::entry::KeyedDigest;
use crate::ledger::hash::Hash;
use crate::ledger::note::Note;
use crate::ledger::tree::RightEdge;

/// Under which key the head lies in its table.
pub(in crate::gallery) const HEAD_KEY: &str = "head";

/// [`LedgerHead`] as it lies on disk, but for how many entries there are.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct HeadRecord {
    #[prost(string, tag = "1")]
    first_key: String,
    #[prost(bytes = "vec", tag = "2")]
    key_check: Vec<u8>,
    #[prost(string, repeated, tag = "3")]
    changes: Vec<String>,
    #[prost(uint64, tag = "4")]
    size: u64,
    /// The right edge's hashes, one behind the other.
    #[prost(bytes = "vec", tag = "5")]
    edge: Vec<u8>,
    #[prost(uint64, tag = "6")]
    pruned: u64,
    #[prost(string, optional, tag = "7")]
    checkpoint: Option<String>,
    #[prost(bool, tag = "8")]
    stays: bool,
    #[prost(uint64, tag = "9")]
    kept_at: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct EntryRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub(in crate::gallery) salt: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(in crate::gallery) contents: Vec<u8>,
}

pub(in crate::gallery) fn damaged(what: &str) -> StoreError {
    StoreError::damaged(format!("the transparency log: {what}"))
}

impl HeadRecord {
    pub(in crate::gallery) fn of(head: &LedgerHead) -> Self {
        Self {
            first_key: head.first_key.to_string(),
            key_check: head.key_check.as_bytes().to_vec(),
            changes: head.changes.iter().map(Note::to_string).collect(),
            size: head.edge.size(),
            edge: head.edge.nodes().iter().flat_map(|hash| *hash.as_bytes()).collect(),
            pruned: head.pruned,
            checkpoint: head.checkpoint.as_ref().map(Note::to_string),
            stays: head.stays,
            kept_at: head.kept_at.0,
        }
    }

    pub(in crate::gallery) fn restore(self, entries: u64) -> Result<LedgerHead, StoreError> {
        let note = |text: String| Note::parse(text.as_bytes()).map_err(|_| damaged("a note cannot be read"));
        let (hashes, rest) = self.edge.as_chunks::<{ Hash::BYTES }>();
        let hashes = hashes.iter().map(|bytes| Hash::from_bytes(*bytes)).collect();
        let edge = RightEdge::from_parts(self.size, hashes).filter(|_| rest.is_empty());
        let key_check = <[u8; KeyedDigest::BYTES]>::try_from(self.key_check);
        Ok(LedgerHead {
            first_key: self.first_key.parse().map_err(|_| damaged("its key cannot be read"))?,
            key_check: KeyedDigest::from_bytes(key_check.map_err(|_| damaged("its key's check has another length"))?),
            changes: self.changes.into_iter().map(note).collect::<Result<_, _>>()?,
            entries,
            edge: edge.ok_or_else(|| damaged("its edge is not one of its size"))?,
            pruned: self.pruned,
            checkpoint: self.checkpoint.map(note).transpose()?,
            stays: self.stays,
            kept_at: Timestamp(self.kept_at),
        })
    }
}

pub(in crate::gallery) fn commitment_of(bytes: &[u8]) -> Result<Commitment, StoreError> {
    bytes.try_into().map(Commitment::from_bytes).map_err(|_| damaged("a commitment has another length"))
}

pub(in crate::gallery) fn entry_of(protection: &Protection, place: u64, bytes: &[u8]) -> Result<Opening, StoreError> {
    let EntryRecord { salt, contents } = match protection.unwrap("ledger_entries", &place.to_le_bytes(), bytes) {
        Ok(record) => record,
        Err(StoreError::Damaged(_)) => return Err(damaged(&format!("entry {place} was changed or cut short"))),
        Err(other) => return Err(other),
    };
    let salt = <[u8; Salt::BYTES]>::try_from(salt).map_err(|_| damaged("a salt has another length"))?;
    Ok(Opening { salt: Salt::from_bytes(salt), contents })
}
