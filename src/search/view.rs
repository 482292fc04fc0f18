//! One moment of an index, and the searches in it.

use std::sync::Arc;

use super::SearchError;
use super::blocks::State;
use super::job::Job;
use super::kernel::Kernel;
use super::originals::Originals;
use super::scan::Scan;
use super::tuning::BATCH_MAX;
use super::vector::{Hit, Wanted, check};
use crate::matching::Dot;

/// An index at one moment. Cheap to take; changes made since are not seen.
pub struct View<L = ()> {
    state: Arc<State<L>>,
    dimension: usize,
    dot: Dot,
    kernel: Kernel,
    originals: Option<Arc<dyn Originals>>,
}

impl<L: Clone + Send + Sync> View<L> {
    pub(super) fn new(
        state: Arc<State<L>>,
        dimension: usize,
        dot: Dot,
        kernel: Kernel,
        originals: Option<Arc<dyn Originals>>,
    ) -> Self {
        Self { state, dimension, dot, kernel, originals }
    }

    pub(super) fn state(&self) -> &State<L> {
        &self.state
    }

    /// Values in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Vectors in it.
    pub fn len(&self) -> u64 {
        self.state.live
    }

    /// True where it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True where every vector is in memory: no originals are read.
    pub fn is_whole(&self) -> bool {
        self.state.outside == 0
    }

    /// Every key and label, in no order.
    pub fn labels(&self) -> impl Iterator<Item = (u64, &L)> {
        let pieces = self.state.blocks.values().flat_map(|block| &block.pieces);
        pieces.flat_map(|piece| piece.tags()).map(|(_, key, label)| (key, label))
    }

    /// Blocks of memory it lies in.
    #[cfg(test)]
    pub(super) fn blocks(&self) -> usize {
        self.state.blocks.len()
    }

    /// Every vector whose dot product with `query` is at or above `score` and
    /// whose key passes `filter`; best first, ties by key.
    ///
    /// # Errors
    /// [`SearchError::Dimension`], [`SearchError::NotFinite`], [`SearchError::BadScore`];
    /// [`SearchError::Missing`], [`SearchError::Unreadable`] for vectors outside memory.
    pub fn within<F>(&self, query: &[f32], score: f32, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        self.one(query, Wanted::Within(score), filter)
    }

    /// The `k` vectors with the highest dot product with `query` among those
    /// whose key passes `filter`; best first, ties by key. Fewer where there are
    /// fewer.
    ///
    /// # Errors
    /// As [`View::within`].
    pub fn nearest<F>(&self, query: &[f32], k: usize, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        self.one(query, Wanted::Nearest(k), filter)
    }

    fn one<F>(&self, query: &[f32], wanted: Wanted, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        let found = self.many(&[(query, wanted)], |_, key, _| filter(key))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// Several searches at once, each answered as if alone, in the same order.
    /// They read the vectors together: many cost far less than one after the
    /// other. `filter` is asked with the number of the search, a key and its
    /// label, only for vectors that could be among the answer.
    ///
    /// # Errors
    /// Where one search cannot be answered; then none is.
    pub fn many<F>(&self, searches: &[(&[f32], Wanted)], filter: F) -> Result<Vec<Vec<Hit<L>>>, SearchError>
    where
        F: Fn(usize, u64, &L) -> bool + Sync,
    {
        self.answer(searches, filter, &[], self.originals.as_deref())
    }

    /// The same with another place to read vectors outside memory from, and with
    /// filters that let few vectors through: for searches that are `true` in
    /// `filters_first` (those beyond its end are not) the filter is asked early, of
    /// every vector that its first codes leave in question, and so should be cheap.
    ///
    /// # Errors
    /// As [`View::many`].
    pub fn many_filtered<F>(
        &self,
        searches: &[(&[f32], Wanted)],
        filter: F,
        filters_first: &[bool],
        originals: &dyn Originals,
    ) -> Result<Vec<Vec<Hit<L>>>, SearchError>
    where
        F: Fn(usize, u64, &L) -> bool + Sync,
    {
        self.answer(searches, filter, filters_first, Some(originals))
    }

    fn answer<F>(
        &self,
        searches: &[(&[f32], Wanted)],
        filter: F,
        filters_first: &[bool],
        originals: Option<&dyn Originals>,
    ) -> Result<Vec<Vec<Hit<L>>>, SearchError>
    where
        F: Fn(usize, u64, &L) -> bool + Sync,
    {
        let mut jobs = Vec::with_capacity(searches.len());
        for &(query, wanted) in searches {
            check(query, self.dimension)?;
            if let Wanted::Within(score) = wanted
                && !score.is_finite()
            {
                return Err(SearchError::BadScore);
            }
            jobs.push(Job::new(query, wanted, self.len(), self.state.outside > 0));
        }
        let (state, dimension, dot, kernel) = (&*self.state, self.dimension, self.dot, self.kernel);
        for (batch, jobs) in jobs.chunks(BATCH_MAX).enumerate() {
            let filters_first = filters_first.get(batch * BATCH_MAX..).unwrap_or_default();
            let filter = &|job: usize, key, label: &L| filter(batch * BATCH_MAX + job, key, label);
            Scan { state, dimension, dot, kernel, jobs, filter, filters_first, originals }.run()?;
        }
        Ok(jobs.into_iter().map(Job::into_hits).collect())
    }
}
