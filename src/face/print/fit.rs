//! Lays one picture onto another that was stretched, sheared or seen at an angle.
//!
//! The warp (a homography) that takes the other's cells nearest to this one's, with the gain
//! and offset of its light: Gauss-Newton steps on the squared difference, as in Lucas and
//! Kanade 1981 with the linear appearance variation of Baker, Gross and Matthews 2003
//! (Lucas-Kanade 20 Years On, part 3), first on smoothed cells, then on sharp ones.

use super::{CELLS, COLUMNS, ROWS, Sums};
use crate::linear;

/// The affine part, the two of the line at infinity, gain and offset.
const UNKNOWNS: usize = 10;
const AFFINE: usize = 6;
const WARP: usize = 8;
/// Middle of what is compared.
const MIDDLE: (f64, f64) = ((COLUMNS.start + COLUMNS.end) as f64 / 2.0, (ROWS.start + ROWS.end) as f64 / 2.0);
/// Half of its side: the unit of the warp.
const HALF: f64 = (COLUMNS.end - COLUMNS.start) as f64 / 2.0;
/// Stretches of one direction against the other to begin with.
const STRETCHES: [f64; 5] = [0.75, 0.87, 1.0, 1.15, 1.33];
/// Step between the cells of a row and a column that are compared at first.
const COARSE: usize = 2;
/// Steps on smoothed and on sharp cells.
const STEPS: [usize; 2] = [8, 8];
/// Steps no longer than this change nothing: a hundredth of a cell.
const NEAR: f64 = 0.01 / HALF;
/// Least share of the cells that must lie inside the other picture.
const INSIDE: f64 = 0.9;
/// A warp that stretches, shrinks or slants by more than this is no picture of a face.
const LARGEST: f64 = 0.6;

/// The correlation of the cells where the other picture fits best once it is warped; at
/// least 0.
pub(super) fn likeness(own: &[f32], other: &[f32]) -> f32 {
    let smooth = (smoothed(own), smoothed(other));
    // Begin with the stretch that is nearest.
    let starts = STRETCHES.iter().flat_map(|by| {
        let side = by.sqrt();
        (-2..=2).flat_map(move |x| {
            (-2..=2).map(move |y| {
                let shift = |cells: i32| f64::from(cells) * 1.5 / HALF;
                [side - 1.0, 0.0, shift(x), 0.0, 1.0 / side - 1.0, shift(y), 0.0, 0.0]
            })
        })
    });
    let scored = starts.map(|start| (correlation(&smooth.0, &smooth.1, &start, COARSE), start));
    let Some((_, mut warp)) = scored.max_by(|one, other| one.0.total_cmp(&other.0)) else { return 0.0 };
    // Steps that lead astray take nothing away.
    let begun = correlation(own, other, &warp, 1).max(0.0) as f32;
    for (steps, free, own, other) in
        [(STEPS[0], AFFINE, smooth.0.as_slice(), smooth.1.as_slice()), (STEPS[1], WARP, own, other)]
    {
        for _ in 0..steps {
            let Some(step) = step(own, other, &warp, free) else { return begun };
            warp.iter_mut().zip(step).for_each(|(value, by)| *value += by);
            if step.iter().all(|by| by.abs() < NEAR) {
                break;
            }
        }
    }
    let sane = warp.iter().enumerate().all(|(at, value)| value.abs() <= LARGEST || at == 2 || at == 5);
    if sane { begun.max(correlation(own, other, &warp, 1) as f32) } else { begun }
}

/// Means of 3 by 3 cells, those at the edge as they are.
fn smoothed(cells: &[f32]) -> Vec<f32> {
    let mut out = cells.to_vec();
    for y in 1..CELLS - 1 {
        for x in 1..CELLS - 1 {
            let rows = (y - 1..=y + 1).map(|y| cells[y * CELLS + x - 1..][..3].iter().sum::<f32>());
            out[y * CELLS + x] = rows.sum::<f32>() / 9.0;
        }
    }
    out
}

/// Where a cell of one picture lies in the other, and the divisor on the way.
fn place(x: f64, y: f64, warp: &[f64; WARP]) -> (f64, f64, f64) {
    let [a, b, tx, c, d, ty, g, h] = warp;
    let divisor = 1.0 + g * x + h * y;
    let at = ((x * (1.0 + a) + y * b + tx) / divisor, (x * c + y * (1.0 + d) + ty) / divisor);
    (at.0, at.1, divisor)
}

/// Value and slopes of a picture between its cells; `None` outside.
fn sample(cells: &[f32], x: f64, y: f64) -> Option<(f64, f64, f64)> {
    let (x, y) = (x * HALF + MIDDLE.0, y * HALF + MIDDLE.1);
    let last = (CELLS - 1) as f64;
    if !(x >= 0.0 && y >= 0.0 && x < last && y < last) {
        return None;
    }
    let (left, top) = (x as usize, y as usize);
    let (u, v) = (x - left as f64, y - top as f64);
    let cell = |x: usize, y: usize| f64::from(cells[y * CELLS + x]);
    let (a, b, c, d) = (cell(left, top), cell(left + 1, top), cell(left, top + 1), cell(left + 1, top + 1));
    let value = (a * (1.0 - u) + b * u) * (1.0 - v) + (c * (1.0 - u) + d * u) * v;
    let across = (b - a) * (1.0 - v) + (d - c) * v;
    let down = (c - a) * (1.0 - u) + (d - b) * u;
    Some((value, across * HALF, down * HALF))
}

/// The cells that are compared, one in each step, by their place from the middle.
fn compared(cells: &[f32], every: usize) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
    ROWS.step_by(every).flat_map(move |row| {
        COLUMNS.step_by(every).map(move |column| {
            let at = |cell: usize, middle: f64| (cell as f64 - middle) / HALF;
            (at(column, MIDDLE.0), at(row, MIDDLE.1), f64::from(cells[row * CELLS + column]))
        })
    })
}

fn correlation(own: &[f32], other: &[f32], warp: &[f64; WARP], every: usize) -> f64 {
    let mut sums = Sums::default();
    for (x, y, a) in compared(own, every) {
        let (u, v, _) = place(x, y, warp);
        if let Some((b, ..)) = sample(other, u, v) {
            sums.add(a, b);
        }
    }
    let enough = INSIDE * (COLUMNS.len() * ROWS.len() / (every * every)) as f64;
    if sums.count < enough { 0.0 } else { sums.correlation() }
}

/// A cell at `(x, y)` and what the other picture has in its place, `(u, v)`, with its slopes.
struct CellPair {
    x: f64,
    y: f64,
    a: f64,
    u: f64,
    v: f64,
    divisor: f64,
    b: f64,
    across: f64,
    down: f64,
}

/// One Gauss-Newton step of the first `free` numbers of the warp.
fn step(own: &[f32], other: &[f32], warp: &[f64; WARP], free: usize) -> Option<[f64; WARP]> {
    // Gain and offset first: the slopes are those of the picture as it is lit.
    let pairs: Vec<CellPair> = compared(own, 1)
        .filter_map(|(x, y, a)| {
            let (u, v, divisor) = place(x, y, warp);
            let (b, across, down) = sample(other, u, v)?;
            Some(CellPair { x, y, a, u, v, divisor, b, across, down })
        })
        .collect();
    let count = pairs.len() as f64;
    let mean = |of: fn(&CellPair) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (a_mean, b_mean) = (mean(|pair| pair.a), mean(|pair| pair.b));
    let (mut both, mut square) = (0.0, 0.0);
    for pair in &pairs {
        both += (pair.a - a_mean) * (pair.b - b_mean);
        square += (pair.b - b_mean) * (pair.b - b_mean);
    }
    let gain = both / square;
    let offset = a_mean - gain * b_mean;
    let mut matrix = [[0.0; UNKNOWNS]; UNKNOWNS];
    let mut right = [0.0; UNKNOWNS];
    for &CellPair { x, y, a, u, v, divisor, b, across, down } in &pairs {
        let (across, down) = (gain * across / divisor, gain * down / divisor);
        let along = -(across * u + down * v);
        let slopes = [across * x, across * y, across, down * x, down * y, down, along * x, along * y, b, 1.0];
        let left = a - gain * b - offset;
        for (row, slope) in slopes.iter().enumerate() {
            right[row] += slope * left;
            matrix[row].iter_mut().zip(&slopes).for_each(|(sum, other)| *sum += slope * other);
        }
    }
    for fixed in free..WARP {
        (0..UNKNOWNS).for_each(|other| (matrix[fixed][other], matrix[other][fixed]) = (0.0, 0.0));
        (matrix[fixed][fixed], right[fixed]) = (1.0, 0.0);
    }
    let solution = linear::solve(matrix, right)?;
    solution[..WARP].try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cells of a made-up picture, each seen where `of` says.
    fn picture(seed: f64, of: impl Fn(f64, f64) -> (f64, f64)) -> Vec<f32> {
        let light = |x: f64, y: f64| {
            let wave = |k: f64| (x * (3.0 + k) + seed * k).sin() * (y * (4.5 - k) - seed).cos();
            90.0 + 30.0 * wave(0.0) + 25.0 * wave(1.3) + 20.0 * (2.0 * x - 3.0 * y + seed).sin()
        };
        let cell = |index: usize| {
            let at = |cell: usize, middle: f64| (cell as f64 - middle) / HALF;
            let (x, y) = of(at(index % CELLS, MIDDLE.0), at(index / CELLS, MIDDLE.1));
            light(x, y) as f32
        };
        (0..CELLS * CELLS).map(cell).collect()
    }

    #[test]
    fn one_picture_is_found_however_it_was_stretched_and_another_is_not() {
        let one = picture(0.0, |x, y| (x, y));
        type Warp = fn(f64, f64) -> (f64, f64);
        let warps: [Warp; 6] = [
            |x, y| (x, y),
            |x, y| (1.3 * x, y),
            |x, y| (x, 0.75 * y),
            |x, y| (1.1 * x + 0.15 * y + 0.1, 0.95 * y - 0.05),
            |x, y| (x / (1.0 + 0.12 * x), y / (1.0 + 0.12 * x)),
            |x, y| (0.85 * x / (1.0 + 0.1 * y), 1.1 * y / (1.0 + 0.1 * y)),
        ];
        for (number, warp) in warps.iter().enumerate() {
            let other: Vec<f32> = picture(0.0, warp).iter().map(|value| 0.8 * value + 12.0).collect();
            assert!(likeness(&one, &other) > 0.99, "{number}: {}", likeness(&one, &other));
        }
        assert!(likeness(&one, &picture(2.0, |x, y| (x, y))) < 0.9);
        assert_eq!(likeness(&one, &vec![7.0; CELLS * CELLS]), 0.0);
    }

    proptest! {
        #[test]
        fn whatever_the_cells_are_the_likeness_is_a_share(cells in prop::collection::vec(0f32..255.0, CELLS * CELLS), seed in 0f64..9.0) {
            for (one, other) in [(&cells, &picture(seed, |x, y| (x, y))), (&cells, &cells)] {
                let likeness = likeness(one, other);
                prop_assert!((0.0..=1.000_001).contains(&likeness), "{}", likeness);
            }
        }
    }
}
