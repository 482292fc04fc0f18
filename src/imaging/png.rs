//! PNG, by the `png` crate behind `image`.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder};

use super::budget::{isolate_panics, malformed, unsupported};
use super::{Decoded, Format, ImageError, Limits, RgbImage, orient, pixels};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

const CUT: ImageError = ImageError::Truncated(Format::Png);

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let structure = PngStructure::read(bytes, limits)?;
    let (width, height) = (structure.width, structure.height);
    let orientation = structure.exif.map_or(Orientation::NoTransforms, orient::from_exif);
    limits.check_memory(structure.decode_bytes(orientation))?;

    let data = isolate_panics(Format::Png, || {
        let decoder =
            PngDecoder::with_limits(Cursor::new(&structure.kept), decoder_limits(limits)).map_err(translate)?;
        if decoder.dimensions() != (width, height) {
            return Err(malformed(Format::Png, "a size that changes"));
        }
        let colours = decoder.color_type();
        let mut samples = vec![0; usize::try_from(decoder.total_bytes()).map_err(|_| CUT)?];
        decoder.read_image(&mut samples).map_err(translate)?;
        to_rgb(samples, colours)
    })?;
    let picture =
        RgbImage::new(width, height, data).ok_or_else(|| malformed(Format::Png, "a picture of the wrong size"))?;
    Ok(Decoded::upright(picture, orientation, Format::Png, (width, height), 1))
}

fn decoder_limits(limits: &Limits) -> image::Limits {
    let mut theirs = image::Limits::no_limits();
    theirs.max_alloc = Some(limits.decode_bytes_max);
    theirs
}

/// Samples of any colour type `image` hands out to RGB.
pub(super) fn to_rgb(samples: Vec<u8>, colours: ColorType) -> Result<Vec<u8>, ImageError> {
    let (samples, colours) = match colours {
        ColorType::L16 => (pixels::wide_to_narrow(samples), ColorType::L8),
        ColorType::La16 => (pixels::wide_to_narrow(samples), ColorType::La8),
        ColorType::Rgb16 => (pixels::wide_to_narrow(samples), ColorType::Rgb8),
        ColorType::Rgba16 => (pixels::wide_to_narrow(samples), ColorType::Rgba8),
        eight_bit => (samples, eight_bit),
    };
    match colours {
        ColorType::L8 => Ok(pixels::grey_to_rgb(&samples)),
        ColorType::La8 => Ok(pixels::grey_alpha_to_rgb(&samples)),
        ColorType::Rgb8 => Ok(samples),
        ColorType::Rgba8 => Ok(pixels::rgba_to_rgb(samples)),
        _ => Err(unsupported(Format::Png, "its colour type")),
    }
}

fn translate(error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::IoError(_) => CUT,
        image::ImageError::Limits(_) => malformed(Format::Png, "it takes more memory than its header says"),
        image::ImageError::Unsupported(_) => unsupported(Format::Png, "its colour type"),
        _ => malformed(Format::Png, "a checksum or its compressed data is wrong"),
    }
}

/// Properties of a PNG file, and the chunks needed for pixels.
struct PngStructure<'a> {
    width: u32,
    height: u32,
    bit_depth: u8,
    colour_type: u8,
    interlaced: bool,
    exif: Option<&'a [u8]>,
    /// IHDR, PLTE, tRNS, IDAT and IEND. Other chunks never reach a decoder, so compressed text and
    /// profiles cannot exhaust memory.
    kept: Vec<u8>,
}

impl<'a> PngStructure<'a> {
    /// Walks the chunks (PNG specification, clause 5) without decoding any; the
    /// size is checked as soon as it is known.
    fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, ImageError> {
        let mut rest = bytes.strip_prefix(SIGNATURE).ok_or_else(|| malformed(Format::Png, "its signature is wrong"))?;
        let mut structure: Option<Self> = None;
        loop {
            let (head, after_head) = rest.split_first_chunk::<8>().ok_or(CUT)?;
            let [l3, l2, l1, l0, name @ ..] = *head;
            let length = usize::try_from(u32::from_be_bytes([l3, l2, l1, l0])).map_err(|_| CUT)?;
            let chunk_len = length.checked_add(12).ok_or(CUT)?;
            let chunk = rest.get(..chunk_len).ok_or(CUT)?;
            let body = &after_head[..length];
            rest = &rest[chunk_len..];

            let Some(known) = &mut structure else {
                let mut header = Self::header(&name, body)?;
                limits.check_pixels(header.width, header.height, u64::MAX)?;
                // At most the size of the input.
                header.kept.reserve_exact(bytes.len());
                header.kept.extend_from_slice(SIGNATURE);
                header.kept.extend_from_slice(chunk);
                structure = Some(header);
                continue;
            };
            match &name {
                b"IHDR" => return Err(malformed(Format::Png, "two headers")),
                b"acTL" if body.first_chunk().is_some_and(|&frames| u32::from_be_bytes(frames) > 1) => {
                    return Err(ImageError::Animated);
                }
                b"eXIf" => known.exif = known.exif.or(Some(body)),
                b"PLTE" | b"tRNS" | b"IDAT" => known.kept.extend_from_slice(chunk),
                b"IEND" => {
                    known.kept.extend_from_slice(chunk);
                    break;
                }
                // An upper-case first letter marks what a decoder must know.
                [b'A'..=b'Z', ..] => return Err(unsupported(Format::Png, "a critical chunk")),
                _ => {}
            }
        }
        structure.ok_or(CUT)
    }

    fn header(name: &[u8; 4], body: &[u8]) -> Result<Self, ImageError> {
        let (b"IHDR", &[w3, w2, w1, w0, h3, h2, h1, h0, bit_depth, colour_type, _, _, interlace]) = (name, body) else {
            return Err(malformed(Format::Png, "no proper header"));
        };
        let (width, height) = (u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]));
        if width == 0 || height == 0 {
            return Err(malformed(Format::Png, "a picture without pixels"));
        }
        let interlaced = interlace != 0;
        Ok(Self { width, height, bit_depth, colour_type, interlaced, exif: None, kept: Vec::new() })
    }

    /// Memory of a decode: the copy of the pixel-making bytes, the samples as
    /// stored, and what stands beside them.
    fn decode_bytes(&self, orientation: Orientation) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        // A tRNS chunk may add alpha; palettes are expanded.
        let grey = matches!(self.colour_type, 0 | 4);
        let stored = if grey { 2 } else { 4 } * if self.bit_depth == 16 { 2 } else { 1 };
        // Beside the samples, RGB from grey, the copy turned on its side, or
        // what giving back spare capacity may copy.
        let peak = (stored + 3).max(if orient::swaps_sides(orientation) { 6 } else { 0 });
        // Current and previous row, filtered, twice over for Adam7's passes.
        let rows = u64::from(self.width) * stored * if self.interlaced { 8 } else { 4 };
        self.kept.capacity() as u64 + pixels * peak + rows
    }
}
