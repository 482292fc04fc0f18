//! Attempts to break the bound: for every row a lower bound would lose.

use std::sync::Arc;

use proptest::prelude::*;

use crate::matching::Dot;
use crate::random::SplitMix;
use crate::search::basis::RotationBasis;
use crate::search::bound::Prepared;
use crate::search::codes::{Codes, Encoded, FineNorms, HEAD_LOOSE, LOOSE};
use crate::search::kernel::{Kernel, Survivor, Task};
use crate::search::tuning::FINE;

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    vector
}

/// A basis of data whose energy falls off, as faces' does.
fn basis(seed: u64, dimension: usize) -> Arc<RotationBasis> {
    let mut random = SplitMix(seed);
    let rows: Vec<f32> =
        (0..1200).flat_map(|_| unit((0..dimension).map(|i| random.normal() / (8 + i) as f32).collect())).collect();
    Arc::new(RotationBasis::fit(&rows, dimension).unwrap())
}

/// Vectors at which a bound that is not one would show: along single axes and
/// between them, beyond the axes, at the edges of codes and between two codes,
/// of the largest length that is coded, with values too small for products.
fn hard(seed: u64, dimension: usize, basis: &RotationBasis) -> Vec<Vec<f32>> {
    let mut random = SplitMix(seed);
    let axes: Vec<&[f32]> = basis.rows().chunks_exact(dimension).collect();
    let mut vectors = Vec::new();
    for i in 0..axes.len().min(24) {
        vectors.push(axes[i * axes.len() / axes.len().min(24)].to_vec());
    }
    for _ in 0..24 {
        // Many codes at once on the edge between two, or all cut off.
        let on_edge = f64::from(basis.head_step());
        let mut sum = vec![0.0f64; dimension];
        for axis in &axes {
            let steps = (random.next() % 40) as f64 - 20.0;
            axis.iter().zip(&mut sum).for_each(|(&v, sum)| *sum += f64::from(v) * on_edge * steps);
        }
        let sum: Vec<f32> = sum.iter().map(|&v| v as f32).collect();
        vectors.push(sum.clone());
        vectors.push(unit(sum));
    }
    for _ in 0..24 {
        let noise = unit((0..dimension).map(|_| random.normal()).collect());
        vectors.push(noise.iter().map(|v| v * 1.009).collect());
        vectors.push(noise.iter().map(|v| v * 1.011).collect());
        vectors.push(noise.iter().map(|v| if random.next() & 1 == 0 { v * 1e-40 } else { *v }).collect());
        vectors.push(noise.iter().map(|v| v * 1e-25).collect());
        vectors.push(noise);
    }
    vectors.push(vec![0.0; dimension]);
    vectors.push(vec![f32::from_bits(1); dimension]);
    vectors
}

/// What the first pass sums up of every row, by itself and in a batch. The latter's sums
/// of codes have sixteen bits: those of the portable kernel show that they fit.
fn first_pass(prepared: &Prepared, codes: &Codes) -> Vec<(Survivor, Survivor)> {
    let mut single = Task { weights: &prepared.single.weights, threshold: i32::MIN, survivors: Vec::new() };
    Kernel::best().scan(&codes.groups, 0, &mut single);
    let batched = Kernel::all().into_iter().map(|kernel| {
        let mut task = Task { weights: &prepared.batched.weights, threshold: i32::MIN, survivors: Vec::new() };
        kernel.batch(&codes.fine, 0, std::slice::from_mut(&mut task));
        task.survivors
    });
    let mut batched: Vec<Vec<Survivor>> = batched.collect();
    let of_best = batched.pop().unwrap();
    for others in batched {
        for (row, (a, b)) in others.iter().zip(&of_best).enumerate() {
            assert!(a == b || codes.loose.contains(&(row as u32)), "row {row}: {a:?} and {b:?}");
        }
    }
    single.survivors.into_iter().zip(of_best).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_row_that_reaches_a_score_is_dropped_at_it(
        seed in any::<u64>(),
        dimension in prop::sample::select(vec![1usize, 2, 64, 65, 128, 129, 214, 240]),
        scale in prop::sample::select(vec![1.0f32, 1e-5, 3e5, 0.7]),
    ) {
        let dot = Dot::best();
        let basis = basis(seed % 3, dimension);
        let rows = hard(seed, dimension, &basis);
        let mut codes = Codes::new(Arc::clone(&basis), rows.len());
        let mut tight = 0;
        for row in &rows {
            let encoded = Encoded::new(&basis, dot, row);
            tight += usize::from(!encoded.is_loose());
            codes.push(&encoded);
        }
        prop_assert!(tight > rows.len() / 8, "{tight} of {} rows were put to the test", rows.len());
        let kernel = Kernel::best();
        for query in rows.iter().step_by(5) {
            let query: Vec<f32> = query.iter().map(|v| v * scale).collect();
            let Some(prepared) = Prepared::new(&basis, dot, &query) else { continue };
            for (row, (single, batched)) in rows.iter().zip(first_pass(&prepared, &codes)) {
                let survivor = single;
                let (next, fine) = (&codes.next[survivor.row as usize], &codes.fine[survivor.row as usize]);
                let norms = fine.norms();
                let sums = [kernel.next(next, &prepared.single.next.weights), kernel.fine(fine, &prepared.fine)];
                let score = dot.score(&query, row);
                if codes.loose.contains(&survivor.row) {
                    prop_assert_eq!(next.norms().rest, LOOSE);
                    // The third pass may say something of it all the same.
                    if norms.residual != LOOSE {
                        let norms = FineNorms { residual: norms.residual & !HEAD_LOOSE, ..norms };
                        let bounds = prepared.fine_bounds(sums[0] + sums[1], norms);
                        prop_assert!((bounds.0..=bounds.1).contains(&f64::from(score)));
                    }
                    continue;
                }
                for (first, survivor) in [(&prepared.single, single), (&prepared.batched, batched)] {
                    // At the very score of a row the row must be left.
                    prop_assert!(survivor.sum >= first.threshold(score), "first pass");
                    prop_assert!(first.bound(survivor.sum) >= f64::from(score));
                    let most = first.next.bound(survivor.sum, sums[0], next.norms());
                    prop_assert!(most >= f64::from(score), "second pass");
                }
                let (least, most) = prepared.fine_bounds(sums[0] + sums[1], norms);
                prop_assert!(most >= f64::from(score), "third pass");
                prop_assert!(least <= f64::from(score), "third pass, from below");
            }
        }
    }
}

#[test]
fn a_crooked_basis_costs_speed_not_candidates() {
    // Rows that are orthonormal only to about 3e-4: the defect is in the bound.
    let dimension = 12;
    let mut random = SplitMix(4);
    let mut rows = vec![0.0f32; dimension * dimension];
    for i in 0..dimension {
        for j in 0..dimension {
            rows[i * dimension + j] = if i == j { 1.0 } else { 3e-5 * random.normal() };
        }
    }
    let basis = Arc::new(RotationBasis::from_parts(dimension, rows, 0.05, [0.004; FINE]).unwrap());
    assert!(basis.defect() > 1e-4);
    let dot = Dot::portable();
    let kernel = Kernel::best();
    let vectors: Vec<Vec<f32>> = (0..400).map(|_| unit((0..dimension).map(|_| random.normal()).collect())).collect();
    let mut codes = Codes::new(Arc::clone(&basis), vectors.len());
    vectors.iter().for_each(|vector| codes.push(&Encoded::new(&basis, dot, vector)));
    assert!(codes.loose.len() < 300);
    for query in &vectors {
        let prepared = Prepared::new(&basis, dot, query).unwrap();
        for (row, (vector, (single, batched))) in vectors.iter().zip(first_pass(&prepared, &codes)).enumerate() {
            if !codes.loose.contains(&(row as u32)) {
                let score = dot.score(query, vector);
                let (next, fine) = (&codes.next[row], &codes.fine[row]);
                let sums = [kernel.next(next, &prepared.single.next.weights), kernel.fine(fine, &prepared.fine)];
                for (first, survivor) in [(&prepared.single, single), (&prepared.batched, batched)] {
                    assert!(survivor.sum >= first.threshold(score));
                    assert!(first.next.bound(survivor.sum, sums[0], next.norms()) >= f64::from(score));
                }
                assert!(prepared.fine_bounds(sums[0] + sums[1], fine.norms()).1 >= f64::from(score));
            }
        }
    }
}

#[test]
fn the_bound_is_of_use() {
    // Were it far too high, everything would be found and nothing be fast.
    let dimension = 240;
    let basis = basis(1, dimension);
    let dot = Dot::best();
    let mut random = SplitMix(7);
    let rows: Vec<Vec<f32>> =
        (0..600).map(|_| unit((0..dimension).map(|i| random.normal() / (8 + i) as f32).collect())).collect();
    let prepared = Prepared::new(&basis, dot, &rows[0]).unwrap();
    let mut loose = 0;
    for row in &rows {
        let encoded = Encoded::new(&basis, dot, row);
        if encoded.is_loose() {
            loose += 1;
            continue;
        }
        let kernel = Kernel::best();
        let sum =
            kernel.next(&encoded.next, &prepared.single.next.weights) + kernel.fine(&encoded.fine, &prepared.fine);
        let over = prepared.fine_bounds(sum, encoded.fine.norms()).1 - f64::from(dot.score(&rows[0], row));
        assert!((0.0..0.2).contains(&over), "{over}");
    }
    assert!(loose < rows.len() / 8, "{loose}");
}
