use proptest::prelude::*;

use super::*;
use crate::face::geometry::{Region, Similarity};
use crate::imaging::RgbImage;

fn plain(colour: Colour) -> Normalise {
    Normalise { colour, scale: [1.0; 3], shift: [0.0; 3] }
}

/// Red grows to the right, green downwards: where a pixel comes from can be read off it.
pub(in crate::face) fn ramp(width: u32, height: u32) -> RgbImage {
    let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
    RgbImage::new(width, height, data).unwrap()
}

pub(in crate::face) fn noise(width: u32, height: u32, seed: u32) -> RgbImage {
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
