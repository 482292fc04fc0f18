//! WebP, by `image-webp` behind `image`.

mod lossless;

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;

use super::budget::{isolate_panics, malformed, unsupported};
use super::{Decoded, Format, ImageError, Limits, RgbImage, orient, pixels};

const CUT: ImageError = ImageError::Truncated(Format::WebP);

/// A lossy frame may announce a partition this large (24 bits) before the
/// decoder notices that the bytes are not there.
const PARTITION_BYTES_MAX: u64 = 1 << 24;
/// Bytes of a lossless stream before its transforms: signature and size.
const LOSSLESS_HEADER_BYTES: usize = 5;
/// Compression bits of a transparency chunk's first byte (RFC 9649, 2.7.1.2).
const ALPHA_COMPRESSED: u8 = 1;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let structure = WebpStructure::read(bytes, limits)?;
    let (width, height) = structure.frame.size;
    let orientation = structure.exif.map_or(Orientation::NoTransforms, orient::from_exif);
    let decode_bytes = structure.decode_bytes(orientation);
    // Checked twice: measuring the tables takes memory, too, but less.
    limits.check_memory(decode_bytes)?;
    limits.check_memory(decode_bytes + structure.table_bytes(limits.decode_bytes_max)?)?;

    let kept = structure.pixels_only();
    let data = isolate_panics(Format::WebP, || {
        let decoder = WebPDecoder::new(Cursor::new(&kept)).map_err(translate)?;
        if decoder.dimensions() != (width, height) {
            return Err(malformed(Format::WebP, "a size that changes"));
        }
        let has_alpha = decoder.color_type().has_alpha();
        let mut samples = vec![0; usize::try_from(decoder.total_bytes()).map_err(|_| CUT)?];
        decoder.read_image(&mut samples).map_err(translate)?;
        Ok(if has_alpha { pixels::rgba_to_rgb(samples) } else { samples })
    })?;
    let picture =
        RgbImage::new(width, height, data).ok_or_else(|| malformed(Format::WebP, "a picture of the wrong size"))?;
    Ok(Decoded::upright(picture, orientation, Format::WebP, (width, height), 1))
}

fn translate(error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::IoError(_) => CUT,
        image::ImageError::Unsupported(_) => unsupported(Format::WebP, "its coding"),
        _ => malformed(Format::WebP, "its compressed data is wrong"),
    }
}

/// The chunk that holds the picture.
struct ImageChunk<'a> {
    size: (u32, u32),
    lossless: bool,
    body: &'a [u8],
}

/// Properties of a WebP file (RFC 9649, section 2), and the chunks needed for pixels.
struct WebpStructure<'a> {
    frame: ImageChunk<'a>,
    /// Transparency of a lossy frame.
    alpha: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

impl<'a> WebpStructure<'a> {
    /// Walks the chunks; sizes are checked as soon as one is declared.
    fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, ImageError> {
        let riff_len = bytes.get(4..8).and_then(|b| b.first_chunk()).map_or(0, |&b| u32::from_le_bytes(b));
        let riff = bytes.get(8..).and_then(|rest| rest.get(..usize::try_from(riff_len).ok()?)).ok_or(CUT)?;
        let mut rest = riff.strip_prefix(b"WEBP").ok_or(CUT)?;

        let (mut canvas, mut frame, mut alpha, mut exif) = (None, None, None, None);
        let mut first = true;
        while !rest.is_empty() {
            let (&[n0, n1, n2, n3, l0, l1, l2, l3], after) = rest.split_first_chunk::<8>().ok_or(CUT)?;
            let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| CUT)?;
            let body = after.get(..length).ok_or(CUT)?;
            // Chunks are padded to even length; some writers leave the last pad out.
            rest = after.get(length + length % 2..).unwrap_or(&[]);
            let name = &[n0, n1, n2, n3];
            if first && !matches!(name, b"VP8X" | b"VP8L" | b"VP8 ") {
                return Err(malformed(Format::WebP, "it does not start with a picture"));
            }
            match name {
                b"VP8X" if first => {
                    let size = extended_header(body)?;
                    limits.check_pixels(size.0, size.1, u64::MAX)?;
                    canvas = Some(size);
                }
                b"ANIM" | b"ANMF" => return Err(ImageError::Animated),
                b"VP8 " | b"VP8L" if frame.is_none() => {
                    let lossless = n3 == b'L';
                    let size = if lossless { lossless_size(body)? } else { lossy_size(body)? };
                    limits.check_pixels(size.0, size.1, u64::MAX)?;
                    frame = Some(ImageChunk { size, lossless, body });
                }
                b"ALPH" => alpha = alpha.or(Some(body)),
                b"EXIF" => exif = exif.or(Some(body)),
                _ => {}
            }
            first = false;
        }
        let frame = frame.ok_or(CUT)?;
        if canvas.is_some_and(|size| size != frame.size) {
            return Err(malformed(Format::WebP, "a canvas of another size than its picture"));
        }
        // Transparency of a lossless picture is inside it.
        let alpha = alpha.filter(|_| canvas.is_some() && !frame.lossless);
        Ok(Self { frame, alpha, exif })
    }

    /// The smallest file that holds the same pixels.
    fn pixels_only(&self) -> Vec<u8> {
        let (width, height) = self.frame.size;
        let mut kept = Vec::with_capacity(self.kept_bytes());
        kept.extend_from_slice(b"RIFF\0\0\0\0WEBP");
        if let Some(alpha) = self.alpha {
            let ([w0, w1, w2, _], [h0, h1, h2, _]) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
            push_chunk(&mut kept, b"VP8X", &[0x10, 0, 0, 0, w0, w1, w2, h0, h1, h2]);
            push_chunk(&mut kept, b"ALPH", alpha);
        }
        push_chunk(&mut kept, if self.frame.lossless { b"VP8L" } else { b"VP8 " }, self.frame.body);
        let riff_len = (kept.len() - 8) as u32;
        kept[4..8].copy_from_slice(&riff_len.to_le_bytes());
        kept
    }

    fn kept_bytes(&self) -> usize {
        self.frame.body.len() + self.alpha.map_or(0, <[u8]>::len) + 64
    }

    /// Memory of a decode but for its prefix-code tables: the copy of the
    /// pixel-making bytes and the decoder's own copies of them, its planes, and
    /// the result.
    fn decode_bytes(&self, orientation: Orientation) -> u64 {
        let (width, height) = (u64::from(self.frame.size.0), u64::from(self.frame.size.1));
        let pixels = width * height;
        // Predictor, colour and entropy images: at most a sixteenth of the
        // pixels each, four bytes apiece.
        let lossless_pixel_bytes = 4 + 1;
        let decoding = if self.frame.lossless {
            pixels * (lossless_pixel_bytes + 4)
        } else {
            // Y, U and V, padded to whole macroblocks.
            let planes = (width + 15) * (height + 15) * 3 / 2;
            let out = if self.alpha.is_some() { 4 + lossless_pixel_bytes + 1 } else { 3 };
            planes + pixels * out + PARTITION_BYTES_MAX
        };
        let turning = if orient::swaps_sides(orientation) || self.frame.lossless || self.alpha.is_some() {
            // Or giving back what RGBA took beyond RGB.
            pixels * (4 + 3)
        } else {
            0
        };
        4 * self.kept_bytes() as u64 + decoding.max(turning)
    }

    /// Memory of the prefix-code tables, by parsing the stream.
    fn table_bytes(&self, bytes_max: u64) -> Result<u64, ImageError> {
        let stream = match (self.frame.lossless, self.alpha) {
            (true, _) => self.frame.body.get(LOSSLESS_HEADER_BYTES..),
            (false, Some([flags, stream @ ..])) if flags & 3 == ALPHA_COMPRESSED => Some(stream),
            (false, _) => None,
        };
        stream.map_or(Ok(0), |stream| lossless::table_bytes(stream, self.frame.size, bytes_max))
    }
}

fn push_chunk(file: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    file.extend_from_slice(name);
    // A chunk of a file within a 32-bit length.
    file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    file.extend_from_slice(body);
    if body.len() % 2 == 1 {
        file.push(0);
    }
}

/// Canvas size of an extended header, unless it announces an animation.
fn extended_header(body: &[u8]) -> Result<(u32, u32), ImageError> {
    const ANIMATION: u8 = 2;
    let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] =
        body.first_chunk::<10>().ok_or_else(|| malformed(Format::WebP, "a short extended header"))?;
    if flags & ANIMATION != 0 {
        return Err(ImageError::Animated);
    }
    Ok((1 + u32::from_le_bytes([w0, w1, w2, 0]), 1 + u32::from_le_bytes([h0, h1, h2, 0])))
}

/// Size of a VP8 key frame (RFC 6386, section 9.1).
fn lossy_size(body: &[u8]) -> Result<(u32, u32), ImageError> {
    let &[tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = body.first_chunk::<10>().ok_or(CUT)? else {
        return Err(malformed(Format::WebP, "no key frame"));
    };
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    let size = (side(w0, w1), side(h0, h1));
    if tag & 1 != 0 || size.0 == 0 || size.1 == 0 {
        return Err(malformed(Format::WebP, "no key frame or no pixels"));
    }
    Ok(size)
}

/// Size of a lossless picture (RFC 9649, section 3.4).
fn lossless_size(body: &[u8]) -> Result<(u32, u32), ImageError> {
    let &[0x2F, b0, b1, b2, b3] = body.first_chunk::<5>().ok_or(CUT)? else {
        return Err(malformed(Format::WebP, "a wrong lossless signature"));
    };
    let bits = u32::from_le_bytes([b0, b1, b2, b3]);
    Ok((1 + (bits & 0x3FFF), 1 + ((bits >> 14) & 0x3FFF)))
}
