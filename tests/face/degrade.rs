//! Seeded ways to spoil a photo of a face, one fault each. The fit of the quality
//! model (`examples/fit_quality.rs`) uses them too, with other seeds.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Rgb, RgbImage};

use super::picture::{Eyes, Random, jpeg, sample};

/// What a photo suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Gaussian blur of 7 to 11 % of the distance between the eyes.
    Blur,
    /// An eighth to a fifth of the light.
    Dark,
    /// More than twice the light, and a veil over it.
    Bright,
    /// Turned in the picture plane by 20 to 35 degrees.
    Tilt,
    /// A mask, a bar over the eyes or a cover over one side, of any colour.
    Cover,
    /// 17 to 24 pixels between the eyes.
    Small,
    /// JPEG of quality 4 to 9.
    Compress,
    /// A shadow over one side.
    Shadow,
    /// White light in both lenses of glasses.
    Glare,
}

impl Fault {
    /// Those that the quality model is fitted with. New ones come behind them, so that the
    /// seeds of these stay.
    pub const FITTED: [Self; 8] =
        [Self::Blur, Self::Dark, Self::Bright, Self::Tilt, Self::Cover, Self::Small, Self::Compress, Self::Shadow];
}

/// The photo with the fault, as a JPEG.
pub fn degrade(photo: &RgbImage, eyes: Eyes, fault: Fault, random: &mut Random) -> Vec<u8> {
    let apart = eyes.apart();
    match fault {
        Fault::Blur => jpeg(&imageops::blur(photo, apart * random.within(0.07, 0.11)), 92),
        Fault::Dark => {
            let gain = random.within(0.12, 0.2);
            jpeg(&each(photo, |_, v| v * gain), 92)
        }
        Fault::Bright => {
            let gain = random.within(2.2, 3.0);
            jpeg(&each(photo, |_, v| v * gain + 40.0), 92)
        }
        Fault::Tilt => {
            let angle = random.within(20.0, 35.0) * random.sign();
            jpeg(&turn(photo, angle.to_radians()), 92)
        }
        Fault::Cover => jpeg(&cover(photo, eyes, random), 92),
        Fault::Glare => jpeg(&glare(photo, eyes, random), 92),
        Fault::Small => {
            let scale = (random.within(17.0, 24.0) / apart).min(1.0);
            let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
            jpeg(&imageops::resize(photo, side(photo.width()), side(photo.height()), FilterType::Triangle), 92)
        }
        Fault::Compress => jpeg(photo, 4 + random.below(6) as u8),
        Fault::Shadow => {
            let (dark, soft, sign) = (random.within(0.05, 0.12), random.within(5.0, 8.0), random.sign());
            let middle = eyes.middle()[0];
            let lit = |x: u32| 1.0 / (1.0 + (-sign * soft * (x as f32 - middle) / apart).exp());
            jpeg(&each(photo, |x, v| v * (dark + (1.0 - dark) * lit(x))), 92)
        }
    }
}

/// Changes every sample by its column and value.
fn each(photo: &RgbImage, change: impl Fn(u32, f32) -> f32) -> RgbImage {
    ImageBuffer::from_fn(photo.width(), photo.height(), |x, y| {
        Rgb(photo.get_pixel(x, y).0.map(|v| change(x, f32::from(v)).round().clamp(0.0, 255.0) as u8))
    })
}

/// About the middle; beyond the edge the outermost pixel goes on.
fn turn(photo: &RgbImage, angle: f32) -> RgbImage {
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let (sin, cos) = angle.sin_cos();
    ImageBuffer::from_fn(photo.width(), photo.height(), |x, y| {
        let (u, v) = (x as f32 - width / 2.0, y as f32 - height / 2.0);
        let sx = (cos * u - sin * v + width / 2.0).clamp(0.0, width - 1.0);
        let sy = (sin * u + cos * v + height / 2.0).clamp(0.0, height - 1.0);
        Rgb(sample(photo, sx, sy).map(|v| v.round() as u8))
    })
}

/// Two white ellipses with soft edges, where lenses are, nearly opaque.
fn glare(photo: &RgbImage, eyes: Eyes, random: &mut Random) -> RgbImage {
    let (apart, middle) = (eyes.apart(), eyes.middle());
    let radii = [apart * random.within(0.26, 0.38), apart * random.within(0.16, 0.26)];
    let (opacity, white) = (random.within(0.8, 1.0), random.within(245.0, 255.0));
    let shift = [0, 1].map(|_| apart * random.within(-0.05, 0.05));
    ImageBuffer::from_fn(photo.width(), photo.height(), |x, y| {
        let inside = |side: f32| {
            let u = (x as f32 - middle[0] - side * apart / 2.0 - shift[0]) / radii[0];
            let v = (y as f32 - middle[1] - shift[1]) / radii[1];
            ((1.1 - u.hypot(v)) / 0.2).clamp(0.0, 1.0)
        };
        let share = opacity * inside(-1.0).max(inside(1.0));
        Rgb(photo.get_pixel(x, y).0.map(|v| (f32::from(v) * (1.0 - share) + white * share) as u8))
    })
}

fn cover(photo: &RgbImage, eyes: Eyes, random: &mut Random) -> RgbImage {
    const COLOURS: [[u8; 3]; 7] =
        [[0, 0, 0], [255, 255, 255], [40, 120, 200], [60, 60, 60], [90, 200, 160], [200, 225, 235], [128, 128, 128]];
    // Left, right, top, bottom in eye distances from between the eyes.
    const BOXES: [[f32; 4]; 4] =
        [[-1.1, 1.1, 0.5, 1.9], [-1.0, 1.0, -0.35, 0.3], [0.05, 1.2, -0.7, 1.6], [-1.2, -0.05, -0.7, 1.6]];
    let (apart, middle) = (eyes.apart(), eyes.middle());
    let [left, right, top, bottom] = BOXES[random.below(BOXES.len())].map(|v| v + random.within(-0.08, 0.08));
    let (plain, other) = (COLOURS[random.below(COLOURS.len())], COLOURS[random.below(COLOURS.len())]);
    let (texture, period, shade) = (random.below(4), apart * random.within(0.1, 0.3), random.within(0.75, 1.1));
    // A cheek's colour: a hand.
    let cheek = [middle[0] + 0.45 * apart, middle[1] + 0.6 * apart].map(|v| v.max(0.0) as u32);
    let cheek = photo.get_pixel(cheek[0].min(photo.width() - 1), cheek[1].min(photo.height() - 1)).0;
    let mix = |share: f32| [0, 1, 2].map(|c| (f32::from(plain[c]) * (1.0 - share) + f32::from(other[c]) * share) as u8);
    ImageBuffer::from_fn(photo.width(), photo.height(), |x, y| {
        let (dx, dy) = (x as f32 - middle[0], y as f32 - middle[1]);
        let (u, v) = (dx / apart, dy / apart);
        if !(left..right).contains(&u) || !(top..bottom).contains(&v) {
            return *photo.get_pixel(x, y);
        }
        Rgb(match texture {
            0 => plain,
            1 => mix(((v - top) / (bottom - top)).clamp(0.0, 1.0)),
            2 => mix(0.5 + 0.5 * (dx / period).sin() * (dy / period).cos()),
            _ => cheek.map(|value| (f32::from(value) * shade).min(255.0) as u8),
        })
    })
}
