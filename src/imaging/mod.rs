//! Image decoding: recognises the format by content, bounds the cost, decodes and applies the EXIF
//! orientation.
//!
//! # Threat model
//!
//! The bytes come from counters, chips and the network and are chosen by whoever holds the card or
//! the camera. An attacker wants to stop the service (crash, hang, exhaustion of memory), to
//! execute code, or to submit a picture that people and the engine see differently. Measures:
//!
//! - **Size.** [`Limits`] bound encoded bytes, pixels and memory, in that order
//!   and before anything is allocated in proportion to what a header claims.
//! - **Memory.** Each format's markers, chunks or boxes are walked first by a
//!   small reader of ours, which works out the most that decoding can hold at
//!   a time: coefficients of a progressive JPEG, planes, code-blocks and tiles
//!   of JPEG 2000, prefix codes of a lossless WebP, samples before conversion.
//!   Tests count allocations and hold every decode to that estimate.
//! - **Surface.** Only what makes pixels is passed on to a decoder. Profiles,
//!   text, thumbnails, comments and what follows the picture are dropped; of
//!   EXIF only the orientation is read. Rare parts of the formats (arithmetic
//!   coding, 12 bits, progression changes, animation) are refused.
//! - **Time.** Scans of a JPEG and pixels, tiles and tag trees of JPEG 2000 are
//!   bounded on top, as their cost is not in proportion to their bytes.
//! - **Crashes.** All decoders are memory-safe Rust. A panic inside one is
//!   caught here and becomes [`ImageError::Malformed`] with a fixed detail.
//! - **Half pictures.** A file that ends early, lacks a tile or whose coded
//!   data runs out is an error, never a picture with a grey rest. What the
//!   coding itself cannot show (a flipped bit in a JPEG's data) stays unseen,
//!   and so does a progressive JPEG whose later passes were cut out.
//! - **Leaks.** Details of errors are sentences fixed here; nothing of the
//!   content is quoted.
//!
//! Colours are read as sRGB: embedded profiles are ignored, transparency is laid
//! over white.

mod bmp;
mod budget;
mod error;
mod jp2;
mod jpeg;
mod jpeg_scaled;
mod orient;
mod pixels;
mod png;
mod small;
mod standard_huffman;
mod webp;

use image::metadata::Orientation;

pub use error::ImageError;
pub use small::{resized_jpeg, small_jpeg};

/// Limits on the cost of decoding an image, checked before allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest encoded size, in bytes.
    pub encoded_bytes_max: usize,
    /// Largest picture, in pixels (width times height as the header declares).
    pub pixels_max: u64,
    /// Largest memory decoding may take, in bytes, the result included.
    pub decode_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { encoded_bytes_max: 16 << 20, pixels_max: 50_000_000, decode_bytes_max: 512 << 20 }
    }
}

/// An image format, recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// JPEG (ISO/IEC 10918-1).
    Jpeg,
    /// PNG (ISO/IEC 15948).
    Png,
    /// WebP.
    WebP,
    /// JPEG 2000 in its JP2 box format (ISO/IEC 15444-1 annex I).
    Jp2,
    /// JPEG 2000, raw codestream (ISO/IEC 15444-1 annex A).
    J2k,
    /// BMP, uncompressed.
    Bmp,
}

/// An 8-bit RGB picture, upright, rows from the top, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl RgbImage {
    /// Wraps `data`, which holds `width * height * 3` bytes in R, G, B order.
    ///
    /// Returns `None` where the length does not fit or a side is zero.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Option<Self> {
        let bytes = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (bytes != 0 && bytes == data.len()).then_some(Self { width, height, data })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels: R, G, B, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl std::fmt::Debug for RgbImage {
    // Pixels must not reach a log through `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbImage({}x{})", self.width, self.height)
    }
}

/// A decoded picture with properties of its file.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The upright pixels.
    pub image: RgbImage,
    /// The format the bytes were in.
    pub format: Format,
    /// Upright size of the picture in the file, before scaled decoding.
    pub full_size: (u32, u32),
    /// 1 for a full decode; 2, 4 or 8 where the picture was decoded at that
    /// fraction of its size.
    pub scale: u32,
    /// Quality of a JPEG on the scale of the Independent JPEG Group, 1…100, by its
    /// luminance table; `None` for other formats.
    pub jpeg_quality: Option<f32>,
}

impl Decoded {
    /// Applies the orientation to a picture as stored. `full_size` is the size as stored.
    fn upright(stored: RgbImage, orientation: Orientation, format: Format, full_size: (u32, u32), scale: u32) -> Self {
        let (width, height) = orient::upright_size(orientation, (stored.width, stored.height));
        let mut data = orient::upright(orientation, stored.width as usize, stored.data);
        data.shrink_to_fit();
        let image = RgbImage { width, height, data };
        Self { image, format, full_size: orient::upright_size(orientation, full_size), scale, jpeg_quality: None }
    }
}

/// Recognises a format by its first bytes; file names and declared types are not trusted.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Some(Format::Jpeg)
    } else if bytes.starts_with(png::SIGNATURE) {
        Some(Format::Png)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(Format::WebP)
    } else if bytes.starts_with(b"\x00\x00\x00\x0CjP  \r\n\x87\n") {
        Some(Format::Jp2)
    } else if bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        Some(Format::J2k)
    } else if bmp::is_bmp(bytes) {
        Some(Format::Bmp)
    } else {
        None
    }
}

/// Decodes at full size.
///
/// # Errors
/// [`ImageError`] for bytes that are no picture, are damaged, or would cost more than the limits
/// allow.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    decode_at(bytes, limits, None)
}

/// Decodes at the smallest scale (1, 1/2, 1/4, 1/8) whose shorter side is
/// still at least `short_side_min` pixels, where the format can; otherwise at
/// full size.
///
/// A side of the result is the full side over [`Decoded::scale`], rounded up.
///
/// # Errors
/// As [`decode`].
pub fn decode_scaled(bytes: &[u8], limits: &Limits, short_side_min: u32) -> Result<Decoded, ImageError> {
    decode_at(bytes, limits, Some(short_side_min))
}

fn decode_at(bytes: &[u8], limits: &Limits, short_side_min: Option<u32>) -> Result<Decoded, ImageError> {
    limits.check_encoded(bytes)?;
    match sniff(bytes).ok_or(ImageError::UnknownFormat)? {
        Format::Jpeg => jpeg::decode(bytes, limits, short_side_min),
        Format::Png => png::decode(bytes, limits),
        Format::WebP => webp::decode(bytes, limits),
        Format::Bmp => bmp::decode(bytes, limits),
        format @ (Format::Jp2 | Format::J2k) => jp2::decode(bytes, limits, format, short_side_min),
    }
}

/// The largest of 8, 4, 2, 1 that leaves the shorter side at least
/// `short_side_min`; 1 where full size is asked for.
fn denominator_for(width: u32, height: u32, short_side_min: Option<u32>) -> u32 {
    let short = width.min(height);
    let enough = |denominator: &u32| short_side_min.is_some_and(|min| short.div_ceil(*denominator) >= min);
    [8, 4, 2].into_iter().find(enough).unwrap_or(1)
}
