//! Making roots and proofs from nodes that are kept (RFC 9162, sections 2.1.3.1 and 2.1.4.1).

use super::{NodeId, NodeSource, RightEdge, TreeError, split};
use crate::ledger::hash::Hash;

/// The root of the tree of the first `size` leaves.
///
/// # Errors
/// As [`RightEdge::read`].
pub fn root<S: NodeSource>(source: &S, size: u64) -> Result<Hash, TreeError<S::Error>> {
    RightEdge::read(size, source).map(|edge| edge.root())
}

/// The inclusion proof of leaf `index` in the tree of the first `size` leaves: the siblings on its
/// way to the root, its own first.
///
/// # Errors
/// [`TreeError::OutOfRange`] where the tree has no such leaf; [`TreeError::Missing`] where a node is
/// not there; those of the source.
pub fn inclusion_proof<S: NodeSource>(source: &S, index: u64, size: u64) -> Result<Vec<Hash>, TreeError<S::Error>> {
    if index >= size {
        return Err(TreeError::OutOfRange { what: index, size });
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(subtree(source, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(source, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The consistency proof between the trees of the first `earlier` and of the first `later` leaves;
/// empty where they are one, and where the earlier one is empty.
///
/// # Errors
/// [`TreeError::OutOfRange`] where the earlier one is the larger; [`TreeError::Missing`] where a node
/// is not there; those of the source.
pub fn consistency_proof<S: NodeSource>(
    source: &S,
    earlier: u64,
    later: u64,
) -> Result<Vec<Hash>, TreeError<S::Error>> {
    if earlier > later {
        return Err(TreeError::OutOfRange { what: earlier, size: later });
    }
    let mut proof = Vec::new();
    if earlier == 0 || earlier == later {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, later);
    // Down to the subtree whose end is the earlier tree's; that one's hash is known to whoever
    // knows the earlier root where the two are the same.
    while end != earlier {
        let middle = start + split(end - start);
        if earlier <= middle {
            proof.push(subtree(source, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(source, start, middle)?);
            start = middle;
        }
    }
    if start > 0 {
        proof.push(subtree(source, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The hash over the leaves from `start` to `end`, the end not included: `MTH(D[start:end])`. The
/// start is a multiple of the power of two that is as large as the range or next above it.
fn subtree<S: NodeSource>(source: &S, start: u64, end: u64) -> Result<Hash, TreeError<S::Error>> {
    let leaves = end - start;
    if leaves.is_power_of_two() {
        let level = leaves.trailing_zeros() as u8;
        let id = NodeId { level, index: start >> level };
        return source.node(id)?.ok_or(TreeError::Missing(id));
    }
    let middle = start + split(leaves);
    Ok(Hash::node(&subtree(source, start, middle)?, &subtree(source, middle, end)?))
}
