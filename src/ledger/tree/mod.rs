//! The Merkle tree over the log's leaves (RFC 6962, section 2.1; RFC 9162, section 2.1): appending,
//! roots, inclusion and consistency proofs, and checking them.
//!
//! A node is named by its level (0 for leaves) and its place in it ([`NodeId`]); only nodes over a
//! whole power of two of leaves have a name, and those never change. [`RightEdge`] makes them and
//! keeps only what appending needs; a store keeps the rest ([`NodeSink`], [`NodeSource`]).

mod check;
mod edge;
mod proof;

use std::convert::Infallible;
use std::fmt;

pub use self::check::{ProofError, check_consistency, check_inclusion, root_of_inclusion};
pub use self::edge::RightEdge;
pub use self::proof::{consistency_proof, inclusion_proof, root};
use super::encoding::NUMBER_MAX;
use super::hash::Hash;

/// Most leaves of a tree.
pub const SIZE_MAX: u64 = NUMBER_MAX;
/// Most hashes in a proof of either kind.
pub const PROOF_HASHES_MAX: usize = 64;

/// Which node: the one over the leaves `index << level` to `(index + 1) << level`, the end not
/// included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// 0 for leaves.
    pub level: u8,
    /// From the left, from 0.
    pub index: u64,
}

impl NodeId {
    /// The leaf of an entry.
    pub const fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of level {}", self.index, self.level)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where nodes are read from.
pub trait NodeSource {
    /// What can go wrong when reading.
    type Error;

    /// A node, if it is there.
    ///
    /// # Errors
    /// Those of what keeps the nodes.
    fn node(&self, id: NodeId) -> Result<Option<Hash>, Self::Error>;

    /// Whether nodes of this level are kept, rather than computed from those below when they are
    /// asked for. The check of a log compares those that are kept.
    fn keeps(&self, level: u8) -> bool {
        let _ = level;
        true
    }
}

impl<S: NodeSource> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, id: NodeId) -> Result<Option<Hash>, Self::Error> {
        (**self).node(id)
    }

    fn keeps(&self, level: u8) -> bool {
        (**self).keeps(level)
    }
}

/// Where finished nodes go.
pub trait NodeSink {
    /// What can go wrong when keeping.
    type Error;

    /// Takes a node that is finished: it will never change.
    ///
    /// # Errors
    /// Those of what keeps the nodes.
    fn put(&mut self, id: NodeId, hash: Hash) -> Result<(), Self::Error>;
}

/// Keeps no nodes: for roots alone.
impl NodeSink for () {
    type Error = Infallible;

    fn put(&mut self, _: NodeId, _: Hash) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Every node, in memory: 64 bytes a leaf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryNodes {
    levels: Vec<Vec<Hash>>,
}

impl NodeSource for MemoryNodes {
    type Error = Infallible;

    fn node(&self, id: NodeId) -> Result<Option<Hash>, Infallible> {
        let place = usize::try_from(id.index).ok();
        let level = self.levels.get(usize::from(id.level));
        Ok(level.zip(place).and_then(|(level, place)| level.get(place)).copied())
    }
}

impl NodeSink for MemoryNodes {
    type Error = Infallible;

    /// Nodes of a level come from the left, each once, as [`RightEdge`] makes them; one that is there
    /// already is replaced.
    fn put(&mut self, id: NodeId, hash: Hash) -> Result<(), Infallible> {
        let at = usize::from(id.level);
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Vec::new);
        }
        let level = &mut self.levels[at];
        match usize::try_from(id.index).ok().and_then(|place| level.get_mut(place)) {
            Some(node) => *node = hash,
            None => level.push(hash),
        }
        Ok(())
    }
}

/// Why a root or a proof cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError<E> {
    /// The nodes cannot be read.
    #[error(transparent)]
    Source(#[from] E),
    /// A node that the tree must have is not there.
    #[error("{0} is missing")]
    Missing(NodeId),
    /// There is no such leaf or earlier tree in a tree of this size.
    #[error("{what} is beyond a tree of {size} entries")]
    OutOfRange {
        /// The index or the earlier size.
        what: u64,
        /// The size.
        size: u64,
    },
}

/// The largest power of two below `leaves`, which is 2 or more: how many of them the left child has.
fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

#[cfg(test)]
mod tests;
