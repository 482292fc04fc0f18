//! Converts samples of other colour models to 8-bit RGB.
//!
//! No colour management: embedded ICC profiles are ignored, as the networks
//! were trained on pictures read that way.

/// Grey to RGB: each sample three times.
pub(super) fn grey_to_rgb(grey: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(grey.len() * 3);
    for &v in grey {
        rgb.extend_from_slice(&[v, v, v]);
    }
    rgb
}

/// Grey and alpha, interleaved, over white.
pub(super) fn grey_alpha_to_rgb(samples: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(samples.len() / 2 * 3);
    for &[v, a] in samples.as_chunks::<2>().0 {
        let v = over_white(v, a);
        rgb.extend_from_slice(&[v, v, v]);
    }
    rgb
}

/// RGBA, in place, over white; the buffer shrinks to RGB.
pub(super) fn rgba_to_rgb(mut samples: Vec<u8>) -> Vec<u8> {
    squeeze_4_to_3(&mut samples, |[r, g, b, a]| [over_white(r, a), over_white(g, a), over_white(b, a)]);
    samples
}

/// CMYK with 255 for full ink, in place; the buffer shrinks to RGB.
pub(super) fn cmyk_to_rgb(mut samples: Vec<u8>) -> Vec<u8> {
    squeeze_4_to_3(&mut samples, |[c, m, y, k]| {
        let light = 255 - k;
        [scale(255 - c, light), scale(255 - m, light), scale(255 - y, light)]
    });
    samples
}

/// CMYK as Adobe writes it into JPEG (0 for full ink), in place; the buffer
/// shrinks to RGB.
pub(super) fn inverted_cmyk_to_rgb(mut samples: Vec<u8>) -> Vec<u8> {
    squeeze_4_to_3(&mut samples, |[c, m, y, k]| [scale(c, k), scale(m, k), scale(y, k)]);
    samples
}

/// YCCK as Adobe writes it into JPEG: the first three are YCbCr of the ink
/// (Adobe technical note 5116), so red is 255 less what the matrix gives.
pub(super) fn ycck_to_rgb(mut samples: Vec<u8>) -> Vec<u8> {
    squeeze_4_to_3(&mut samples, |[y, cb, cr, k]| {
        let [r, g, b] = ycbcr_to_rgb([y, cb, cr]);
        [scale(255 - r, k), scale(255 - g, k), scale(255 - b, k)]
    });
    samples
}

/// JFIF's full-range BT.601 (JFIF 1.02, page 3), in 16-bit fixed point.
fn ycbcr_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = ((i32::from(y) << 16) + HALF, i32::from(cb) - 128, i32::from(cr) - 128);
    let clamp = |v: i32| (v >> 16).clamp(0, 255) as u8;
    [
        clamp(y + 91_881 * cr),               // 1.402
        clamp(y - 22_554 * cb - 46_802 * cr), // 0.344136, 0.714136
        clamp(y + 116_130 * cb),              // 1.772
    ]
}

/// 16-bit samples in native byte order to 8-bit, rounded to the nearest, in
/// place.
pub(super) fn wide_to_narrow(mut samples: Vec<u8>) -> Vec<u8> {
    let narrowed = samples.len() / 2;
    for i in 0..narrowed {
        samples[i] = narrow(u16::from_ne_bytes([samples[2 * i], samples[2 * i + 1]]));
    }
    samples.truncate(narrowed);
    samples
}

fn narrow(wide: u16) -> u8 {
    // 65535 / 255 = 257 exactly.
    ((u32::from(wide) + 128) / 257) as u8
}

/// A sample composited over white, as viewers show transparent portraits; black would add a hard
/// dark edge around cut-out heads.
fn over_white(value: u8, alpha: u8) -> u8 {
    255 - scale(255 - value, alpha)
}

/// `a * b / 255`, rounded to the nearest.
fn scale(a: u8, b: u8) -> u8 {
    let t = u32::from(a) * u32::from(b) + 128;
    ((t + (t >> 8)) >> 8) as u8
}

fn squeeze_4_to_3(samples: &mut Vec<u8>, convert: impl Fn([u8; 4]) -> [u8; 3]) {
    let pixels = samples.len() / 4;
    for i in 0..pixels {
        let from = 4 * i;
        let rgb = convert([samples[from], samples[from + 1], samples[from + 2], samples[from + 3]]);
        samples[3 * i..3 * i + 3].copy_from_slice(&rgb);
    }
    samples.truncate(pixels * 3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_rounds_to_the_nearest_for_every_pair() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let exact = (f64::from(a) * f64::from(b) / 255.0).round() as u8;
                assert_eq!(scale(a, b), exact, "{a} * {b}");
            }
        }
    }

    #[test]
    fn narrowing_rounds_to_the_nearest_for_every_sample() {
        for wide in 0..=u16::MAX {
            let exact = (f64::from(wide) / 257.0).round() as u8;
            assert_eq!(narrow(wide), exact, "{wide}");
        }
    }

    #[test]
    fn transparent_is_white_and_opaque_is_itself() {
        for v in 0..=255 {
            assert_eq!(over_white(v, 0), 255);
            assert_eq!(over_white(v, 255), v);
        }
        assert_eq!(rgba_to_rgb(vec![10, 20, 30, 255, 10, 20, 30, 0]), [10, 20, 30, 255, 255, 255]);
        assert_eq!(grey_alpha_to_rgb(&[9, 255, 9, 0]), [9, 9, 9, 255, 255, 255]);
    }

    #[test]
    fn both_cmyk_conventions_agree_on_the_same_ink() {
        let ink: Vec<u8> = (0..=255).flat_map(|v: u8| [v, 255 - v, v / 2, v / 3]).collect();
        let inverted = ink.iter().map(|v| 255 - v).collect();
        assert_eq!(cmyk_to_rgb(ink), inverted_cmyk_to_rgb(inverted));
    }

    #[test]
    fn no_ink_is_white_and_full_black_ink_is_black() {
        assert_eq!(cmyk_to_rgb(vec![0, 0, 0, 0, 0, 0, 0, 255]), [255, 255, 255, 0, 0, 0]);
        // Y 0 of the ink with neutral chroma and no black: white.
        assert_eq!(ycck_to_rgb(vec![0, 128, 128, 255]), [255, 255, 255]);
    }
}
