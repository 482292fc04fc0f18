//! The index with vectors outside memory: the same answers, within its limit.

use crate::search::recode::refit;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::coded::{assert_exact, bits, gallery, ranked};
use crate::matching::Dot;
use crate::random::SplitMix;
use crate::search::kernel::Kernel;
use crate::search::{Entry, Index, IndexOptions, Originals, SearchError, Wanted};
use crate::tools::{Like, Population};

/// A sorted map, as the place where originals lie. What was removed stays for those
/// who still search a view with it.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) rows: Mutex<BTreeMap<u64, Vec<f32>>>,
    pub(super) reads: AtomicU64,
    pub(super) fails: std::sync::atomic::AtomicBool,
}

impl Originals for Shelf {
    fn read(&self, keys: &[u64], take: &mut dyn FnMut(usize, &[f32])) -> Result<(), SearchError> {
        if self.fails.load(Ordering::Acquire) {
            return Err(SearchError::Unreadable);
        }
        assert!(keys.is_sorted_by(|a, b| a < b), "keys ascend and are asked for once");
        let rows = self.rows.lock().unwrap();
        for (at, key) in keys.iter().enumerate() {
            if let Some(row) = rows.get(key) {
                self.reads.fetch_add(1, Ordering::Relaxed);
                take(at, row);
            }
        }
        Ok(())
    }
}

pub(super) fn index_over(shelf: &Arc<Shelf>, dimension: usize, bytes_max: u64) -> Index<()> {
    let options = IndexOptions { vectors_max: 50_000, bytes_max, originals: Some(Arc::clone(shelf) as _) };
    Index::with_all(dimension, options, Dot::best(), Kernel::best(), 300)
}

#[test]
fn an_index_with_codes_alone_answers_as_a_sorted_list_does() {
    for (seed, dimension) in [(1, 64), (2, 130)] {
        let shelf = Arc::new(Shelf::default());
        let index = index_over(&shelf, dimension, 2 << 20);
        let rows = gallery(seed, 7000, dimension);
        let mut model = BTreeMap::new();
        for (step, batch) in rows.chunks(700).enumerate() {
            let first = step as u64 * 700;
            let removed: Vec<u64> = if step % 3 == 2 { (first - 1400..first - 500).collect() } else { Vec::new() };
            shelf.rows.lock().unwrap().extend((first..).zip(batch.iter().cloned()));
            let inserted = (first..).zip(batch).map(|(key, row)| Entry { key, label: (), vector: row.clone() });
            index.apply(&removed, inserted.collect()).unwrap();
            removed.iter().for_each(|key| {
                model.remove(key);
                shelf.rows.lock().unwrap().remove(key);
            });
            model.extend((first..).zip(batch.iter().cloned()));
        }
        refit(index.inner());
        assert!(index.view().state().outside >= 2, "{} pieces outside", index.view().state().outside);
        let bytes = index.bytes();
        assert!(bytes.vectors + bytes.others <= 2 << 20, "{bytes:?}");
        assert_exact(&index, &model, &[rows[6500].clone(), rows[40].clone()]);
    }
}

#[test]
fn searches_for_the_nearest_read_few_originals() {
    for like in Like::ALL {
        let population = Population::new(like, 6);
        let (count, dimension) = (6000, population.dimension());
        let shelf = Arc::new(Shelf::default());
        let index = index_over(&shelf, dimension, 4 << 20);
        let rows = population.references(0, count);
        let row = |i: u64| rows[i as usize * dimension..][..dimension].to_vec();
        shelf.rows.lock().unwrap().extend((0..count as u64).map(|key| (key, row(key))));
        for first in (0..count as u64).step_by(1000) {
            let entries = (first..first + 1000).map(|key| Entry { key, label: (), vector: row(key) });
            index.apply(&[], entries.collect()).unwrap();
        }
        assert!(index.bytes().vectors < 4 << 20);
        shelf.reads.store(0, Ordering::Relaxed);
        let searches = 8;
        for person in 0..searches {
            let query = population.capture(person, 1);
            assert_eq!(index.nearest(&query, 10, |_| true).unwrap()[0].key, person);
        }
        let reads = shelf.reads.load(Ordering::Relaxed) / searches;
        assert!((1..60).contains(&reads), "{reads} originals a search");
    }
}

#[test]
fn memory_is_bounded_and_what_does_not_fit_is_refused_whole() {
    let dimension = 130;
    let rows = gallery(3, 6000, dimension);
    for outside in [true, false] {
        let shelf = Arc::new(Shelf::default());
        shelf.rows.lock().unwrap().extend((0..).zip(rows.iter().cloned()));
        let bytes_max = 3 << 19;
        let originals = outside.then(|| Arc::clone(&shelf) as Arc<dyn Originals>);
        let options = IndexOptions { bytes_max, originals, ..IndexOptions::default() };
        let index = Index::with_all(dimension, options, Dot::best(), Kernel::best(), 300);
        let mut done = 0u64;
        let refused = loop {
            let entries = (done..done + 100).map(|key| Entry { key, label: (), vector: rows[key as usize].clone() });
            match index.apply(&[], entries.collect()) {
                Ok(()) => done += 100,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, SearchError::Memory { bytes_max });
        assert_eq!(index.room_for(100), Err(refused));
        assert_eq!(index.len(), done, "nothing of the refused was kept");
        let bytes = index.bytes();
        assert!(bytes.vectors + bytes.others <= bytes_max, "{bytes:?}");
        assert!(if outside { done > 2500 } else { (1000..2500).contains(&done) }, "{done} fitted");
        // Removing makes room.
        let gone: Vec<u64> = (0..done - 50).collect();
        index.apply(&gone, Vec::new()).unwrap();
        index.room_for(100).unwrap();
        let model = (0u64..).zip(rows.iter().cloned()).take(done as usize).skip(gone.len()).collect();
        assert_exact(&index, &model, &rows[done as usize - 1..done as usize]);
    }
}

#[test]
fn originals_that_cannot_be_read_fail_the_search_and_nothing_else() {
    let shelf = Arc::new(Shelf::default());
    let rows = gallery(4, 5000, 64);
    shelf.rows.lock().unwrap().extend((0..).zip(rows.iter().cloned()));
    let index = index_over(&shelf, 64, 2 << 20);
    for first in [0, 2500] {
        let entries = (first..first + 2500).map(|key| Entry { key, label: (), vector: rows[key as usize].clone() });
        index.apply(&[], entries.collect()).unwrap();
    }
    assert!(index.view().state().outside > 0);
    let expected = bits(&index.nearest(&rows[7], 9, |_| true).unwrap());
    shelf.fails.store(true, Ordering::Release);
    assert_eq!(index.nearest(&rows[7], 9, |_| true), Err(SearchError::Unreadable));
    // Neither a new rotation nor removals need them to go on.
    refit(index.inner());
    index.apply(&(0..900).collect::<Vec<_>>(), Vec::new()).unwrap();
    shelf.fails.store(false, Ordering::Release);
    let model = (0u64..).zip(rows.iter().cloned()).skip(900).collect();
    assert_exact(&index, &model, &rows[7..8]);
    assert!(expected.len() == 9);
    // One that is gone is not passed over.
    shelf.rows.lock().unwrap().remove(&1000);
    assert_eq!(index.within(&rows[1000], -9.0, |_| true), Err(SearchError::Missing));
}

#[test]
fn what_is_selected_scores_as_in_a_scan_wherever_it_lies() {
    let shelf = Arc::new(Shelf::default());
    let rows = gallery(5, 5000, 64);
    shelf.rows.lock().unwrap().extend((0..).zip(rows.iter().cloned()));
    let index = index_over(&shelf, 64, 2 << 20);
    for first in [0, 2500] {
        let entries = (first..first + 2500).map(|key| Entry { key, label: (), vector: rows[key as usize].clone() });
        index.apply(&[], entries.collect()).unwrap();
    }
    assert!(!index.view().is_whole());
    let query = &rows[99];
    let keys: Vec<u64> = (0..5000).rev().step_by(7).chain([7_000_000]).collect();
    let selected = index.select(&keys);
    let passes = |key: u64| !key.is_multiple_of(3);
    let score = |originals: Option<&dyn Originals>| {
        let hits = selected.score(query, |key, ()| passes(key), originals)?;
        Ok::<_, SearchError>(hits.into_iter().map(|hit| (hit.key, hit.score.to_bits())).collect::<BTreeMap<_, _>>())
    };
    // Some of them are very long.
    let scanned = index.within(query, f32::MIN, |key| passes(key) && keys.contains(&key)).unwrap();
    let expected: BTreeMap<_, _> = scanned.iter().map(|hit| (hit.key, hit.score.to_bits())).collect();
    assert_eq!(score(Some(&*shelf)), Ok(expected.clone()));
    assert_eq!(score(None), Err(SearchError::Missing));
    assert_eq!(
        selected.score(&[0.5], |_, ()| true, None).err(),
        Some(SearchError::Dimension { expected: 64, found: 1 })
    );
    assert_eq!(selected.score(&[f32::NAN; 64], |_, ()| true, None).err(), Some(SearchError::NotFinite));
    // What was selected stays; what is removed is selected no more.
    index.apply(&(0..2000).collect::<Vec<_>>(), Vec::new()).unwrap();
    assert_eq!(score(Some(&*shelf)), Ok(expected));
    let left = index.select(&keys).score(query, |_, ()| true, Some(&*shelf)).unwrap();
    assert!(!left.is_empty() && left.iter().all(|hit| hit.key >= 2000));
    let mut vector = vec![0.0; 64];
    index.read(2001, &mut vector).unwrap();
    assert_eq!(vector, rows[2001]);
    assert_eq!(index.read(1999, &mut vector), Err(SearchError::Missing));
    assert_eq!(index.read(2001, &mut [0.0; 3]), Err(SearchError::Dimension { expected: 64, found: 3 }));
}

#[test]
fn memory_left_to_something_else_is_not_used_and_comes_back() {
    let shelf = Arc::new(Shelf::default());
    let rows = gallery(6, 6000, 64);
    shelf.rows.lock().unwrap().extend((0..).zip(rows.iter().cloned()));
    let bytes_max = 4 << 20;
    let index = index_over(&shelf, 64, bytes_max);
    let entries = (0..6000).map(|key| Entry { key, label: (), vector: rows[key as usize].clone() });
    index.apply(&[], entries.collect()).unwrap();
    assert!(index.view().is_whole());
    let whole = index.bytes();
    let aside = bytes_max - whole.others - (512 << 10);
    index.set_aside(aside).unwrap();
    let bytes = index.bytes();
    assert!(bytes.vectors + bytes.others + aside <= bytes_max && !index.view().is_whole(), "{bytes:?}");
    assert_eq!(index.room_for(1 << 14), Err(SearchError::Memory { bytes_max }));
    // What cannot be is refused, and changes nothing.
    assert_eq!(index.set_aside(bytes_max - 1000), Err(SearchError::Memory { bytes_max }));
    assert_eq!(index.bytes(), bytes);
    let model = (0u64..).zip(rows.iter().cloned()).collect();
    assert_exact(&index, &model, &rows[77..78]);
    index.set_aside(0).unwrap();
    index.room_for(4000).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn filters_asked_first_change_no_answer(seed in any::<u64>(), modulus in 2u64..900) {
        let mut random = SplitMix(seed);
        let rows = gallery(seed, 2600, 64);
        let shelf = Arc::new(Shelf::default());
        shelf.rows.lock().unwrap().extend((0..).zip(rows.iter().cloned()));
        let held = Index::with_parts(64, 10_000, Dot::best(), Kernel::best(), 300);
        let outside = index_over(&shelf, 64, 1500 << 10);
        for (index, first) in [(&held, 0u64), (&held, 1300), (&outside, 0), (&outside, 1300)] {
            let entries = (first..first + 1300).map(|key| Entry { key, label: (), vector: rows[key as usize].clone() });
            index.apply(&[], entries.collect()).unwrap();
        }
        prop_assert!(!outside.view().is_whole());
        let model: BTreeMap<u64, Vec<f32>> = (0u64..).zip(rows.iter().cloned()).collect();
        let query = rows[random.next() as usize % rows.len()].clone();
        let passes = |key: u64| key % modulus == seed % modulus;
        let mut expected = ranked(&model, &query);
        expected.retain(|(key, _)| passes(*key));
        let score = f32::from_bits(expected[expected.len() / 2].1);
        let searches = [(query.as_slice(), Wanted::Nearest(12)), (query.as_slice(), Wanted::Within(score))];
        for view in [held.view(), outside.view()] {
            for first in [&[false, false], &[true, true]] {
                let found = view.many_filtered(&searches, |_, key, ()| passes(key), first, &*shelf).unwrap();
                prop_assert_eq!(&bits(&found[0]), &expected[..12.min(expected.len())]);
                let within = expected.iter().take_while(|(_, s)| f32::from_bits(*s) >= score).count();
                prop_assert_eq!(&bits(&found[1]), &expected[..within]);
            }
        }
    }
}
