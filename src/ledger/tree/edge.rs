//! The right edge of the tree: the roots of its largest whole subtrees, which are all that appending
//! and the root need.

use super::{NodeId, NodeSink, NodeSource, SIZE_MAX, TreeError};
use crate::ledger::hash::Hash;

/// A tree to which leaves are appended, as its size and the nodes of its right edge: one for each
/// bit that is set in the size, the largest subtree first. At most 63 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RightEdge {
    size: u64,
    nodes: Vec<Hash>,
}

impl RightEdge {
    /// The edge of a tree of `size` leaves, from its nodes.
    ///
    /// # Errors
    /// [`TreeError::Missing`] where a node is not there; [`TreeError::OutOfRange`] beyond
    /// [`SIZE_MAX`]; those of the source.
    pub fn read<S: NodeSource>(size: u64, source: &S) -> Result<Self, TreeError<S::Error>> {
        if size > SIZE_MAX {
            return Err(TreeError::OutOfRange { what: size, size: SIZE_MAX });
        }
        let nodes = Self::ids(size).map(|id| source.node(id)?.ok_or(TreeError::Missing(id)));
        Ok(Self { size, nodes: nodes.collect::<Result<_, _>>()? })
    }

    /// The edge of a tree of `size` leaves, as [`RightEdge::size`] and [`RightEdge::nodes`] gave it;
    /// `None` where so many nodes are not those of such a size.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (size <= SIZE_MAX && nodes.len() == size.count_ones() as usize).then_some(Self { size, nodes })
    }

    /// Which nodes are the right edge of a tree of `size` leaves, the largest first.
    pub fn ids(size: u64) -> impl Iterator<Item = NodeId> {
        let levels = (0..u64::BITS as u8).rev().filter(move |level| size >> level & 1 == 1);
        levels.map(move |level| NodeId { level, index: (size >> level) - 1 })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The nodes of [`RightEdge::ids`].
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Appends a leaf by its hash, hands every node that it finishes to `sink`, the leaf first, and
    /// returns its index. Where the sink fails the tree is as it was.
    ///
    /// # Errors
    /// Those of the sink.
    ///
    /// # Panics
    /// Beyond [`SIZE_MAX`] leaves, which no log reaches.
    pub fn append<K: NodeSink>(&mut self, leaf: Hash, sink: &mut K) -> Result<u64, K::Error> {
        let index = self.size;
        assert!(index < SIZE_MAX, "the tree has as many leaves as it can");
        sink.put(NodeId::leaf(index), leaf)?;
        let mut hash = leaf;
        // As many subtrees are joined as there are ones at the end of the size in binary.
        let joined = self.size.trailing_ones() as usize;
        let kept = self.nodes.len() - joined;
        for (above, left) in self.nodes[kept..].iter().rev().enumerate() {
            hash = Hash::node(left, &hash);
            let level = above as u8 + 1;
            sink.put(NodeId { level, index: index >> level }, hash)?;
        }
        self.nodes.truncate(kept);
        self.nodes.push(hash);
        self.size += 1;
        Ok(index)
    }

    /// The root of the tree as it is.
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev().copied();
        let Some(last) = nodes.next() else { return Hash::EMPTY };
        nodes.fold(last, |right, left| Hash::node(&left, &right))
    }
}
