//! The graph for approximate look-ups: when it is built, what it may take, and how it
//! answers. Derived, kept beside the index, and never asked by what decides.
//!
//! A thread of its own builds it on threads of its own, so that neither writes nor
//! searches wait for it; it reads each template from the index when it needs it and so
//! holds none of it back. Until a graph has been compared with the exact search nothing
//! is answered by it. Every change is noted after the index has it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::candidates::{first_take, next_take, settled};
use super::label::Label;
use super::shared::Shared;
use crate::gallery::{Candidate, GalleryError, IndexFilter, Instead};
use crate::search::{Graph, GraphOptions, GraphReport, Hit, LookedUp, NoOriginals, Originals, SearchError, Vectors};

/// Templates of the gallery that its recall is measured with.
const PROBES: usize = 100;
/// Neighbours of each that it should find.
const NEIGHBOURS: usize = 10;

/// Part of its memory that must be free beyond it before a graph is built, so that it does
/// not have to go again at once.
const SPARE_SHARE: u64 = 8;

/// How long after a build that failed the next one may begin: what failed is then more
/// likely to be mended, and not everything a server does is building.
const RETRY_AFTER: Duration = Duration::from_secs(600);

/// Moments that are tried where a template outside memory came or went between the index
/// and the database, as in `batches`.
const MOMENTS_MAX: usize = 8;

/// The graph, and whether somebody is at work on it.
pub(super) struct LookUpGraph {
    graph: Graph,
    /// True while a thread builds or measures.
    is_building: AtomicBool,
    /// Set when whoever builds should end: its memory is needed.
    must_stop: AtomicBool,
    /// Likewise, for good.
    is_closing: AtomicBool,
    /// True once it was said that there is no memory for it.
    is_refused: AtomicBool,
    /// When a build last failed for another reason than memory.
    failed_at: Mutex<Option<Instant>>,
}

impl LookUpGraph {
    pub(super) fn new(dimension: usize) -> Self {
        Self {
            graph: Graph::new(dimension, GraphOptions::default()),
            is_building: AtomicBool::new(false),
            must_stop: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            failed_at: Mutex::new(None),
        }
    }

    /// Takes note of a change that the index has.
    pub(super) fn note(&self, removed: &[u64], inserted: &[u64]) {
        removed.iter().for_each(|&key| self.graph.remove(key));
        inserted.iter().for_each(|&key| self.graph.insert(key));
    }

    /// Ends a build that is under way, soon: whoever closes need not wait for it.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    fn has_just_failed(&self) -> bool {
        let failed_at = self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < RETRY_AFTER)
    }

    /// An error where work beside the searches should end.
    fn go_on(&self) -> Result<(), SearchError> {
        let stops = self.must_stop.load(Ordering::Acquire) || self.is_closing.load(Ordering::Acquire);
        if stops { Err(SearchError::Stopped) } else { Ok(()) }
    }

    pub(super) fn report(&self) -> GraphReport {
        self.graph.report()
    }
}

/// Begins a build where one is due. Called after changes were applied.
pub(super) fn tend(shared: &Arc<Shared>) {
    let Some(look_up_graph) = &shared.look_up_graph else { return };
    // One template alone has no neighbours.
    if look_up_graph.is_building.load(Ordering::Acquire) || shared.index.len() < 2 || look_up_graph.has_just_failed() {
        return;
    }
    let is_due = look_up_graph.graph.is_due() || look_up_graph.graph.report().points == 0;
    if !is_due || !has_room(shared, look_up_graph) || look_up_graph.is_building.swap(true, Ordering::AcqRel) {
        return;
    }
    look_up_graph.must_stop.store(false, Ordering::Release);
    let begun = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("gallery-graph".into()).spawn(move || work(&begun));
    if let Err(error) = thread {
        tracing::warn!(%error, "no thread to build the graph; look-ups are answered exactly");
        look_up_graph.is_building.store(false, Ordering::Release);
    }
}

/// Whether there is memory for a graph of what is there now, beside everything else; says
/// once where there is not.
fn has_room(shared: &Shared, look_up_graph: &LookUpGraph) -> bool {
    let needed = look_up_graph.graph.bytes_for(shared.index.len());
    let taken = shared.index.bytes().others;
    let fits = taken.saturating_add(needed).saturating_add(needed / SPARE_SHARE) <= shared.memory_bytes_max;
    if !fits && !look_up_graph.is_refused.swap(true, Ordering::AcqRel) {
        tracing::warn!(
            needed_mib = needed >> 20,
            "the graph does not fit into memory_bytes_max beside the index; look-ups are answered exactly. Raise the \
             limit if the machine has the memory"
        );
    }
    if fits {
        look_up_graph.is_refused.store(false, Ordering::Release);
    }
    fits
}

/// Gives the graph's memory to the templates. False where it had none.
pub(super) fn give_way(shared: &Shared) -> bool {
    let Some(look_up_graph) = &shared.look_up_graph else { return false };
    let had = look_up_graph.is_building.load(Ordering::Acquire) || look_up_graph.graph.report().points > 0;
    if !had {
        return false;
    }
    look_up_graph.must_stop.store(true, Ordering::Release);
    let given_up = look_up_graph.graph.clear();
    // Less than before always fits.
    let _ = shared.index.set_aside(0);
    tracing::warn!("the graph gives its memory to templates; look-ups are answered exactly");
    // Nobody should wait for its thousands of small pieces.
    let dropping = std::thread::Builder::new().name("gallery-graph".into()).spawn(move || drop(given_up));
    dropping.map(drop).unwrap_or_default();
    true
}

/// Says that nobody builds any more, however that ended.
struct AtWork<'a>(&'a LookUpGraph);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.is_building.store(false, Ordering::Release);
    }
}

/// Builds a graph and measures it.
fn work(shared: &Shared) {
    let Some(look_up_graph) = &shared.look_up_graph else { return };
    let _at_work = AtWork(look_up_graph);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    // Not the threads that search: what searches is never queued behind what builds.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("gallery-graph-{number}"))
        .build();
    let built = match pool {
        Ok(pool) => pool.install(|| build(shared, look_up_graph).and_then(|()| measure(shared, look_up_graph))),
        Err(error) => {
            tracing::warn!(%error, "no threads to build the graph; look-ups are answered exactly");
            return;
        }
    };
    let GraphReport { points, unfound, build_seconds, .. } = look_up_graph.graph.report();
    match built {
        Ok(Measured { recall, look_up, exact }) => {
            let [look_up_ms, exact_ms] = [look_up, exact].map(|time| time.as_micros() as f64 / 1e3);
            tracing::info!(points, unfound, build_seconds, recall, look_up_ms, exact_ms, "the graph is ready");
            if look_up >= exact {
                tracing::warn!(
                    look_up_ms,
                    exact_ms,
                    "the graph answers no faster than the exact search, which misses nobody; turn `graph` off"
                );
            }
        }
        Err(SearchError::Stopped) => {
            if !look_up_graph.is_closing.load(Ordering::Acquire) {
                tracing::info!("the graph was not built: its memory is needed");
            }
        }
        Err(error) => {
            tracing::warn!(%error, "the graph could not be built or measured; look-ups are answered exactly");
            *look_up_graph.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}

/// The index's templates as they are when they are read.
struct Templates<'a> {
    shared: &'a Shared,
    look_up_graph: &'a LookUpGraph,
    keys: Vec<u64>,
}

impl Vectors for Templates<'_> {
    fn rows(&self) -> usize {
        self.keys.len()
    }

    fn dimension(&self) -> usize {
        self.shared.index.dimension()
    }

    fn read(&self, row: u32, into: &mut [f32]) -> Result<(), SearchError> {
        self.look_up_graph.go_on()?;
        self.shared.index.read(*self.keys.get(row as usize).ok_or(SearchError::Missing)?, into)
    }
}

fn build(shared: &Shared, look_up_graph: &LookUpGraph) -> Result<(), SearchError> {
    let graph = &look_up_graph.graph;
    let (old, new) = (graph.report().points as u64, shared.index.len());
    let (old, new) = (graph.bytes_for(old), graph.bytes_for(new));
    if shared.index.set_aside(old + new).is_err() {
        // Not both: look-ups are answered exactly until the new one is there.
        drop(graph.clear());
        shared.index.set_aside(new)?;
    }
    let built = graph.rebuild(|| {
        let keys: Vec<u64> = shared.index.view().labels().map(|(key, _)| key).collect();
        Ok((keys.clone(), Templates { shared, look_up_graph, keys }))
    });
    // What is there now, be it the old one or none. It goes again where templates have
    // taken its place meanwhile.
    let kept = graph.bytes_for(graph.report().points as u64);
    if look_up_graph.go_on().and_then(|()| shared.index.set_aside(kept)).is_err() {
        drop(graph.clear());
        let _ = shared.index.set_aside(0);
        return Err(SearchError::Stopped);
    }
    built.map(drop)
}

/// How the graph does beside the exact search.
struct Measured {
    /// Share of the nearest that it finds.
    recall: f64,
    /// What a look-up takes, and an exact search on as many threads as build: both by the
    /// graph's own probes, and means.
    look_up: Duration,
    exact: Duration,
}

/// Compares the graph with the exact search, on some of the gallery's own templates: how
/// many of the nearest others it finds, and how soon. The recall is kept with it.
fn measure(shared: &Shared, look_up_graph: &LookUpGraph) -> Result<Measured, SearchError> {
    let begun = Instant::now();
    let dimension = shared.index.dimension();
    let view = shared.index.view();
    let stride = (view.len() as usize).div_ceil(PROBES).max(1);
    let all = || view.labels().map(|(key, _)| key);
    let keys: Vec<u64> = all().step_by(stride).collect();
    // Keys ascend. Who comes while this goes on would displace, in what the graph finds, some
    // of those that were the nearest before.
    let last = all().max().unwrap_or_default();
    let is_other = |own: u64, key: u64| key != own && key <= last;
    drop(view);
    let mut probes: Vec<(u64, Vec<f32>, Vec<u64>)> = Vec::with_capacity(keys.len());
    let mut searching = Duration::ZERO;
    for key in keys {
        look_up_graph.go_on()?;
        let mut vector = vec![0.0; dimension];
        match shared.index.read(key, &mut vector) {
            Err(SearchError::Missing) => continue,
            read => read?,
        }
        let began = Instant::now();
        let nearest = exactly(shared, &vector, |other| is_other(key, other))?;
        searching += began.elapsed();
        probes.push((key, vector, nearest));
    }
    let exact: Vec<(&[f32], Vec<u64>)> =
        probes.iter().map(|(_, vector, nearest)| (vector.as_slice(), nearest.clone())).collect();
    let find = |number: usize, keys: &[u64]| {
        let (own, vector, _) = &probes[number];
        attempt(shared, |originals| {
            shared.index.select(keys).score(vector, |key, _| is_other(*own, key), Some(originals))
        })
    };
    let began = Instant::now();
    let recall = look_up_graph.graph.measure(&exact, find, |key| shared.index.label(key).is_some())?;
    let looking_up = began.elapsed();
    tracing::debug!(seconds = begun.elapsed().as_secs_f64(), probes = probes.len(), "the graph was measured");
    // Where all but one were removed meanwhile.
    let recall = recall.ok_or(SearchError::Missing)?;
    let each = probes.len().max(1) as u32;
    Ok(Measured { recall, look_up: looking_up / each, exact: searching / each })
}

/// Keys of the nearest to a template among some.
fn exactly(shared: &Shared, vector: &[f32], is_one: impl Fn(u64) -> bool + Sync) -> Result<Vec<u64>, SearchError> {
    let wanted = [(vector, crate::search::Wanted::Nearest(NEIGHBOURS))];
    let found = attempt(shared, |originals| {
        shared.index.view().many_filtered(&wanted, |_, key, _| is_one(key), &[], originals)
    })?;
    Ok(found.into_iter().flatten().map(|hit| hit.key).collect())
}

/// Does something that reads templates as they are at one moment, and again where one came
/// or went between the index and the database.
fn attempt<T>(
    shared: &Shared,
    mut work: impl FnMut(&dyn Originals) -> Result<T, SearchError>,
) -> Result<T, SearchError> {
    let mut done = if shared.index.view().is_whole() { work(&NoOriginals) } else { Err(SearchError::Missing) };
    for _ in 0..MOMENTS_MAX {
        if !matches!(done, Err(SearchError::Missing)) {
            break;
        }
        let (again, failure) = shared.database.pinned(|pinned| work(pinned));
        if let Some(error) = failure {
            tracing::warn!(?error, "templates outside memory cannot be read");
        }
        done = again;
    }
    done
}

/// The `k` subjects near a probe, or why an exact search should find them.
pub(super) fn look_up(
    shared: &Shared,
    query: &[f32],
    k: usize,
    filter: &IndexFilter,
) -> Result<Result<(Vec<Candidate>, f64), Instead>, GalleryError> {
    let Some(look_up_graph) = &shared.look_up_graph else { return Ok(Err(Instead::Off)) };
    let find = |originals: &dyn Originals, keys: &[u64]| -> Result<Vec<Hit<Label>>, SearchError> {
        // First where they lie, then whom the filter lets through: who comes in between
        // passes neither.
        let selected = shared.index.select(keys);
        let label_filter = shared.labels.label_filter(filter);
        selected.score(query, |_, label| label_filter.passes(*label), Some(originals))
    };
    if k == 0 {
        return Ok(Err(Instead::FewPass));
    }
    let mut wanted = first_take(k);
    loop {
        let looked =
            attempt(shared, |originals| look_up_graph.graph.look_up(query, wanted, |keys| find(originals, keys)))?;
        let (hits, recall) = match looked {
            LookedUp::Found { hits, recall } => (hits, recall),
            LookedUp::NotReady => return Ok(Err(Instead::NotReady)),
            LookedUp::FewWanted => return Ok(Err(Instead::FewPass)),
        };
        let all = hits.len() < wanted || hits.len() as u64 >= shared.index.len();
        if let Some(candidates) = settled(hits, k, all, &shared.labels) {
            return Ok(Ok((candidates, recall)));
        }
        wanted = next_take(wanted);
    }
}
