//! What was done to a log whose leaves differ from those that are kept: found by reading on from the
//! first that does.

use super::{Fault, Leaf};
use crate::ledger::hash::Hash;
use crate::ledger::tree::{NodeId, NodeSource};

/// Names the fault at `index`, where `found` stands instead of the leaf that is kept. `rest` are the
/// entries after it. Reads the kept leaves once more at most.
pub(super) fn fault<E, S: NodeSource<Error = E>>(
    index: u64,
    found: Hash,
    rest: &mut impl Iterator<Item = Result<Leaf, E>>,
    kept: &S,
) -> Result<Fault, E> {
    let kept = |at: u64| kept.node(NodeId::leaf(at));
    let mut next = || rest.next().transpose().map(|leaf| leaf.map(|leaf| leaf.commitment.leaf_hash()));
    let Some(own) = kept(index)? else { return Ok(Fault::NotInTree { index }) };
    let (second, third) = (next()?, next()?);
    if second == Some(own) {
        // Its own leaf comes right after: one was inserted, or the two neighbours changed places.
        let is_neighbours = kept(index + 1)? == Some(found) && kept(index + 2)? == third;
        return Ok(match is_neighbours {
            true => Fault::Swapped { first: index, second: index + 1 },
            false => Fault::Inserted { index },
        });
    }
    let Some(from) = place_after(index, found, kept)? else { return Ok(Fault::Changed { index }) };
    if kept(from + 1)? == second {
        return Ok(Fault::Removed { first: index, until: from });
    }
    let at_its_place = match from - index {
        1 => second,
        2 => third,
        further => {
            // Leaves index + 1 and index + 2 are read already.
            let mut leaf = None;
            for _ in 2..further {
                leaf = next()?;
            }
            leaf
        }
    };
    Ok(match at_its_place == Some(own) {
        true => Fault::Swapped { first: index, second: from },
        false => Fault::Moved { index, from },
    })
}

/// Where a leaf stands among those that are kept, after `index`.
fn place_after<E>(index: u64, leaf: Hash, kept: impl Fn(u64) -> Result<Option<Hash>, E>) -> Result<Option<u64>, E> {
    let mut at = index + 1;
    while let Some(there) = kept(at)? {
        if there == leaf {
            return Ok(Some(at));
        }
        at += 1;
    }
    Ok(None)
}
