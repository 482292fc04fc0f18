//! Whether the transparency log of a store is what was signed: entries, tree, checkpoints, what is
//! pruned, and the lists that entries are found by; with what was kept elsewhere, whether it is the
//! log that was there before.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use super::GalleryError;
use super::ledger::{LedgerHead, LedgerTables, LedgerTiles, about, checkpoints, leaves, newest};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::Kind;
use crate::ledger::key_change::{LogKeys, NotAChange, NotLogKeys};
use crate::ledger::note::VerifierKey;
use crate::ledger::tile::TileNodes;
use crate::ledger::tree::TreeError;
use crate::ledger::verify::{self, Fault, Leaf, Report};
use crate::ledger::witness::{self, NotContinued};

/// The first thing that is wrong with the log of a store.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFault {
    /// Entries, tree or checkpoints.
    #[error(transparent)]
    Log(#[from] Fault),
    /// The changes of keys do not follow each other.
    #[error("the log's keys were changed: {0}")]
    Keys(NotAChange),
    /// The first key is that of a witness.
    #[error("the log's first key is none of a log")]
    FirstKey,
    /// The key that is trusted is none of the log's.
    #[error("the log is not signed under the key that is trusted: somebody may have made it anew with another key")]
    OtherKey,
    /// The stored right edge is not that of the entries.
    #[error("what the log goes on from is not what its entries come to: its head was changed")]
    Edge,
    /// Contents are gone that were not pruned.
    #[error("entry {index}: its contents are gone, and were not pruned")]
    Missing {
        /// Which.
        index: u64,
    },
    /// How far contents are pruned is not what was entered of it.
    #[error("contents of entries before {found} are pruned, and by the entry of the last pruning before {entered}")]
    Pruned {
        /// How far they are pruned.
        found: u64,
        /// How far they were.
        entered: u64,
    },
    /// Entries are not found by what they are about.
    #[error(
        "the list by which entries are found was changed: entries about a transaction or subject are not shown, or \
         others are; the entries themselves are as they were entered"
    )]
    Listed,
    /// The records beside the log are not those that were committed with it.
    #[error("the records are not those that were committed with the log: {0}")]
    Records(String),
    /// The log is not the one that was there before.
    #[error("by a checkpoint that was kept elsewhere: {0}")]
    Witness(NotContinued),
}

impl LedgerFault {
    /// The first entry that is, or may be, not what was entered.
    pub fn first_entry(&self) -> Option<u64> {
        match self {
            Self::Log(fault) => fault.first_entry(),
            Self::Missing { index } => Some(*index),
            Self::Witness(NotContinued::Shorter { found, .. }) => Some(*found),
            _ => None,
        }
    }
}

/// A log in which nothing is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerReport {
    /// What was checked of entries, tree and checkpoints.
    pub log: Report,
    /// Entries that are in no tree yet: a sequencer takes them in within a second.
    pub unsequenced: u64,
    /// Entries before this one have no contents any more.
    pub pruned: u64,
    /// Its keys.
    pub keys: LogKeys,
}

/// Keys of a log by a key of it that is trusted: its first, or any that it was changed to.
///
/// # Errors
/// [`LedgerFault`].
pub fn trusted_keys(head: &LedgerHead, trusted: Option<&VerifierKey>) -> Result<LogKeys, LedgerFault> {
    let keys = LogKeys::after(head.first_key.clone(), &head.changes).map_err(|why| match why {
        NotLogKeys::First(_) => LedgerFault::FirstKey,
        NotLogKeys::Change(why) => LedgerFault::Keys(why),
    })?;
    match trusted {
        Some(trusted) if !keys.contains(trusted) => Err(LedgerFault::OtherKey),
        _ => Ok(keys),
    }
}

/// Checks the log of a store by a key that is trusted; `None` believes the one in the store, which
/// somebody may have put there. `remembered` are checkpoints that were kept elsewhere, verified by
/// whoever calls.
///
/// # Errors
/// Those of reading; [`GalleryError::NoLedger`]. Inside, the first [`LedgerFault`].
pub fn verify_ledger(
    tables: &dyn LedgerTables,
    trusted: Option<&VerifierKey>,
    remembered: &[Checkpoint],
) -> Result<Result<LedgerReport, LedgerFault>, GalleryError> {
    let head = tables.head()?.ok_or(GalleryError::NoLedger)?;
    let keys = match trusted_keys(&head, trusted) {
        Ok(keys) => keys,
        Err(fault) => return Ok(Err(fault)),
    };
    let size = head.edge.size();
    let nodes = TileNodes::new(LedgerTiles(tables), size);
    let found = Found::new(head.pruned);
    let sequenced = leaves(tables, 0).take_while(|leaf| !matches!(leaf, Ok(leaf) if leaf.index >= size));
    let sequenced = sequenced.inspect(|leaf| leaf.iter().for_each(|leaf| found.see(leaf)));
    let log = match verify::verify(sequenced, &nodes, checkpoints(tables), &keys)? {
        Ok(report) => report,
        Err(fault) => return Ok(Err(fault.into())),
    };
    if log.root != head.edge.root() || log.entries != size {
        return Ok(Err(LedgerFault::Edge));
    }
    let mut unsequenced = 0;
    for leaf in leaves(tables, size) {
        let leaf = leaf?;
        if leaf.opening.as_ref().is_some_and(|opening| !leaf.commitment.is_opened_by(opening)) {
            return Ok(Err(Fault::Contents { index: leaf.index }.into()));
        }
        found.see(&leaf);
        unsequenced += 1;
    }
    if let Some(index) = found.missing.get() {
        return Ok(Err(LedgerFault::Missing { index }));
    }
    let entered = newest(tables, Kind::Pruned)?.and_then(|entry| entry.records).unwrap_or(0);
    if entered != head.pruned {
        return Ok(Err(LedgerFault::Pruned { found: head.pruned, entered }));
    }
    if !found.is_listed(tables)? {
        return Ok(Err(LedgerFault::Listed));
    }
    match tables.check_records() {
        Ok(()) => {}
        Err(GalleryError::Damaged { detail, .. }) => return Ok(Err(LedgerFault::Records(detail))),
        Err(error) => return Err(error),
    }
    for remembered in remembered {
        let current = current(&head, &keys)?;
        match witness::compare(remembered, &current, &nodes) {
            Ok(Ok(_)) => {}
            Ok(Err(fault)) => return Ok(Err(LedgerFault::Witness(fault))),
            Err(TreeError::Source(error)) => return Err(error),
            Err(other) => return Err(GalleryError::Ledger(other.to_string())),
        }
    }
    Ok(Ok(LedgerReport { log, unsequenced, pruned: head.pruned, keys }))
}

/// The newest checkpoint; before the first, an empty log.
fn current(head: &LedgerHead, keys: &LogKeys) -> Result<Checkpoint, GalleryError> {
    match &head.checkpoint {
        Some(note) => keys.verify(note).map_err(|why| GalleryError::Ledger(why.to_string())),
        None => Ok(Checkpoint {
            origin: head.origin().clone(),
            size: 0,
            root: crate::ledger::hash::Hash::EMPTY,
            extensions: Vec::new(),
        }),
    }
}

/// What a pass over the entries comes across.
struct Found {
    pruned: u64,
    /// The first entry without contents that should have some.
    missing: Cell<Option<u64>>,
    /// Sum of what entries are found by, hashed under a key of this pass, so that nobody can make
    /// two lists of one sum.
    listed: Cell<u64>,
    hasher: RandomState,
}

impl Found {
    fn new(pruned: u64) -> Self {
        Self { pruned, missing: Cell::new(None), listed: Cell::new(0), hasher: RandomState::new() }
    }

    fn see(&self, leaf: &Leaf) {
        match &leaf.opening {
            Some(opening) => {
                let about = about(opening);
                let hashes = about.iter().map(|digest| self.hasher.hash_one((digest.as_bytes(), leaf.index)));
                self.listed.set(hashes.fold(self.listed.get(), u64::wrapping_add));
            }
            None if leaf.index >= self.pruned && self.missing.get().is_none() => self.missing.set(Some(leaf.index)),
            None => {}
        }
    }

    /// Whether the list that entries are found by is that of the entries.
    fn is_listed(&self, tables: &dyn LedgerTables) -> Result<bool, GalleryError> {
        let mut sum = 0u64;
        tables.all_about(&mut |digest, place| {
            sum = sum.wrapping_add(self.hasher.hash_one((digest.as_bytes(), place)));
        })?;
        Ok(sum == self.listed.get())
    }
}
