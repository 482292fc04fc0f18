//! Which pairs there are, cut into units of work.
//!
//! Every join is made of one or two lists of rows: all pairs within the first
//! (a triangle), all pairs between the two (a rectangle), or both. Lists are cut
//! into tiles; a unit is two tiles, or one with itself. So the units depend on
//! nothing but the input.

use std::ops::Range;

use super::tuning::{TILE_ROWS_MAX, TILE_ROWS_MIN, TILES_WANTED};

/// One list of rows.
pub(super) struct RowList {
    /// Numbers of the rows, as the caller counts them, ascending.
    pub(super) rows: Vec<u32>,
    /// Which of the caller's sides they belong to.
    pub(super) second_side: bool,
}

/// Which pairs of the lists are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// All within the first list.
    Within,
    /// All between the first list and the second.
    Between,
    /// Both.
    WithinAndBetween,
}

/// A unit: some rows of the first list against some of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tiles {
    /// Places in the first list.
    pub(super) first: Range<usize>,
    /// Places in the other list.
    pub(super) other: Range<usize>,
    /// Whether the other list is the second one.
    pub(super) other_is_second: bool,
}

impl Tiles {
    /// Whether it is a tile with itself: then only pairs with the place in `first`
    /// before that in `other` count.
    pub(super) fn is_triangle(&self) -> bool {
        !self.other_is_second && self.first == self.other
    }
}

/// The units of a join.
pub(super) struct JoinPlan {
    tile_rows: usize,
    shape: Shape,
    lens: [usize; 2],
}

impl JoinPlan {
    pub(super) fn new(shape: Shape, lens: [usize; 2]) -> Self {
        let wanted = lens[0].max(lens[1]).div_ceil(TILES_WANTED).next_multiple_of(64);
        Self { tile_rows: wanted.clamp(TILE_ROWS_MIN, TILE_ROWS_MAX), shape, lens }
    }

    /// Tiles of a list.
    fn tiles(&self, list: usize) -> u64 {
        self.lens[list].div_ceil(self.tile_rows) as u64
    }

    fn triangles(&self) -> u64 {
        let tiles = self.tiles(0);
        if self.shape == Shape::Between { 0 } else { tiles * (tiles + 1) / 2 }
    }

    fn rectangles(&self) -> u64 {
        if self.shape == Shape::Within { 0 } else { self.tiles(0) * self.tiles(1) }
    }

    pub(super) fn units(&self) -> u64 {
        self.triangles() + self.rectangles()
    }

    /// The tiles of unit `unit`, less than [`JoinPlan::units`].
    pub(super) fn tiles_of(&self, unit: u64) -> Tiles {
        let range = |list: usize, tile: u64| {
            let first = tile as usize * self.tile_rows;
            first..(first + self.tile_rows).min(self.lens[list])
        };
        match unit.checked_sub(self.triangles()) {
            Some(rectangle) => {
                let tiles = self.tiles(1).max(1);
                let (first, other) = (rectangle / tiles, rectangle % tiles);
                Tiles { first: range(0, first), other: range(1, other), other_is_second: true }
            }
            None => {
                // Column by column of the triangle: `other` has `other` + 1 units,
                // and other · (other + 1) / 2 came before it.
                let mut other = (((8 * unit + 1) as f64).sqrt() as u64).saturating_sub(1) / 2;
                while (other + 1) * (other + 2) / 2 <= unit {
                    other += 1;
                }
                while other * (other + 1) / 2 > unit {
                    other -= 1;
                }
                let first = unit - other * (other + 1) / 2;
                Tiles { first: range(0, first), other: range(0, other), other_is_second: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_units_cover_every_pair_once(
            shape in prop::sample::select(vec![Shape::Within, Shape::Between, Shape::WithinAndBetween]),
            lens in [0usize..200_000, 0usize..200_000],
        ) {
            let plan = JoinPlan::new(shape, lens);
            let mut pairs = 0u64;
            let mut seen = std::collections::HashSet::new();
            for unit in 0..plan.units() {
                let tiles = plan.tiles_of(unit);
                prop_assert!(seen.insert((tiles.first.start, tiles.other.start, tiles.other_is_second)));
                prop_assert!(!tiles.first.is_empty() && !tiles.other.is_empty());
                prop_assert!(tiles.other_is_second || tiles.first.start <= tiles.other.start);
                let (a, b) = (tiles.first.len() as u64, tiles.other.len() as u64);
                pairs += if tiles.is_triangle() { a * (a - 1) / 2 } else { a * b };
            }
            let [a, b] = lens.map(|len| len as u64);
            let within = a * a.saturating_sub(1) / 2;
            let wanted = match shape {
                Shape::Within => within,
                Shape::Between => a * b,
                Shape::WithinAndBetween => within + a * b,
            };
            prop_assert_eq!(pairs, wanted);
        }
    }
}
