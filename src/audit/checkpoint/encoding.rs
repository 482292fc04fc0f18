//! The bytes of the file: header, frames, pairs.

use std::io;

use super::Identity;
use crate::sealing::KeyId;
use crate::search::Pair;

const MAGIC: &[u8; 8] = b"CHCHAUDT";
pub(super) const FRAME_MAGIC: [u8; 4] = *b"unit";
/// Version of the format, and of the units it numbers; in the clear.
const VERSION: u32 = 1;
/// Version of one whose pairs are sealed: the newest that is known.
pub const CHECKPOINT_VERSION: u32 = 2;
const HEADER_BYTES: usize = 20;
/// Length of the master key's id, before the identity of a sealed one.
const KEY_ID_BYTES: usize = 8;
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
    /// To what the sealed pairs belong, beside the header.
    pub(super) fn place(&self) -> [u8; 16] {
        let mut place = [0; 16];
        place[..4].copy_from_slice(&self.unit.to_le_bytes());
        place[4..12].copy_from_slice(&self.comparisons.to_le_bytes());
        place[12..].copy_from_slice(&self.pairs.to_le_bytes());
        place
    }

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

pub(super) fn encode_header(identity: &Identity, key: Option<KeyId>) -> io::Result<Vec<u8>> {
    let version = if key.is_some() { CHECKPOINT_VERSION } else { VERSION };
    let mut rest: Vec<u8> = key.iter().flat_map(|key| key.0).collect();
    serde_json::to_writer(&mut rest, identity)?;
    let mut header = MAGIC.to_vec();
    header.extend(version.to_le_bytes());
    header.extend((rest.len() as u32).to_le_bytes());
    header.extend(header_crc(version, &rest).to_le_bytes());
    header.extend(rest);
    Ok(header)
}

/// The version of a file that a newer program wrote.
pub(super) struct Newer(pub(super) u32);

/// What stands before the frames.
pub(super) struct Header {
    pub(super) identity: Identity,
    /// Under which master key pairs are sealed.
    pub(super) key: Option<KeyId>,
    /// Of the header, in bytes.
    pub(super) length: usize,
}

/// The header; `None` where it cannot be read.
pub(super) fn header_of(bytes: &[u8]) -> Result<Option<Header>, Newer> {
    let word = |at: usize| bytes.get(at..).and_then(|bytes| bytes.first_chunk().copied()).map(u32::from_le_bytes);
    let (Some(version), Some(length), Some(crc)) = (word(8), word(12), word(16)) else { return Ok(None) };
    let end = HEADER_BYTES.saturating_add(length as usize);
    let Some(rest) = bytes.get(HEADER_BYTES..end) else { return Ok(None) };
    if bytes[..8] != *MAGIC || rest.len() > IDENTITY_BYTES_MAX || header_crc(version, rest) != crc {
        return Ok(None);
    }
    let (key, json) = match version {
        VERSION => (None, rest),
        CHECKPOINT_VERSION => match rest.split_first_chunk::<KEY_ID_BYTES>() {
            Some((key, json)) => (Some(KeyId(*key)), json),
            None => return Ok(None),
        },
        newer => return Err(Newer(newer)),
    };
    Ok(serde_json::from_slice(json).ok().map(|identity| Header { identity, key, length: end }))
}

fn header_crc(version: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(rest);
    hasher.finalize()
}
