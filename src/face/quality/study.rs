//! One photo of a set that a quality model is fitted on.

use super::light::{CELL_VALUES, Light};
use super::model::CellTable;
use super::signals::{INPUTS, Seen, Signals};
use crate::face::geometry::Similarity;
use crate::face::landmarks::Points;
use crate::face::{Pose, Template};

/// A cell varies by at least this much, in each of its values, whatever a small set
/// of photos says.
const DEVIATION_MIN: [f32; CELL_VALUES] = [0.1, 0.1, 2.0, 2.0];
/// Deviations per median absolute deviation of a normal distribution.
const MAD: f32 = 1.4826;

/// What was seen of a face, before any model.
#[derive(Clone)]
pub struct Study {
    points: Points,
    fit: Similarity,
    inside: f32,
    detection: f32,
    eye_distance: f32,
    norm: Option<f32>,
    light: Light,
    /// The face as numbers.
    pub template: Template,
    /// What the pose network says.
    pub pose: Option<Pose>,
}

impl Study {
    pub(in crate::face) fn new(seen: &Seen, light: Light, template: Template, pose: Option<Pose>) -> Self {
        let Seen { points, fit, inside, detection, eye_distance, norm } = *seen;
        Self { points: *points, fit: *fit, inside, detection, eye_distance, norm, light, template, pose }
    }

    /// Names of the inputs a form may use, in the order of [`inputs`](Self::inputs).
    pub fn input_names() -> &'static [&'static str] {
        &INPUTS
    }

    /// The inputs; NaN where the pack cannot tell.
    pub fn inputs(&self, cells: &CellTable) -> Vec<f32> {
        let Self { points, fit, inside, detection, eye_distance, norm, .. } = self;
        let seen =
            Seen { points, fit, inside: *inside, detection: *detection, eye_distance: *eye_distance, norm: *norm };
        Signals::new(&seen, &self.light, cells).0.to_vec()
    }

    /// What the cells of these faces look like: medians, and deviations by the median
    /// absolute deviation. `None` for an empty set.
    pub fn cells<'a>(ordinary: impl Iterator<Item = &'a Self> + Clone) -> Option<CellTable> {
        let mut table = CellTable::neutral();
        for at in 0..table.median.len() {
            let (cell, value) = (at / CELL_VALUES, at % CELL_VALUES);
            let values: Vec<f32> = ordinary.clone().filter_map(|s| s.light.cells.get(cell)).map(|c| c[value]).collect();
            let median = median(values.clone())?;
            table.median[at] = median;
            let apart = self::median(values.iter().map(|v| (v - median).abs()).collect())?;
            table.deviation[at] = MAD * apart + DEVIATION_MIN[value];
        }
        Some(table)
    }
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}
