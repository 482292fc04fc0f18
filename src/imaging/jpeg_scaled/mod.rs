//! A small, fast decoder for the JPEG files that phones and cameras write:
//! 8-bit baseline, Huffman-coded, one interleaved scan, grey or Y Cb Cr. It
//! decodes at 1, 1/2, 1/4 or 1/8 of the size, which is most of what a large
//! capture needs before a face is found in it.
//!
//! Source: ITU-T T.81 (ISO/IEC 10918-1), clauses named where they are used;
//! colours as in JFIF 1.02 (ITU-T T.871).
//!
//! # What it promises
//! - `None` for every picture it does not support: other processes (progressive, arithmetic,
//!   lossless, 12-bit), other colours (RGB, CMYK), unusual sampling, and every irregularity down to
//!   a missing end marker. The caller then uses the full decoder, which decides about damaged
//!   files.
//! - Memory: the result and a few rows of MCUs. The caller has bounded the
//!   pixels before.
//! - Time: linear in bytes and pixels.
//! - The same bytes give the same pixels on every processor.
//!
//! # How the bytes flow
//! `markers` reads the headers; `bits` removes byte stuffing and hands out bits;
//! `huffman` holds the tables and `block` reads coefficients through them; `scan`
//! is the loop; `transform` turns coefficients into samples; `rows` and `colour`
//! turn samples into RGB.

mod bits;
mod block;
mod colour;
mod huffman;
mod markers;
mod rows;
mod scan;
#[cfg(test)]
mod tests;
mod transform;

use super::RgbImage;

/// Decodes a JPEG at `1 / denominator` of its size, `ceil(width / denominator)`
/// by `ceil(height / denominator)` pixels. `denominator` is 1, 2, 4 or 8.
///
/// `None` for what this decoder leaves to a full one: see the module's promises.
/// Orientation is not looked at.
pub fn try_decode(bytes: &[u8], denominator: u32) -> Option<RgbImage> {
    if !matches!(denominator, 1 | 2 | 4 | 8) {
        return None;
    }
    let header = markers::read(bytes)?;
    let scan = scan::ScanDecoder::new(bytes, &header, denominator as usize)?;
    let data = scan.decode()?;
    let width = header.width.div_ceil(denominator as usize);
    let height = header.height.div_ceil(denominator as usize);
    RgbImage::new(width as u32, height as u32, data)
}
