//! The index with codes, against the sorted list: the same promises, with
//! rotations fitted, fitted anew, and blocks merged and thinned out on the way.

use crate::search::recode::refit;
use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::matching::Dot;
use crate::random::SplitMix;
use crate::search::kernel::Kernel;
use crate::search::{Entry, Hit, Index, Wanted};
use crate::tools::{Like, Population};

/// A gallery of near-unit vectors in few dimensions, with everything that must
/// not be lost among them: copies, near copies, opposites, zero, odd lengths.
pub(super) fn gallery(seed: u64, count: usize, dimension: usize) -> Vec<Vec<f32>> {
    let mut random = SplitMix(seed);
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(count);
    for _ in 0..count {
        let choice = random.next() % 24;
        let mut row: Vec<f32> = match rows.get(random.next() as usize % rows.len().max(1)) {
            Some(other) if choice == 0 => other.clone(),
            Some(other) if choice == 1 => other.iter().map(|v| -v).collect(),
            Some(other) if choice < 8 => other.iter().map(|v| v + 0.05 * random.normal()).collect(),
            _ => (0..dimension).map(|i| random.normal() / (1 + i) as f32).collect(),
        };
        let length = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt().max(1e-30);
        let factor = match choice {
            20 => 0.0,
            21 => 1e-20,
            22 => 1e9,
            23 => 1.0 / 1.01,
            _ => 1.0,
        };
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / length * factor) as f32);
        rows.push(row);
    }
    rows
}

pub(super) fn ranked(model: &BTreeMap<u64, Vec<f32>>, query: &[f32]) -> Vec<(u64, u32)> {
    let dot = Dot::portable();
    let mut all: Vec<(u64, f32)> = model.iter().map(|(&key, vector)| (key, dot.score(query, vector))).collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    all.into_iter().map(|(key, score)| (key, score.to_bits())).collect()
}

pub(super) fn bits<L>(hits: &[Hit<L>]) -> Vec<(u64, u32)> {
    hits.iter().map(|hit| (hit.key, hit.score.to_bits())).collect()
}

/// Asks for what lies at, just above and just below scores that occur, alone
/// and as one batch.
pub(super) fn assert_exact(index: &Index<()>, model: &BTreeMap<u64, Vec<f32>>, queries: &[Vec<f32>]) {
    let view = index.view();
    assert_eq!(view.len(), model.len() as u64);
    let mut searches: Vec<(&[f32], Wanted)> = Vec::new();
    let mut answers = Vec::new();
    for query in queries {
        let all = ranked(model, query);
        let score = |at: usize| all.get(at).map_or(0.0, |(_, score)| f32::from_bits(*score));
        for at in [0, 3, 40] {
            for score in [score(at), score(at).next_up(), score(at).next_down()] {
                searches.push((query, Wanted::Within(score)));
                answers.push(all.iter().copied().filter(|(_, s)| f32::from_bits(*s) >= score).collect::<Vec<_>>());
            }
        }
        for k in [0, 1, 10, 150] {
            searches.push((query, Wanted::Nearest(k)));
            answers.push(all[..k.min(all.len())].to_vec());
        }
    }
    let together = view.many(&searches, |_, _, ()| true).unwrap();
    for ((search, expected), found) in searches.iter().zip(&answers).zip(&together) {
        assert_eq!(&bits(found), expected, "{:?}", search.1);
        let alone = match search.1 {
            Wanted::Within(score) => view.within(search.0, score, |_| true).unwrap(),
            Wanted::Nearest(k) => view.nearest(search.0, k, |_| true).unwrap(),
        };
        assert_eq!(&bits(&alone), expected, "{:?}", search.1);
    }
}

#[test]
fn a_coded_index_answers_as_a_sorted_list_does_through_growth_removal_and_new_rotations() {
    for (seed, dimension) in [(1, 3), (2, 200), (3, 40)] {
        let rows = gallery(seed, 5600, dimension);
        let kernel = Kernel::all().into_iter().cycle().nth(seed as usize).unwrap();
        let index = Index::with_parts(dimension, 10_000, Dot::best(), kernel, 500);
        let mut model = BTreeMap::new();
        let mut random = SplitMix(seed);
        for (step, batch) in rows.chunks(560).enumerate() {
            let first = step as u64 * 560;
            // Every third step removes most of what an earlier one put in.
            let removed: Vec<u64> = if step % 3 == 2 { (first - 1120..first - 400).collect() } else { Vec::new() };
            let inserted = (first..).zip(batch).map(|(key, row)| Entry { key, label: (), vector: row.clone() });
            index.apply(&removed, inserted.collect()).unwrap();
            removed.iter().for_each(|key| {
                model.remove(key);
            });
            model.extend((first..).zip(batch.iter().cloned()));
            if step == 4 {
                refit(index.inner());
            }
            if step == 4 || step == 9 {
                let queries: Vec<Vec<f32>> =
                    (0..2).map(|_| rows[random.next() as usize % rows.len()].clone()).collect();
                assert_exact(&index, &model, &queries);
            }
        }
        // Blocks of many pieces came about, and codes.
        assert!(index.view().blocks() < 7, "{}", index.view().blocks());
        assert!(index.bytes().others > index.len() * 300);
        for (key, vector) in model.iter().step_by(97) {
            let own = Dot::portable().score(vector, vector);
            assert!(index.within(vector, own, |_| true).unwrap().iter().any(|hit| hit.key == *key));
        }
    }
}

#[test]
fn odd_queries_are_answered_exactly() {
    let rows = gallery(5, 3000, 20);
    let index = Index::with_parts(20, 10_000, Dot::best(), Kernel::best(), 500);
    let entries = (0u64..).zip(&rows).map(|(key, row)| Entry { key, label: (), vector: row.clone() });
    index.apply(&[], entries.collect()).unwrap();
    let model: BTreeMap<u64, Vec<f32>> = (0u64..).zip(rows.iter().cloned()).collect();
    let scaled = |scale: f32| rows[7].iter().map(|v| v * scale).collect::<Vec<f32>>();
    let mut one = vec![0.0; 20];
    one[19] = 1.0;
    let queries = [scaled(0.0), scaled(1e-30), scaled(1e-42), scaled(1e15), scaled(1e5), scaled(-3e-5), one];
    assert_exact(&index, &model, &queries);
    for score in [f32::MIN, f32::MAX, f32::MIN_POSITIVE, 1e-45, -1e-45, -0.0] {
        let all = ranked(&model, &rows[0]);
        let expected: Vec<_> = all.into_iter().filter(|(_, s)| f32::from_bits(*s) >= score).collect();
        assert_eq!(bits(&index.within(&rows[0], score, |_| true).unwrap()), expected);
    }
}

#[test]
fn filters_choose_before_the_best_are_counted() {
    let rows = gallery(6, 4000, 24);
    let index = Index::with_parts(24, 10_000, Dot::best(), Kernel::best(), 500);
    let entries = (0u64..).zip(&rows).map(|(key, row)| Entry { key, label: (), vector: row.clone() });
    index.apply(&[], entries.collect()).unwrap();
    let model: BTreeMap<u64, Vec<f32>> = (0u64..).zip(rows.iter().cloned()).collect();
    for modulus in [1, 7, 501, 5000] {
        let all = ranked(&model, &rows[11]);
        let expected: Vec<_> = all.into_iter().filter(|(key, _)| key % modulus == 3 % modulus).take(25).collect();
        let found = index.nearest(&rows[11], 25, |key| key % modulus == 3 % modulus).unwrap();
        assert_eq!(bits(&found), expected);
    }
    // In a batch, each search has its own.
    let searches: Vec<(&[f32], Wanted)> = (0..70).map(|i| (rows[i].as_slice(), Wanted::Nearest(5))).collect();
    let found = index.view().many(&searches, |search, key, ()| key % 70 == search as u64).unwrap();
    for (search, found) in found.iter().enumerate() {
        let all = ranked(&model, &rows[search]);
        let expected: Vec<_> = all.into_iter().filter(|(key, _)| key % 70 == search as u64).take(5).collect();
        assert_eq!(bits(found), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_order_of_changes_leaves_an_exact_index(seed in any::<u64>(), fit_min in 40usize..2000) {
        let mut random = SplitMix(seed);
        let dimension = 1 + random.next() as usize % 12;
        let index = Index::with_parts(dimension, 20_000, Dot::best(), Kernel::best(), fit_min);
        let rows = gallery(seed, 2500, dimension);
        let mut model = BTreeMap::new();
        let mut key_next = 0u64;
        for _ in 0..12 {
            let removed: Vec<u64> =
                model.keys().copied().filter(|_| random.next().is_multiple_of(3)).collect();
            let removed = if random.next().is_multiple_of(2) { removed } else { Vec::new() };
            let count = random.next() as usize % 900;
            let inserted: Vec<Entry<()>> = (0..count)
                .map(|i| Entry {
                    key: key_next + i as u64,
                    label: (),
                    vector: rows[random.next() as usize % rows.len()].clone(),
                })
                .collect();
            key_next += count as u64;
            removed.iter().for_each(|key| { model.remove(key); });
            model.extend(inserted.iter().map(|entry| (entry.key, entry.vector.clone())));
            index.apply(&removed, inserted).unwrap();
        }
        assert_exact(&index, &model, &rows[..1]);
    }
}

#[test]
fn hopes_that_fail_lose_nothing() {
    // The first rows score far apart, those after them hardly: what the first let hope of
    // the others is never reached. Then the other way round, and some that are all alike.
    let dimension = 24;
    let mut random = SplitMix(11);
    let query: Vec<f32> = (0..dimension).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    let mut row = |spread: f32| {
        let along = (spread * random.normal()).clamp(-0.9, 0.9);
        let mut row: Vec<f32> = (0..dimension).map(|_| random.normal()).collect();
        row[0] = 0.0;
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value *= (1.0 - along * along).sqrt() / length);
        row[0] = along;
        row
    };
    for spreads in [[0.3, 0.2], [0.3, 0.23], [0.3, 0.1], [0.1, 0.3], [0.0, 0.0]] {
        let rows: Vec<Vec<f32>> = (0..6000).map(|i| row(spreads[usize::from(i >= 300)])).collect();
        let index = Index::with_parts(dimension, 10_000, Dot::best(), Kernel::best(), 300);
        let entries = (0u64..).zip(&rows).map(|(key, row)| Entry { key, label: (), vector: row.clone() });
        index.apply(&[], entries.collect()).unwrap();
        let model: BTreeMap<u64, Vec<f32>> = (0u64..).zip(rows.iter().cloned()).collect();
        assert_exact(&index, &model, &[query.clone(), rows[17].clone(), rows[5000].clone()]);
    }
}

#[test]
fn a_rotation_is_fitted_beside_searches_and_writes_without_an_answer_changing() {
    let rows = gallery(8, 4000, 16);
    let index = Index::with_parts(16, 10_000, Dot::best(), Kernel::best(), 300);
    let entries = (0u64..).zip(&rows).map(|(key, row)| Entry { key, label: (), vector: row.clone() });
    index.apply(&[], entries.collect()).unwrap();
    let model: BTreeMap<u64, Vec<f32>> = (0u64..).zip(rows.iter().cloned()).collect();
    let expected = ranked(&model, &rows[9])[..50].to_vec();
    std::thread::scope(|scope| {
        let refits = scope.spawn(|| (0..3).for_each(|_| refit(index.inner())));
        let writes = scope.spawn(|| {
            // Far from the query, and gone again.
            let far: Vec<f32> = rows[9].iter().map(|v| -v).collect();
            for key in 100_000..101_100 {
                index.insert(key, (), &far).unwrap();
                assert!(index.remove(key - 500) == (key >= 100_500));
            }
        });
        while !(refits.is_finished() && writes.is_finished()) {
            assert_eq!(bits(&index.nearest(&rows[9], 50, |_| true).unwrap()), expected);
        }
    });
    assert_eq!(bits(&index.nearest(&rows[9], 50, |_| true).unwrap()), expected);
}

#[test]
fn face_like_vectors_are_found_as_a_plain_scan_finds_them() {
    for like in Like::ALL {
        for kernel in Kernel::all() {
            let population = Population::new(like, 9);
            let dimension = population.dimension();
            let rows = population.references(0, 3000);
            let index = Index::with_parts(dimension, 10_000, Dot::best(), kernel, 1000);
            let entries = (0u64..).zip(rows.chunks_exact(dimension));
            let entries = entries.map(|(key, row)| Entry { key, label: (), vector: row.to_vec() });
            index.apply(&[], entries.collect()).unwrap();
            let model = (0u64..).zip(rows.chunks_exact(dimension).map(<[f32]>::to_vec)).collect();
            assert_exact(&index, &model, &[population.capture(1, 1), population.capture(1 << 40, 0)]);
        }
    }
}
