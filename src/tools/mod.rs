//! Tools: what is made, fitted and measured beside the engine, and what no decision hangs on.
//!
//! - [`forge`]: marked test cards, for `chinhchu chip forge-test-card`, demonstrations and tests;
//! - [`fit_quality`]: the training of a pack's quality model, for `examples/fit_quality.rs`;
//! - [`Population`]: vectors that look like faces and are nobody's, and [`planted`]: galleries whose
//!   duplicates are known, for benchmarks and for measuring an audit;
//! - [`PlainScan`], [`PlainJoin`]: the search and the join that others do, to be measured against.
//!
//! The engine's own modules import nothing of it, their tests may; `cli` does for the commands that
//! need it.

pub mod forge;
mod plain_join;
mod plain_scan;
pub mod planted;
mod population;
mod quality_fit;
mod small_net;

pub use crate::random::SplitMix;
pub use plain_join::PlainJoin;
pub use plain_scan::PlainScan;
pub use population::{Like, Population};
pub use quality_fit::{Example, Shows, fit_quality};
