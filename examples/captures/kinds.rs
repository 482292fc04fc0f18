//! The ways a picture is copied: files written anew, pictures changed in a program, and
//! pictures shown on a screen and photographed from it.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ImageFormat, Rgb, RgbImage};

/// A kind of copying: its name, and what it makes of a picture.
pub type Kind = (&'static str, fn(&RgbImage) -> Vec<u8>);

/// Quality of a JPEG file that is written after a change.
const QUALITY: u8 = 85;

/// Every kind that is measured beside the same bytes.
pub const KINDS: [Kind; 30] = [
    ("PNG of the pixels", |image| written(image, ImageFormat::Png)),
    ("WebP without loss", |image| written(image, ImageFormat::WebP)),
    ("JPEG, quality 90", |image| jpeg(image, 90)),
    ("JPEG, quality 70", |image| jpeg(image, 70)),
    ("JPEG, quality 50", |image| jpeg(image, 50)),
    ("JPEG, quality 30", |image| jpeg(image, 30)),
    ("resized by 0.75", |image| saved(&stretched(image, 0.75, 0.75))),
    ("resized by 0.5", |image| saved(&stretched(image, 0.5, 0.5))),
    ("resized by 1.5", |image| saved(&stretched(image, 1.5, 1.5))),
    ("5 % cut off width and height", |image| saved(&cropped(image, 0.05))),
    ("10 % cut off width and height", |image| saved(&cropped(image, 0.1))),
    ("20 % cut off width and height", |image| saved(&cropped(image, 0.2))),
    ("brighter by a sixth", |image| saved(&lit(image, |v| v * 7.0 / 6.0))),
    ("darker by a quarter", |image| saved(&lit(image, |v| v * 0.75))),
    ("contrast 0.75", |image| saved(&lit(image, |v| 0.5 + (v - 0.5) * 0.75))),
    ("contrast 1.3", |image| saved(&lit(image, |v| 0.5 + (v - 0.5) * 1.3))),
    ("gamma 0.75", |image| saved(&lit(image, |v| v.powf(0.75)))),
    ("gamma 1.33", |image| saved(&lit(image, |v| v.powf(1.33)))),
    ("smoothed", |image| saved(&imageops::blur(image, 1.0))),
    ("mirrored", |image| saved(&imageops::flip_horizontal(image))),
    ("rotated by 3 degrees", |image| saved(&rotated(image, 3.0))),
    ("rotated by 10 degrees", |image| saved(&rotated(image, 10.0))),
    ("wider by 5 %", |image| saved(&stretched(image, 1.05, 1.0))),
    ("wider by 10 %", |image| saved(&stretched(image, 1.1, 1.0))),
    ("higher by 10 %", |image| saved(&stretched(image, 1.0, 1.1))),
    ("wider by 20 %", |image| saved(&stretched(image, 1.2, 1.0))),
    ("screenshot, larger, gamma 0.85", |image| saved(&shown_on_a_page(image))),
    ("screen photographed straight", |image| photographed(image, STRAIGHT)),
    ("screen photographed at an angle", |image| photographed(image, ANGLED)),
    ("the same, mirrored", |image| photographed(&imageops::flip_horizontal(image), ANGLED)),
];

fn jpeg(image: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image);
    bytes
}

fn saved(image: &RgbImage) -> Vec<u8> {
    jpeg(image, QUALITY)
}

fn written(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let _ = image.write_to(&mut bytes, format);
    bytes.into_inner()
}

/// Wider or higher by so much.
fn stretched(image: &RgbImage, wide: f32, high: f32) -> RgbImage {
    let side = |length: u32, by: f32| ((length as f32 * by) as u32).max(1);
    imageops::resize(image, side(image.width(), wide), side(image.height(), high), FilterType::Triangle)
}

/// That share of width and height cut off, half of it at either side.
fn cropped(image: &RgbImage, share: f32) -> RgbImage {
    let cut = |length: u32| (length as f32 * share / 2.0) as u32;
    let (x, y) = (cut(image.width()), cut(image.height()));
    imageops::crop_imm(image, x, y, image.width() - 2 * x, image.height() - 2 * y).to_image()
}

/// Every value from 0 to 1 changed by `how`.
fn lit(image: &RgbImage, how: fn(f32) -> f32) -> RgbImage {
    let mut image = image.clone();
    let change = |v: u8| (255.0 * how(f32::from(v) / 255.0)).clamp(0.0, 255.0).round() as u8;
    image.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(change));
    image
}

/// A picture of that size, of which `from` says where each pixel lies in `image`; grey
/// outside of it.
fn resampled(image: &RgbImage, size: (u32, u32), from: impl Fn(f32, f32) -> (f32, f32)) -> RgbImage {
    RgbImage::from_fn(size.0, size.1, |x, y| {
        let (x, y) = from(x as f32, y as f32);
        let inside = x >= 0.0 && y >= 0.0 && x < image.width() as f32 - 1.0 && y < image.height() as f32 - 1.0;
        if inside { imageops::interpolate_bilinear(image, x, y).unwrap_or(Rgb([120; 3])) } else { Rgb([120; 3]) }
    })
}

/// Turned about its middle.
fn rotated(image: &RgbImage, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (x0, y0) = (image.width() as f32 / 2.0, image.height() as f32 / 2.0);
    resampled(image, image.dimensions(), |x, y| {
        let (x, y) = (x - x0, y - y0);
        (x0 + cos * x + sin * y, y0 - sin * x + cos * y)
    })
}

/// Shown larger in a window on a screen with another gamma, and captured as pixels.
fn shown_on_a_page(image: &RgbImage) -> RgbImage {
    let shown = lit(&stretched(image, 1.37, 1.37), |v| v.powf(0.85) * 0.94 + 0.024);
    let mut page = RgbImage::from_pixel(shown.width() * 3 / 2, shown.height() * 3 / 2, Rgb([235, 236, 240]));
    let (x, y) = (i64::from(shown.width() / 4), i64::from(shown.height() / 5));
    imageops::overlay(&mut page, &shown, x, y);
    page
}

/// How a screen is photographed.
#[derive(Clone, Copy)]
struct Camera {
    /// By how much the far edge is shorter than the near one, across and down.
    shorter: (f32, f32),
    /// Turn of the camera.
    degrees: f32,
    /// Standard deviation of its blur, in pixels of a picture 480 pixels high.
    blur: f32,
    /// Height of the waves that pixels of screen and camera make together (moiré), and of
    /// the camera's noise, out of 255.
    moire: f32,
    noise: f32,
}

const STRAIGHT: Camera = Camera { shorter: (0.03, 0.02), degrees: 1.0, blur: 0.8, moire: 4.0, noise: 4.0 };
const ANGLED: Camera = Camera { shorter: (0.15, -0.06), degrees: 4.0, blur: 1.2, moire: 8.0, noise: 8.0 };

/// A picture that fills three quarters of what a camera sees of a screen.
fn photographed(image: &RgbImage, camera: Camera) -> Vec<u8> {
    let (w, h) = (image.width() as f32, image.height() as f32);
    let frame = ((w * 4.0 / 3.0) as u32, (h * 4.0 / 3.0) as u32);
    let (sin, cos) = camera.degrees.to_radians().sin_cos();
    let mut seen = resampled(image, frame, |x, y| {
        let (x, y) = ((x - frame.0 as f32 / 2.0) / w, (y - frame.1 as f32 / 2.0) / h);
        let (x, y) = (cos * x + sin * y, cos * y - sin * x);
        let depth = 1.0 - camera.shorter.0 * x - camera.shorter.1 * y;
        (w * (0.5 + x / depth), h * (0.5 + y / depth))
    });
    let unit = h / 480.0;
    seen = imageops::blur(&seen, (camera.blur * unit).max(0.3));
    // The screen's light: a lifted black, a cooler white, waves that drift over the picture.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    for (x, y, pixel) in seen.enumerate_pixels_mut() {
        let (x, y) = (x as f32 / unit, y as f32 / unit);
        let wave = (0.9 * x + 0.17 * y).sin() * (0.05 * x - 0.61 * y).cos() + (0.045 * x + 0.03 * y).sin();
        let noise: f32 = (0..4).map(|_| random() - 0.5).sum::<f32>() * 1.732;
        let tints = [0.95, 0.98, 1.04];
        for (value, tint) in pixel.0.iter_mut().zip(tints) {
            let light = 12.0 + 236.0 * (f32::from(*value) / 255.0).powf(1.12) * tint;
            *value = (light + camera.moire * wave + camera.noise * noise).clamp(0.0, 255.0) as u8;
        }
    }
    jpeg(&seen, 80)
}
