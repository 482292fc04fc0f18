//! Attempts to break the bound: pairs that a lower one would lose.

use proptest::prelude::*;

use super::unit;
use crate::matching::Dot;
use crate::random::SplitMix;
use crate::search::join::Matrix;
use crate::search::join::axes::Axes;
use crate::search::join::bound::{Bound, OVER_MAX};
use crate::search::join::codes::{CODE_WORDS, CodedSide, GROUPS, JoinBlock, LANES, OFFSET, TILE};
use crate::search::join::kernel::JoinKernel;
use crate::search::join::tuning::{BLOCK_QUERIES, FINE, HEAD};

/// Axes of data whose energy falls off, as faces' does, with `odd` rows whose does
/// not: they make the range of the norms wide.
fn axes(seed: u64, dimension: usize, odd: usize) -> Axes {
    let mut random = SplitMix(seed);
    let row = |number: usize, random: &mut SplitMix| {
        let falling = |i: usize| if number < odd { 1.0 } else { 1.0 / (8 + i) as f32 };
        unit((0..dimension).map(|i| random.normal() * falling(i)).collect())
    };
    let rows: Vec<f32> = (0..2000).flat_map(|number| row(number, &mut random)).collect();
    Axes::fit(&rows, dimension, Dot::best()).unwrap()
}

/// Vectors at which a bound that is not one would show: along single axes, beyond
/// them, at the edges between two codes and at the ends of the codes, of the
/// largest length that is coded, with values too small for products.
fn hard(seed: u64, dimension: usize, axes: &Axes) -> Vec<f32> {
    let mut random = SplitMix(seed);
    let mut vectors: Vec<Vec<f32>> = Vec::new();
    let along: Vec<Vec<f32>> = (0..axes.count()).map(|i| axes.axis(i).to_vec()).collect();
    vectors.extend(along.iter().step_by(along.len().div_ceil(8)).cloned());
    for _ in 0..8 {
        let mut sum = vec![0.0f64; dimension];
        for (i, axis) in along.iter().enumerate() {
            // Half-way between two codes, or all cut off.
            let steps = (random.next() % 41) as f64 / 2.0 - 10.0;
            let step = axes.steps[usize::from(i >= HEAD)];
            axis.iter().zip(&mut sum).for_each(|(&v, sum)| *sum += f64::from(v) * step * steps);
        }
        let sum: Vec<f32> = sum.iter().map(|&v| v as f32).collect();
        vectors.push(sum.clone());
        vectors.push(unit(sum));
    }
    for _ in 0..6 {
        let noise = unit((0..dimension).map(|_| random.normal()).collect());
        let faint = unit((0..dimension).map(|i| random.normal() / (8 + i) as f32).collect());
        for factor in [1.009f32, 1.011, 1e-25, 0.5, -1.0] {
            vectors.push(faint.iter().map(|v| v * factor).collect());
        }
        vectors.push(faint.iter().map(|v| if random.next() & 1 == 0 { v * 1e-40 } else { *v }).collect());
        vectors.push(noise);
        vectors.push(faint);
    }
    vectors.push(vec![0.0; dimension]);
    vectors.push(vec![f32::from_bits(1); dimension]);
    vectors.concat()
}

/// The codes of the first pass.
fn head_codes(coded: &CodedSide, place: usize) -> Vec<i8> {
    let lines = &coded.heads[place / LANES].0[..CODE_WORDS];
    lines.iter().flat_map(|line| line.0[place % LANES]).map(|byte| byte.wrapping_sub(OFFSET).cast_signed()).collect()
}

/// A query's weights in the first pass: its own codes.
fn weights(block: &JoinBlock, query: usize) -> Vec<i8> {
    let words = &block.heads.words[query / TILE][..CODE_WORDS];
    words.iter().flat_map(|words| words[query % TILE].to_le_bytes()).map(u8::cast_signed).collect()
}

fn product(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// What the norms add to a sum of the first pass.
fn norms(coded: &CodedSide, row: usize, block: &JoinBlock, query: usize) -> i32 {
    let bytes = coded.heads[row / LANES].0[CODE_WORDS].0[row % LANES];
    let weights = block.heads.words[query / TILE][CODE_WORDS][query % TILE].to_le_bytes();
    bytes.into_iter().zip(weights).map(|(byte, weight)| i32::from(byte) * i32::from(weight)).sum()
}

/// For every pair of rows that have codes: at the pair's own score neither pass
/// drops it. Returns how many pairs were tried.
fn assert_bounds_hold(axes: &Axes, rows: &[f32], dimension: usize) -> usize {
    let dot = Dot::best();
    let bound = Bound::new(axes);
    let numbers: Vec<u32> = (0..(rows.len() / dimension) as u32).collect();
    let coded = CodedSide::new(axes, &Matrix::new(dimension, rows).unwrap(), &numbers, dot).unwrap();
    let rows: Vec<&[f32]> = rows.chunks_exact(dimension).collect();
    let mut block = JoinBlock::new();
    let mut tried = 0;
    for first in (0..rows.len()).step_by(BLOCK_QUERIES) {
        block.load(&bound, &coded, first, 0.0);
        for query in first..rows.len().min(first + BLOCK_QUERIES) {
            for row in 0..rows.len() {
                let lengths = [&coded.norms[query], &coded.norms[row]];
                if lengths.iter().any(|norms| norms.is_loose()) {
                    continue;
                }
                let score = dot.score(rows[query], rows[row]);
                let threshold = i32::from(bound.threshold(lengths[0], score));
                let codes = [query, row].map(|place| head_codes(&coded, place));
                assert_eq!(weights(&block, query - first), codes[0]);
                let products = product(&codes[0], &codes[1]);
                assert!(products.abs() <= OVER_MAX, "sixteen bits");
                let over = products + norms(&coded, row, &block, query - first) - threshold;
                assert!(over >= 0, "first pass");
                let fine = product(&coded.fine[query].0, &coded.fine[row].0);
                let of = |over| bound.of(lengths[0], lengths[1], threshold, over, fine);
                assert!(of(over.min(OVER_MAX)) >= f64::from(score), "second pass");
                tried += 1;
            }
        }
    }
    tried
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_pair_that_reaches_a_score_is_dropped_at_it(
        seed in any::<u64>(),
        dimension in prop::sample::select(vec![1usize, 2, 31, HEAD, HEAD + 1, HEAD + FINE, HEAD + FINE + 20]),
    ) {
        let axes = axes(seed % 3, dimension, 3);
        let rows = hard(seed, dimension, &axes);
        let count = rows.len() / dimension;
        let tried = assert_bounds_hold(&axes, &rows, dimension);
        prop_assert!(tried > count * count / 4, "{tried} pairs of {count} rows were put to the test");
    }
}

#[test]
fn a_crooked_basis_costs_speed_not_pairs() {
    // Rows that are orthonormal only to about 3e-4: the defect is in the bound.
    let dimension = 12;
    let mut random = SplitMix(4);
    let mut rows = vec![0.0f32; dimension * dimension];
    for i in 0..dimension {
        for j in 0..dimension {
            rows[i * dimension + j] = if i == j { 1.0 } else { 3e-5 * random.normal() };
        }
    }
    let vectors: Vec<f32> = (0..150).flat_map(|_| unit((0..dimension).map(|_| random.normal()).collect())).collect();
    let axes = Axes::from_rows(dimension, rows.clone(), &vectors).unwrap();
    assert!(axes.defect > 1e-4);
    assert!(assert_bounds_hold(&axes, &vectors, dimension) > 15_000);
    rows[1] = 0.1;
    assert!(Axes::from_rows(dimension, rows.clone(), &vectors).is_none());
    rows[1] = f32::NAN;
    assert!(Axes::from_rows(dimension, rows, &vectors).is_none());
}

#[test]
fn the_bound_is_of_use() {
    // Were it far too high, everything would be found and nothing be fast.
    let dimension = 170;
    let axes = axes(1, dimension, 0);
    let bound = Bound::new(&axes);
    let mut random = SplitMix(7);
    let rows: Vec<f32> =
        (0..128).flat_map(|_| unit((0..dimension).map(|i| random.normal() / (8 + i) as f32).collect())).collect();
    let numbers: Vec<u32> = (0..128).collect();
    let dot = Dot::best();
    let coded = CodedSide::new(&axes, &Matrix::new(dimension, rows.as_slice()).unwrap(), &numbers, dot).unwrap();
    assert!(coded.loose.len() < 6, "{}", coded.loose.len());
    let mut block = JoinBlock::new();
    block.load(&bound, &coded, 0, -0.3);
    let mut survivors = Vec::new();
    JoinKernel::best().heads(&coded.heads.as_chunks::<GROUPS>().0[1], 64, &block.heads, &mut survivors);
    let mut fine = Vec::new();
    JoinKernel::best().fine(&survivors, &coded.fine, &block, &mut fine);
    let mut over = 0.0;
    for (survivor, fine) in survivors.iter().zip(fine) {
        let (query, row) = (survivor.query as usize, survivor.row as usize);
        let (norms, other) = (&coded.norms[query], &coded.norms[row]);
        if !norms.is_loose() && !other.is_loose() {
            let score = dot.score(&rows[query * dimension..][..dimension], &rows[row * dimension..][..dimension]);
            over += bound.of(norms, other, block.threshold(survivor.query), survivor.over, fine) - f64::from(score);
        }
    }
    over /= survivors.len() as f64;
    assert!((0.0..0.06).contains(&over), "{over}");
}
