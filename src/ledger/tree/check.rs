//! Checking proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2). Shares no code with what makes them.

use super::{PROOF_HASHES_MAX, SIZE_MAX};
use crate::ledger::hash::Hash;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A tree of that size has no such leaf, or no such earlier tree.
    #[error("there is no entry or earlier tree {what} in a tree of {size} entries")]
    OutOfRange {
        /// The index or the earlier size.
        what: u64,
        /// The size.
        size: u64,
    },
    /// It has more or fewer hashes than a proof between these has.
    #[error("the proof has {found} hashes, which is not the number for this place in a tree of this size")]
    Length {
        /// How many it has.
        found: usize,
    },
    /// It leads to another root.
    #[error("the proof leads to another root")]
    OtherRoot,
}

/// The root that a leaf and its inclusion proof lead to.
///
/// # Errors
/// [`ProofError::OutOfRange`] where a tree of that size has no such leaf; [`ProofError::Length`].
pub fn root_of_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size || size > SIZE_MAX {
        return Err(ProofError::OutOfRange { what: index, size });
    }
    let length = ProofError::Length { found: proof.len() };
    if proof.len() > PROOF_HASHES_MAX {
        return Err(length);
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return Err(length);
        }
        if place & 1 == 1 || place == last {
            hash = Hash::node(sibling, &hash);
            // Levels at which the node has no sibling.
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = Hash::node(&hash, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    if last == 0 { Ok(hash) } else { Err(length) }
}

/// Checks that a leaf stands at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// As [`root_of_inclusion`], and [`ProofError::OtherRoot`].
pub fn check_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    match root_of_inclusion(leaf, index, size, proof)? == root {
        true => Ok(()),
        false => Err(ProofError::OtherRoot),
    }
}

/// Checks that the tree of the `later` size and root begins with the leaves of the `earlier` one,
/// each given as size and root.
///
/// # Errors
/// [`ProofError::OutOfRange`] where the earlier tree is the larger; [`ProofError::Length`];
/// [`ProofError::OtherRoot`] where either root is another.
pub fn check_consistency(earlier: (u64, Hash), later: (u64, Hash), proof: &[Hash]) -> Result<(), ProofError> {
    let ((earlier_size, earlier_root), (later_size, later_root)) = (earlier, later);
    if earlier_size > later_size || later_size > SIZE_MAX {
        return Err(ProofError::OutOfRange { what: earlier_size, size: later_size });
    }
    let length = ProofError::Length { found: proof.len() };
    let same = |is_same: bool| if is_same { Ok(()) } else { Err(ProofError::OtherRoot) };
    if earlier_size == 0 || earlier_size == later_size {
        let expected = if earlier_size == 0 { Hash::EMPTY } else { later_root };
        let is_empty_later = later_size == 0;
        return match proof {
            [] => same(earlier_root == expected && (!is_empty_later || later_root == Hash::EMPTY)),
            _ => Err(length),
        };
    }
    if proof.is_empty() || proof.len() > PROOF_HASHES_MAX {
        return Err(length);
    }
    let (mut place, mut last) = (earlier_size - 1, later_size - 1);
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    // The first hash is left out where it is the earlier root itself.
    let (first, rest) = match earlier_size.is_power_of_two() {
        true => (earlier_root, proof),
        false => (proof[0], &proof[1..]),
    };
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(length);
        }
        if place & 1 == 1 || place == last {
            old = Hash::node(sibling, &old);
            new = Hash::node(sibling, &new);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            new = Hash::node(&new, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    match last {
        0 => same(old == earlier_root && new == later_root),
        _ => Err(length),
    }
}
