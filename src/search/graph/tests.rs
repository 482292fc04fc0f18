//! The graph against the sorted list.

use std::sync::Arc;

use super::{Graph, GraphOptions};
use crate::matching::Dot;
use crate::random::SplitMix;
use crate::search::Vectors;
use crate::search::{Hit, LookedUp, Matrix, SearchError};

const DIMENSION: usize = 16;

fn vectors(seed: u64, count: usize) -> Vec<f32> {
    let mut random = SplitMix(seed);
    let mut row = || {
        let row: Vec<f32> = (0..DIMENSION).map(|_| random.normal()).collect();
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.into_iter().map(move |v| v / length)
    };
    (0..count).flat_map(|_| row()).collect()
}

/// Keys are rows and a hundred.
fn snapshot(rows: &[f32]) -> Result<(Vec<u64>, Matrix<Vec<f32>>), SearchError> {
    let count = (rows.len() / DIMENSION) as u64;
    Ok(((100..100 + count).collect(), Matrix::new(DIMENSION, rows.to_vec())?))
}

fn score(rows: &[f32], query: &[f32], key: u64) -> Option<f32> {
    let row = rows.chunks_exact(DIMENSION).nth(usize::try_from(key.checked_sub(100)?).ok()?)?;
    Some(Dot::best().score(query, row))
}

/// As an index finds them.
fn found(rows: &[f32], query: &[f32], keys: &[u64]) -> Result<Vec<Hit>, SearchError> {
    let hit = |&key: &u64| Some(Hit { key, score: score(rows, query, key)?, label: () });
    Ok(keys.iter().filter_map(hit).collect())
}

fn exact(rows: &[f32], query: &[f32], k: usize) -> Vec<u64> {
    let mut all: Vec<(f32, u64)> =
        (100..).zip(rows.chunks_exact(DIMENSION)).map(|(key, row)| (Dot::best().score(query, row), key)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all.into_iter().take(k).map(|(_, key)| key).collect()
}

fn keys(graph: &Graph, rows: &[f32], query: &[f32], k: usize) -> Vec<u64> {
    let hits = graph.nearest(query, k, |key| score(rows, query, key)).unwrap();
    assert!(hits.is_sorted_by(|a, b| a.score > b.score || a.score == b.score && a.key < b.key));
    hits.into_iter().map(|hit| hit.key).collect()
}

/// The recall where nobody is removed meanwhile.
fn measured(graph: &Graph, rows: &[f32], truth: &[(&[f32], Vec<u64>)]) -> Option<f64> {
    graph.measure(truth, |number, keys| found(rows, truth[number].0, keys), |_| true).unwrap()
}

#[test]
fn who_was_removed_since_the_exact_answer_does_not_lower_the_recall() {
    let rows = vectors(3, 400);
    let graph = Graph::new(DIMENSION, GraphOptions::default());
    graph.rebuild(|| snapshot(&rows)).unwrap();
    let query = &rows[..DIMENSION];
    let truth = [(query, exact(&rows, query, 10))];
    let before = measured(&graph, &rows, &truth);
    let gone = truth[0].1[3];
    graph.remove(gone);
    let find = |_: usize, keys: &[u64]| found(&rows, query, keys);
    let low = graph.measure(&truth, find, |_| true).unwrap();
    assert_eq!((before, low), (Some(1.0), Some(0.9)), "as if it could have been found");
    assert_eq!(graph.measure(&truth, find, |key| key != gone).unwrap(), Some(1.0));
}

#[test]
fn its_recall_is_measured_against_the_exact_search_and_shown() {
    let rows = vectors(1, 500);
    let graph = Graph::new(DIMENSION, GraphOptions::default());
    assert_eq!(graph.report().recall, None);
    assert!(graph.rebuild(|| snapshot(&rows)).unwrap());
    let queries = vectors(2, 20);
    let truth: Vec<(&[f32], Vec<u64>)> =
        queries.chunks_exact(DIMENSION).map(|query| (query, exact(&rows, query, 10))).collect();
    let look_up = |query: &[f32]| graph.look_up(query, 3, |keys| found(&rows, query, keys)).unwrap();
    assert_eq!(look_up(truth[0].0), LookedUp::NotReady, "nothing is answered before its recall is known");
    let recall = measured(&graph, &rows, &truth).unwrap();
    assert!(recall > 0.95, "{recall}");
    assert_eq!(graph.report().recall, Some(recall));
    assert_eq!((graph.report().points, graph.report().added), (500, 0));
    // A truth that is none is not found.
    let wrong: Vec<(&[f32], Vec<u64>)> = truth.iter().map(|(query, _)| (*query, vec![7, 8])).collect();
    assert_eq!(measured(&graph, &rows, &wrong), Some(0.0));
    assert!(matches!(look_up(truth[0].0), LookedUp::Found { recall: 0.0, .. }));
    // Nor does an old recall stand for a new graph.
    graph.rebuild(|| snapshot(&rows)).unwrap();
    assert_eq!(look_up(truth[0].0), LookedUp::NotReady);
    assert_eq!(measured(&graph, &rows, &[]), None);
    assert_eq!(look_up(truth[0].0), LookedUp::NotReady);
}

#[test]
fn a_look_up_that_would_take_too_long_or_has_no_graph_says_so() {
    let rows = vectors(8, 5500);
    let graph = Graph::new(DIMENSION, GraphOptions { links: 8, build_effort: 32, effort: 16 });
    assert!(graph.bytes_for(1000) > 1000 * (DIMENSION as u64 + 8 * 2 * 8));
    graph.rebuild(|| snapshot(&rows)).unwrap();
    let query = &rows[..DIMENSION];
    let truth = [(query, exact(&rows, query, 10))];
    measured(&graph, &rows, &truth);
    let LookedUp::Found { hits, .. } = graph.look_up(query, 10, |keys| found(&rows, query, keys)).unwrap() else {
        panic!("it is ready");
    };
    assert_eq!(hits[0].key, 100);
    // Nobody is wanted.
    let met = std::cell::Cell::new(0);
    let nobody = graph.look_up(query, 10, |keys| {
        met.set(met.get() + keys.len());
        Ok(Vec::<Hit>::new())
    });
    assert_eq!(nobody.unwrap(), LookedUp::FewWanted);
    assert!(met.get() < 5400, "{} met, {:?}", met.get(), graph.report());
    let failed = graph.look_up(query, 10, |_| Err::<Vec<Hit>, _>(SearchError::Missing));
    assert_eq!(failed, Err(SearchError::Missing));
    // More than a look-up can score.
    (0..8193).for_each(|key| graph.insert(1_000_000 + key));
    assert_eq!(graph.look_up(query, 10, |keys| found(&rows, query, keys)).unwrap(), LookedUp::NotReady);
    drop(graph.clear());
    assert_eq!((graph.report().points, graph.report().added), (0, 0));
}

/// Rows of which some were removed meanwhile.
struct Holes(Matrix<Vec<f32>>);

impl Vectors for Holes {
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    fn read(&self, row: u32, into: &mut [f32]) -> Result<(), SearchError> {
        if row.is_multiple_of(3) { Err(SearchError::Missing) } else { self.0.read(row, into) }
    }
}

#[test]
fn a_vector_that_is_gone_when_it_is_read_does_not_stop_a_build() {
    let rows = vectors(9, 300);
    let graph = Graph::new(DIMENSION, GraphOptions::default());
    graph.rebuild(|| snapshot(&rows).map(|(keys, rows)| (keys, Holes(rows)))).unwrap();
    let query = &rows[3 * DIMENSION..4 * DIMENSION];
    let near = keys(&graph, &rows, query, 300);
    assert!(near.len() > 190 && near.iter().all(|key| (key - 100) % 3 != 0), "{near:?}");
}

#[test]
fn what_is_added_is_found_at_once_and_what_is_removed_is_not() {
    let rows = vectors(3, 300);
    let graph = Graph::new(DIMENSION, GraphOptions::default());
    assert!(!graph.is_due());
    graph.insert(100);
    assert!(graph.is_due());
    let query = &rows[..DIMENSION];
    assert_eq!(keys(&graph, &rows, query, 3), [100]);
    // The last hundred come later.
    graph.rebuild(|| snapshot(&rows[..200 * DIMENSION])).unwrap();
    assert!(!graph.is_due());
    for key in 300..400 {
        let row = (key as usize - 100) * DIMENSION;
        assert_ne!(keys(&graph, &rows, &rows[row..row + DIMENSION], 1), [key]);
        graph.insert(key);
        assert_eq!(keys(&graph, &rows, &rows[row..row + DIMENSION], 1), [key]);
    }
    let best = keys(&graph, &rows, query, 2);
    assert_eq!(best[0], 100);
    graph.remove(100);
    graph.remove(399);
    assert_eq!(keys(&graph, &rows, query, 1), best[1..]);
    assert!(!keys(&graph, &rows, query, 300).contains(&399));
    // Replaced: the key is there again, with whatever vector it has now.
    graph.insert(100);
    assert_eq!(keys(&graph, &rows, query, 1), [100]);
    assert_eq!((graph.report().added, graph.report().removed), (100, 2));
}

#[test]
fn points_that_do_not_find_themselves_are_found_nevertheless() {
    // Of so many copies, a search for the nearest eight meets only some.
    let mut rows = vectors(4, 200);
    let copy = rows[..DIMENSION].to_vec();
    rows.chunks_exact_mut(DIMENSION).take(150).for_each(|row| row.copy_from_slice(&copy));
    let graph = Graph::new(DIMENSION, GraphOptions { effort: 16, ..GraphOptions::default() });
    graph.rebuild(|| snapshot(&rows)).unwrap();
    assert!(graph.report().unfound >= 100, "{:?}", graph.report());
    // Whoever is not found by itself is scored by every search.
    assert!(keys(&graph, &rows, &copy, 200).len() >= graph.report().unfound);
    for row in rows.chunks_exact(DIMENSION).skip(150) {
        let best = keys(&graph, &rows, row, 1)[0] as usize - 100;
        assert_eq!(&rows[best * DIMENSION..][..DIMENSION], row);
    }
}

#[test]
fn filters_are_asked_outside_and_do_not_leave_the_answer_short() {
    let rows = vectors(5, 400);
    let graph = Graph::new(DIMENSION, GraphOptions { effort: 10, ..GraphOptions::default() });
    graph.rebuild(|| snapshot(&rows)).unwrap();
    let query = &rows[..DIMENSION];
    // One in forty is wanted: ten, far more than an effort of ten meets.
    let wanted = |key: u64| if key.is_multiple_of(40) { score(&rows, query, key) } else { None };
    let hits = graph.nearest(query, 10, wanted).unwrap();
    assert!(hits.len() >= 9 && hits.iter().all(|hit| hit.key.is_multiple_of(40)), "{hits:?}");
}

#[test]
fn changes_made_during_a_build_are_kept() {
    let rows = vectors(6, 200);
    let graph = Graph::new(DIMENSION, GraphOptions::default());
    graph.rebuild(|| snapshot(&rows[..100 * DIMENSION])).unwrap();
    graph.insert(250);
    graph
        .rebuild(|| {
            let taken = snapshot(&rows[..160 * DIMENSION]);
            graph.insert(299);
            graph.remove(130);
            // One build at a time.
            assert!(!graph.rebuild(|| snapshot(&rows)).unwrap());
            taken
        })
        .unwrap();
    assert_eq!(keys(&graph, &rows, &rows[199 * DIMENSION..], 1), [299]);
    assert_eq!(keys(&graph, &rows, &rows[150 * DIMENSION..151 * DIMENSION], 1), [250]);
    assert_ne!(keys(&graph, &rows, &rows[30 * DIMENSION..31 * DIMENSION], 1), [130]);
    assert_eq!((graph.report().added, graph.report().removed), (1, 1));
}

#[test]
fn a_build_that_fails_leaves_the_old_graph() {
    let rows = vectors(7, 120);
    let graph = Arc::new(Graph::new(DIMENSION, GraphOptions::default()));
    graph.rebuild(|| snapshot(&rows)).unwrap();
    graph.remove(101);
    let failed: Result<(Vec<u64>, Matrix<Vec<f32>>), _> = Err(SearchError::Unreadable);
    assert_eq!(graph.rebuild(|| failed), Err(SearchError::Unreadable));
    let mut bad = rows.clone();
    bad[5] = f32::NAN;
    assert_eq!(graph.rebuild(|| snapshot(&bad)), Err(SearchError::NotFinite));
    let short = || Ok((vec![1], Matrix::new(DIMENSION, rows.clone())?));
    assert_eq!(graph.rebuild(short), Err(SearchError::Groups { expected: 120, found: 1 }));
    assert_eq!(keys(&graph, &rows, &rows[..DIMENSION], 1), [100]);
    assert!(!keys(&graph, &rows, &rows[DIMENSION..2 * DIMENSION], 120).contains(&101));
    // And one on another thread succeeds.
    let beside = Arc::clone(&graph);
    let again = rows.clone();
    assert!(std::thread::spawn(move || beside.rebuild(|| snapshot(&again))).join().unwrap().unwrap());
    assert_eq!(keys(&graph, &rows, &rows[DIMENSION..2 * DIMENSION], 1), [101]);
    assert_eq!(graph.nearest(&[f32::NAN; DIMENSION], 1, |_| None), Err(SearchError::NotFinite));
    assert_eq!(graph.nearest(&[0.5], 1, |_| None), Err(SearchError::Dimension { expected: DIMENSION, found: 1 }));
}
