//! Whether a log is what was signed, and if not, the first entry that is not.
//!
//! One pass over the entries in their order: contents against commitments, leaves and nodes against
//! those that are kept, roots against every signed checkpoint. Nothing is held but the tree's right
//! edge. What each of these tells:
//!
//! - contents or salt changed: the commitment does not open;
//! - an entry changed, removed, inserted or moved, and the nodes left: which, exactly;
//! - all of it made anew, nodes included, by somebody without the signing key: that it was done, and
//!   between which two checkpoints. Nodes or a receipt from before, given in place of the log's own,
//!   name the entry;
//! - the end cut off: from which entry on, where a checkpoint knows of more;
//! - entries and checkpoints cut off, the log rolled back, or signed anew by whoever has the key:
//!   nothing in the log tells. A checkpoint kept elsewhere does ([`witness::compare`]).
//!
//! [`witness::compare`]: super::witness::compare

mod fault;
mod name;

use std::marker::PhantomData;

pub use self::fault::Fault;
use super::checkpoint::Checkpoint;
use super::commitment::{Commitment, Opening};
use super::hash::Hash;
use super::key_change::LogKeys;
use super::note::Note;
use super::tile::{FolderError, TileFolder, TileNodes};
use super::tree::{NodeId, NodeSink, NodeSource, RightEdge};

/// An entry as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its place, from 0.
    pub index: u64,
    /// Its commitment.
    pub commitment: Commitment,
    /// Contents and salt; `None` where they were pruned, or are not at hand.
    pub opening: Option<Opening>,
}

/// What was checked in a log without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many entries.
    pub entries: u64,
    /// Of how many the contents were there, and are those that were entered.
    pub opened: u64,
    /// How many checkpoints, all of them signed and fitting.
    pub checkpoints: u64,
    /// How many entries the largest checkpoint covers. Those after it are in the tree, and nobody has
    /// signed them yet.
    pub signed: u64,
    /// Root over all entries.
    pub root: Hash,
}

/// No nodes: for a log of which only entries and checkpoints are at hand.
#[derive(Debug, Clone, Copy)]
pub struct NoNodes<E>(PhantomData<E>);

impl<E> Default for NoNodes<E> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E> NodeSource for NoNodes<E> {
    type Error = E;

    fn node(&self, _: NodeId) -> Result<Option<Hash>, E> {
        Ok(None)
    }

    fn keeps(&self, _: u8) -> bool {
        false
    }
}

/// Checks a log: its entries in their order, from the first; the nodes that are kept of them; its
/// checkpoints in the order in which they were signed.
///
/// # Errors
/// Those of what is read. Inside, the first [`Fault`].
pub fn verify<E, S: NodeSource<Error = E>>(
    leaves: impl IntoIterator<Item = Result<Leaf, E>>,
    nodes: &S,
    checkpoints: impl IntoIterator<Item = Result<Note, E>>,
    keys: &LogKeys,
) -> Result<Result<Report, Fault>, E> {
    let mut pass = Pass {
        leaves: leaves.into_iter(),
        nodes,
        signed: Signed { notes: checkpoints.into_iter(), keys, next: None, read: 0, last: None },
        edge: RightEdge::default(),
        opened: 0,
    };
    match pass.run() {
        Ok(report) => Ok(Ok(report)),
        Err(Stop::Fault(fault)) => Ok(Err(fault)),
        Err(Stop::Source(error)) => Err(error),
    }
}

/// Checks a folder of tiles: leaves, hashes, and its one checkpoint.
///
/// # Errors
/// [`FolderError`]. Inside, the first [`Fault`].
pub fn verify_folder(folder: &TileFolder, keys: &LogKeys) -> Result<Result<Report, Fault>, FolderError> {
    let note = folder.checkpoint()?;
    let size = match keys.verify(&note) {
        Ok(checkpoint) => checkpoint.size,
        Err(why) => return Ok(Err(Fault::Checkpoint { number: 1, why })),
    };
    let leaves = (0..).zip(folder.leaves(size));
    let leaves = leaves.map(|(index, leaf)| Ok(Leaf { index, commitment: leaf?, opening: None }));
    verify(leaves, &TileNodes::new(folder, size), [Ok(note)], keys)
}

/// Why a pass ends early.
enum Stop<E> {
    Fault(Fault),
    Source(E),
}

impl<E> From<Fault> for Stop<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

struct Pass<'a, S, L, C> {
    leaves: L,
    nodes: &'a S,
    signed: Signed<'a, C>,
    edge: RightEdge,
    opened: u64,
}

impl<E, S, L, C> Pass<'_, S, L, C>
where
    S: NodeSource<Error = E>,
    L: Iterator<Item = Result<Leaf, E>>,
    C: Iterator<Item = Result<Note, E>>,
{
    fn run(&mut self) -> Result<Report, Stop<E>> {
        self.signed.check(&self.edge)?;
        while let Some(leaf) = self.leaves.next().transpose().map_err(Stop::Source)? {
            self.enter(&leaf)?;
            self.signed.check(&self.edge)?;
        }
        let entries = self.edge.size();
        if let Some(more) = self.signed.next.take() {
            return Err(Fault::Cut { first: entries, until: more.size }.into());
        }
        let next = NodeId::leaf(entries);
        if self.nodes.keeps(0) && self.nodes.node(next).map_err(Stop::Source)?.is_some() {
            return Err(Fault::Cut { first: entries, until: entries + 1 }.into());
        }
        let signed = self.signed.last.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let checkpoints = self.signed.read;
        Ok(Report { entries, opened: self.opened, checkpoints, signed, root: self.edge.root() })
    }

    fn enter(&mut self, leaf: &Leaf) -> Result<(), Stop<E>> {
        let index = self.edge.size();
        match leaf.index {
            found if found > index => return Err(Fault::Removed { first: index, until: found }.into()),
            found if found < index => return Err(Fault::Repeated { index: found }.into()),
            _ => {}
        }
        let hash = leaf.commitment.leaf_hash();
        match self.edge.append(hash, &mut Compare { nodes: self.nodes }) {
            Ok(_) => {}
            Err(Differs::Source(error)) => return Err(Stop::Source(error)),
            Err(Differs::Node(id)) if id.level == 0 => {
                let rest = &mut self.leaves;
                let fault = name::fault(index, hash, rest, self.nodes).map_err(Stop::Source)?;
                return Err(fault.into());
            }
            Err(Differs::Node(id)) => return Err(Fault::Node(id).into()),
        }
        if let Some(opening) = &leaf.opening {
            if !leaf.commitment.is_opened_by(opening) {
                return Err(Fault::Contents { index }.into());
            }
            self.opened += 1;
        }
        Ok(())
    }
}

/// Compares nodes, as they are finished, with those that are kept.
struct Compare<'a, S> {
    nodes: &'a S,
}

enum Differs<E> {
    Node(NodeId),
    Source(E),
}

impl<S: NodeSource> NodeSink for Compare<'_, S> {
    type Error = Differs<S::Error>;

    fn put(&mut self, id: NodeId, hash: Hash) -> Result<(), Self::Error> {
        if !self.nodes.keeps(id.level) {
            return Ok(());
        }
        match self.nodes.node(id).map_err(Differs::Source)? {
            Some(kept) if kept == hash => Ok(()),
            _ => Err(Differs::Node(id)),
        }
    }
}

/// The checkpoints, one read ahead.
struct Signed<'a, C> {
    notes: C,
    keys: &'a LogKeys,
    next: Option<Checkpoint>,
    read: u64,
    last: Option<Checkpoint>,
}

impl<E, C: Iterator<Item = Result<Note, E>>> Signed<'_, C> {
    /// Checks the checkpoints of the tree as it is.
    fn check(&mut self, edge: &RightEdge) -> Result<(), Stop<E>> {
        loop {
            if self.next.is_none() {
                let Some(note) = self.notes.next().transpose().map_err(Stop::Source)? else { return Ok(()) };
                self.read += 1;
                let number = self.read;
                let read = self.keys.verify(&note).map_err(|why| Fault::Checkpoint { number, why })?;
                self.next = Some(read);
            }
            let Some(next) = self.next.take_if(|next| next.size <= edge.size()) else { return Ok(()) };
            let before = self.last.as_ref().map_or(0, |last| last.size);
            if next.size < before {
                return Err(Fault::Shrunk { before, after: next.size }.into());
            }
            if next.root != edge.root() {
                let is_second = self.last.is_some() && before == next.size;
                return Err(match is_second {
                    true => Fault::Forked { size: next.size },
                    false => Fault::Rewritten { first: before, until: next.size },
                }
                .into());
            }
            self.last = Some(next);
        }
    }
}

#[cfg(test)]
mod tests;
