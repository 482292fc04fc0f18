//! The index against a search that is plainly right.

mod bounds;
mod coded;
mod files;
mod outside;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Entry, Hit, Index, SearchError};
use crate::matching::Dot;

const DIMENSION: usize = 5;

/// Few values, so that equal vectors and equal scores are common.
fn vectors() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop::sample::select(vec![-1.0f32, -0.5, -0.0, 0.0, 0.3, 1.0]), DIMENSION)
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64, Vec<f32>),
    Remove(u64),
    /// Removes and inserts as one change.
    Apply(Vec<u64>, Vec<(u64, Vec<f32>)>),
    Within(Vec<f32>, f32),
    Nearest(Vec<f32>, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0u64..40;
    let step = prop_oneof![
        4 => (key.clone(), vectors()).prop_map(|(key, vector)| Step::Insert(key, vector)),
        2 => key.clone().prop_map(Step::Remove),
        2 => (prop::collection::vec(key.clone(), 0..6), prop::collection::vec((key, vectors()), 0..6))
            .prop_map(|(removed, inserted)| Step::Apply(removed, inserted)),
        2 => (vectors(), -3.0f32..3.0).prop_map(|(query, score)| Step::Within(query, score)),
        2 => (vectors(), 0usize..12).prop_map(|(query, k)| Step::Nearest(query, k)),
    ];
    prop::collection::vec(step, 1..120)
}

/// Every vector with its score, best first, ties by key.
fn ranked(model: &BTreeMap<u64, Vec<f32>>, query: &[f32]) -> Vec<Hit<u64>> {
    let dot = Dot::portable();
    let mut all: Vec<Hit<u64>> =
        model.iter().map(|(&key, vector)| Hit { key, score: dot.score(query, vector), label: key + 1000 }).collect();
    all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.key.cmp(&b.key)));
    all
}

fn bits(hits: &[Hit<u64>]) -> Vec<(u64, u32, u64)> {
    hits.iter().map(|hit| (hit.key, hit.score.to_bits(), hit.label)).collect()
}

proptest! {
    #[test]
    fn an_index_answers_as_a_sorted_list_does(steps in steps(), limit in 5u64..40) {
        let index = Index::new(DIMENSION, limit);
        let mut model: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
        let even = |key: u64| key.is_multiple_of(2);
        for step in steps {
            match step {
                Step::Insert(key, vector) => {
                    let expected = match (model.contains_key(&key), model.len() as u64 == limit) {
                        (true, _) => Err(SearchError::KeyTaken),
                        (false, true) => Err(SearchError::Full { max: limit }),
                        (false, false) => Ok(()),
                    };
                    prop_assert_eq!(index.insert(key, key + 1000, &vector), expected);
                    if expected.is_ok() {
                        model.insert(key, vector);
                    }
                }
                Step::Remove(key) => prop_assert_eq!(index.remove(key), model.remove(&key).is_some()),
                Step::Apply(removed, inserted) => {
                    let mut changed = model.clone();
                    removed.iter().for_each(|key| { changed.remove(key); });
                    let fresh = inserted.iter().all(|(key, vector)| changed.insert(*key, vector.clone()).is_none());
                    let entries = inserted
                        .into_iter()
                        .map(|(key, vector)| Entry { key, label: key + 1000, vector })
                        .collect();
                    let applied = index.apply(&removed, entries);
                    prop_assert_eq!(applied.is_ok(), fresh && changed.len() as u64 <= limit);
                    if applied.is_ok() {
                        model = changed;
                    }
                }
                Step::Within(query, score) => {
                    let mut expected = ranked(&model, &query);
                    expected.retain(|hit| hit.score >= score && even(hit.key));
                    prop_assert_eq!(bits(&index.within(&query, score, even).unwrap()), bits(&expected));
                    // The very score of a vector is within.
                    if let Some(hit) = ranked(&model, &query).first() {
                        prop_assert!(!index.within(&query, hit.score, |_| true).unwrap().is_empty());
                    }
                }
                Step::Nearest(query, k) => {
                    let mut expected = ranked(&model, &query);
                    expected.retain(|hit| even(hit.key));
                    expected.truncate(k);
                    prop_assert_eq!(bits(&index.nearest(&query, k, even).unwrap()), bits(&expected));
                }
            }
            prop_assert_eq!(index.len(), model.len() as u64);
        }
        // Self-retrieval: whatever is stored finds itself among its equals.
        for (key, vector) in &model {
            let own = Dot::portable().score(vector, vector);
            prop_assert!(index.within(vector, own, |_| true).unwrap().iter().any(|hit| hit.key == *key));
        }
    }

    #[test]
    fn what_is_no_number_is_refused(
        mut vector in vectors(), at in 0..DIMENSION,
        bad in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30]),
    ) {
        let index = Index::new(DIMENSION, 10);
        let good = vector.clone();
        vector[at] = bad;
        prop_assert_eq!(index.insert(1, (), &vector), Err(SearchError::NotFinite));
        prop_assert_eq!(index.nearest(&vector, 1, |_| true), Err(SearchError::NotFinite));
        prop_assert_eq!(index.within(&vector, 0.0, |_| true), Err(SearchError::NotFinite));
        if !bad.is_finite() {
            prop_assert_eq!(index.within(&good, bad, |_| true), Err(SearchError::BadScore));
        }
        let short = &good[1..];
        let wrong = SearchError::Dimension { expected: DIMENSION, found: DIMENSION - 1 };
        prop_assert_eq!(index.insert(1, (), short), Err(wrong));
        prop_assert_eq!(index.nearest(short, 1, |_| true), Err(wrong));
        prop_assert!(index.is_empty());
    }
}

/// Values by a small generator of its own: the same on every machine.
fn many(count: u64, dimension: usize) -> Vec<Vec<f32>> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Coarse, so that scores tie.
        ((state >> 60) as f32 - 7.5) / 8.0
    };
    (0..count).map(|_| (0..dimension).map(|_| next()).collect()).collect()
}

#[test]
fn threads_and_instruction_sets_change_no_bit_of_an_answer() {
    // Enough for the scan to be spread over threads, with odd tails everywhere.
    let (dimension, count) = (67, 17_001);
    let vectors = many(count, dimension);
    let query = &vectors[5];
    let mut answers = Vec::new();
    for dot in Dot::all() {
        let index = Index::with_kernel(dimension, count, dot);
        for (key, vector) in (0..).zip(&vectors) {
            index.insert(key, (), vector).unwrap();
        }
        for key in (0..count).step_by(3) {
            assert!(index.remove(key));
        }
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let view = index.view();
            let nearest = pool.install(|| view.nearest(query, 500, |key| key % 7 != 1).unwrap());
            let within = pool.install(|| view.within(query, 2.0, |_| true).unwrap());
            let bits = |hits: Vec<Hit>| hits.iter().map(|h| (h.key, h.score.to_bits())).collect::<Vec<_>>();
            answers.push((bits(nearest), bits(within)));
        }
    }
    assert_eq!(answers[0].0.len(), 500);
    assert!(answers[0].1.len() > 100);
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));

    // And they are the right ones.
    let dot = Dot::portable();
    let mut expected: Vec<(u64, f32)> = (0..count)
        .filter(|key| key % 3 != 0 && key % 7 != 1)
        .map(|key| (key, dot.score(query, &vectors[key as usize])))
        .collect();
    expected.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    let expected: Vec<_> = expected[..500].iter().map(|(key, score)| (*key, score.to_bits())).collect();
    assert_eq!(answers[0].0, expected);
}

#[test]
fn searches_beside_writes_see_all_or_nothing_of_a_change() {
    // The writer moves a pair of vectors from key to key, always both at once.
    let index = Index::new(2, 2000);
    for key in 0..1000 {
        index.insert(10_000 + key, (), &[-1.0, 0.0]).unwrap();
    }
    let pair = |key| {
        vec![
            Entry { key, label: (), vector: vec![1.0, 0.0] },
            Entry { key: key + 1, label: (), vector: vec![1.0, 0.0] },
        ]
    };
    index.apply(&[], pair(0)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searches: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while !done.load(std::sync::atomic::Ordering::Acquire) {
                        let hits = index.within(&[1.0, 0.0], 0.5, |_| true).unwrap();
                        assert_eq!(hits.len(), 2);
                        assert_eq!(hits[0].key + 1, hits[1].key);
                        assert!(hits[0].key >= last, "an older state came back");
                        last = hits[0].key;
                    }
                })
            })
            .collect();
        for key in (0..4000).step_by(2) {
            index.apply(&[key, key + 1], pair(key + 2)).unwrap();
            // Seen at once by a search that begins now.
            assert_eq!(index.nearest(&[1.0, 0.0], 1, |_| true).unwrap()[0].key, key + 2);
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        searches.into_iter().for_each(|search| search.join().unwrap());
    });
}

#[test]
fn a_view_does_not_change() {
    let index = Index::new(2, 10);
    index.insert(1, (), &[1.0, 0.0]).unwrap();
    let view = index.view();
    index.remove(1);
    index.insert(2, (), &[0.0, 1.0]).unwrap();
    assert_eq!(view.nearest(&[0.0, 1.0], 5, |_| true).unwrap(), [Hit { key: 1, score: 0.0, label: () }]);
    assert_eq!(view.len(), 1);
}

#[test]
fn memory_follows_what_is_in_use_not_what_ever_was() {
    let index = Index::new(4, 1000);
    for key in 0..100_000u64 {
        index.insert(key, (), &[1.0, 0.0, 0.0, 0.0]).unwrap();
        if key >= 600 {
            assert!(index.remove(key - 600));
        }
    }
    assert_eq!(index.len(), 600);
    // 600 live vectors lie in at most two pieces and the one being filled.
    assert!(index.view().blocks() <= 3, "{}", index.view().blocks());
    assert!(index.bytes().vectors < 3 * 1024 * 4 * 4 * 2);
}
