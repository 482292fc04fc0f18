//! BMP, as Windows capture tools write it: uncompressed pixels of 1, 4, 8, 16, 24 or 32
//! bits, with a palette or masks, rows from the bottom or from the top.
//!
//! Source: Microsoft, "Bitmap Storage" and BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER
//! (wingdi.h). Decoded here without a library: uncompressed, it is a table of bytes with simple
//! bounds. Run-length compression, embedded JPEG and PNG are refused. The fourth byte of a pixel is
//! ignored, as by Windows' own viewers: capture tools leave zeros there.

use image::metadata::Orientation;

use super::budget::{malformed, unsupported};
use super::{Decoded, Format, ImageError, Limits, RgbImage};

/// Bytes of BITMAPFILEHEADER.
const FILE_HEADER_BYTES: usize = 14;
/// Bytes of BITMAPCOREHEADER (OS/2 1.x), BITMAPINFOHEADER, its two extensions by masks, and
/// versions 4 and 5.
const CORE: u32 = 12;
const INFO: u32 = 40;
const HEADERS: [u32; 6] = [CORE, INFO, 52, 56, 108, 124];

/// biCompression.
const RGB: u32 = 0;
const BITFIELDS: u32 = 3;
const ALPHA_BITFIELDS: u32 = 6;

const CUT: ImageError = ImageError::Truncated(Format::Bmp);

fn bad(detail: &str) -> ImageError {
    malformed(Format::Bmp, detail)
}

/// Whether the bytes begin like a BMP: `BM` and the length of a known header. The two letters alone
/// could begin a text file.
pub(super) fn is_bmp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BM") && u32_at(bytes, FILE_HEADER_BYTES).is_some_and(|length| HEADERS.contains(&length))
}

/// Decodes at full size. Allocates only the result, after checking that every pixel is present.
///
/// # Errors
/// Over the limits; cut short; a header that contradicts itself, a palette index without a
/// colour ([`ImageError::Malformed`]); compression ([`ImageError::Unsupported`]).
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let header = BmpHeader::read(bytes)?;
    limits.check_pixels(header.width, header.height, u64::MAX)?;
    let pixels = u64::from(header.width) * u64::from(header.height);
    limits.check_memory(pixels * 3)?;
    let row_bytes = header.row_bytes().ok_or(CUT)?;
    let length = row_bytes.checked_mul(header.height as usize).ok_or(CUT)?;
    let end = header.pixels_at.checked_add(length).ok_or(CUT)?;
    let table = bytes.get(header.pixels_at..end).ok_or(CUT)?;
    let colours = header.colours(bytes)?;

    let mut data = Vec::with_capacity(pixels as usize * 3);
    let rows = table.chunks_exact(row_bytes);
    if header.top_down {
        rows.into_iter().try_for_each(|row| colours.append(row, header.width as usize, &mut data))?;
    } else {
        rows.rev().try_for_each(|row| colours.append(row, header.width as usize, &mut data))?;
    }
    let picture = RgbImage::new(header.width, header.height, data).ok_or(CUT)?;
    let size = (header.width, header.height);
    Ok(Decoded::upright(picture, Orientation::NoTransforms, Format::Bmp, size, 1))
}

/// Fields of the file header and the bitmap header.
struct BmpHeader {
    length: u32,
    width: u32,
    height: u32,
    top_down: bool,
    bits: u16,
    compression: u32,
    colours_used: u32,
    pixels_at: usize,
}

impl BmpHeader {
    fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let u32_at = |at| u32_at(bytes, at).ok_or(CUT);
        let u16_at = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]])).ok_or(CUT);
        let pixels_at = u32_at(10)? as usize;
        let length = u32_at(FILE_HEADER_BYTES)?;
        if bytes.len() < FILE_HEADER_BYTES + length as usize {
            return Err(CUT);
        }
        let (width, height, planes, bits, compression, colours_used) = if length == CORE {
            (i32::from(u16_at(18)?), i32::from(u16_at(20)?), u16_at(22)?, u16_at(24)?, RGB, 0)
        } else {
            let side = |at| u32_at(at).map(u32::cast_signed);
            (side(18)?, side(22)?, u16_at(26)?, u16_at(28)?, u32_at(30)?, u32_at(46)?)
        };
        if width <= 0 || height == 0 {
            return Err(bad("a picture without pixels"));
        }
        if planes != 1 {
            return Err(bad("a number of planes that is not 1"));
        }
        let fits = match compression {
            RGB => matches!(bits, 1 | 4 | 8 | 16 | 24 | 32),
            BITFIELDS | ALPHA_BITFIELDS => matches!(bits, 16 | 32),
            _ => return Err(unsupported(Format::Bmp, "compression")),
        };
        if !fits {
            return Err(bad("a number of bits per pixel that there is not"));
        }
        let (width, top_down, height) = (width.unsigned_abs(), height < 0, height.unsigned_abs());
        let header = Self { length, width, height, top_down, bits, compression, colours_used, pixels_at };
        if pixels_at < header.palette_at() {
            return Err(bad("pixels that begin within the header"));
        }
        Ok(header)
    }

    /// Where the palette begins: after the headers and the masks behind them.
    fn palette_at(&self) -> usize {
        let masks = match (self.length, self.compression) {
            (INFO, BITFIELDS) => 12,
            (INFO, ALPHA_BITFIELDS) => 16,
            _ => 0,
        };
        FILE_HEADER_BYTES + self.length as usize + masks
    }

    /// Bytes of a row, padded to four.
    fn row_bytes(&self) -> Option<usize> {
        let bits = u64::from(self.width) * u64::from(self.bits);
        usize::try_from(bits.div_ceil(32) * 4).ok()
    }

    fn colours<'a>(&self, bytes: &'a [u8]) -> Result<PixelLayout<'a>, ImageError> {
        match self.bits {
            24 => Ok(PixelLayout::Bgr),
            32 if self.compression == RGB => Ok(PixelLayout::Bgrx),
            16 if self.compression == RGB => Ok(PixelLayout::Masks16([0x7C00, 0x03E0, 0x001F].map(Mask::of_known))),
            bits @ (16 | 32) => {
                let at = FILE_HEADER_BYTES + INFO as usize;
                let mut masks = [Mask::default(); 3];
                for (index, mask) in masks.iter_mut().enumerate() {
                    *mask = Mask::new(u32_at(bytes, at + 4 * index).ok_or(CUT)?, bits)?;
                }
                Ok(if bits == 16 { PixelLayout::Masks16(masks) } else { PixelLayout::Masks32(masks) })
            }
            bits => {
                let most = 1 << bits;
                let used = if self.colours_used == 0 { most } else { self.colours_used };
                if used > most {
                    return Err(bad("more colours than its pixels can name"));
                }
                let entry_bytes = if self.length == CORE { 3 } else { 4 };
                let from = self.palette_at();
                let end = from + used as usize * entry_bytes;
                if end > self.pixels_at {
                    return Err(bad("pixels that begin within the palette"));
                }
                let palette = bytes.get(from..end).ok_or(CUT)?;
                Ok(PixelLayout::Palette { palette, entry_bytes, bits: usize::from(bits) })
            }
        }
    }
}

/// How the bytes of a row encode pixels.
enum PixelLayout<'a> {
    Palette {
        palette: &'a [u8],
        entry_bytes: usize,
        /// 1, 4 or 8; the first pixel is in the highest bits.
        bits: usize,
    },
    Bgr,
    Bgrx,
    Masks16([Mask; 3]),
    Masks32([Mask; 3]),
}

impl PixelLayout<'_> {
    /// Appends the pixels of one row as R, G, B.
    fn append(&self, row: &[u8], width: usize, out: &mut Vec<u8>) -> Result<(), ImageError> {
        match self {
            Self::Bgr => {
                row.as_chunks::<3>().0[..width].iter().for_each(|&[b, g, r]| out.extend_from_slice(&[r, g, b]))
            }
            Self::Bgrx => {
                row.as_chunks::<4>().0[..width].iter().for_each(|&[b, g, r, _]| out.extend_from_slice(&[r, g, b]));
            }
            Self::Masks16(masks) => row.as_chunks::<2>().0[..width].iter().for_each(|&pixel| {
                out.extend(masks.map(|mask| mask.of(u16::from_le_bytes(pixel).into())));
            }),
            Self::Masks32(masks) => row.as_chunks::<4>().0[..width].iter().for_each(|&pixel| {
                out.extend(masks.map(|mask| mask.of(u32::from_le_bytes(pixel))));
            }),
            Self::Palette { palette, entry_bytes, bits } => {
                for x in 0..width {
                    let at = x * bits;
                    let index = row[at / 8] >> (8 - bits - at % 8) & (0xFF >> (8 - bits));
                    let from = usize::from(index) * entry_bytes;
                    let Some(&[b, g, r]) = palette.get(from..).and_then(<[u8]>::first_chunk) else {
                        return Err(bad("a colour that is not in its palette"));
                    };
                    out.extend_from_slice(&[r, g, b]);
                }
            }
        }
        Ok(())
    }
}

/// Bit field of a colour channel.
#[derive(Clone, Copy, Default)]
struct Mask {
    shift: u32,
    /// Largest value of the channel.
    max: u32,
}

impl Mask {
    fn new(bits: u32, width: u16) -> Result<Self, ImageError> {
        let mask = Self::of_known(bits);
        let in_a_row = mask.max != 0 && mask.max & mask.max.wrapping_add(1) == 0;
        if !in_a_row || (width == 16 && bits > 0xFFFF) {
            return Err(bad("masks that are no row of bits"));
        }
        Ok(mask)
    }

    fn of_known(bits: u32) -> Self {
        let shift = bits.trailing_zeros() & 31;
        Self { shift, max: bits >> shift }
    }

    /// The channel's value scaled to 0…255, rounded to nearest.
    fn of(self, pixel: u32) -> u8 {
        let (value, max) = (u64::from(pixel >> self.shift & self.max), u64::from(self.max));
        ((value * 255 + max / 2) / max) as u8
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&four| u32::from_le_bytes(four))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_reach_from_black_to_white() {
        for bits in 1..=32u32 {
            let mask = Mask::new(u32::MAX >> (32 - bits), 32).unwrap();
            assert_eq!((mask.of(0), mask.of(u32::MAX)), (0, 255), "{bits}");
        }
        for wrong in [0, 0b101, 0x8000_0001] {
            assert!(Mask::new(wrong, 32).is_err());
        }
        assert!(Mask::new(0x1_0000, 16).is_err());
    }

    #[test]
    fn a_text_that_begins_with_its_letters_is_no_bmp() {
        assert!(!is_bmp(b"BMW is a make of cars, and so on"));
        assert!(!is_bmp(b"BM"));
    }
}
