//! Vectors in, neighbours out. Knows nothing of people.
//!
//! Promise: [`View::within`] returns every vector at or above the score, and
//! no other; [`View::nearest`] the k best; both by the one dot product of
//! `matching`, bit for bit, ties broken by the lower key, whatever the number of
//! threads and whatever the instruction set.
//!
//! It is kept with a fifth of the reading of a plain scan of 288 values, an eighth of one of 512:
//!
//! ```text
//! vector ──basis──► rotated into the gallery's own axes ──codes──► 66 bytes for
//!            the first pass, 64 for the second, 160 more for the third
//! query ──bound──► weights and a threshold, both whole numbers
//! scan:  first pass ──kernel──► few rows ──second, third pass──► fewer ──Dot──► hits
//! ```
//!
//! A row is dropped only where a bound proves its score too low; the proof, with
//! every rounding, is in `bound`. Rows that the bound cannot speak for are
//! scored. `blocks` says how the vectors lie in memory and change beside
//! searches, `places` where each key is, `recode` how the rotation follows the
//! gallery's growth.
//!
//! [`Join`] finds all pairs of vectors at or above a score, by the same kind of
//! bound with both sides coded (`join`). [`Graph`] is the one part that may miss
//! something (`graph`); nothing uses it unless asked to.

mod basis;
mod blocks;
mod bound;
mod codes;
mod error;
mod file;
mod graph;
#[cfg(target_arch = "x86_64")]
mod i16x16;
mod index;
mod job;
mod join;
mod kernel;
mod memory;
mod originals;
mod places;
mod recode;
mod scan;
mod selection;
mod shared;
mod threshold_estimate;
mod tuning;
mod vector;
mod view;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use basis::{energies, orthonormal};
pub use error::SearchError;
pub use file::{Chunks, FileError, Label, read, write};
pub use graph::{Graph, GraphOptions, GraphReport, LookedUp};
pub use index::{Index, IndexBytes, IndexOptions, VECTORS_MAX_DEFAULT};
pub(crate) use join::plain;
pub use join::{Join, Matrix, Pair, Side, Vectors};
pub use originals::{NoOriginals, Originals};
pub use selection::Selection;
pub use vector::{Entry, Hit, Wanted};
pub use view::View;

/// The instruction sets that the loops of the search are run with on this machine: of the scan,
/// and of the join of an audit.
pub fn instruction_sets() -> (&'static str, &'static str) {
    (kernel::Kernel::best().name(), join::instruction_set())
}
