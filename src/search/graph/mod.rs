//! The graph: neighbours found by walking (HNSW, Malkov and Yashunin 2016), for
//! interactive look-ups where missing one is no harm. Off unless somebody makes one.
//!
//! It is derived data and promises little, so it is distrusted throughout:
//! * What it finds are candidates. The caller scores each from the original, and
//!   answers nothing for those that are gone or filtered out.
//! * After a build every point is looked for; those that are not found by their own
//!   vector go to a list that every search scores in full.
//! * What is removed or added later is kept beside it, exactly; once there is much
//!   of it the graph is due to be rebuilt, beside the work.
//! * Its recall against the exact search is measured, and shown ([`GraphReport`]).
//! * The library's own files are never read: it ends the process on damaged ones.

mod built;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::built::Built;
use super::index::check;
use super::join::Vectors;
use super::{Hit, SearchError};

/// Changes beyond which a graph is due to be rebuilt: so many, and this share of
/// its points. All of the added ones are scored by every search.
const CHANGES_MIN: usize = 1000;
/// See [`CHANGES_MIN`].
const CHANGES_SHARE: usize = 20;

/// What a search multiplies its effort by where a filter took too many.
const EFFORT_GROWTH: usize = 4;

/// Links and efforts of a graph; more of each finds more and takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphOptions {
    /// Neighbours linked to each point, M; twice as many in the lowest layer. 2 to 128.
    pub links: usize,
    /// Candidates looked at for each point while building, efConstruction.
    pub build_effort: usize,
    /// Candidates looked at by a search, ef.
    pub effort: usize,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self { links: 24, build_effort: 200, effort: 256 }
    }
}

/// The state of a graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GraphReport {
    /// Points in the graph itself.
    pub points: usize,
    /// Those of them that their own vector did not find: scored by every search.
    pub unfound: usize,
    /// Vectors added since it was built: likewise.
    pub added: usize,
    /// Vectors removed since.
    pub removed: usize,
    /// Seconds the build took, its check included.
    pub build_seconds: f64,
    /// Share of the true nearest that was found when last measured.
    pub recall: Option<f64>,
}

/// Changes since some moment.
#[derive(Default, Clone)]
struct Changes {
    added: HashSet<u64>,
    removed: HashSet<u64>,
}

impl Changes {
    fn add(&mut self, key: u64) {
        self.added.insert(key);
    }

    fn remove(&mut self, key: u64) {
        self.added.remove(&key);
        self.removed.insert(key);
    }
}

#[derive(Default)]
struct State {
    built: Option<Arc<Built>>,
    /// Since what `built` was made of was read.
    since: Changes,
    /// Since what is being built was read.
    since_next: Changes,
    recall: Option<f64>,
}

/// Keys of vectors, found by walking. Holds no vectors but eight-bit copies.
pub struct Graph {
    dimension: usize,
    options: GraphOptions,
    state: RwLock<State>,
    building: AtomicBool,
}

impl Graph {
    /// A graph without points, for vectors of `dimension` values.
    pub fn new(dimension: usize, options: GraphOptions) -> Self {
        let options = GraphOptions {
            // Beyond 256 the library would end the process.
            links: options.links.clamp(2, 128),
            build_effort: options.build_effort.max(1),
            effort: options.effort.max(1),
        };
        Self { dimension, options, state: RwLock::default(), building: AtomicBool::new(false) }
    }

    /// Takes note of a vector added to what is searched, before or after it is.
    pub fn insert(&self, key: u64) {
        let mut state = self.write();
        state.since.add(key);
        state.since_next.add(key);
    }

    /// Takes note of a vector removed.
    pub fn remove(&self, key: u64) {
        let mut state = self.write();
        state.since.remove(key);
        state.since_next.remove(key);
    }

    /// Whether so much changed that it should be rebuilt.
    pub fn is_due(&self) -> bool {
        let state = self.read();
        let points = state.built.as_ref().map_or(0, |built| built.points());
        let changes = state.since.added.len() + state.since.removed.len();
        changes > CHANGES_MIN + points / CHANGES_SHARE || state.built.is_none() && changes > 0
    }

    /// Builds the graph anew on the threads of the pool it runs in, while searches
    /// and changes go on. `snapshot` gives all keys and, row by row, their vectors;
    /// it is called once changes are being noted for the new graph, so that none of
    /// them is lost between the two. False where a build is under way already.
    ///
    /// # Errors
    /// What `snapshot` or reading a vector gives, [`SearchError::NotFinite`] for a
    /// vector that cannot be scored, and [`SearchError::GraphFailed`] where the
    /// library gave up. The old graph then goes on.
    pub fn rebuild<V, F>(&self, snapshot: F) -> Result<bool, SearchError>
    where
        V: Vectors,
        F: FnOnce() -> Result<(Vec<u64>, V), SearchError>,
    {
        if self.building.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        let _building = Building(&self.building);
        self.write().since_next = Changes::default();
        let (keys, vectors) = snapshot()?;
        if vectors.dimension() != self.dimension {
            return Err(SearchError::Dimension { expected: self.dimension, found: vectors.dimension() });
        }
        if vectors.rows() != keys.len() {
            return Err(SearchError::Groups { expected: vectors.rows(), found: keys.len() });
        }
        // The library panics where it meets what it did not expect.
        let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Built::new(keys, &vectors, self.options)))
            .map_err(|_| SearchError::GraphFailed)??;
        let mut state = self.write();
        state.since = std::mem::take(&mut state.since_next);
        let old = state.built.replace(Arc::new(built));
        state.recall = None;
        drop(state);
        // Outside the lock: taking a graph apart takes a while.
        drop(old);
        Ok(true)
    }

    /// [`Graph::rebuild`] on a thread of its own; what went wrong is logged. False
    /// where a build is under way or no thread could be had.
    pub fn rebuild_beside<V, F>(self: &Arc<Self>, snapshot: F) -> bool
    where
        V: Vectors + 'static,
        F: FnOnce() -> Result<(Vec<u64>, V), SearchError> + Send + 'static,
    {
        if self.building.load(Ordering::Acquire) {
            return false;
        }
        let graph = Arc::clone(self);
        let work = move || {
            if let Err(error) = graph.rebuild(snapshot) {
                tracing::warn!(%error, "the graph was not rebuilt; the old one serves");
            }
        };
        let thread = std::thread::Builder::new().name("graph-rebuild".into()).spawn(work);
        thread.inspect_err(|error| tracing::warn!(%error, "no thread to rebuild the graph; the old one serves")).is_ok()
    }

    /// Up to `k` keys near `query`, best first, ties by key. `score` is asked for
    /// the exact score of a key and says `None` for one that is gone or not wanted.
    /// May miss some; what it answers is right.
    ///
    /// # Errors
    /// [`SearchError::Dimension`] and [`SearchError::NotFinite`] for a query that
    /// cannot be scored.
    pub fn nearest<F>(&self, query: &[f32], k: usize, score: F) -> Result<Vec<Hit>, SearchError>
    where
        F: Fn(u64) -> Option<f32>,
    {
        self.nearest_with(query, k, self.options.effort, score)
    }

    /// [`Graph::nearest`] with another effort than the graph's own.
    ///
    /// # Errors
    /// The same.
    pub fn nearest_with<F>(&self, query: &[f32], k: usize, effort: usize, score: F) -> Result<Vec<Hit>, SearchError>
    where
        F: Fn(u64) -> Option<f32>,
    {
        check(query, self.dimension)?;
        let (built, aside, removed) = {
            let state = self.read();
            (state.built.clone(), state.since.added.clone(), state.since.removed.clone())
        };
        let mut hits: Vec<Hit> = Vec::new();
        let mut asked = HashSet::new();
        let mut offer = |key: u64, hits: &mut Vec<Hit>| {
            if asked.insert(key)
                && let Some(score) = score(key).filter(|score| score.is_finite())
            {
                hits.push(Hit { key, score, label: () });
            }
        };
        aside.into_iter().for_each(|key| offer(key, &mut hits));
        if let Some(built) = built {
            let codes = built::codes(query);
            let stale = |key: &u64| removed.contains(key);
            built.unfound().filter(|key| !stale(key)).for_each(|key| offer(key, &mut hits));
            let mut effort = effort.max(k);
            loop {
                built.walk(&codes, effort).filter(|key| !stale(key)).for_each(|key| offer(key, &mut hits));
                // Too many were not wanted: look further, in the end at everything.
                if hits.len() >= k || effort >= built.points() {
                    break;
                }
                effort = effort.saturating_mul(EFFORT_GROWTH);
            }
        }
        hits.sort_by(Hit::rank);
        hits.truncate(k);
        Ok(hits)
    }

    /// Measures the share of `exact` answers (best first, keys alone) that
    /// [`Graph::nearest`] finds for their queries, and keeps it for the report.
    /// `None` where there is nothing to find.
    ///
    /// # Errors
    /// As [`Graph::nearest`].
    pub fn measure<F>(&self, exact: &[(&[f32], Vec<u64>)], score: F) -> Result<Option<f64>, SearchError>
    where
        F: Fn(&[f32], u64) -> Option<f32>,
    {
        let (mut found, mut wanted) = (0, 0);
        for (query, truth) in exact {
            let hits = self.nearest(query, truth.len(), |key| score(query, key))?;
            found += hits.iter().filter(|hit| truth.contains(&hit.key)).count();
            wanted += truth.len();
        }
        let recall = (wanted > 0).then(|| found as f64 / wanted as f64);
        self.write().recall = recall;
        Ok(recall)
    }

    /// How it stands.
    pub fn report(&self) -> GraphReport {
        let state = self.read();
        let built = state.built.as_ref();
        GraphReport {
            points: built.map_or(0, |built| built.points()),
            unfound: built.map_or(0, |built| built.unfound().count()),
            added: state.since.added.len(),
            removed: state.since.removed.len(),
            build_seconds: built.map_or(0.0, |built| built.seconds()),
            recall: state.recall,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Nothing that holds the lock can panic half-way.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a build is over, however it ended.
struct Building<'a>(&'a AtomicBool);

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
