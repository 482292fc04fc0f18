//! Nodes of the tree from its tiles: those of every eighth level are read, those between computed.
//!
//! A store that keeps tiles keeps 32 bytes a leaf (and 1/255 of that for the levels above) instead
//! of 64, and an inclusion proof costs a tile of each level and some hundred hashes.

use std::cell::RefCell;

use super::{HEIGHT, LEVELS, WIDTH};
use crate::ledger::hash::Hash;
use crate::ledger::tree::{NodeId, NodeSource};

/// Where tiles of hashes are read from.
pub trait TileSource {
    /// What can go wrong when reading.
    type Error;

    /// The bytes of tile `index` of `level`, `width` hashes or more; `None` where it is not there.
    ///
    /// # Errors
    /// Those of what keeps the tiles.
    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<S: TileSource> TileSource for &S {
    type Error = S::Error;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).tile(level, index, width)
    }
}

/// The nodes of a tree of one size, from its tiles. Remembers the tile of each level that it read
/// last: make one for each proof or pass.
#[derive(Debug)]
pub struct TileNodes<S> {
    source: S,
    size: u64,
    read: RefCell<[Option<Tile>; LEVELS as usize]>,
}

/// A tile that was read.
#[derive(Debug)]
struct Tile {
    index: u64,
    hashes: Vec<Hash>,
}

impl<S: TileSource> TileNodes<S> {
    /// The nodes of the tree of the first `size` leaves.
    pub fn new(source: S, size: u64) -> Self {
        Self { source, size, read: RefCell::default() }
    }
}

impl<S: TileSource> NodeSource for TileNodes<S> {
    type Error = S::Error;

    fn node(&self, id: NodeId) -> Result<Option<Hash>, S::Error> {
        let (level, above) = (id.level / HEIGHT, u32::from(id.level % HEIGHT));
        let height = u32::from(HEIGHT) * u32::from(level);
        let Some(first) = id.index.checked_mul(1 << above).filter(|_| level < LEVELS) else { return Ok(None) };
        // Hashes of this level that the tree has, in all and in this tile.
        let there = self.size >> height;
        let (index, start) = (first / WIDTH, (first % WIDTH) as usize);
        if first + (1 << above) > there {
            return Ok(None);
        }
        let width = (there - index * WIDTH).min(WIDTH) as u16;
        let mut read = self.read.borrow_mut();
        let place = &mut read[usize::from(level)];
        if place.as_ref().is_none_or(|tile| tile.index != index) {
            let Some(bytes) = self.source.tile(level, index, width)? else { return Ok(None) };
            let hashes = bytes.as_chunks::<{ Hash::BYTES }>().0;
            let hashes = hashes.iter().map(|bytes| Hash::from_bytes(*bytes)).collect();
            *place = Some(Tile { index, hashes });
        }
        let hashes = place.as_ref().and_then(|tile| tile.hashes.get(start..start + (1 << above)));
        Ok(hashes.map(over))
    }

    fn keeps(&self, level: u8) -> bool {
        level.is_multiple_of(HEIGHT)
    }
}

/// The hash over a power of two of hashes.
fn over(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Hash::node(&over(left), &over(right))
        }
    }
}
