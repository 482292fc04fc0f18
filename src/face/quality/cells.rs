//! Reference statistics of the cells of an ordinary face.

use serde::{Deserialize, Serialize};

use super::light::{CELL_VALUES, Cell, Grid};

/// Medians and deviations of the cells' values over ordinary faces, four values a
/// cell, row by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellTable {
    /// Medians.
    pub median: Vec<f32>,
    /// Deviations, above 0.
    pub deviation: Vec<f32>,
}

impl CellTable {
    /// A neutral table, for collecting cells before statistics exist.
    pub(super) fn neutral(grid: Grid) -> Self {
        let values = grid.places().count() * CELL_VALUES;
        Self { median: vec![0.0; values], deviation: vec![1.0; values] }
    }

    /// The error is a sentence if the table does not fit this grid.
    pub(super) fn check(&self, grid: Grid) -> Result<(), String> {
        let values = grid.places().count() * CELL_VALUES;
        if self.median.len() != values || self.deviation.len() != values {
            return Err(format!("`cells` does not have {values} medians and deviations"));
        }
        if self.median.iter().any(|v| !v.is_finite()) || self.deviation.iter().any(|v| !(v.is_finite() && *v > 1e-6)) {
            return Err("`cells` holds numbers that make no sense".into());
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Cell, &Cell)> {
        self.median.as_chunks::<CELL_VALUES>().0.iter().zip(self.deviation.as_chunks::<CELL_VALUES>().0)
    }
}
