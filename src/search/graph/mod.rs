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
use super::join::Vectors;
use super::vector::check;
use super::{Hit, SearchError};

/// Changes beyond which a graph is due to be rebuilt: so many, and this share of
/// its points. All of the added ones are scored by every search.
const CHANGES_MIN: usize = 1000;
/// See [`CHANGES_MIN`].
const CHANGES_SHARE: usize = 20;

/// Added vectors beyond which a look-up is not worth it any more: it scores all of them.
const ADDED_MAX: usize = 8192;

/// What a search multiplies its effort by where a filter took too many.
const EFFORT_GROWTH: usize = 4;
/// Effort beyond which a look-up gives up: by then a scan is as quick.
const EFFORT_MAX: usize = 4096;

/// Bytes that the library allocates for a point beside its vector: the point, its empty
/// lists of sixteen layers, its id, and what is lost between allocations.
const POINT_BYTES: usize = 704;
/// Bytes for a link: a shared pointer, behind it another and the distance.
const LINK_BYTES: usize = 60;

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

/// What a look-up came to.
#[derive(Debug, Clone, PartialEq)]
pub enum LookedUp<L = ()> {
    /// Neighbours were found.
    Found {
        /// Best first, ties by key.
        hits: Vec<Hit<L>>,
        /// Share of the true nearest that the graph found when last measured.
        recall: f64,
    },
    /// There is no graph, its recall is not known yet, or too much was added since.
    NotReady,
    /// Of the points met too few were wanted.
    FewWanted,
}

/// Changes since some moment; shared with the searches of that time.
#[derive(Default, Clone)]
struct GraphChanges {
    added: Arc<HashSet<u64>>,
    removed: Arc<HashSet<u64>>,
}

impl GraphChanges {
    fn add(&mut self, key: u64) {
        Arc::make_mut(&mut self.added).insert(key);
    }

    fn remove(&mut self, key: u64) {
        Arc::make_mut(&mut self.added).remove(&key);
        Arc::make_mut(&mut self.removed).insert(key);
    }
}

/// What one search sees.
struct GraphSnapshot {
    built: Option<Arc<Built>>,
    added: Arc<HashSet<u64>>,
    removed: Arc<HashSet<u64>>,
}

impl GraphSnapshot {
    fn of(state: &GraphState) -> Self {
        let GraphChanges { added, removed } = state.since.clone();
        Self { built: state.built.clone(), added, removed }
    }

    fn is_ready(&self) -> bool {
        self.built.is_some() && self.added.len() <= ADDED_MAX
    }
}

#[derive(Default)]
struct GraphState {
    built: Option<Arc<Built>>,
    /// Since what `built` was made of was read.
    since: GraphChanges,
    /// Since what is being built was read.
    since_next: GraphChanges,
    recall: Option<f64>,
}

/// Keys of vectors, found by walking. Holds no vectors but eight-bit copies.
pub struct Graph {
    dimension: usize,
    options: GraphOptions,
    state: RwLock<GraphState>,
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

    /// Takes note of a vector added to what is searched, once a new snapshot of it would
    /// hold the vector: then none is lost to a build that begins at that moment.
    pub fn insert(&self, key: u64) {
        let mut state = self.write();
        state.since.add(key);
        state.since_next.add(key);
    }

    /// Takes note of a vector removed, likewise.
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

    /// Bytes of memory that so many points take, their links included: what allocations
    /// of the library come to, a little rounded up.
    pub fn bytes_for(&self, points: u64) -> u64 {
        let links = 2 * self.options.links * LINK_BYTES;
        points.saturating_mul((self.dimension + POINT_BYTES + links) as u64)
    }

    /// Gives all its points up, and what was noted since. Taking a large graph apart takes
    /// seconds; that is done when what is returned is dropped.
    #[must_use = "dropping it takes a while: choose where"]
    pub fn clear(&self) -> impl Send + use<> {
        let mut state = self.write();
        state.recall = None;
        state.since = GraphChanges::default();
        state.built.take()
    }

    /// Builds the graph anew on the threads of the pool it runs in, while searches
    /// and changes go on. `snapshot` gives all keys and, row by row, their vectors;
    /// it is called once changes are being noted for the new graph, so that none of
    /// them is lost between the two. False where a build is under way already.
    ///
    /// # Errors
    /// What `snapshot` or reading a vector gives, [`SearchError::NotFinite`] for a
    /// vector that cannot be scored, and [`SearchError::GraphFailed`] where the
    /// library gave up. The old graph then goes on. A vector that is
    /// [`SearchError::Missing`] was removed meanwhile and is passed over.
    pub fn rebuild<V, F>(&self, snapshot: F) -> Result<bool, SearchError>
    where
        V: Vectors,
        F: FnOnce() -> Result<(Vec<u64>, V), SearchError>,
    {
        if self.building.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        let _building = Building(&self.building);
        self.write().since_next = GraphChanges::default();
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
        let find = |keys: &[u64]| {
            let hit = |&key: &u64| Some(Hit { key, score: score(key).filter(|score| score.is_finite())?, label: () });
            Ok(keys.iter().filter_map(hit).collect())
        };
        let moment = GraphSnapshot::of(&self.read());
        Ok(self.walk(&moment, query, k, effort, usize::MAX, find)?.unwrap_or_default())
    }

    /// [`Graph::nearest`] for callers who would rather search exactly than wait: nothing is
    /// found while there is no graph whose recall is known, while more was added since than
    /// every look-up can score, and where so few of the points met are wanted that the walk
    /// would not end soon. `find` scores many keys at once; those that are gone or not
    /// wanted it leaves out.
    ///
    /// # Errors
    /// As [`Graph::nearest`], and what `find` fails with.
    pub fn look_up<L, F>(&self, query: &[f32], k: usize, find: F) -> Result<LookedUp<L>, SearchError>
    where
        F: FnMut(&[u64]) -> Result<Vec<Hit<L>>, SearchError>,
    {
        let (moment, recall) = {
            let state = self.read();
            (GraphSnapshot::of(&state), state.recall)
        };
        let Some(recall) = recall.filter(|_| moment.is_ready()) else { return Ok(LookedUp::NotReady) };
        Ok(match self.walk(&moment, query, k, self.options.effort, EFFORT_MAX, find)? {
            Some(hits) => LookedUp::Found { hits, recall },
            None => LookedUp::FewWanted,
        })
    }

    /// `None` where `effort_max` points were met and fewer than `k` of them were wanted.
    fn walk<L, F>(
        &self,
        moment: &GraphSnapshot,
        query: &[f32],
        k: usize,
        effort: usize,
        effort_max: usize,
        mut find: F,
    ) -> Result<Option<Vec<Hit<L>>>, SearchError>
    where
        F: FnMut(&[u64]) -> Result<Vec<Hit<L>>, SearchError>,
    {
        check(query, self.dimension)?;
        let mut hits: Vec<Hit<L>> = Vec::new();
        let mut asked = HashSet::new();
        let mut offer = |keys: &mut dyn Iterator<Item = u64>, hits: &mut Vec<Hit<L>>| {
            let fresh: Vec<u64> = keys.filter(|key| asked.insert(*key)).collect();
            if !fresh.is_empty() {
                hits.extend(find(&fresh)?);
            }
            Ok::<_, SearchError>(())
        };
        offer(&mut moment.added.iter().copied(), &mut hits)?;
        if let Some(built) = &moment.built {
            let codes = built::codes(query);
            let current = |key: &u64| !moment.removed.contains(key);
            offer(&mut built.unfound().filter(current), &mut hits)?;
            let mut effort = effort.max(k);
            loop {
                offer(&mut built.walk(&codes, effort).filter(current), &mut hits)?;
                if hits.len() >= k || effort >= built.points() {
                    break;
                }
                // Too many were not wanted: look further, in the end at everything.
                if effort >= effort_max {
                    return Ok(None);
                }
                effort = effort.saturating_mul(EFFORT_GROWTH);
            }
        }
        hits.sort_by(Hit::rank);
        hits.truncate(k);
        Ok(Some(hits))
    }

    /// Measures the share of `exact` answers (best first, keys alone) that a look-up finds
    /// for their queries, and keeps it for the report. `find` is told the number of the
    /// query, otherwise as in [`Graph::look_up`]. `is_there` is asked after each look-up: who
    /// has been removed since the exact answer was given could not be found. `None` where
    /// there is nothing to find.
    ///
    /// # Errors
    /// As [`Graph::look_up`].
    pub fn measure<L, F>(
        &self,
        exact: &[(&[f32], Vec<u64>)],
        mut find: F,
        is_there: impl Fn(u64) -> bool,
    ) -> Result<Option<f64>, SearchError>
    where
        F: FnMut(usize, &[u64]) -> Result<Vec<Hit<L>>, SearchError>,
    {
        let (mut found, mut wanted) = (0, 0);
        let built = self.read().built.clone();
        for (number, (query, truth)) in exact.iter().enumerate() {
            let moment = GraphSnapshot::of(&self.read());
            let hits =
                self.walk(&moment, query, truth.len(), self.options.effort, EFFORT_MAX, |keys| find(number, keys))?;
            let truth: Vec<u64> = truth.iter().copied().filter(|&key| is_there(key)).collect();
            found += hits.iter().flatten().filter(|hit| truth.contains(&hit.key)).count();
            wanted += truth.len();
        }
        let recall = (wanted > 0).then(|| found as f64 / wanted as f64);
        let mut state = self.write();
        let is_same = match (&state.built, &built) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            (now, then) => now.is_none() && then.is_none(),
        };
        // Of a graph that is gone nothing need be known.
        if is_same {
            state.recall = recall;
        }
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

    fn read(&self) -> RwLockReadGuard<'_, GraphState> {
        // Nothing that holds the lock can panic half-way.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, GraphState> {
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
