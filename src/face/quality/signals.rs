//! Named inputs of the quality model.

use super::cells::CellTable;
use super::light::{Grid, Light};
use crate::face::geometry::Similarity;
use crate::face::landmarks::Points;

/// Names of the inputs, in the order of [`Signals`]. The five alignment points are
/// `left_eye`, `right_eye`, `nose`, `mouth_left`, `mouth_right`, in pixels of the
/// aligned face; what begins with `odd_` compares the cells of the face with those
/// of an ordinary one, `odd_upper` to `flat_right` those of one half.
pub(super) const INPUTS: [&str; COUNT] = [
    "norm_ln",
    "detection",
    "shift_ln",
    "inside",
    "eye_distance_ln",
    "sharpness",
    "laplacian_ln",
    "lower_quartile",
    "upper_quartile",
    "evenness",
    "contrast",
    "left_eye_x",
    "left_eye_y",
    "right_eye_x",
    "right_eye_y",
    "nose_x",
    "nose_y",
    "mouth_left_x",
    "mouth_left_y",
    "mouth_right_x",
    "mouth_right_y",
    "odd_luma",
    "odd_detail",
    "odd_red",
    "odd_blue",
    "odd_luma_top",
    "odd_detail_top",
    "odd_red_top",
    "odd_blue_top",
    "odd_flat",
    "odd_flat_top",
    "odd_share",
    "odd_upper",
    "odd_lower",
    "odd_left",
    "odd_right",
    "flat_upper",
    "flat_lower",
    "flat_left",
    "flat_right",
];
/// Number of inputs.
pub(super) const COUNT: usize = 40;
/// Where the inputs begin that the five points give, and where those that compare
/// cells.
const POINTS_AT: usize = 11;
const ODD_AT: usize = 21;
/// Names of the inputs that the five alignment points give.
pub(super) const POINTS: &[&str] = INPUTS.split_at(ODD_AT).0.split_at(POINTS_AT).1;
/// Names of the inputs that compare the cells of the face with an ordinary one's.
pub(super) const ODD_CELLS: &[&str] = INPUTS.split_at(ODD_AT).1;
/// The oddest cells that `odd_…_top` are means over.
const TOP: usize = 4;
/// The first row of cells below the eyes.
const MIDDLE_ROW: usize = 4;
/// Deviations beyond which a cell counts as odd in `odd_share`.
const ODD: f32 = 2.0;
/// Oddness of a cell is clipped at this many deviations.
const ODD_MAX: f32 = 6.0;
/// Smallest meaningful difference between the two estimates of the points.
const SHIFT_MIN: f32 = 0.003;

/// The inputs for one face; NaN if the pack cannot measure them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Signals(pub [f32; COUNT]);

/// What detection and alignment say of a face, beside its pixels.
pub(in crate::face) struct DetectedFace<'a> {
    /// Its points.
    pub points: &'a Points,
    /// Lays it onto the template.
    pub fit: &'a Similarity,
    /// Share of its box inside the picture.
    pub inside: f32,
    /// The detector's confidence.
    pub detection: f32,
    /// Distance between the eyes in the file's pixels.
    pub eye_distance: f32,
    /// Length of the embedding, where there is one.
    pub norm: Option<f32>,
}

impl Signals {
    pub fn new(seen: &DetectedFace, light: &Light, table: &CellTable) -> Self {
        let mut values = [f32::NAN; COUNT];
        let simple = [
            seen.norm.map_or(f32::NAN, f32::ln),
            seen.detection,
            seen.points.shift.map_or(f32::NAN, |shift| shift.max(SHIFT_MIN).ln()),
            seen.inside,
            seen.eye_distance.max(1.0).ln(),
            light.sharpness,
            light.laplacian_ln,
            light.lower_quartile,
            light.upper_quartile,
            light.evenness,
            light.contrast,
        ];
        values[..POINTS_AT].copy_from_slice(&simple);
        for (slot, point) in values[POINTS_AT..ODD_AT].chunks_exact_mut(2).zip(&seen.points.five) {
            slot.copy_from_slice(&seen.fit.apply(*point));
        }
        values[ODD_AT..].copy_from_slice(&odd(light, table));
        Self(values)
    }
}

fn odd(light: &Light, table: &CellTable) -> [f32; COUNT - ODD_AT] {
    let cells = light.cells.len().max(1) as f32;
    let mut signed: [Vec<f32>; 4] = Default::default();
    let mut share = 0.0;
    // Upper, lower, left, right: sums of oddness and flatness, cells.
    let mut halves = [[0.0f32; 3]; 4];
    let places = Grid::Coarse.places();
    for ((cell, (median, deviation)), (row, column)) in light.cells.iter().zip(table.iter()).zip(places) {
        let mut square = 0.0;
        for (i, signed) in signed.iter_mut().enumerate() {
            let z = ((cell[i] - median[i]) / deviation[i]).clamp(-ODD_MAX, ODD_MAX);
            signed.push(z);
            square += z * z / 4.0;
        }
        share += if square.sqrt() > ODD { 1.0 / cells } else { 0.0 };
        let flat = signed[1].last().map_or(0.0, |z: &f32| z.min(0.0));
        for half in [usize::from(row >= MIDDLE_ROW), 2 + usize::from(column >= Grid::Coarse.side() / 2)] {
            let sums = &mut halves[half];
            *sums = [sums[0] + square.sqrt(), sums[1] + flat, sums[2] + 1.0];
        }
    }
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
    let mut out = [0.0; COUNT - ODD_AT];
    for (i, signed) in signed.iter().enumerate() {
        let mut sizes: Vec<f32> = signed.iter().map(|z| z.abs()).collect();
        out[i] = mean(&sizes);
        sizes.sort_unstable_by(|a, b| b.total_cmp(a));
        out[4 + i] = mean(&sizes[..TOP.min(sizes.len())]);
    }
    let flat = &mut signed[1];
    out[8] = flat.iter().map(|z| z.min(0.0)).sum::<f32>() / cells;
    flat.sort_unstable_by(f32::total_cmp);
    out[9] = mean(&flat[..TOP.min(flat.len())]);
    out[10] = share;
    for (i, [odd, flat, count]) in halves.into_iter().enumerate() {
        out[11 + i] = odd / count.max(1.0);
        out[15 + i] = flat / count.max(1.0);
    }
    out
}
