//! An index written to a file and read back, whole and damaged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::coded::{assert_exact, gallery};
use super::outside::{Shelf, index_over};
use crate::search::{Chunks, Entry, FileError, Index, IndexOptions, SearchError, read, write};

const DIMENSION: usize = 20;
const ROWS: usize = 6600;

/// Where the vectors lie, a file, and what it holds.
type Sample = (Arc<Shelf>, Vec<u8>, BTreeMap<u64, Vec<f32>>);

/// An index with full blocks, thin ones, an open piece and freed rows; the file made
/// of it; what it holds.
static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let rows = gallery(11, ROWS, DIMENSION);
    let shelf = Arc::new(Shelf::default());
    shelf.rows.lock().unwrap().extend((0..).zip(rows.iter().cloned()));
    let index = index_over(&shelf, DIMENSION, u64::MAX);
    for (step, batch) in rows.chunks(300).enumerate() {
        let first = step as u64 * 300;
        let entries = (first..).zip(batch).map(|(key, row)| Entry { key, label: (), vector: row.clone() });
        index.apply(&[], entries.collect()).unwrap();
    }
    let removed: Vec<u64> = (0..ROWS as u64).filter(|key| key % 5 == 0 || (1100..1900).contains(key)).collect();
    index.apply(&removed, Vec::new()).unwrap();
    let mut model: BTreeMap<u64, Vec<f32>> = (0u64..).zip(rows).collect();
    model.retain(|key, _| removed.binary_search(key).is_err());
    (shelf, written(&index), model)
});

fn written(index: &Index<()>) -> Vec<u8> {
    let mut chunks = Chunks::begin(Vec::new()).unwrap();
    chunks.put(3, b"whose it is").unwrap();
    let mut seen = 0;
    write(&index.view(), &mut chunks, |()| seen += 1).unwrap();
    assert_eq!(seen, index.len());
    chunks.into_inner()
}

fn restored(bytes: &[u8]) -> Result<Index<()>, FileError> {
    let shelf = &SAMPLE.0;
    let index = index_over(shelf, DIMENSION, u64::MAX);
    let mut chunks = Chunks::open(bytes)?;
    assert_eq!(chunks.take(3)?, b"whose it is");
    let rest = read(&index, &mut chunks, |_| {})?;
    let rows = shelf.rows.lock().unwrap();
    let entries = rest.iter().map(|&(key, label)| Entry { key, label, vector: rows[&key].clone() }).collect();
    drop(rows);
    index.apply(&[], entries).unwrap();
    Ok(index)
}

#[test]
fn an_index_read_from_a_file_answers_as_before_and_goes_on_changing() {
    let (shelf, bytes, model) = &*SAMPLE;
    let index = restored(bytes).unwrap();
    let query = &model[&3333];
    assert_exact(&index, model, std::slice::from_ref(query));
    assert!(index.bytes().vectors < 2100 * 4 * DIMENSION as u64, "only the open piece is in memory");
    assert!(index.view().state().outside >= 3);

    // Changes, and a second file made of the first.
    let mut model = model.clone();
    let added: Vec<u64> = (10_000..11_500).collect();
    let rows = gallery(12, added.len(), DIMENSION);
    shelf.rows.lock().unwrap().extend(added.iter().copied().zip(rows.iter().cloned()));
    let entries = added.iter().zip(&rows).map(|(&key, row)| Entry { key, label: (), vector: row.clone() });
    let removed: Vec<u64> = (2000..3300).collect();
    index.apply(&removed, entries.collect()).unwrap();
    model.retain(|key, _| !(2000..3300).contains(key));
    model.extend(added.iter().copied().zip(rows));
    assert_exact(&index, &model, std::slice::from_ref(query));
    let again = restored(&written(&index)).unwrap();
    assert_eq!(again.len(), model.len() as u64);
    assert_exact(&again, &model, std::slice::from_ref(query));
    assert_eq!(again.insert(10_007, (), query), Err(SearchError::KeyTaken), "keys are known again");
}

#[test]
fn an_empty_index_and_one_without_codes_come_back() {
    let index = index_over(&SAMPLE.0, DIMENSION, u64::MAX);
    assert!(restored(&written(&index)).unwrap().is_empty());
    for key in [7, 8] {
        index.insert(key, (), &SAMPLE.2[&key]).unwrap();
    }
    assert_eq!(restored(&written(&index)).unwrap().len(), 2);
}

#[test]
fn a_file_of_another_version_of_other_vectors_or_beyond_the_limit_is_refused() {
    let (shelf, bytes, _) = &*SAMPLE;
    let mut newer = bytes.clone();
    newer[12] += 1;
    assert!(matches!(restored(&newer), Err(FileError::OtherVersion { found: 5 })));
    let mut chunks = Chunks::open(bytes.as_slice()).unwrap();
    assert!(matches!(chunks.take(4), Err(FileError::Damaged(_))), "another kind of chunk");

    let into = |dimension, options| {
        let mut chunks = Chunks::open(bytes.as_slice()).unwrap();
        chunks.take(3).unwrap();
        read(&Index::<()>::with_options(dimension, options), &mut chunks, |_| {}).map(drop)
    };
    let options = || IndexOptions { originals: Some(Arc::clone(shelf) as _), ..IndexOptions::default() };
    assert!(matches!(into(DIMENSION + 1, options()), Err(FileError::Damaged(_))));
    let few = IndexOptions { vectors_max: 100, ..options() };
    assert!(matches!(into(DIMENSION, few), Err(FileError::Search(SearchError::Full { max: 100 }))));
    let small = IndexOptions { bytes_max: 1 << 20, ..options() };
    assert!(matches!(into(DIMENSION, small), Err(FileError::Search(SearchError::Memory { .. }))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_file_cut_short_or_altered_anywhere_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255, cut: bool) {
        let mut bytes = SAMPLE.1.clone();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= flip;
        }
        let refused = restored(&bytes);
        let refused = matches!(refused, Err(FileError::Damaged(_) | FileError::OtherVersion { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 1u32..6) {
        // Behind a right checksum, too.
        let mut chunks = Chunks::begin(Vec::new()).unwrap();
        chunks.write(kind, &[&bytes]).unwrap();
        let file = chunks.into_inner();
        let index = index_over(&SAMPLE.0, DIMENSION, u64::MAX);
        let refused = read(&index, &mut Chunks::open(file.as_slice()).unwrap(), |_| {}).is_err();
        prop_assert!(refused);
    }
}
