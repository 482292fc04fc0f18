//! The index: what can be asked of it, and who may change it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use super::SearchError;
use super::blocks::{Bytes, State};
use super::kernel::Kernel;
use super::originals::Originals;
use super::places::Places;
use super::recode::refit;
use super::selection::Selection;
use super::shared::Shared;
use super::tuning::{FIT_MIN, REFIT_BESIDE, REFIT_GROWTH, REFIT_MAX};
use super::vector::{Entry, Hit, check};
use super::view::View;
use crate::matching::Dot;

/// Vectors an index holds unless told otherwise. 20 million vectors of 512
/// values are 41 GB and 7 GB of codes, what a machine with 64 GB can spare.
pub const VECTORS_MAX_DEFAULT: u64 = 20_000_000;

/// Dimensions from which codes are worth their memory.
const CODED_DIMENSION_MIN: usize = 128;

/// How much an index may hold, and where.
#[derive(Clone)]
pub struct IndexOptions {
    /// Most vectors.
    pub vectors_max: u64,
    /// Most bytes of memory. Where `originals` are given, vectors leave memory,
    /// oldest first, before anything is refused.
    pub bytes_max: u64,
    /// Where vectors outside memory are read. `None`: all stay in memory.
    pub originals: Option<Arc<dyn Originals>>,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { vectors_max: VECTORS_MAX_DEFAULT, bytes_max: u64::MAX, originals: None }
    }
}

/// Vectors of one dimension under 64-bit keys, searched exactly.
///
/// Shared by reference: searches run while others insert. A search sees every
/// change whose call returned before it began, and all or nothing of each
/// [`Index::apply`].
pub struct Index<L = ()> {
    inner: Arc<Shared<L>>,
}

/// Memory an index takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexBytes {
    /// The vectors themselves.
    pub vectors: u64,
    /// All else: codes, keys and labels (not what a label points to), places of
    /// keys.
    pub others: u64,
}

impl<L: Clone + Send + Sync + 'static> Index<L> {
    /// An empty index for vectors of `dimension` values, at most `vectors_max` of them.
    pub fn new(dimension: usize, vectors_max: u64) -> Self {
        Self::with_kernel(dimension, vectors_max, Dot::best())
    }

    /// The same with a kernel of one's choice; results do not depend on it.
    pub fn with_kernel(dimension: usize, vectors_max: u64, dot: Dot) -> Self {
        let options = IndexOptions { vectors_max, ..IndexOptions::default() };
        Self::with_all(dimension, options, dot, Kernel::best(), fit_min(dimension))
    }

    /// An empty index within limits of one's choice.
    pub fn with_options(dimension: usize, options: IndexOptions) -> Self {
        Self::with_all(dimension, options, Dot::best(), Kernel::best(), fit_min(dimension))
    }

    /// The same with all that results do not depend on.
    #[cfg(test)]
    pub(super) fn with_parts(dimension: usize, vectors_max: u64, dot: Dot, kernel: Kernel, fit_min: usize) -> Self {
        Self::with_all(dimension, IndexOptions { vectors_max, ..IndexOptions::default() }, dot, kernel, fit_min)
    }

    pub(super) fn with_all(dimension: usize, options: IndexOptions, dot: Dot, kernel: Kernel, fit_min: usize) -> Self {
        let IndexOptions { vectors_max, bytes_max, originals } = options;
        let inner = Shared {
            // A vector without values has no direction: nothing can be inserted
            // into such an index, but it must not divide by zero either.
            dimension: dimension.max(1),
            // Rows have 32-bit numbers, and some are free.
            vectors_max: vectors_max.min(u64::from(u32::MAX) / 2),
            bytes_limit: bytes_max,
            bytes_aside: AtomicU64::new(0),
            originals,
            fit_min,
            dot,
            kernel,
            published: RwLock::new(Arc::new(State::empty())),
            places: Mutex::default(),
            fitting: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Values in a vector.
    pub fn dimension(&self) -> usize {
        self.inner.dimension
    }

    /// How many vectors it may hold.
    pub fn vectors_max(&self) -> u64 {
        self.inner.vectors_max
    }

    /// Vectors in it.
    pub fn len(&self) -> u64 {
        self.inner.state().live
    }

    /// True where it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the instruction set of the scan.
    pub fn kernel(&self) -> &'static str {
        self.inner.kernel.name()
    }

    /// Memory it takes at this moment.
    pub fn bytes(&self) -> IndexBytes {
        let places = self.inner.places().bytes() as u64;
        let state = self.inner.state();
        let mut sum = Bytes::default();
        for block in state.blocks.values() {
            let bytes = block.bytes();
            sum.codes += bytes.codes;
            sum.tags += bytes.tags;
            sum.vectors += bytes.vectors;
        }
        IndexBytes { vectors: sum.vectors as u64, others: (sum.codes + sum.tags) as u64 + places }
    }

    /// The index as it is now, for any number of searches that must agree.
    pub fn view(&self) -> View<L> {
        let inner = &self.inner;
        View::new(inner.state(), inner.dimension, inner.dot, inner.kernel, inner.originals.clone())
    }

    /// Whether a vector can be searched for or inserted.
    ///
    /// # Errors
    /// [`SearchError::Dimension`], [`SearchError::NotFinite`].
    pub fn check(&self, vector: &[f32]) -> Result<(), SearchError> {
        check(vector, self.inner.dimension)
    }

    /// Adds one vector.
    ///
    /// # Errors
    /// [`SearchError::Dimension`], [`SearchError::NotFinite`], [`SearchError::KeyTaken`];
    /// [`SearchError::Full`], [`SearchError::Memory`].
    pub fn insert(&self, key: u64, label: L, vector: &[f32]) -> Result<(), SearchError> {
        self.apply(&[], vec![Entry { key, label, vector: vector.to_vec() }])
    }

    /// Removes one vector; false where there was none.
    pub fn remove(&self, key: u64) -> bool {
        let present = self.inner.places().find(&self.inner.state(), key).is_some();
        // Removing alone cannot be refused.
        present && self.apply(&[key], Vec::new()).is_ok()
    }

    /// Removes, then inserts, as one change: searches see both or neither. Keys
    /// to remove that are not there are passed over. Refused as a whole, with
    /// nothing changed, where one entry is.
    ///
    /// # Errors
    /// As [`Index::insert`], of the first entry that is refused.
    pub fn apply(&self, removed: &[u64], inserted: Vec<Entry<L>>) -> Result<(), SearchError> {
        self.change(removed, Vec::new(), inserted, true)
    }

    /// Brings the index up to what is already decided elsewhere, as one change:
    /// removes, puts other labels on keys that stay, then inserts. Limits are not
    /// looked at: ask [`Index::room_for`] before deciding.
    ///
    /// # Errors
    /// As [`Index::apply`], but for the limits.
    pub fn follow(
        &self,
        removed: &[u64],
        relabelled: Vec<(u64, L)>,
        inserted: Vec<Entry<L>>,
    ) -> Result<(), SearchError> {
        self.change(removed, relabelled, inserted, false)
    }

    /// Whether there is memory for so many more vectors.
    ///
    /// # Errors
    /// [`SearchError::Memory`] where there is not.
    pub fn room_for(&self, vectors: u64) -> Result<(), SearchError> {
        let places = self.inner.places();
        self.check_memory(&places, &self.inner.state(), vectors)
    }

    fn check_memory(&self, places: &Places, state: &State<L>, vectors: u64) -> Result<(), SearchError> {
        let inner = &self.inner;
        if inner.is_bounded() && vectors > 0 && !places.fits(inner, state, vectors) {
            return Err(SearchError::Memory { bytes_max: inner.bytes_limit });
        }
        Ok(())
    }

    /// Leaves so many bytes of its limit to something else that stands beside it, instead
    /// of those it left before. Vectors leave memory for it where they can.
    ///
    /// # Errors
    /// [`SearchError::Memory`] where what must stay in memory does not fit beside it, and
    /// then it is as before.
    pub fn set_aside(&self, bytes: u64) -> Result<(), SearchError> {
        let inner = &self.inner;
        {
            let places = inner.places();
            let before = inner.bytes_aside.swap(bytes, Ordering::AcqRel);
            if inner.is_bounded() && !places.fits(inner, &inner.state(), 0) {
                inner.bytes_aside.store(before, Ordering::Release);
                return Err(SearchError::Memory { bytes_max: inner.bytes_limit });
            }
        }
        // A block at a time, so that no write waits for all of them.
        while inner.is_bounded() && inner.places().let_go_one(inner) {}
        Ok(())
    }

    /// The label of a key.
    pub fn label(&self, key: u64) -> Option<L> {
        let places = self.inner.places();
        places.label(&self.inner.state(), key)
    }

    /// The vectors that have these keys now; keys without one are passed over.
    pub fn select(&self, keys: &[u64]) -> Selection<L> {
        let places = self.inner.places();
        let state = self.inner.state();
        let find = |&key: &u64| places.locate(&state, key).map(|(piece, row)| (key, piece, row));
        Selection::new(keys.iter().filter_map(find).collect(), self.inner.dimension, self.inner.dot)
    }

    /// Copies the vector that a key has now into `into`, which has
    /// [`Index::dimension`] values.
    ///
    /// # Errors
    /// [`SearchError::Missing`] where there is none any more,
    /// [`SearchError::Unreadable`] where it lies outside memory and cannot be read.
    pub fn read(&self, key: u64, into: &mut [f32]) -> Result<(), SearchError> {
        self.select(&[key]).copy(into, self.inner.originals())
    }

    fn change(
        &self,
        removed: &[u64],
        relabelled: Vec<(u64, L)>,
        inserted: Vec<Entry<L>>,
        is_bounded: bool,
    ) -> Result<(), SearchError> {
        let inner = &self.inner;
        for entry in &inserted {
            self.check(&entry.vector)?;
        }
        let mut places = inner.places();
        let before = inner.state();
        let leaving: HashSet<u64> =
            removed.iter().copied().filter(|&key| places.find(&before, key).is_some()).collect();
        let mut arriving = HashSet::with_capacity(inserted.len());
        for entry in &inserted {
            let taken = !leaving.contains(&entry.key) && places.find(&before, entry.key).is_some();
            if taken || !arriving.insert(entry.key) {
                return Err(SearchError::KeyTaken);
            }
        }
        let live = before.live - leaving.len() as u64 + inserted.len() as u64;
        if is_bounded {
            if live > inner.vectors_max {
                return Err(SearchError::Full { max: inner.vectors_max });
            }
            self.check_memory(&places, &before, inserted.len() as u64)?;
        }
        drop(before);
        let encoded = places.encode(inner.dot, &inserted);
        places.reserve(inserted.len());

        let mut published = inner.published();
        let state = Arc::make_mut(&mut *published);
        for key in leaving {
            places.remove(state, key);
        }
        for (key, label) in relabelled {
            places.relabel(state, key, label);
        }
        for (entry, encoded) in inserted.into_iter().zip(encoded) {
            places.insert(state, entry, encoded.as_ref());
        }
        state.live = live;
        drop(published);
        places.thin_out(inner);

        // Beside searches: they go on with the many blocks until the one is made.
        while let Some(merge) = places.plan_merge(&inner.state()) {
            let merged = merge.carry_out();
            places.keep_merged(Arc::make_mut(&mut *inner.published()), &merge, merged);
        }
        if inner.is_bounded() {
            while places.let_go_one(inner) {}
        }
        self.refit_where_due(places);
        Ok(())
    }

    /// Fits a rotation to what is there, where it has grown enough: at once where
    /// that is quick, beside the work where it is not.
    fn refit_where_due(&self, places: MutexGuard<'_, Places>) {
        let rows = places.rows();
        let fitted = places.fitted_rows();
        let due = match fitted {
            None => rows >= self.inner.fit_min as u64,
            Some(fitted) => rows >= fitted.saturating_mul(REFIT_GROWTH) && fitted < REFIT_MAX,
        };
        drop(places);
        if !due || self.inner.fitting.swap(true, Ordering::AcqRel) {
            return;
        }
        if rows < REFIT_BESIDE {
            refit(&self.inner);
            return;
        }
        let inner = Arc::clone(&self.inner);
        let thread = std::thread::Builder::new().name("search-refit".into());
        if let Err(error) = thread.spawn(move || refit(&inner)) {
            tracing::warn!(%error, "no thread to fit the index's rotation anew; the old one serves");
            self.inner.fitting.store(false, Ordering::Release);
        }
    }

    /// Waits until no rotation is being fitted beside the work: for measuring.
    /// Answers are exact all the time.
    pub fn settle(&self) {
        while self.inner.fitting.load(Ordering::Acquire) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// [`View::within`] on the index as it is now.
    ///
    /// # Errors
    /// As [`View::within`].
    pub fn within<F>(&self, query: &[f32], score: f32, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        self.view().within(query, score, filter)
    }

    /// [`View::nearest`] on the index as it is now.
    ///
    /// # Errors
    /// As [`View::nearest`].
    pub fn nearest<F>(&self, query: &[f32], k: usize, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        self.view().nearest(query, k, filter)
    }

    pub(super) fn inner(&self) -> &Arc<Shared<L>> {
        &self.inner
    }
}

/// Rows of this dimension before a rotation is fitted.
fn fit_min(dimension: usize) -> usize {
    if dimension < CODED_DIMENSION_MIN { usize::MAX } else { FIT_MIN }
}
