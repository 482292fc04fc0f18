//! The index, its labels and what belongs to them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::batches::SearchBatches;
use super::graph::LookUpGraph;
use super::label::{Label, Labels};
use crate::face::RecipeDigest;
use crate::gallery::Watermark;
use crate::gallery::embedded::database::OpenDatabase;
use crate::search::Index;

/// What searches, the graph's builder and whoever applies changes share.
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) recipe: RecipeDigest,
    pub(super) memory_bytes_max: u64,
    /// Holds the vectors that are not in memory.
    pub(super) database: Arc<OpenDatabase>,
    pub(super) index: Index<Label>,
    /// What the index's labels mean.
    pub(super) labels: Labels,
    /// Searches under way.
    pub(super) batches: SearchBatches,
    /// The graph for look-ups, where there should be one.
    pub(super) look_up_graph: Option<LookUpGraph>,
    /// Commit of the last change that every search sees.
    pub(super) watermark: AtomicU64,
}

impl Shared {
    pub(super) fn watermark(&self) -> Watermark {
        Watermark(self.watermark.load(Ordering::Acquire))
    }
}
