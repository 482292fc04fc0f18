//! Measurements of one photo, for fitting and testing quality models.

use super::cells::CellTable;
use super::light::{CELL_VALUES, Cell, Grid, Light, SIDE};
use super::model::QualityModel;
use super::signals::{DetectedFace, INPUTS, ODD_CELLS, POINTS, Signals};
use super::view::{Standard, ViewClass, ViewClassifier};
use crate::face::geometry::Similarity;
use crate::face::landmarks::Points;
use crate::face::{Pose, Template};

/// A cell varies by at least this much, in each of its values, whatever a small set
/// of photos says.
const DEVIATION_MIN: [f32; CELL_VALUES] = [0.1, 0.1, 2.0, 2.0];
/// Deviations per median absolute deviation of a normal distribution.
const MAD: f32 = 1.4826;

/// Measurements of a face before any quality model is applied.
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
    pub(in crate::face) fn new(seen: &DetectedFace, light: Light, template: Template, pose: Option<Pose>) -> Self {
        let DetectedFace { points, fit, inside, detection, eye_distance, norm } = *seen;
        Self { points: *points, fit: *fit, inside, detection, eye_distance, norm, light, template, pose }
    }

    /// Names of the inputs a form may use, in the order of [`inputs`](Self::inputs).
    pub fn input_names() -> &'static [&'static str] {
        &INPUTS
    }

    /// Of these, the inputs that the five alignment points give.
    pub fn point_inputs() -> &'static [&'static str] {
        POINTS
    }

    /// Of these, the inputs that compare the cells of the face with an ordinary one's.
    pub fn odd_cell_inputs() -> &'static [&'static str] {
        ODD_CELLS
    }

    /// The inputs; NaN if the pack cannot measure them.
    pub fn inputs(&self, cells: &CellTable) -> Vec<f32> {
        self.signals(cells).0.to_vec()
    }

    /// The input vectors of [`ViewClassifier`] for this face and for its mirror image.
    pub fn view_inputs(&self, coarse: &CellTable, fine: &CellTable, standards: &[Standard]) -> [Vec<f32>; 2] {
        [self.clone(), self.mirrored()]
            .map(|seen| ViewClassifier::values(&seen.signals(coarse), &seen.light, fine, standards))
    }

    /// Probabilities of the view classes, and the predicted utility, 0…1. `None` if an input of the
    /// model is unknown.
    pub fn predictions(&self, model: &QualityModel) -> Option<([f32; ViewClass::COUNT], f32)> {
        let signals = self.signals(&model.cells);
        Some((model.view.chances(&signals, &self.light)?, model.utility.value(&signals)?))
    }

    fn signals(&self, cells: &CellTable) -> Signals {
        let Self { points, fit, inside, detection, eye_distance, norm, .. } = self;
        let seen = DetectedFace {
            points,
            fit,
            inside: *inside,
            detection: *detection,
            eye_distance: *eye_distance,
            norm: *norm,
        };
        Signals::new(&seen, &self.light, cells)
    }

    /// The mirror image of the face.
    fn mirrored(&self) -> Self {
        let mut mirrored = self.clone();
        let [left, right, nose, mouth_left, mouth_right] = self.points.five.map(|point| {
            let [x, y] = self.fit.apply(point);
            self.fit.inverse().apply([(SIDE - 1) as f32 - x, y])
        });
        mirrored.points.five = [right, left, nose, mouth_right, mouth_left];
        mirrored.light.cells = across(Grid::Coarse, &self.light.cells);
        mirrored.light.patches = across(Grid::Fine, &self.light.patches);
        mirrored
    }

    /// Reference statistics of the coarse and the fine cells of these faces: medians, and
    /// deviations estimated by the median absolute deviation; those of the fine cells are
    /// mirror-symmetric. `None` for an empty set.
    pub fn cells<'a>(ordinary: impl Iterator<Item = &'a Self> + Clone) -> Option<[CellTable; 2]> {
        let coarse: Vec<&[Cell]> = ordinary.clone().map(|s| s.light.cells.as_slice()).collect();
        let fine: Vec<&[Cell]> = ordinary.map(|s| s.light.patches.as_slice()).collect();
        let mut fine = table(Grid::Fine, &fine)?;
        for values in [&mut fine.median, &mut fine.deviation] {
            let (cells, _) = values.as_chunks::<CELL_VALUES>();
            let mirrored = across(Grid::Fine, cells);
            values.iter_mut().zip(mirrored.as_flattened()).for_each(|(v, m)| *v = (*v + m) / 2.0);
        }
        Some([table(Grid::Coarse, &coarse)?, fine])
    }
}

fn table(grid: Grid, faces: &[&[Cell]]) -> Option<CellTable> {
    let mut table = CellTable::neutral(grid);
    for at in 0..table.median.len() {
        let (cell, value) = (at / CELL_VALUES, at % CELL_VALUES);
        let values: Vec<f32> = faces.iter().filter_map(|cells| cells.get(cell)).map(|c| c[value]).collect();
        let median = median(values.clone())?;
        table.median[at] = median;
        let apart = self::median(values.iter().map(|v| (v - median).abs()).collect())?;
        table.deviation[at] = MAD * apart + DEVIATION_MIN[value];
    }
    Some(table)
}

/// The cells of the mirror image. Both grids are symmetric.
fn across(grid: Grid, cells: &[Cell]) -> Vec<Cell> {
    let places: Vec<_> = grid.places().collect();
    let mirrored = |&(row, column): &(usize, usize)| {
        let other = (row, grid.side() - 1 - column);
        places.iter().position(|place| *place == other).and_then(|at| cells.get(at).copied()).unwrap_or_default()
    };
    places.iter().map(mirrored).collect()
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_image_of_the_mirror_image_is_the_face() {
        for grid in [Grid::Coarse, Grid::Fine] {
            let cells: Vec<Cell> = (0..grid.places().count()).map(|i| [i as f32, 1.0, -2.0, i as f32 / 3.0]).collect();
            let once = across(grid, &cells);
            assert_ne!(once, cells);
            assert_eq!(across(grid, &once), cells);
        }
    }
}
