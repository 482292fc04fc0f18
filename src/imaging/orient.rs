//! EXIF orientation: reading the tag, turning the pixels upright.

use image::metadata::Orientation;

/// The orientation in an EXIF block (TIFF header first); upright if it is damaged or missing, as in
/// viewers: a photo is not refused for its metadata.
pub(super) fn from_exif(exif: &[u8]) -> Orientation {
    // WebP and PNG writers sometimes keep JPEG's prefix.
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}

/// Whether turning swaps width and height, and so needs a second buffer.
pub(super) fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::*;
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Upright size of a picture of this size.
pub(super) fn upright_size(orientation: Orientation, (width, height): (u32, u32)) -> (u32, u32) {
    if swaps_sides(orientation) { (height, width) } else { (width, height) }
}

/// Turns an RGB picture of `width` pixels a row upright.
pub(super) fn upright(orientation: Orientation, width: usize, mut rgb: Vec<u8>) -> Vec<u8> {
    use Orientation::*;
    if rgb.is_empty() || width == 0 {
        return rgb;
    }
    match orientation {
        NoTransforms => {}
        FlipHorizontal => rgb.chunks_exact_mut(width * 3).for_each(reverse_pixels),
        Rotate180 => reverse_pixels(&mut rgb),
        FlipVertical => {
            reverse_pixels(&mut rgb);
            rgb.chunks_exact_mut(width * 3).for_each(reverse_pixels);
        }
        // The pixel at (x, y) of the upright picture comes from:
        Rotate90FlipH => return transposed(&rgb, width, |x, y, _, _| (y, x)),
        Rotate90 => return transposed(&rgb, width, |x, y, _, h| (y, h - 1 - x)),
        Rotate270 => return transposed(&rgb, width, |x, y, w, _| (w - 1 - y, x)),
        Rotate270FlipH => return transposed(&rgb, width, |x, y, w, h| (w - 1 - y, h - 1 - x)),
    }
    rgb
}

fn reverse_pixels(row: &mut [u8]) {
    row.as_chunks_mut::<3>().0.reverse();
}

/// Copies in square blocks, so that both sides stay in the cache: row-wise reading of a
/// 12-megapixel photo would miss at every pixel.
fn transposed(rgb: &[u8], width: usize, from: impl Fn(usize, usize, usize, usize) -> (usize, usize)) -> Vec<u8> {
    const BLOCK: usize = 32;
    let source = rgb.as_chunks::<3>().0;
    let height = source.len() / width;
    let (out_width, out_height) = (height, width);
    let mut out = vec![0; rgb.len()];
    let target = out.as_chunks_mut::<3>().0;
    for block_y in (0..out_height).step_by(BLOCK) {
        for block_x in (0..out_width).step_by(BLOCK) {
            for y in block_y..(block_y + BLOCK).min(out_height) {
                for x in block_x..(block_x + BLOCK).min(out_width) {
                    let (from_x, from_y) = from(x, y, width, height);
                    target[y * out_width + x] = source[from_y * width + from_x];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use image::metadata::Orientation::{self, *};
    use proptest::prelude::*;

    use super::*;

    const ALL: [Orientation; 8] =
        [NoTransforms, FlipHorizontal, Rotate180, FlipVertical, Rotate90FlipH, Rotate90, Rotate270FlipH, Rotate270];

    fn inverse(orientation: Orientation) -> Orientation {
        match orientation {
            Rotate90 => Rotate270,
            Rotate270 => Rotate90,
            own_inverse => own_inverse,
        }
    }

    fn picture(width: usize, height: usize) -> Vec<u8> {
        (0..width * height).flat_map(|i| [i as u8, (i >> 8) as u8, 7]).collect()
    }

    proptest! {
        #[test]
        fn turning_and_turning_back_changes_nothing(width in 1usize..80, height in 1usize..80, which in 0usize..8) {
            let before = picture(width, height);
            let turned = upright(ALL[which], width, before.clone());
            let (turned_width, _) = upright_size(ALL[which], (width as u32, height as u32));
            let back = upright(inverse(ALL[which]), turned_width as usize, turned);
            prop_assert_eq!(back, before);
        }

        #[test]
        fn any_two_turns_are_one_of_the_eight(first in 0usize..8, second in 0usize..8) {
            let (width, height) = (5, 3);
            let once = upright(ALL[first], width, picture(width, height));
            let (once_width, once_height) = upright_size(ALL[first], (width as u32, height as u32));
            let turned_twice = upright(ALL[second], once_width as usize, once);
            let turned_twice_size = upright_size(ALL[second], (once_width, once_height));
            let equivalent = ALL.iter().filter(|&&o| {
                upright_size(o, (width as u32, height as u32)) == turned_twice_size
                    && upright(o, width, picture(width, height)) == turned_twice
            });
            prop_assert_eq!(equivalent.count(), 1);
        }

        #[test]
        fn every_turn_agrees_with_the_image_crate(width in 1u32..70, height in 1u32..70, which in 0usize..8) {
            let data = picture(width as usize, height as usize);
            let mut theirs = image::DynamicImage::from(image::RgbImage::from_raw(width, height, data.clone()).unwrap());
            theirs.apply_orientation(ALL[which]);
            prop_assert_eq!(upright(ALL[which], width as usize, data), theirs.into_bytes());
        }
    }

    #[test]
    fn damaged_exif_means_upright() {
        assert_eq!(from_exif(b""), NoTransforms);
        assert_eq!(from_exif(b"Exif\0\0II*\0"), NoTransforms);
        assert_eq!(from_exif(b"II*\0\xff\xff\xff\xff"), NoTransforms);
    }
}
