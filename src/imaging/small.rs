//! Small JPEGs of pictures, for people to look at: upright, and without anything of the file they were
//! made of but its pixels.

use image::codecs::jpeg::JpegEncoder;
use image::imageops;
use image::{ImageBuffer, Rgb};

use super::{Limits, RgbImage, decode_scaled};

/// Qualities that are tried in turn, on the scale of the Independent JPEG Group, until the file is short
/// enough. Photos of faces are with the first; noise is with none.
const QUALITIES: [u8; 3] = [85, 60, 35];

/// A picture as a JPEG whose longer side has `side_max` pixels at most, in `bytes_max` bytes at most.
/// `None` for bytes that are no picture within the limits, and for one that cannot be made so short.
pub fn small_jpeg(bytes: &[u8], limits: &Limits, side_max: u32, bytes_max: usize) -> Option<Vec<u8>> {
    // The longer side keeps at least as many pixels.
    let decoded = decode_scaled(bytes, limits, side_max).ok()?.image;
    let (width, height) = fitting((decoded.width(), decoded.height()), side_max);
    let of_quality = |quality| resized_jpeg(&decoded, width, height, quality);
    QUALITIES.into_iter().filter_map(of_quality).find(|jpeg| jpeg.len() <= bytes_max)
}

/// A picture in this size as a JPEG; sides are from 1 to 65535. A pixel is the mean of what it covers, in a
/// fourth of the time of a triangle filter. Where the picture has this size it is not resized.
pub fn resized_jpeg(picture: &RgbImage, width: u32, height: u32, quality: u8) -> Option<Vec<u8>> {
    let source: ImageBuffer<Rgb<u8>, &[u8]> = ImageBuffer::from_raw(picture.width(), picture.height(), picture.data())?;
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
    match (picture.width(), picture.height()) == (width, height) {
        true => encoder.encode_image(&source),
        false => encoder.encode_image(&imageops::thumbnail(&source, width, height)),
    }
    .ok()?;
    Some(jpeg)
}

/// The size with a longer side of `side_max` at most; a smaller picture keeps its own.
fn fitting((width, height): (u32, u32), side_max: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side_max {
        return (width, height);
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(side_max) / u64::from(longer);
        // No more than `side_max`.
        (side as u32).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(width: u32, height: u32) -> Vec<u8> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let picture = RgbImage::new(width, height, (0..width * height * 3).map(|_| next()).collect()).unwrap();
        resized_jpeg(&picture, width, height, 95).unwrap()
    }

    proptest! {
        #[test]
        fn a_picture_fits_keeps_its_shape_and_is_never_made_larger(
            width in 1u32..20_000,
            height in 1u32..20_000,
            side_max in 1u32..2_000,
        ) {
            let (fits_width, fits_height) = fitting((width, height), side_max);
            prop_assert!(fits_width.max(fits_height) <= side_max.max(1) && fits_width >= 1 && fits_height >= 1);
            prop_assert!(fits_width <= width && fits_height <= height);
            prop_assert_eq!(fits_width.max(fits_height), width.max(height).min(side_max));
        }
    }

    #[test]
    fn what_is_too_long_at_one_quality_is_made_at_a_lower_one_or_not_at_all() {
        let (picture, limits) = (noise(300, 200), Limits::default());
        let at_best = small_jpeg(&picture, &limits, 640, usize::MAX).unwrap();
        let shorter = small_jpeg(&picture, &limits, 640, at_best.len() - 1).unwrap();
        assert!(shorter.len() < at_best.len());
        assert!(small_jpeg(&picture, &limits, 640, 1000).is_none());
    }

    #[test]
    fn nothing_of_the_file_but_its_pixels_is_left() {
        let picture = noise(900, 300);
        // A comment with somebody's name, behind the first marker.
        let mut told = picture[..2].to_vec();
        told.extend_from_slice(&[0xFF, 0xFE, 0, 14]);
        told.extend_from_slice(b"name-of-test");
        told.extend_from_slice(&picture[2..]);
        let small = small_jpeg(&told, &Limits::default(), 640, usize::MAX).unwrap();
        assert!(!small.windows(12).any(|window| window == b"name-of-test"));
        let decoded = crate::imaging::decode(&small, &Limits::default()).unwrap();
        assert_eq!((decoded.image.width(), decoded.image.height()), (640, 213));
        assert!(small_jpeg(b"no picture", &Limits::default(), 640, usize::MAX).is_none());
    }
}
