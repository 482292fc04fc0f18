//! The face of a print as frequencies (DCT-II), in whole numbers: the coarse ones, which
//! survive copying; and as a copy may show them, moved or mirrored.

use std::sync::LazyLock;

use crate::face::FacePrint;

/// Side of a print, in cells.
const CELLS: usize = 56;
/// The square of cells that is looked at, brows to lips: its left and upper edge, its side.
const LEFT: usize = 12;
const TOP: usize = 18;
const SIDE: usize = 32;
/// Frequencies across and down: finer ones are what re-encoding changes. Each counts by 1 and
/// its number across and down, since finer ones are weaker and tell pictures apart: of 8, 12
/// and 16 frequencies with weights that grow by the power of 0, 1 and 1.5 these keep copies
/// nearest, with different people furthest (`examples/captures`).
const FREQUENCIES: usize = 12;
/// Numbers of a print: every frequency but the mean light.
pub(super) const NUMBERS: usize = FREQUENCIES * FREQUENCIES - 1;
/// Cells by which a copy's face is moved, to the right and down: alignment points of copies
/// differ by a little. Moves by two cells find no more copies.
const MOVES: [isize; 3] = [0, -1, 1];

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

/// The print's frequencies as it is; none where there is no print.
pub(super) fn frequencies(print: &FacePrint) -> Vec<i32> {
    seen(print, (0, 0), false)
}

/// The print's frequencies as a copy may show it: as it is, moved, and both mirrored.
pub(super) fn views(print: &FacePrint) -> impl Iterator<Item = Vec<i32>> {
    [false, true].into_iter().flat_map(move |mirrored| {
        MOVES.into_iter().flat_map(move |x| MOVES.into_iter().map(move |y| seen(print, (x, y), mirrored)))
    })
}

fn seen(print: &FacePrint, moved: (isize, isize), mirrored: bool) -> Vec<i32> {
    let cells = print.cells();
    if cells.len() != CELLS * CELLS {
        return Vec::new();
    }
    let (left, top) = (LEFT.saturating_add_signed(moved.0), TOP.saturating_add_signed(moved.1));
    let column = |x: usize| if mirrored { CELLS - 1 - left - x } else { left + x };
    // Sixteenths of a grey level; what is no number is black.
    let grey = |x: usize, y: usize| (cells[y * CELLS + column(x)].clamp(0.0, 255.0) * 16.0).round() as i64;
    let cosines = &*COSINES;
    let rows: Vec<[i64; FREQUENCIES]> = (top..top + SIDE)
        .map(|y| {
            let row: [i64; SIDE] = std::array::from_fn(|x| grey(x, y));
            std::array::from_fn(|u| row.iter().zip(&cosines[u]).map(|(v, c)| v * i64::from(*c)).sum::<i64>() >> 10)
        })
        .collect();
    let numbers = (1..FREQUENCIES * FREQUENCIES).map(|at| {
        let (v, u) = (at / FREQUENCIES, at % FREQUENCIES);
        let sum: i64 = rows.iter().zip(&cosines[v]).map(|(row, c)| row[u] * i64::from(*c)).sum();
        // Below 2^22 after the first shift, below 2^20 with its weight after the second.
        (((sum >> 10) * (1 + u + v) as i64) >> 7) as i32
    });
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_changes_lengths_and_not_directions() {
        let wave = |x: f32, y: f32| (x / 5.0).sin() * (y / 7.0 + x / 9.0).cos();
        let one = frequencies(&FacePrint::of_light(|x, y| 100.0 + 60.0 * wave(x, y)));
        let other = frequencies(&FacePrint::of_light(|x, y| 150.0 + 30.0 * wave(x, y)));
        assert_eq!(one.len(), NUMBERS);
        assert!(one.iter().any(|number| number.abs() > 1000));
        for (one, other) in one.iter().zip(&other) {
            // Grey levels are rounded to sixteenths, sums of rows and of columns down.
            assert!((one - 2 * other).abs() <= 16 + one.abs() / 50, "{one} {other}");
        }
    }

    #[test]
    fn one_view_of_a_copy_that_was_moved_or_mirrored_is_the_picture() {
        let light = |x: f32, y: f32| 120.0 + 50.0 * (x / 3.0 + y / 11.0).sin() + 40.0 * (y / 4.0 - x / 13.0).cos();
        let one = frequencies(&FacePrint::of_light(light));
        for copy in
            [FacePrint::of_light(|x, y| light(x + 1.0, y - 1.0)), FacePrint::of_light(|x, y| light(55.0 - x, y))]
        {
            assert_ne!(frequencies(&copy), one);
            assert!(views(&copy).any(|view| view == one));
        }
    }

    #[test]
    fn nothing_in_a_print_overflows_what_is_summed() {
        for value in [f32::NAN, f32::INFINITY, -1e30, 0.0, 255.0] {
            let stripes = FacePrint::of_light(|x, y| if (x + y) % 2.0 < 1.0 { value } else { 255.0 });
            assert!(views(&stripes).flatten().all(|number| number.abs() < 1 << 20));
        }
        assert!(frequencies(&FacePrint::default()).is_empty());
    }
}
