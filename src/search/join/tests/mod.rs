//! The join against comparing every pair.

mod bounds;

use proptest::prelude::*;

use super::kernel::JoinKernel;
use super::{Join, Matrix, Pair, Side};
use crate::matching::Dot;
use crate::random::SplitMix;
use crate::search::SearchError;

/// Every pair, by the plainest loop.
fn brute(first: Side<'_>, second: Option<Side<'_>>, score: f32) -> (Vec<(u32, u32, u32)>, u64) {
    let read = |side: Side<'_>| -> Vec<Vec<f32>> {
        (0..side.vectors.rows() as u32)
            .map(|row| {
                let mut vector = vec![0.0; side.vectors.dimension()];
                side.vectors.read(row, &mut vector).unwrap();
                vector
            })
            .collect()
    };
    let dot = Dot::portable();
    let (mine, other) = (read(first), second.unwrap_or(first));
    let theirs = read(other);
    let (mut pairs, mut comparisons) = (Vec::new(), 0);
    for (a, mine) in mine.iter().enumerate() {
        let from = if second.is_some() { 0 } else { a + 1 };
        for (b, theirs) in theirs.iter().enumerate().skip(from) {
            if first.groups[a] != other.groups[b] {
                comparisons += 1;
                let found = dot.score(mine, theirs);
                if found >= score {
                    pairs.push((a as u32, b as u32, found.to_bits()));
                }
            }
        }
    }
    (pairs, comparisons)
}

/// All units, from the last to the first; each must come sorted.
fn all(join: &Join<'_>) -> (Vec<(u32, u32, u32)>, u64) {
    let mut pairs = Vec::new();
    let mut comparisons = 0;
    for unit in (0..join.units()).rev() {
        let found = join.run(unit, usize::MAX).unwrap();
        assert!(found.is_sorted_by_key(|pair| (pair.a, pair.b)));
        pairs.extend(found.into_iter().map(|Pair { a, b, score }| (a, b, score.to_bits())));
        comparisons += join.comparisons(unit);
    }
    pairs.sort_unstable();
    (pairs, comparisons)
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt().max(1e-30);
    vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    vector
}

/// Near-unit vectors with everything among them that must not be lost: copies,
/// near copies, opposites, zero, odd lengths, values too small for products.
fn vectors(seed: u64, count: usize, dimension: usize) -> Vec<f32> {
    let mut random = SplitMix(seed);
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(count);
    for _ in 0..count {
        let choice = random.next() % 32;
        let mut row: Vec<f32> = match rows.get(random.next() as usize % rows.len().max(1)) {
            Some(other) if choice == 0 => other.clone(),
            Some(other) if choice == 1 => other.iter().map(|v| -v).collect(),
            Some(other) if choice < 6 => other.iter().map(|v| v + 0.05 * random.normal()).collect(),
            _ => (0..dimension).map(|i| random.normal() / (1 + i) as f32).collect(),
        };
        let length = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt().max(1e-30);
        let factor = match choice {
            26 => 0.0,
            27 => 1e-20,
            28 => 1e9,
            29 => 1.0 / 1.01,
            30 => 1.02,
            31 => 1e-38,
            _ => 1.0,
        };
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / length * factor) as f32);
        rows.push(row);
    }
    rows.concat()
}

fn groups(seed: u64, count: usize) -> Vec<u32> {
    let mut random = SplitMix(seed ^ 7);
    (0..count).map(|_| random.next() as u32 % (1 + count as u32 / 3)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn the_join_finds_what_comparing_every_pair_finds(
        seed in any::<u64>(),
        counts in [0usize..90, 0usize..90],
        dimension in prop::sample::select(vec![1usize, 3, 64, 100, 150]),
        at in 0usize..300,
    ) {
        let [first, second] = [0, 1].map(|i| Matrix::new(dimension, vectors(seed ^ i, counts[i as usize], dimension)).unwrap());
        let [mine, theirs] = [0, 1].map(|i| groups(seed ^ i, counts[i as usize]));
        let (first, second) = (Side { vectors: &first, groups: &mine }, Side { vectors: &second, groups: &theirs });
        // At, just above and just below a score that occurs.
        let (mut occurring, _) = brute(first, None, f32::MIN);
        occurring.sort_by(|a, b| f32::from_bits(b.2).total_cmp(&f32::from_bits(a.2)));
        let score = occurring.get(at).map_or(0.5, |pair| f32::from_bits(pair.2));
        let fresh: Vec<bool> = (0..counts[0]).map(|row| (seed >> (row % 61)) & 1 == 1).collect();
        let mut joins = [
            Join::within(first, score).unwrap(),
            Join::between(first, second, score).unwrap(),
            Join::within_fresh(first, &fresh, score).unwrap(),
        ];
        let mut coded = [
            Join::within(first, score).unwrap(),
            Join::between(first, second, score).unwrap(),
            Join::within_fresh(first, &fresh, score).unwrap(),
        ];
        // So few rows are given codes here only.
        coded.iter_mut().for_each(|join| join.code(JoinKernel::best()).unwrap());
        for score in [score, score.next_up(), score.next_down()] {
            let within = brute(first, None, score);
            let of_fresh = |pair: &(u32, u32, u32)| fresh[pair.0 as usize] || fresh[pair.1 as usize];
            let kept: Vec<_> = within.0.iter().copied().filter(of_fresh).collect();
            let fresh_comparisons = (0..counts[0])
                .flat_map(|a| (0..a).map(move |b| (a, b)))
                .filter(|&(a, b)| (fresh[a] || fresh[b]) && mine[a] != mine[b])
                .count() as u64;
            let wanted = [within, brute(first, Some(second), score), (kept, fresh_comparisons)];
            for (wanted, (join, coded)) in wanted.iter().zip(joins.iter_mut().zip(&mut coded)) {
                join.score = score;
                prop_assert_eq!(&all(join), wanted);
                coded.score = score;
                for kernel in JoinKernel::all() {
                    if let Some(codes) = &mut coded.codes {
                        codes.kernel = kernel;
                    }
                    prop_assert_eq!(&all(coded), wanted, "{}", kernel.name());
                }
            }
        }
    }
}

#[test]
fn many_rows_are_joined_by_their_codes_as_every_pair_is_compared() {
    let (count, dimension) = (super::tuning::CODED_ROWS_MIN + 70, 32);
    let values = vectors(9, count, dimension);
    let values = Matrix::new(dimension, values.as_slice()).unwrap();
    let groups: Vec<u32> = (0..count as u32).map(|row| row - u32::from(row % 3 == 1)).collect();
    let side = Side { vectors: &values, groups: &groups };
    let (wanted, comparisons) = brute(side, None, 0.98);
    assert!(wanted.len() > 50, "{}", wanted.len());
    let join = Join::within(side, 0.98).unwrap();
    assert!(join.codes.is_some() && join.units() > 1);
    assert_eq!(all(&join), (wanted, comparisons));
    let estimate = Join::bytes(count, dimension) as f64;
    assert!((0.9..1.2).contains(&(join.bytes_held() as f64 / estimate)), "{} {estimate}", join.bytes_held());
}

#[test]
fn a_unit_with_more_pairs_than_allowed_says_so() {
    let equal = Matrix::new(2, [0.6f32, 0.8].repeat(50)).unwrap();
    let groups: Vec<u32> = (0..50).collect();
    let join = Join::within(Side { vectors: &equal, groups: &groups }, 0.9).unwrap();
    assert_eq!(join.units(), 1);
    assert_eq!(join.run(0, 50 * 49 / 2).unwrap().len(), 50 * 49 / 2);
    assert_eq!(join.run(0, 50 * 49 / 2 - 1).unwrap_err(), SearchError::TooManyPairs { max: 50 * 49 / 2 - 1 });
    assert_eq!(join.run(1, 0).unwrap(), []);
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let good = Matrix::new(2, vec![1.0f32, 0.0, 0.0, 1.0]).unwrap();
    let side = Side { vectors: &good, groups: &[1, 2] };
    let refused = |join: Result<Join<'_>, SearchError>| join.err().unwrap();
    assert_eq!(refused(Join::within(side, f32::NAN)), SearchError::BadScore);
    let short = Side { groups: &[1], ..side };
    assert_eq!(refused(Join::within(short, 0.5)), SearchError::Groups { expected: 2, found: 1 });
    assert_eq!(refused(Join::within_fresh(side, &[], 0.5)), SearchError::Groups { expected: 2, found: 0 });
    let other = Matrix::new(4, vec![0.5f32; 8]).unwrap();
    let other = Side { vectors: &other, groups: &[1, 2] };
    assert_eq!(refused(Join::between(side, other, 0.5)), SearchError::Dimension { expected: 2, found: 4 });
    for bad in [f32::NAN, f32::INFINITY, 1e30] {
        let bad = Matrix::new(2, vec![1.0, 0.0, bad, 0.0]).unwrap();
        assert_eq!(refused(Join::within(Side { vectors: &bad, ..side }, 0.5)), SearchError::NotFinite);
    }
    assert_eq!(Matrix::new(3, vec![0.0; 4]).unwrap_err(), SearchError::Dimension { expected: 3, found: 1 });
}
