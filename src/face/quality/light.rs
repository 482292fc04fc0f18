//! Measurements on the pixels of an aligned face: luminance, contrast, sharpness, texture.
//!
//! All are taken on one square crop aligned to the embedder's template, with the eyes at fixed
//! places 35 pixels apart, so that values are comparable between pictures. Luma is that of ITU-R
//! BT.601, 0…255.

use crate::face::geometry::{Region, Similarity};
use crate::face::sample::{Beyond, Normalise, Scratch, warp};
use crate::imaging::RgbImage;

/// Side of the crop, in pixels.
pub(super) const SIDE: usize = 112;
/// Centre and radii of the ellipse that holds skin, eyes, nose and mouth and
/// neither hair nor background, in pixels of the crop.
const OVAL_CENTRE: [f32; 2] = [56.0, 66.0];
const OVAL_RADII: [f32; 2] = [33.0, 42.0];
/// Centres of the eyes of an aligned face (see `embed`), and radii of what glasses show
/// of each, in pixels of the crop.
const EYES: [[f32; 2]; 2] = [[38.0, 52.0], [74.0, 52.0]];
const LENS_RADII: [f32; 2] = [10.0, 5.0];
/// How far above or below those places the eyes may be, in pixels of the crop: the points of
/// eyes that are not seen are guesses, and mostly too low.
const EYES_SHIFT: [i8; 6] = [-16, -12, -8, -4, 0, 4];
/// Luma at or above which a pixel of an eye is a reflection, and how much brighter than
/// three quarters of the face it must be then: eyes are darker than the skin about them.
const GLARE_MIN: f32 = 200.0;
const GLARE_OVER_SKIN: f32 = 15.0;
/// Luma at or above which a pixel is burnt out.
const WHITE_MIN: f32 = 250.0;
/// Distance of a normal distribution's quartiles, in deviations.
const QUARTILES_APART: f32 = 1.349;
/// Values per cell: see [`Cell`].
pub(super) const CELL_VALUES: usize = 4;
/// Fewest pixels a side of the face must have for blocks to be seen.
const BLOCKS_SIDE_MIN: usize = 40;
/// A step between pixels counts at most this much, in grey levels: coding steps are
/// many and small, an edge of the face or before it is one and large.
const STEP_MAX: u32 = 16;
/// Added to mean steps between pixels, in grey levels: a flat picture has no blocks.
const STEP_FLOOR: f32 = 0.25;
/// Added to energies before their logarithm: half a grey level of coding noise.
const ENERGY_FLOOR: f32 = 0.25;

/// A grid of square cells over the crop, of which those count whose centre lies in
/// an ellipse about the face's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grid {
    /// Cells of 14 pixels in the oval: how odd the face looks as a whole.
    Coarse,
    /// Cells of 8 pixels in a slightly larger one: what is before the face, and where.
    Fine,
}

impl Grid {
    /// Cells along a side of the crop.
    pub fn side(self) -> usize {
        match self {
            Self::Coarse => 8,
            Self::Fine => 14,
        }
    }

    fn radii(self) -> [f32; 2] {
        match self {
            Self::Coarse => OVAL_RADII,
            Self::Fine => [36.0, 45.0],
        }
    }

    /// Rows and columns of the cells in the face, row by row.
    pub fn places(self) -> impl Iterator<Item = (usize, usize)> {
        let (side, radii) = (self.side(), self.radii());
        let centre = move |i: usize| (SIDE / side * i + SIDE / side / 2) as f32;
        (0..side * side)
            .map(move |at| (at / side, at % side))
            .filter(move |&(row, column)| in_ellipse(centre(column), centre(row), radii))
    }
}

/// A cell of the crop: luma in deviations of the oval's from its mean, logarithm
/// of the root mean square of its detail, and two chroma values less the oval's
/// medians, in grey levels.
pub(super) type Cell = [f32; CELL_VALUES];

/// Measurements on a crop.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::face) struct Light {
    /// Lower quartile of luma in the oval, 0…255; still skin if something bright covers half of the
    /// face.
    pub lower_quartile: f32,
    /// Upper quartile of luma in the oval, 0…255.
    pub upper_quartile: f32,
    /// Share of overexposed pixels in the half of the oval (left, right, upper, lower) with the
    /// fewest, 0…1, so that something white in front of half of the face does not count as too much
    /// light.
    pub burnt: f32,
    /// Share of reflections, brighter than skin, in the eye that has least of them, 0…1.
    pub glare: f32,
    /// Darkest over brightest of the oval's left and right half and of its upper
    /// and lower, the smaller of both ratios, 0…1.
    pub evenness: f32,
    /// Standard deviation of the oval's luma over its mean.
    pub contrast: f32,
    /// Energy of the finest detail over that one octave coarser, in octaves (log2);
    /// at the size the picture has where that is smaller than the crop.
    pub sharpness: f32,
    /// Natural logarithm of the variance of the Laplacian.
    pub laplacian_ln: f32,
    /// The cells of [`Grid::Coarse`].
    pub cells: Vec<Cell>,
    /// Those of [`Grid::Fine`].
    pub patches: Vec<Cell>,
}

/// The crop and working buffers.
#[derive(Default)]
pub(in crate::face) struct Crop {
    rgb: Vec<f32>,
    luma: Vec<f32>,
    smooth: Vec<f32>,
    smoother: Vec<f32>,
    row: Vec<f32>,
}

impl Crop {
    /// Cuts the face out of the picture and measures it. `fit` lays the picture's
    /// face onto the template.
    pub(in crate::face) fn measure(&mut self, image: &RgbImage, fit: &Similarity, scratch: &mut Scratch) -> Light {
        // Sharpness of a face smaller than the crop is measured at its own size: enlarging must not
        // count as blur.
        let shrink = 1.0f32.min(1.0 / fit.scale());
        let small = ((SIDE as f32 * shrink).round() as usize).max(24);
        let native = (small < SIDE).then(|| {
            let zoom = SIDE as f32 / small as f32;
            let back = fit.inverse();
            let smaller = Similarity { a: back.a * zoom, b: back.b * zoom, ..back };
            self.cut(image, &smaller, small, scratch);
            self.sharpness(small)
        });
        self.cut(image, &fit.inverse(), SIDE, scratch);
        // Leaves the smoothed crop behind, which the cells need.
        let enlarged = self.sharpness(SIDE);
        let sharpness = native.unwrap_or(enlarged);
        self.light(sharpness)
    }

    fn cut(&mut self, image: &RgbImage, to_picture: &Similarity, side: usize, scratch: &mut Scratch) {
        self.rgb.resize(3 * side * side, 0.0);
        self.rgb.truncate(3 * side * side);
        warp(image, to_picture, side, Beyond::Edge, &Normalise::PLAIN, scratch, &mut self.rgb);
        let (red, rest) = self.rgb.split_at(side * side);
        let (green, blue) = rest.split_at(side * side);
        self.luma.clear();
        self.luma.extend(red.iter().zip(green).zip(blue).map(|((r, g), b)| 0.299 * r + 0.587 * g + 0.114 * b));
    }

    /// Root mean squares of two bands of detail, a binomial filter apart. Their
    /// ratio does not change with contrast, only with how fine the detail is.
    fn sharpness(&mut self, side: usize) -> f32 {
        binomial(&self.luma, side, &mut self.row, &mut self.smooth);
        binomial(&self.smooth, side, &mut self.row, &mut self.smoother);
        // Twice the width for the coarser band: an octave.
        let half = std::mem::take(&mut self.smoother);
        binomial(&half, side, &mut self.row, &mut self.smoother);
        let (mut fine, mut coarse) = (0.0f32, 0.0f32);
        let scale = side as f32 / SIDE as f32;
        for y in 0..side {
            for x in 0..side {
                if in_oval(x as f32 / scale, y as f32 / scale) {
                    let at = y * side + x;
                    fine += (self.luma[at] - self.smooth[at]).powi(2);
                    coarse += (self.smooth[at] - self.smoother[at]).powi(2);
                }
            }
        }
        0.5 * ((fine + 1e-3) / (coarse + 1e-3)).log2()
    }

    fn light(&mut self, sharpness: f32) -> Light {
        let oval = || (0..SIDE * SIDE).filter(|at| in_oval((at % SIDE) as f32, (at / SIDE) as f32));
        let count = oval().count() as f32;
        let luma = &self.luma;
        let luminance = oval().map(|at| luma[at]).sum::<f32>() / count;
        let deviation = (oval().map(|at| (luma[at] - luminance).powi(2)).sum::<f32>() / count).sqrt();
        let mut sorted: Vec<f32> = oval().map(|at| luma[at]).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let quantile = |share: f32| sorted[(share * (count - 1.0)) as usize];
        let (lower_quartile, median, upper_quartile) = (quantile(0.25), quantile(0.5), quantile(0.75));
        // Left, right, upper, lower: sum of luma, burnt pixels, pixels.
        let mut halves = [(0.0f32, 0.0f32, 0.0f32); 4];
        for at in oval() {
            let burnt = if luma[at] >= WHITE_MIN { 1.0 } else { 0.0 };
            let side = usize::from(at % SIDE >= OVAL_CENTRE[0] as usize);
            let height = 2 + usize::from(at / SIDE >= OVAL_CENTRE[1] as usize);
            for half in [side, height] {
                let (sum, white, n) = &mut halves[half];
                (*sum, *white, *n) = (*sum + luma[at], *white + burnt, *n + 1.0);
            }
        }
        let [left, right, upper, lower] = halves.map(|(sum, _, n)| sum / n);
        let ratio = |a: f32, b: f32| (a.min(b) + 1.0) / (a.max(b) + 1.0);
        let evenness = ratio(left, right).min(ratio(upper, lower));
        let reflected = |shift: i8| {
            let share = |[x, y]: [f32; 2]| self.reflection([x, y + f32::from(shift)], upper_quartile);
            share(EYES[0]).min(share(EYES[1]))
        };
        let glare = EYES_SHIFT.into_iter().map(reflected).fold(0.0, f32::max);
        let burnt = halves.iter().map(|(_, white, n)| white / n).fold(1.0, f32::min);

        let mut laplacian = (0.0f32, 0.0f32, 0.0f32);
        for y in 20..100 {
            for x in 20..92 {
                let at = y * SIDE + x;
                let v = luma[at - 1] + luma[at + 1] + luma[at - SIDE] + luma[at + SIDE] - 4.0 * luma[at];
                laplacian = (laplacian.0 + v, laplacian.1 + v * v, laplacian.2 + 1.0);
            }
        }
        let (chroma, spread) = (self.chroma(), (upper_quartile - lower_quartile) / QUARTILES_APART);
        let mean = laplacian.0 / laplacian.2;
        let variance = laplacian.1 / laplacian.2 - mean * mean;
        Light {
            lower_quartile,
            upper_quartile,
            burnt,
            glare,
            evenness,
            contrast: deviation / (luminance + 1.0),
            sharpness,
            laplacian_ln: (variance.max(0.0) + 1.0).ln(),
            cells: self.cells(Grid::Coarse, median, spread, chroma),
            patches: self.cells(Grid::Fine, median, spread, chroma),
        }
    }

    /// Share of an eye's pixels that are brighter than any eye is.
    fn reflection(&self, [x, y]: [f32; 2], upper_quartile: f32) -> f32 {
        let least = GLARE_MIN.max(upper_quartile + GLARE_OVER_SKIN);
        let (mut pixels, mut white) = (0.0f32, 0.0f32);
        let [left, top] = [x - LENS_RADII[0], y - LENS_RADII[1]].map(|v| v as usize);
        let [right, bottom] = [x + LENS_RADII[0], y + LENS_RADII[1]].map(|v| v as usize);
        for row in top..=bottom {
            for column in left..=right {
                let (u, v) = ((column as f32 - x) / LENS_RADII[0], (row as f32 - y) / LENS_RADII[1]);
                if u * u + v * v <= 1.0 {
                    pixels += 1.0;
                    white += if self.luma[row * SIDE + column] >= least { 1.0 } else { 0.0 };
                }
            }
        }
        white / pixels
    }

    /// Medians of the oval's two chroma values.
    fn chroma(&self) -> [f32; 2] {
        [0, 1].map(|c| {
            let mut values: Vec<f32> = (0..SIDE * SIDE)
                .step_by(3)
                .filter(|at| in_oval((at % SIDE) as f32, (at / SIDE) as f32))
                .map(|at| self.chroma_at(at)[c])
                .collect();
            let middle = values.len() / 2;
            let median = *values.select_nth_unstable_by(middle, f32::total_cmp).1;
            if median.is_finite() { median } else { 0.0 }
        })
    }

    /// Red less green and blue less green of a pixel.
    fn chroma_at(&self, at: usize) -> [f32; 2] {
        let plane = SIDE * SIDE;
        let [red, green, blue] = [0, 1, 2].map(|channel| self.rgb[channel * plane + at]);
        [red - green, blue - green]
    }

    /// `median` and `deviation` of the oval's luma, `medians` of its chroma.
    fn cells(&self, grid: Grid, median: f32, deviation: f32, medians: [f32; 2]) -> Vec<Cell> {
        let cell = SIDE / grid.side();
        let mut cells = Vec::with_capacity(grid.side() * grid.side());
        for (row, column) in grid.places() {
            let (mut luma, mut energy, mut colour) = (0.0f32, 0.0f32, [0.0f32; 2]);
            for y in row * cell..(row + 1) * cell {
                for x in column * cell..(column + 1) * cell {
                    let at = y * SIDE + x;
                    luma += self.luma[at];
                    energy += (self.luma[at] - self.smooth[at]).powi(2);
                    let [c, d] = self.chroma_at(at);
                    colour[0] += c;
                    colour[1] += d;
                }
            }
            let count = (cell * cell) as f32;
            cells.push([
                (luma / count - median) / (deviation + 4.0),
                0.5 * (energy / count + ENERGY_FLOOR).ln() - (deviation + 4.0).ln(),
                colour[0] / count - medians[0],
                colour[1] / count - medians[1],
            ]);
        }
        cells
    }
}

/// Blockiness: mean step between pixels at the borders of the 8x8 blocks of a JPEG over other
/// steps, in a box of the picture at full size; 1 without blocks. The position of the grid is
/// searched for, so cropping and turning do not hide it.
pub(in crate::face) fn blockiness(image: &RgbImage, region: &Region) -> Option<f32> {
    let whole = Region::of(image.width(), image.height());
    let inside = region.within(&whole)?;
    let (left, top) = (inside.left as usize, inside.top as usize);
    let (right, bottom) = (inside.right() as usize, inside.bottom() as usize);
    if right < left + BLOCKS_SIDE_MIN || bottom < top + BLOCKS_SIDE_MIN {
        return None;
    }
    let stride = image.width() as usize * 3;
    let green = |x: usize, y: usize| i32::from(image.data()[y * stride + x * 3 + 1]);
    let (mut across, mut down) = ([(0u64, 0u64); 8], [(0u64, 0u64); 8]);
    for y in top + 1..bottom {
        for x in left + 1..right {
            let here = green(x, y);
            for (sums, phase, step) in
                [(&mut across, x % 8, here - green(x - 1, y)), (&mut down, y % 8, here - green(x, y - 1))]
            {
                sums[phase].0 += u64::from(step.unsigned_abs().min(STEP_MAX));
                sums[phase].1 += 1;
            }
        }
    }
    let strongest = |sums: &[(u64, u64); 8]| {
        let total = sums.iter().fold((0, 0), |t, s| (t.0 + s.0, t.1 + s.1));
        let of = |phase: &(u64, u64)| {
            let own = phase.0 as f32 / phase.1.max(1) as f32;
            let others = (total.0 - phase.0) as f32 / (total.1 - phase.1).max(1) as f32;
            (own + STEP_FLOOR) / (others + STEP_FLOOR)
        };
        sums.iter().map(of).fold(1.0, f32::max)
    };
    Some((strongest(&across) * strongest(&down)).sqrt())
}

fn in_oval(x: f32, y: f32) -> bool {
    in_ellipse(x, y, OVAL_RADII)
}

fn in_ellipse(x: f32, y: f32, radii: [f32; 2]) -> bool {
    let (u, v) = ((x - OVAL_CENTRE[0]) / radii[0], (y - OVAL_CENTRE[1]) / radii[1]);
    u * u + v * v <= 1.0
}

/// Smooths with 1 4 6 4 1 in both directions; at the edge the outermost pixel
/// goes on.
fn binomial(from: &[f32], side: usize, row: &mut Vec<f32>, to: &mut Vec<f32>) {
    let last = side - 1;
    let near = |i: usize, step: isize| (i as isize + step).clamp(0, last as isize) as usize;
    row.clear();
    row.resize(side * side, 0.0);
    to.clear();
    to.resize(side * side, 0.0);
    let tap = |at: &dyn Fn(isize) -> f32| (at(-2) + at(2) + 4.0 * (at(-1) + at(1)) + 6.0 * at(0)) / 16.0;
    for y in 0..side {
        let line = &from[y * side..][..side];
        let out = &mut row[y * side..][..side];
        for (x, value) in out.iter_mut().enumerate() {
            *value = if (2..side - 2).contains(&x) {
                (line[x - 2] + line[x + 2] + 4.0 * (line[x - 1] + line[x + 1]) + 6.0 * line[x]) / 16.0
            } else {
                tap(&|step| line[near(x, step)])
            };
        }
    }
    for y in 0..side {
        let lines = [-2, -1, 0, 1, 2].map(|step| &row[near(y, step) * side..][..side]);
        for (x, value) in to[y * side..][..side].iter_mut().enumerate() {
            let [a, b, c, d, e] = lines.map(|line| line[x]);
            *value = (a + e + 4.0 * (b + d) + 6.0 * c) / 16.0;
        }
    }
}
