//! Pixels to tensors: antialiased resizing of a box, and the warp of a face,
//! straight into the planes a network takes.

use super::geometry::{Region, Similarity};
use super::manifest::{Colour, NetworkSpec};
use crate::imaging::RgbImage;

/// Width of the range of green that a picture is taken to be lit well enough at.
const SPREAD_ENOUGH: usize = 200;
/// Luma of ITU-R BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Turns 0…255 values into what a network takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normalise {
    colour: Colour,
    /// Per plane of the network: `value · scale + shift`.
    scale: [f32; 3],
    shift: [f32; 3],
}

impl Normalise {
    /// Red, green and blue as they are, 0…255.
    pub const PLAIN: Self = Self { colour: Colour::Rgb, scale: [1.0; 3], shift: [0.0; 3] };

    pub fn new(spec: &NetworkSpec) -> Self {
        let scale = spec.divisor.map(|d| 1.0 / d);
        Self { colour: spec.colour, scale, shift: [0, 1, 2].map(|i| -spec.mean[i] * scale[i]) }
    }

    pub fn planes(&self) -> usize {
        self.colour.planes()
    }

    /// Fills all planes with one grey value, 0…255.
    pub fn fill(&self, value: f32, out: &mut [f32]) {
        let plane = out.len() / self.planes();
        for (i, values) in out.chunks_exact_mut(plane).enumerate() {
            values.fill(value * self.scale[i] + self.shift[i]);
        }
    }

    /// Writes one pixel.
    #[inline(always)]
    fn put(&self, rgb: [f32; 3], out: &mut [f32], plane: usize, at: usize) {
        match self.colour {
            Colour::Grey => {
                let luma = rgb[0] * LUMA[0] + rgb[1] * LUMA[1] + rgb[2] * LUMA[2];
                out[at] = luma * self.scale[0] + self.shift[0];
            }
            Colour::Rgb | Colour::Bgr => {
                let order = if self.colour == Colour::Rgb { [0, 1, 2] } else { [2, 1, 0] };
                for (i, &channel) in order.iter().enumerate() {
                    out[i * plane + at] = rgb[channel] * self.scale[i] + self.shift[i];
                }
            }
        }
    }
}

/// Where in a tensor's planes the pixels go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Width and height of the planes.
    pub canvas: (usize, usize),
    /// Top left corner of the pixels.
    pub origin: (usize, usize),
    /// Width and height they fill.
    pub size: (usize, usize),
}

impl Place {
    pub fn whole(width: usize, height: usize) -> Self {
        Self { canvas: (width, height), origin: (0, 0), size: (width, height) }
    }
}

/// Weights of one axis of a resize: a triangle as wide as the reduction, so that
/// nothing is skipped, and plain linear interpolation when enlarging. Beyond the
/// edge the outermost pixel goes on.
#[derive(Default)]
struct Axis {
    taps: usize,
    first: Vec<usize>,
    weights: Vec<f32>,
}

impl Axis {
    fn set(&mut self, source: usize, from: f32, length: f32, count: usize) {
        let step = f64::from(length) / count as f64;
        let support = step.max(1.0);
        // As many source pixels as a triangle of that support can touch.
        self.taps = ((2.0 * support).ceil() as usize + 1).min(source);
        self.first.clear();
        self.weights.clear();
        self.weights.resize(count * self.taps, 0.0);
        for (i, weights) in self.weights.chunks_exact_mut(self.taps).enumerate() {
            let centre = f64::from(from) + (i as f64 + 0.5) * step - 0.5;
            let (low, high) = ((centre - support).ceil() as i64, (centre + support).floor() as i64);
            let last = source as i64 - 1;
            let first = low.clamp(0, last + 1 - self.taps as i64);
            let mut total = 0.0;
            for j in low..=high {
                let weight = 1.0 - (j as f64 - centre).abs() / support;
                let tap = (j.clamp(0, last) - first) as usize;
                // Rounding may let an end with no weight fall outside.
                if let Some(slot) = weights.get_mut(tap) {
                    *slot += weight as f32;
                    total += weight;
                }
            }
            weights.iter_mut().for_each(|w| *w /= total as f32);
            self.first.push(first as usize);
        }
    }
}

/// Buffers kept between pictures.
#[derive(Default)]
pub(super) struct Scratch {
    horizontal: Axis,
    vertical: Axis,
    row: Vec<f32>,
    reduced: Vec<u8>,
}

/// Resizes `region` of the picture into `place`. `region` must be finite and not
/// empty, and no side of it smaller than a millionth of a pixel.
pub(super) fn resize(
    image: &RgbImage,
    region: &Region,
    place: Place,
    normalise: &Normalise,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let Scratch { horizontal, vertical, row, .. } = scratch;
    horizontal.set(width, region.left, region.width, place.size.0);
    vertical.set(height, region.top, region.height, place.size.1);
    // Only the columns that are looked at.
    let from = horizontal.first.iter().copied().min().unwrap_or(0);
    let to = horizontal.first.iter().copied().max().unwrap_or(0) + horizontal.taps;
    let plane = place.canvas.0 * place.canvas.1;
    row.clear();
    row.resize((to - from) * 3, 0.0);
    for y in 0..place.size.1 {
        let weights = &vertical.weights[y * vertical.taps..][..vertical.taps];
        let mut fresh = true;
        for (tap, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let at = (vertical.first[y] + tap) * width;
            let source = &image.data()[(at + from) * 3..(at + to) * 3];
            if fresh {
                row.iter_mut().zip(source).for_each(|(sum, &v)| *sum = weight * f32::from(v));
            } else {
                row.iter_mut().zip(source).for_each(|(sum, &v)| *sum += weight * f32::from(v));
            }
            fresh = false;
        }
        let line = (place.origin.1 + y) * place.canvas.0 + place.origin.0;
        for x in 0..place.size.0 {
            let weights = &horizontal.weights[x * horizontal.taps..][..horizontal.taps];
            let source = &row[(horizontal.first[x] - from) * 3..][..horizontal.taps * 3];
            let mut rgb = [0.0f32; 3];
            for (pixel, &weight) in source.as_chunks::<3>().0.iter().zip(weights) {
                for (sum, &v) in rgb.iter_mut().zip(pixel) {
                    *sum += weight * v;
                }
            }
            normalise.put(rgb, out, plane, line + x);
        }
    }
}

/// What lies beyond the edge of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Black, as the embedders were trained.
    Black,
    /// The outermost pixel goes on.
    Edge,
}

/// Warps the picture into square planes of side `side`: each of their pixels is
/// looked up where `to_picture` says.
///
/// Where one pixel of the result covers two or more of the picture, the picture
/// is first reduced by averaging whole blocks, so that nothing is skipped.
pub(super) fn warp(
    image: &RgbImage,
    to_picture: &Similarity,
    side: usize,
    beyond: Beyond,
    normalise: &Normalise,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let block = (to_picture.scale() as usize).max(1);
    let (width, height) = (image.width() as usize, image.height() as usize);
    if block == 1 {
        let source = Source { data: image.data(), width, height };
        return bilinear(&source, to_picture, side, beyond, normalise, out);
    }
    // The blocks that the warped square touches.
    let end = (side - 1) as f32;
    let corners = [[0.0, 0.0], [end, 0.0], [0.0, end], [end, end]].map(|p| to_picture.apply(p));
    let span = |axis: usize, length: usize| {
        let low = corners.iter().map(|c| c[axis]).fold(f32::INFINITY, f32::min);
        let high = corners.iter().map(|c| c[axis]).fold(f32::NEG_INFINITY, f32::max);
        let first = (low.max(0.0) as usize / block).saturating_sub(1);
        // Whole blocks only: the rest at the far edge is less than one pixel of the result.
        let last = (high.max(0.0) as usize / block + 2).min(length / block);
        (first.min(last), last)
    };
    let ((left, right), (top, bottom)) = (span(0, width), span(1, height));
    let reduced = &mut scratch.reduced;
    reduce(image, block, (left, right), (top, bottom), reduced);
    let source = Source { data: reduced, width: right - left, height: bottom - top };
    // A block's centre lies (block − 1) / 2 after its first pixel.
    let (inverse, half) = (1.0 / block as f32, (block - 1) as f32 / 2.0);
    let reduced_by = Similarity {
        a: to_picture.a * inverse,
        b: to_picture.b * inverse,
        dx: (to_picture.dx - half) * inverse - left as f32,
        dy: (to_picture.dy - half) * inverse - top as f32,
    };
    bilinear(&source, &reduced_by, side, beyond, normalise, out);
}

/// Means of `block` by `block` pixels, for the blocks in the given ranges.
fn reduce(image: &RgbImage, block: usize, columns: (usize, usize), rows: (usize, usize), reduced: &mut Vec<u8>) {
    let width = image.width() as usize;
    let count = (block * block) as u32;
    reduced.clear();
    let mut sums = vec![[0u32; 3]; columns.1 - columns.0];
    for row in rows.0..rows.1 {
        sums.fill([0; 3]);
        for y in row * block..(row + 1) * block {
            let line = &image.data()[(y * width + columns.0 * block) * 3..][..sums.len() * block * 3];
            for (sum, pixels) in sums.iter_mut().zip(line.chunks_exact(block * 3)) {
                for pixel in pixels.as_chunks::<3>().0 {
                    for (s, &v) in sum.iter_mut().zip(pixel) {
                        *s += u32::from(v);
                    }
                }
            }
        }
        reduced.extend(sums.iter().flatten().map(|&s| ((s + count / 2) / count) as u8));
    }
}

struct Source<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
}

fn bilinear(
    source: &Source,
    to_source: &Similarity,
    side: usize,
    beyond: Beyond,
    normalise: &Normalise,
    out: &mut [f32],
) {
    let plane = side * side;
    let (right, bottom) = (source.width as i64 - 1, source.height as i64 - 1);
    let pixel = |x: i64, y: i64| -> [f32; 3] {
        let (x, y) = match beyond {
            Beyond::Black => (x, y),
            Beyond::Edge => (x.min(right).max(0), y.min(bottom).max(0)),
        };
        if x < 0 || y < 0 || x > right || y > bottom {
            return [0.0; 3];
        }
        let at = (y as usize * source.width + x as usize) * 3;
        [source.data[at], source.data[at + 1], source.data[at + 2]].map(f32::from)
    };
    for y in 0..side {
        for x in 0..side {
            let [sx, sy] = to_source.apply([x as f32, y as f32]);
            let (fx, fy) = (sx.floor(), sy.floor());
            let (u, v) = (sx - fx, sy - fy);
            // Casts saturate; whatever is far outside stays outside.
            let (ix, iy) = (fx as i64, fy as i64);
            let inside = ix >= 0 && iy >= 0 && ix + 1 < source.width as i64 && iy + 1 < source.height as i64;
            let [tl, tr, bl, br] = if inside {
                let at = (iy as usize * source.width + ix as usize) * 3;
                let below = at + source.width * 3;
                let upper = &source.data[at..at + 6];
                let lower = &source.data[below..below + 6];
                let rgb = |s: &[u8], i: usize| [f32::from(s[i]), f32::from(s[i + 1]), f32::from(s[i + 2])];
                [rgb(upper, 0), rgb(upper, 3), rgb(lower, 0), rgb(lower, 3)]
            } else {
                let (right, below) = (ix.saturating_add(1), iy.saturating_add(1));
                [pixel(ix, iy), pixel(right, iy), pixel(ix, below), pixel(right, below)]
            };
            let mut rgb = [0.0f32; 3];
            for c in 0..3 {
                let top = tl[c] + u * (tr[c] - tl[c]);
                let bottom = bl[c] + u * (br[c] - bl[c]);
                rgb[c] = top + v * (bottom - top);
            }
            normalise.put(rgb, out, plane, y * side + x);
        }
    }
}

/// How a whole picture is exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Neither of the others.
    Fair,
    /// A third or more of it is white.
    Burnt,
    /// Nine tenths of it are black.
    Black,
}

/// By the green channel, which is most of luma.
pub(super) fn exposure(image: &RgbImage) -> Exposure {
    let pixels = image.data().as_chunks::<3>().0;
    let count = |test: fn(u8) -> bool| pixels.iter().filter(|pixel| test(pixel[1])).count();
    if count(|v| v >= 250) * 3 >= pixels.len() {
        Exposure::Burnt
    } else if count(|v| v <= 32) * 10 >= pixels.len() * 9 {
        Exposure::Black
    } else {
        Exposure::Fair
    }
}

/// The picture with its luma spread over the whole range, a hundredth cut off at
/// either end; `None` where that would change little.
pub(super) fn spread(image: &RgbImage) -> Option<RgbImage> {
    let pixels = image.data().as_chunks::<3>().0;
    let mut counts = [0usize; 256];
    for pixel in pixels {
        counts[usize::from(pixel[1])] += 1;
    }
    let cut = pixels.len() / 100;
    // The value with more than a hundredth of the pixels on its way.
    let (mut below, mut above) = (0, 0);
    let low = (0..256).find(|&value| {
        below += counts[value];
        below > cut
    })?;
    let high = (0..256).rev().find(|&value| {
        above += counts[value];
        above > cut
    })?;
    if high <= low || high - low >= SPREAD_ENOUGH {
        return None;
    }
    let table: [u8; 256] = std::array::from_fn(|value| (value.saturating_sub(low) * 255 / (high - low)).min(255) as u8);
    RgbImage::new(image.width(), image.height(), image.data().iter().map(|&v| table[usize::from(v)]).collect())
}

/// The picture turned clockwise by `turns` quarter turns.
pub(super) fn turned(image: &RgbImage, turns: u8) -> Option<RgbImage> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = image.data().as_chunks::<3>().0;
    let data: Vec<u8> = match turns % 4 {
        0 => image.data().to_vec(),
        // Row y of the result is column y of the picture, read from below.
        1 => (0..width).flat_map(|x| (0..height).rev().flat_map(move |y| pixels[y * width + x])).collect(),
        2 => pixels.iter().rev().copied().flatten().collect(),
        _ => (0..width).rev().flat_map(|x| (0..height).flat_map(move |y| pixels[y * width + x])).collect(),
    };
    let (width, height) =
        if turns.is_multiple_of(2) { (image.width(), image.height()) } else { (image.height(), image.width()) };
    RgbImage::new(width, height, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(colour: Colour) -> Normalise {
        Normalise { colour, scale: [1.0; 3], shift: [0.0; 3] }
    }

    /// Red grows to the right, green downwards: where a pixel comes from can be read off it.
    fn ramp(width: u32, height: u32) -> RgbImage {
        let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        RgbImage::new(width, height, data).unwrap()
    }

    fn noise(width: u32, height: u32, seed: u32) -> RgbImage {
        let mut state = seed | 1;
        let data = (0..width * height * 3)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (state >> 24) as u8
            })
            .collect();
        RgbImage::new(width, height, data).unwrap()
    }

    proptest! {
        #[test]
        fn resizing_a_ramp_keeps_every_pixel_in_its_place(
            width in 20u32..250, height in 20u32..250, out_width in 5usize..300, out_height in 5usize..300,
        ) {
            let image = ramp(width, height);
            let mut out = vec![0.0; out_width * out_height * 3];
            let (whole, place) = (Region::of(width, height), Place::whole(out_width, out_height));
            resize(&image, &whole, place, &plain(Colour::Rgb), &mut Scratch::default(), &mut out);
            let (sx, sy) = (width as f32 / out_width as f32, height as f32 / out_height as f32);
            // Away from the edges, where the outermost pixel is repeated.
            let inner = |i: usize, step: f32, length: u32| {
                let centre = (i as f32 + 0.5) * step - 0.5;
                (centre > step + 1.0 && centre < length as f32 - step - 2.0).then_some(centre)
            };
            for y in 0..out_height {
                for x in 0..out_width {
                    if let (Some(cx), Some(cy)) = (inner(x, sx, width), inner(y, sy, height)) {
                        let at = y * out_width + x;
                        // A triangle over whole pixels is not quite centred.
                        prop_assert!((out[at] - cx).abs() < 0.15, "{} {cx}", out[at]);
                        prop_assert!((out[out_width * out_height + at] - cy).abs() < 0.15);
                    }
                }
            }
        }

        #[test]
        fn no_crop_however_far_outside_panics_or_leaves_the_range_of_pixels(
            left in -3000.0f32..3000.0, top in -3000.0f32..3000.0, width in 0.01f32..5000.0, height in 0.01f32..5000.0,
            columns in 1u32..40, rows in 1u32..40,
        ) {
            let image = noise(columns, rows, 9);
            let mut out = vec![f32::NAN; 16 * 16 * 3];
            let region = Region { left, top, width, height };
            resize(&image, &region, Place::whole(16, 16), &plain(Colour::Bgr), &mut Scratch::default(), &mut out);
            prop_assert!(out.iter().all(|v| (-0.01..=255.01).contains(v)));
        }

        #[test]
        fn four_quarter_turns_lead_back(width in 1u32..30, height in 1u32..30, seed in any::<u32>()) {
            let image = noise(width, height, seed);
            let once = |i: &RgbImage| turned(i, 1).unwrap();
            prop_assert_eq!(&once(&once(&image)), &turned(&image, 2).unwrap());
            prop_assert_eq!(&once(&once(&once(&image))), &turned(&image, 3).unwrap());
            prop_assert_eq!(&once(&once(&once(&once(&image)))), &image);
        }
    }

    // Each case warps a whole face: fewer of them.
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn no_warp_however_odd_panics_or_leaves_the_range_of_pixels(
            a in -60.0f32..60.0, b in -60.0f32..60.0, dx in -1e9f32..1e9, dy in -3000.0f32..3000.0,
            columns in 1u32..90, rows in 1u32..90,
        ) {
            let image = noise(columns, rows, 5);
            let mut out = vec![f32::NAN; 112 * 112 * 3];
            let map = Similarity { a, b, dx, dy };
            warp(&image, &map, 112, Beyond::Black, &plain(Colour::Bgr), &mut Scratch::default(), &mut out);
            prop_assert!(out.iter().all(|v| (-0.01..=255.01).contains(v)));
        }

        #[test]
        fn warping_a_ramp_reads_where_the_map_says(
            turn in -3.1f32..3.1, scale in 0.2f32..4.0, cx in 90.0f32..160.0, cy in 90.0f32..160.0,
        ) {
            let image = ramp(250, 250);
            let (a, b) = (scale * turn.cos(), scale * turn.sin());
            let middle = 55.5;
            let map = Similarity { a, b, dx: cx - a * middle + b * middle, dy: cy - b * middle - a * middle };
            let mut out = vec![0.0; 112 * 112 * 3];
            warp(&image, &map, 112, Beyond::Black, &plain(Colour::Rgb), &mut Scratch::default(), &mut out);
            for y in 0..112 {
                for x in 0..112 {
                    let [sx, sy] = map.apply([x as f32, y as f32]);
                    if (8.0..240.0).contains(&sx) && (8.0..240.0).contains(&sy) {
                        let (r, g) = (out[y * 112 + x], out[112 * 112 + y * 112 + x]);
                        // Block means are rounded to whole values.
                        prop_assert!((r - sx).abs() < 0.6 && (g - sy).abs() < 0.6, "{r} {sx} {g} {sy}");
                    }
                }
            }
        }

        #[test]
        fn a_strong_reduction_looks_at_every_pixel(seed in any::<u32>(), turn in -3.1f32..3.1) {
            // White noise averaged over many pixels is flat; sampled, it is not.
            let image = noise(1200, 1200, seed);
            let (a, b) = (8.0 * turn.cos(), 8.0 * turn.sin());
            let map = Similarity { a, b, dx: 600.0 - a * 55.5 + b * 55.5, dy: 600.0 - b * 55.5 - a * 55.5 };
            let mut out = vec![0.0; 112 * 112 * 3];
            warp(&image, &map, 112, Beyond::Black, &plain(Colour::Rgb), &mut Scratch::default(), &mut out);
            let middle: Vec<f32> = (40..72).flat_map(|y| out[y * 112 + 40..y * 112 + 72].to_vec()).collect();
            let mean = middle.iter().sum::<f32>() / middle.len() as f32;
            let deviation = (middle.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / middle.len() as f32).sqrt();
            prop_assert!(deviation < 73.9 / 8.0 * 1.5, "{deviation}");
        }
    }

    #[test]
    fn a_quarter_turn_is_clockwise() {
        let image = ramp(3, 2);
        let turned = turned(&image, 1).unwrap();
        assert_eq!((turned.width(), turned.height()), (2, 3));
        // The lower left pixel (0, 1) comes to the upper left.
        assert_eq!(turned.data()[..3], [0, 1, 7]);
    }

    #[test]
    fn colour_orders_are_what_they_say() {
        let image = RgbImage::new(1, 1, vec![10, 20, 30]).unwrap();
        let mut out = vec![0.0; 3];
        for (colour, expected) in [(Colour::Rgb, [10.0, 20.0, 30.0]), (Colour::Bgr, [30.0, 20.0, 10.0])] {
            resize(&image, &Region::of(1, 1), Place::whole(1, 1), &plain(colour), &mut Scratch::default(), &mut out);
            assert_eq!(out, expected);
        }
        let mut grey = vec![0.0];
        resize(&image, &Region::of(1, 1), Place::whole(1, 1), &plain(Colour::Grey), &mut Scratch::default(), &mut grey);
        assert!((grey[0] - 18.15).abs() < 1e-3);
    }

    #[test]
    fn a_dark_picture_is_spread_out_and_a_well_lit_one_is_left() {
        let dark = RgbImage::new(64, 1, (0..64u8).flat_map(|v| [v / 4, v / 4, v / 4]).collect()).unwrap();
        let lit = spread(&dark).unwrap();
        assert_eq!((lit.data()[0], lit.data()[63 * 3]), (0, 255));
        assert!(spread(&RgbImage::new(256, 1, (0..=255u8).flat_map(|v| [v; 3]).collect()).unwrap()).is_none());
        assert!(spread(&RgbImage::new(2, 1, vec![7; 6]).unwrap()).is_none(), "flat");
    }
}
