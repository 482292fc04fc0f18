//! What can be wrong with a log, and which entry it begins at.

use crate::ledger::key_change::NotSigned;
use crate::ledger::tree::NodeId;

/// The first thing that is wrong with a log. Entries are numbered from 0; a range ends before its
/// `until`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Contents or salt of an entry are not those that were entered.
    #[error("entry {index}: its contents or salt were changed")]
    Contents {
        /// Which.
        index: u64,
    },
    /// Another entry stands in an entry's place, or its leaf in the tree was changed.
    #[error("entry {index} was changed: another stands in its place, or another leaf in the tree")]
    Changed {
        /// Which.
        index: u64,
    },
    /// Entries are gone, and those after them moved up or not.
    #[error("entries {first} to {} were removed", until - 1)]
    Removed {
        /// The first that is gone.
        first: u64,
        /// The first after those.
        until: u64,
    },
    /// An entry that was never entered stands before others.
    #[error("entry {index} was inserted: what stood there comes after it")]
    Inserted {
        /// Where.
        index: u64,
    },
    /// Two entries have changed places.
    #[error("entries {first} and {second} were swapped")]
    Swapped {
        /// The one.
        first: u64,
        /// The other.
        second: u64,
    },
    /// An entry stands where it was not entered.
    #[error("entry {from} was moved to {index}")]
    Moved {
        /// Where it stands.
        index: u64,
        /// Where it was entered.
        from: u64,
    },
    /// An entry bears the number of one before it.
    #[error("entry {index} is there twice, or out of order")]
    Repeated {
        /// Which number.
        index: u64,
    },
    /// An entry has a number and no leaf in the tree.
    #[error("entry {index} was never entered in the tree")]
    NotInTree {
        /// Which.
        index: u64,
    },
    /// A node does not fit the entries under it.
    #[error("{0} was changed; the entries under it are as they were entered")]
    Node(NodeId),
    /// The end is gone.
    #[error("entries from {first} on are gone: the log had {until} of them at least")]
    Cut {
        /// The first that is gone.
        first: u64,
        /// How many there were, at least.
        until: u64,
    },
    /// Entries and all hashes over them were made anew without the signing key.
    #[error(
        "something from entry {first} to {} was changed, removed, inserted or moved, and the hashes made anew: the \
         signed checkpoint of {until} entries has another root; a receipt or tiles from before tell which",
        until - 1
    )]
    Rewritten {
        /// Entries before this one are those that were signed.
        first: u64,
        /// Size of the checkpoint that does not fit.
        until: u64,
    },
    /// Two checkpoints of one size have two roots: the log was signed twice.
    #[error("two logs of {size} entries were signed under one name (a fork)")]
    Forked {
        /// The size.
        size: u64,
    },
    /// A checkpoint that was signed later is of fewer entries.
    #[error("a checkpoint of {after} entries was signed after one of {before}: the log was rolled back")]
    Shrunk {
        /// Size of the earlier one.
        before: u64,
        /// Size of the later one.
        after: u64,
    },
    /// A checkpoint is none of this log's.
    #[error("checkpoint {number} is not to be believed: {why}")]
    Checkpoint {
        /// Which, from 1.
        number: u64,
        /// Why.
        why: NotSigned,
    },
}

impl Fault {
    /// The first entry that is, or may be, not what was entered; `None` where the entries may all be
    /// right.
    pub fn first_entry(&self) -> Option<u64> {
        match self {
            Self::Contents { index }
            | Self::Changed { index }
            | Self::Inserted { index }
            | Self::Moved { index, .. }
            | Self::Repeated { index }
            | Self::NotInTree { index } => Some(*index),
            Self::Removed { first, .. }
            | Self::Swapped { first, .. }
            | Self::Cut { first, .. }
            | Self::Rewritten { first, .. } => Some(*first),
            Self::Shrunk { after, .. } => Some(*after),
            Self::Node(_) | Self::Forked { .. } | Self::Checkpoint { .. } => None,
        }
    }
}
