//! The warp of a face to where a network expects it.

use super::{Normalise, Scratch};
use crate::face::geometry::Similarity;
use crate::imaging::RgbImage;

/// What lies beyond the edge of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::face) enum Beyond {
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
pub(in crate::face) fn warp(
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
