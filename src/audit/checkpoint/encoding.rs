//! The bytes of the file: header, frames, pairs.

use std::io;

use super::Identity;
use crate::search::Pair;

const MAGIC: &[u8; 8] = b"CHCHAUDT";
pub(super) const FRAME_MAGIC: [u8; 4] = *b"unit";
/// Version of the format, and of the units it numbers.
pub const CHECKPOINT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 20;
pub(super) const FRAME_BYTES: usize = 28;
pub(super) const PAIR_BYTES: usize = 12;
/// Longest identity read.
const IDENTITY_BYTES_MAX: usize = 64 << 10;
/// Longest header.
pub(super) const HEADER_BYTES_MAX: usize = HEADER_BYTES + IDENTITY_BYTES_MAX;

/// A frame's fixed part.
pub(super) struct UnitFrame {
    pub(super) unit: u32,
    pub(super) comparisons: u64,
    pub(super) pairs: u32,
    pub(super) pairs_crc: u32,
}

impl UnitFrame {
    pub(super) fn encode(&self, identity_crc: u32) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4..8].copy_from_slice(&self.unit.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.comparisons.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.pairs.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.pairs_crc.to_le_bytes());
        let crc = frame_crc(&bytes, identity_crc);
        bytes[24..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; FRAME_BYTES], identity_crc: u32) -> Option<Self> {
        let word = |at: usize| bytes[at..].first_chunk().copied().map(u32::from_le_bytes);
        if bytes[..4] != FRAME_MAGIC || word(24)? != frame_crc(bytes, identity_crc) {
            return None;
        }
        let comparisons = bytes[8..].first_chunk().copied().map(u64::from_le_bytes)?;
        Some(Self { unit: word(4)?, comparisons, pairs: word(16)?, pairs_crc: word(20)? })
    }
}

fn frame_crc(bytes: &[u8; FRAME_BYTES], identity_crc: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&identity_crc.to_le_bytes());
    hasher.update(&bytes[..24]);
    hasher.finalize()
}

pub(super) fn encode_pair(pair: &Pair) -> [u8; PAIR_BYTES] {
    let mut bytes = [0; PAIR_BYTES];
    bytes[..4].copy_from_slice(&pair.a.to_le_bytes());
    bytes[4..8].copy_from_slice(&pair.b.to_le_bytes());
    bytes[8..].copy_from_slice(&pair.score.to_le_bytes());
    bytes
}

pub(super) fn decode_pair(bytes: &[u8; PAIR_BYTES]) -> Pair {
    let [a0, a1, a2, a3, b0, b1, b2, b3, s0, s1, s2, s3] = *bytes;
    Pair {
        a: u32::from_le_bytes([a0, a1, a2, a3]),
        b: u32::from_le_bytes([b0, b1, b2, b3]),
        score: f32::from_le_bytes([s0, s1, s2, s3]),
    }
}

pub(super) fn encode_header(identity: &Identity) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(identity)?;
    let mut header = MAGIC.to_vec();
    header.extend(CHECKPOINT_VERSION.to_le_bytes());
    header.extend((json.len() as u32).to_le_bytes());
    header.extend(header_crc(CHECKPOINT_VERSION, &json).to_le_bytes());
    header.extend(json);
    Ok(header)
}

/// The version of a file that a newer program wrote.
pub(super) struct Newer(pub(super) u32);

/// The identity and the length of the header; `None` where it cannot be read.
pub(super) fn header_of(bytes: &[u8]) -> Result<Option<(Identity, usize)>, Newer> {
    let word = |at: usize| bytes.get(at..).and_then(|bytes| bytes.first_chunk().copied()).map(u32::from_le_bytes);
    let (Some(version), Some(length), Some(crc)) = (word(8), word(12), word(16)) else { return Ok(None) };
    let end = HEADER_BYTES.saturating_add(length as usize);
    let Some(json) = bytes.get(HEADER_BYTES..end) else { return Ok(None) };
    if bytes[..8] != *MAGIC || json.len() > IDENTITY_BYTES_MAX || header_crc(version, json) != crc {
        return Ok(None);
    }
    if version > CHECKPOINT_VERSION {
        return Err(Newer(version));
    }
    Ok(serde_json::from_slice(json).ok().map(|identity| (identity, end)))
}

fn header_crc(version: u32, json: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(json);
    hasher.finalize()
}
