//! The vector index: which templates are near this one. Follows a record store's log.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;

use super::records::Changes;
use super::{
    Answered, Attributes, Candidate, GalleryError, Instead, LookUp, Restricted, Scope, SubjectId, Watermark,
    same_province, same_scheme,
};
use crate::face::{RecipeDigest, Template};
use crate::search::GraphReport;

/// An index of the templates of one recipe, derived from a record store.
///
/// It answers as of some commit, and says as of which. Whoever asks says which commit must be in
/// the answer at least.
#[async_trait]
pub trait VectorIndex: Send + Sync {
    /// The recipe of its templates; it passes over those of others.
    fn recipe(&self) -> RecipeDigest;

    /// Values in a template.
    fn dimension(&self) -> usize;

    /// The last commit whose changes it has applied.
    fn watermark(&self) -> Watermark;

    /// Applies changes, all of which every later search sees. Those that it has applied before
    /// are passed over, so that nothing is done twice.
    ///
    /// # Errors
    /// [`GalleryError::Search`] where a change cannot be applied.
    async fn apply(&self, changes: Changes) -> Result<(), GalleryError>;

    /// Subjects by face, best first, ties by subject id, those alone who pass the filter. The
    /// score of each is off by [`VectorIndex::score_error`] at most, and nobody is left out whose
    /// score, had it been exact, would belong to the answer by more than that.
    ///
    /// # Errors
    /// [`GalleryError::Behind`] where the commit `at_least` is not applied yet;
    /// [`GalleryError::Search`] for a probe of another dimension or a score that is no number.
    async fn search(
        &self,
        probe: &Template,
        scope: Scope,
        filter: &IndexFilter,
        at_least: Watermark,
    ) -> Result<Found, GalleryError>;

    /// How far a score may be from the exact one; 0 for an index that scores by the exact
    /// comparison itself.
    fn score_error(&self) -> f32 {
        0.0
    }

    /// The `k` subjects whose best template scores highest, where some of them may be missed: for
    /// somebody who looks through a gallery, never for a decision. `Err` in the inner result says
    /// why the exact search should answer instead.
    ///
    /// # Errors
    /// As [`VectorIndex::search`].
    async fn look_up(
        &self,
        _probe: &Template,
        _k: usize,
        _filter: &IndexFilter,
    ) -> Result<Result<LookUp, Instead>, GalleryError> {
        Ok(Err(Instead::Off))
    }

    /// Templates of all subjects whose attributes pass the filter; whom it excludes by name is
    /// counted all the same.
    fn count(&self, filter: &IndexFilter) -> u64;

    /// Whether there is memory for so many more templates.
    ///
    /// # Errors
    /// [`GalleryError::Search`] with [`SearchError::Memory`](crate::search::SearchError::Memory)
    /// where there is not.
    fn room_for(&self, _templates: u64) -> Result<(), GalleryError> {
        Ok(())
    }

    /// How the graph for [`VectorIndex::look_up`] stands; `None` where none is kept.
    fn graph_report(&self) -> Option<GraphReport> {
        None
    }

    /// Finishes what must be finished before the store is closed.
    fn close(&self) {}
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Best first, ties by subject id.
    pub candidates: Vec<Candidate>,
    /// Every change up to this commit is in the answer.
    pub as_of: Watermark,
}

/// Whom a search of an index leaves out. The default leaves out nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IndexFilter {
    /// If set, only subjects that draw from this scheme pass.
    pub scheme: Option<String>,
    /// If set, only subjects of this province pass.
    pub province: Option<String>,
    /// These subjects do not pass, enrolled or not.
    pub excluded: BTreeSet<SubjectId>,
    /// Whether restricted records pass.
    pub restricted: Restricted,
}

impl fmt::Debug for IndexFilter {
    // Ids and attributes of people stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexFilter(…)")
    }
}

impl IndexFilter {
    /// Whether somebody with these attributes passes, restricted or not, by whatever name.
    pub fn passes(&self, attributes: &Attributes, restricted: bool) -> bool {
        self.admits(&attributes.schemes, attributes.province.as_deref(), restricted)
    }

    pub(super) fn admits(&self, schemes: &BTreeSet<String>, province: Option<&str>, restricted: bool) -> bool {
        if restricted && self.restricted == Restricted::LeftOut {
            return false;
        }
        let draws = |wanted: &String| schemes.iter().any(|stored| same_scheme(stored, wanted));
        let lives = |wanted: &String| province.is_some_and(|stored| same_province(stored, wanted));
        self.scheme.as_ref().is_none_or(draws) && self.province.as_ref().is_none_or(lives)
    }
}

impl LookUp {
    /// An answer by the exact search.
    pub(super) fn exactly(candidates: Vec<Candidate>, instead: Instead) -> Self {
        Self { candidates, answered: Answered::ExactlyInstead(instead) }
    }
}
