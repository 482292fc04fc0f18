//! Antialiased resizing of a box of a picture.

use super::{Normalise, Place, Scratch};
use crate::face::geometry::Region;
use crate::imaging::RgbImage;

/// Weights of one axis of a resize: a triangle as wide as the reduction, so that
/// nothing is skipped, and plain linear interpolation when enlarging. Beyond the
/// edge the outermost pixel goes on.
#[derive(Default)]
pub(super) struct Axis {
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

/// Resizes `region` of the picture into `place`. `region` must be finite and not
/// empty, and no side of it smaller than a millionth of a pixel.
pub(in crate::face) fn resize(
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
