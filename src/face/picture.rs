//! What is asked of and done to a whole picture before a face is looked for in it: how
//! it is exposed, its light spread, quarter turns.

use crate::imaging::RgbImage;

/// Width of the range of green that a picture is taken to be lit well enough at.
const SPREAD_ENOUGH: usize = 200;

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
    use proptest::prelude::*;

    use super::*;
    use crate::face::sample::tests::{noise, ramp};

    proptest! {
        #[test]
        fn four_quarter_turns_lead_back(width in 1u32..30, height in 1u32..30, seed in any::<u32>()) {
            let image = noise(width, height, seed);
            let once = |i: &RgbImage| turned(i, 1).unwrap();
            prop_assert_eq!(&once(&once(&image)), &turned(&image, 2).unwrap());
            prop_assert_eq!(&once(&once(&once(&image))), &turned(&image, 3).unwrap());
            prop_assert_eq!(&once(&once(&once(&once(&image)))), &image);
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
    fn a_dark_picture_is_spread_out_and_a_well_lit_one_is_left() {
        let dark = RgbImage::new(64, 1, (0..64u8).flat_map(|v| [v / 4, v / 4, v / 4]).collect()).unwrap();
        let lit = spread(&dark).unwrap();
        assert_eq!((lit.data()[0], lit.data()[63 * 3]), (0, 255));
        assert!(spread(&RgbImage::new(256, 1, (0..=255u8).flat_map(|v| [v; 3]).collect()).unwrap()).is_none());
        assert!(spread(&RgbImage::new(2, 1, vec![7; 6]).unwrap()).is_none(), "flat");
    }
}
