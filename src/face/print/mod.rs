//! The face as a small grey picture: what tells a copy of a picture from another picture
//! of the same person.
//!
//! Templates alone do not: they are made to forget what differs between two pictures of one
//! person. Here it counts: light, expression, where the head points. What re-encoding,
//! resizing and cropping change is little beside it, since the face is laid onto the same
//! template first.

mod fit;

use std::fmt;
use std::ops::Range;

use super::aligned::SIDE;

/// Side of a print, in cells.
const CELLS: usize = SIDE / 2;
/// Cells that are compared, first and one past the last: brows to lips, so that what a crop
/// or the page around a picture changes stays outside.
const COLUMNS: Range<usize> = 12..44;
const ROWS: Range<usize> = 18..50;
/// By how many cells the other print is moved at most: the alignment points of two files of
/// one picture differ by a little.
const SLACK: usize = 3;

/// A small grey picture of an aligned face. Shows a person: it is never stored, sent or
/// printed.
#[derive(Clone, Default, PartialEq)]
pub struct FacePrint(Vec<f32>);

/// How alike two pictures are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Likeness {
    /// As they are.
    pub direct: f32,
    /// Where one is mirrored.
    pub mirrored: f32,
}

impl Likeness {
    /// Whichever is more.
    pub fn best(self) -> f32 {
        self.direct.max(self.mirrored)
    }
}

impl FacePrint {
    /// A made-up print, of the light at every cell's column and row.
    #[cfg(test)]
    pub(super) fn of_light(light: impl Fn(f32, f32) -> f32) -> Self {
        Self((0..CELLS * CELLS).map(|at| light((at % CELLS) as f32, (at / CELLS) as f32)).collect())
    }

    /// Of the planes of an aligned face, red, green, blue.
    pub(super) fn of(aligned: &[f32]) -> Self {
        let plane = SIDE * SIDE;
        let luma = |at: usize| 0.299 * aligned[at] + 0.587 * aligned[plane + at] + 0.114 * aligned[2 * plane + at];
        let cell = |index: usize| {
            let at = (index / CELLS) * 2 * SIDE + (index % CELLS) * 2;
            (luma(at) + luma(at + 1) + luma(at + SIDE) + luma(at + SIDE + 1)) / 4.0
        };
        Self((0..CELLS * CELLS).map(cell).collect())
    }

    /// Light and shade of its cells, row by row, from 0 to 255; none where there is no print.
    pub(super) fn cells(&self) -> &[f32] {
        &self.0
    }

    /// How alike two pictures are, up to 1: the correlation of their cells where they fit
    /// best, whatever their brightness and contrast. 0 where one has no light in it.
    pub fn likeness(&self, other: &Self) -> Likeness {
        if self.0.len() != CELLS * CELLS || other.0.len() != CELLS * CELLS {
            return Likeness::default();
        }
        let best = |other: &Self| {
            let steps = 0..=2 * SLACK;
            let places = steps.clone().flat_map(|y| steps.clone().map(move |x| (x, y)));
            places.map(|at| self.at(other, at)).fold(0.0, f32::max)
        };
        Likeness { direct: best(other), mirrored: best(&other.mirrored()) }
    }

    /// The same where either may be stretched, sheared or seen at an angle: at least
    /// [`FacePrint::likeness`] as far as that goes, and dearer.
    pub fn warped_likeness(&self, other: &Self) -> Likeness {
        if self.0.len() != CELLS * CELLS || other.0.len() != CELLS * CELLS {
            return Likeness::default();
        }
        Likeness { direct: fit::likeness(&self.0, &other.0), mirrored: fit::likeness(&self.0, &other.mirrored().0) }
    }

    fn mirrored(&self) -> Self {
        Self(self.0.chunks_exact(CELLS).flat_map(|row| row.iter().rev()).copied().collect())
    }

    /// The correlation of this print's middle with the other's, moved by `(x, y)` from
    /// [`SLACK`] cells to the left and above.
    fn at(&self, other: &Self, (x, y): (usize, usize)) -> f32 {
        let width = COLUMNS.len();
        let mut sums = Sums::default();
        for row in ROWS {
            let own = &self.0[row * CELLS + COLUMNS.start..][..width];
            let theirs = &other.0[(row + y - SLACK) * CELLS + COLUMNS.start + x - SLACK..][..width];
            for (&a, &b) in own.iter().zip(theirs) {
                sums.add(f64::from(a), f64::from(b));
            }
        }
        sums.correlation() as f32
    }
}

/// What the correlation of pairs of cells is made of.
#[derive(Default)]
struct Sums {
    count: f64,
    of: [f64; 2],
    of_products: [f64; 3],
}

impl Sums {
    fn add(&mut self, a: f64, b: f64) {
        self.count += 1.0;
        self.of = [self.of[0] + a, self.of[1] + b];
        let [aa, bb, ab] = self.of_products;
        self.of_products = [aa + a * a, bb + b * b, ab + a * b];
    }

    /// Pearson's; 0 where one side has no light in it.
    fn correlation(&self) -> f64 {
        let ([a, b], [aa, bb, ab], n) = (self.of, self.of_products, self.count);
        let spread = |sum: f64, squares: f64| (squares - sum * sum / n).max(0.0);
        let both = (spread(a, aa) * spread(b, bb)).sqrt();
        if both > f64::EPSILON { (ab - a * b / n) / both } else { 0.0 }
    }
}

impl fmt::Debug for FacePrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FacePrint(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Planes of a made-up face, moved and lit otherwise.
    fn aligned(moved: f32, gain: f32, seed: f32) -> Vec<f32> {
        let pixel = |at: usize| {
            let (x, y) = ((at % SIDE) as f32 + moved, (at / SIDE % SIDE) as f32);
            gain * (60.0 + 40.0 * (x / 9.0 + seed).sin() * (y / (7.0 + seed)).cos()) + 5.0
        };
        (0..3 * SIDE * SIDE).map(pixel).collect()
    }

    #[test]
    fn a_picture_moved_a_little_and_lit_otherwise_is_alike_and_another_is_not() {
        let print = |moved, gain, seed| FacePrint::of(&aligned(moved, gain, seed));
        let one = print(0.0, 1.0, 0.0);
        assert!((one.likeness(&one).direct - 1.0).abs() < 1e-5);
        assert!(one.likeness(&print(3.0, 0.7, 0.0)).direct > 0.99);
        assert!(one.likeness(&print(0.0, 1.0, 2.0)).best() < 0.9);
        assert_eq!(one.likeness(&FacePrint::of(&vec![7.0; 3 * SIDE * SIDE])).best(), 0.0);
        assert_eq!(one.likeness(&FacePrint::default()).best(), 0.0);
        assert_eq!(format!("{one:?}"), "FacePrint(…)");
    }

    #[test]
    fn a_mirrored_picture_is_more_alike_mirrored_than_as_it_is() {
        let one = FacePrint::of(&aligned(0.0, 1.0, 0.3));
        let likeness = one.likeness(&one.mirrored());
        assert!(likeness.mirrored > 0.999 && likeness.direct < likeness.mirrored);
        assert!(one.likeness(&one).direct > one.likeness(&one).mirrored);
    }
}
