//! The transparency log's core: what is entered, how it is committed to, the Merkle tree over it,
//! signed checkpoints, receipts, tiles, and finding what was changed.
//!
//! Opens no socket and knows no store: a store keeps what is made here and hands it back through
//! [`tree::NodeSource`], [`tile::TileSource`] and iterators. The formats are others', so that others
//! can check them; `docs/ledger.md` has them for whoever verifies a log years later.
//!
//! ```text
//! Entry ── encode ──► contents ─┐
//!                    Salt ──────┴► Commitment ──► leaf hash ──► RightEdge ──► root ──► Checkpoint
//!                                                                  │                       │
//!                                                                nodes ──► inclusion proof ┴► Receipt
//! ```
//!
//! - [`hash`], [`tree`]: Merkle tree of RFC 6962 section 2.1 and RFC 9162 section 2.1.
//! - [`entry`]: what is entered, as bytes that have one form only.
//! - [`commitment`]: the leaf of an entry, which says nothing about it.
//! - [`note`], [`checkpoint`], [`key_change`]: C2SP signed-note and tlog-checkpoint; a change of keys.
//! - [`receipt`]: C2SP tlog-proof. [`tile`]: C2SP tlog-tiles. [`witness`]: C2SP tlog-cosignature.
//! - [`verify`]: the first entry that was changed, removed, inserted or moved.
//!
//! # Example
//! ```
//! use chinhchu::ledger::commitment::{Commitment, Salt};
//! use chinhchu::ledger::tree::{self, MemoryNodes, RightEdge};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut edge, mut nodes) = (RightEdge::default(), MemoryNodes::default());
//! let mut leaves = Vec::new();
//! for contents in [b"first", b"other", b"third"] {
//!     let leaf = Commitment::to(contents, &Salt::random()?).leaf_hash();
//!     edge.append(leaf, &mut nodes)?;
//!     leaves.push(leaf);
//! }
//! let proof = tree::inclusion_proof(&nodes, 1, edge.size())?;
//! tree::check_inclusion(leaves[1], 1, edge.size(), &proof, edge.root())?;
//! assert!(tree::check_inclusion(leaves[0], 1, edge.size(), &proof, edge.root()).is_err());
//! # Ok(())
//! # }
//! ```

mod encoding;

pub mod checkpoint;
pub mod commitment;
pub mod entry;
pub mod hash;
pub mod key_change;
pub mod note;
pub mod receipt;
pub mod tile;
pub mod tree;
pub mod verify;
pub mod witness;
