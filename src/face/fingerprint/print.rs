//! The face of a print as frequencies: what of its light and shade survives copying, in whole
//! numbers, and how a copy may show it.

use std::sync::LazyLock;

/// Side of a print, in cells.
const CELLS: usize = 56;
/// The square of cells that is looked at, brows to lips: its left and upper edge, its side.
const LEFT: usize = 12;
const TOP: usize = 18;
const SIDE: usize = 32;
/// Frequencies across and down: finer ones are what re-encoding changes.
const FREQUENCIES: usize = 12;
/// Numbers of a print: every frequency but the mean light.
pub(super) const NUMBERS: usize = FREQUENCIES * FREQUENCIES - 1;
/// Cells by which a copy's face is moved, either way.
const MOVES: [i32; 3] = [0, -1, 1];

/// The cosines of the transform (DCT-II), times 1024.
static COSINES: LazyLock<[[i32; SIDE]; FREQUENCIES]> = LazyLock::new(|| {
    std::array::from_fn(|frequency| {
        std::array::from_fn(|at| {
            let turn = (2 * at + 1) as f64 * frequency as f64 * std::f64::consts::PI / (2 * SIDE) as f64;
            // No cosine of such a turn lies half between whole numbers: it rounds alike
            // wherever it is computed.
            (1024.0 * turn.cos()).round() as i32
        })
    })
});

/// The print's frequencies as it is.
pub(super) fn frequencies(cells: &[f32]) -> Vec<i32> {
    seen(cells, (0, 0), false)
}

/// The print's frequencies as a copy may show it: first as it is, then moved, then mirrored.
pub(super) fn views(cells: &[f32]) -> impl Iterator<Item = Vec<i32>> {
    [false, true].into_iter().flat_map(move |mirrored| {
        MOVES.into_iter().flat_map(move |x| MOVES.into_iter().map(move |y| seen(cells, (x, y), mirrored)))
    })
}

fn seen(cells: &[f32], moved: (i32, i32), mirrored: bool) -> Vec<i32> {
    if cells.len() != CELLS * CELLS {
        return vec![0; NUMBERS];
    }
    let cosines = &*COSINES;
    let left = LEFT.saturating_add_signed(moved.0 as isize);
    let top = TOP.saturating_add_signed(moved.1 as isize);
    let column = |x: usize| if mirrored { CELLS - 1 - left - x } else { left + x };
    // Rows first.
    let rows: Vec<[i64; FREQUENCIES]> = (top..top + SIDE)
        .map(|y| {
            let row: [i64; SIDE] =
                std::array::from_fn(|x| (cells[y * CELLS + column(x)] * 16.0).round() as i64);
            std::array::from_fn(|u| row.iter().zip(&cosines[u]).map(|(v, c)| v * i64::from(*c)).sum::<i64>() >> 10)
        })
        .collect();
    let numbers = (0..FREQUENCIES * FREQUENCIES).skip(1).map(|at| {
        let (v, u) = (at / FREQUENCIES, at % FREQUENCIES);
        let sum: i64 = rows.iter().zip(&cosines[v]).map(|(row, c)| row[u] * i64::from(*c)).sum();
        // Fine frequencies are weak: without a weight they would not count.
        ((sum >> 10) * (1 + u + v) as i64 / 8) as i32
    });
    numbers.collect()
}
