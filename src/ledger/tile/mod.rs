//! Tiles (C2SP `tlog-tiles`): the tree and its leaves as files that never change, which any web
//! server can serve.
//!
//! ```text
//! checkpoint                        the newest checkpoint
//! tile/<level>/<N>[.p/<width>]      up to 256 hashes of 32 bytes, those at height 8 × level
//! tile/entries/<N>[.p/<width>]      up to 256 leaves, each a length of two bytes and its data
//! ```
//!
//! The number of a tile is written in groups of three digits, all but the last with an `x` before
//! them: `x001/x234/067`. A leaf's data here is its commitment: nothing of what was entered is
//! published.

mod folder;
mod nodes;

use std::fmt;

pub use self::folder::{FolderError, TileFolder, export};
pub use self::nodes::{TileNodes, TileSource};
use super::commitment::Commitment;
use super::encoding;
use super::hash::Hash;
use super::tree::{NodeId, NodeSource, SIZE_MAX, TreeError};

/// Hashes of a full tile.
pub const WIDTH: u64 = 256;
/// Levels of the tree in one level of tiles.
pub const HEIGHT: u8 = 8;
/// Highest level of tiles in the format; a tree of [`SIZE_MAX`] leaves has 8 of them.
const LEVEL_MAX: u8 = 63;
/// Levels of tiles that a tree can have.
pub(super) const LEVELS: u8 = 8;
/// Bytes of a leaf in an entry bundle.
const LEAF_BYTES: usize = 2 + Commitment::BYTES;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the tree at height 8 × this level.
    Hashes(u8),
    /// The leaves' data.
    Entries,
}

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// What it holds.
    pub kind: TileKind,
    /// From the left, from 0.
    pub index: u64,
    /// How many hashes or leaves: 1…256. With fewer than 256 it is partial.
    pub width: u16,
}

/// A text that is no path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no path of a tile")]
pub struct NotATile;

impl TileId {
    /// Every tile of a tree of `size` leaves, entry bundles first, then hashes from the leaves up; in
    /// each level from the left, the partial one last.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let levels = (0..LEVELS).map(TileKind::Hashes);
        [TileKind::Entries].into_iter().chain(levels).flat_map(move |kind| {
            let hashes = size >> (u32::from(HEIGHT) * kind.level());
            (0..hashes.div_ceil(WIDTH)).map(move |index| {
                let width = (hashes - index * WIDTH).min(WIDTH) as u16;
                Self { kind, index, width }
            })
        })
    }

    /// Whether it has all its hashes and will never change.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == WIDTH
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        let each = if self.kind == TileKind::Entries { LEAF_BYTES } else { Hash::BYTES };
        usize::from(self.width) * each
    }

    /// Reads its path, strictly.
    ///
    /// # Errors
    /// [`NotATile`].
    pub fn parse(path: &str) -> Result<Self, NotATile> {
        let parsed = || {
            let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
            let kind = match kind {
                "entries" => TileKind::Entries,
                level => TileKind::Hashes(encoding::decimal(level).filter(|level| *level <= LEVEL_MAX.into())? as u8),
            };
            let (number, width) = match rest.split_once(".p/") {
                Some((number, width)) => (number, encoding::decimal(width).filter(|width| (1..WIDTH).contains(width))?),
                None => (rest, WIDTH),
            };
            let mut index = 0u64;
            let mut groups = number.split('/').peekable();
            while let Some(group) = groups.next() {
                let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
                let is_group = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
                let value: u64 = digits.parse().ok().filter(|_| is_group)?;
                index = index.checked_mul(1000)?.checked_add(value).filter(|index| *index <= SIZE_MAX)?;
            }
            Some(Self { kind, index, width: width as u16 })
        };
        // Groups of nothing but zeros in front would be a second spelling.
        parsed().filter(|tile| tile.to_string() == path).ok_or(NotATile)
    }
}

impl TileKind {
    fn level(self) -> u32 {
        match self {
            Self::Hashes(level) => level.into(),
            Self::Entries => 0,
        }
    }
}

/// Its path.
impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}")?,
            TileKind::Entries => write!(f, "tile/entries")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut above = self.index / 1000;
        while above > 0 {
            groups.push(above % 1000);
            above /= 1000;
        }
        let (last, first) = groups.split_first().expect("one group at least");
        first.iter().rev().try_for_each(|group| write!(f, "/x{group:03}"))?;
        write!(f, "/{last:03}")?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// The bytes of a tile of hashes.
///
/// # Errors
/// [`TreeError::Missing`] where a node is not there; those of the source.
pub fn hashes<S: NodeSource>(source: &S, level: u8, index: u64, width: u16) -> Result<Vec<u8>, TreeError<S::Error>> {
    let ids = (0..u64::from(width)).map(|at| NodeId { level: level * HEIGHT, index: index * WIDTH + at });
    let mut bytes = Vec::with_capacity(usize::from(width) * Hash::BYTES);
    for id in ids {
        bytes.extend(source.node(id)?.ok_or(TreeError::Missing(id))?.as_bytes());
    }
    Ok(bytes)
}

/// The bytes of an entry bundle of these leaves.
pub fn entries(leaves: &[Commitment]) -> Vec<u8> {
    let length = (Commitment::BYTES as u16).to_be_bytes();
    leaves.iter().flat_map(|leaf| length.into_iter().chain(*leaf.as_bytes())).collect()
}

/// The leaves of an entry bundle; `None` where it has leaves of another length than commitments, or
/// was cut.
pub fn leaves(bundle: &[u8]) -> Option<Vec<Commitment>> {
    let (each, rest) = bundle.as_chunks::<LEAF_BYTES>();
    let leaf = |bytes: &[u8; LEAF_BYTES]| {
        let data = bytes.strip_prefix(&(Commitment::BYTES as u16).to_be_bytes())?;
        Some(Commitment::from_bytes(data.try_into().ok()?))
    };
    if rest.is_empty() { each.iter().map(leaf).collect() } else { None }
}

#[cfg(test)]
mod tests;
