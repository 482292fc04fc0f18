//! Estimates the memory of the prefix-code tables of a lossless stream.
//!
//! A lossless picture may bring up to 65,536 groups of five codes. No header gives the size of
//! their tables: a file of two megabytes can require a gigabyte. So everything before the pixels is
//! parsed here first (RFC 9649, sections 4 to 6), as the decoder would, only to count.

use super::super::ImageError;
use super::super::budget::malformed;
use super::{CUT, Format};

// Memory of a code in `image-webp` 0.2: a table of four bytes an entry over at
// most ten bits, two nodes of 16 bytes for each longer code, and the code
// itself, in a vector that doubles as it grows.
const TABLE_BITS_MAX: usize = 10;
const TABLE_ENTRY_BYTES: u64 = 4;
const LONG_CODE_BYTES: u64 = 32;
const CODE_BYTES: u64 = 3 * 64;

const CODE_LENGTH_MAX: usize = 15;
const CODES_IN_GROUP: usize = 5;
const LENGTH_CODES: u16 = 24;

/// Bytes of all tables of the stream; stops beyond `bytes_max`, as the picture is refused anyway.
pub(super) fn table_bytes(stream: &[u8], (width, height): (u32, u32), bytes_max: u64) -> Result<u64, ImageError> {
    let mut reader = PrefixBitReader { stream, at: 0 };
    let width = reader.transforms(width, height)?;
    let cache_bits = reader.cache_bits()?;
    let mut groups = 1;
    if reader.bit()? {
        let block = 2 + reader.bits(3)?;
        let entropy = reader.picture(shrunk(width, block), shrunk(height, block))?;
        groups += entropy.iter().map(|argb| (argb >> 8) & 0xFFFF).max().unwrap_or(0);
    }
    let mut bytes = 0;
    for _ in 0..groups {
        bytes += reader.group(cache_bits)?.iter().map(PrefixCode::decoder_bytes).sum::<u64>();
        if bytes > bytes_max {
            break;
        }
    }
    Ok(bytes)
}

fn shrunk(side: u32, bits: u32) -> u32 {
    side.div_ceil(1 << bits)
}

/// A canonical prefix code.
struct PrefixCode {
    /// Number of symbols by code length.
    counts: [u16; CODE_LENGTH_MAX + 1],
    /// Symbols by length, then value; a single one is read without any bit.
    symbols: Vec<u16>,
}

impl PrefixCode {
    fn new(lengths: &[u8]) -> Result<Self, ImageError> {
        let mut counts = [0; CODE_LENGTH_MAX + 1];
        let mut symbols: Vec<u16> = Vec::new();
        for (symbol, &length) in lengths.iter().enumerate().filter(|&(_, &length)| length > 0) {
            counts[usize::from(length)] += 1;
            symbols.push(symbol as u16);
        }
        symbols.sort_by_key(|&symbol| lengths[usize::from(symbol)]);
        let used: u32 = (1..=CODE_LENGTH_MAX).map(|l| u32::from(counts[l]) << (CODE_LENGTH_MAX - l)).sum();
        if symbols.is_empty() || (symbols.len() > 1 && used != 1 << CODE_LENGTH_MAX) {
            return Err(bad());
        }
        Ok(Self { counts, symbols })
    }

    fn decoder_bytes(&self) -> u64 {
        if self.symbols.len() == 1 {
            return CODE_BYTES;
        }
        let longest = (1..=CODE_LENGTH_MAX).rev().find(|&l| self.counts[l] > 0).unwrap_or(1);
        let long_codes: u64 = self.counts[TABLE_BITS_MAX + 1..].iter().map(|&count| u64::from(count)).sum();
        CODE_BYTES + (TABLE_ENTRY_BYTES << longest.min(TABLE_BITS_MAX)) + LONG_CODE_BYTES * long_codes.max(2)
    }
}

struct PrefixBitReader<'a> {
    stream: &'a [u8],
    /// In bits.
    at: usize,
}

impl PrefixBitReader<'_> {
    /// Reads up to 18 bits, least significant first.
    fn bits(&mut self, count: u32) -> Result<u32, ImageError> {
        let end = self.at + count as usize;
        if end > self.stream.len() * 8 {
            return Err(CUT);
        }
        let rest = &self.stream[self.at / 8..];
        let word = rest.first_chunk::<4>().map_or_else(
            || rest.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)),
            |&four| u32::from_le_bytes(four),
        );
        let value = (word >> (self.at % 8)) & ((1 << count) - 1);
        self.at = end;
        Ok(value)
    }

    fn bit(&mut self) -> Result<bool, ImageError> {
        Ok(self.bits(1)? == 1)
    }

    /// Skips all transforms; returns the width that is left to code.
    fn transforms(&mut self, mut width: u32, height: u32) -> Result<u32, ImageError> {
        let mut used_transforms = [false; 4];
        while self.bit()? {
            let kind = self.bits(2)?;
            if std::mem::replace(&mut used_transforms[kind as usize], true) {
                return Err(bad());
            }
            match kind {
                // Predictors and colour transform: one value for a block.
                0 | 1 => {
                    let block = 2 + self.bits(3)?;
                    self.picture(shrunk(width, block), shrunk(height, block))?;
                }
                // Subtract green: nothing to read.
                2 => {}
                // A palette; with few colours, pixels share a byte.
                _ => {
                    let colours = 1 + self.bits(8)?;
                    self.picture(colours, 1)?;
                    width = match colours {
                        0..=2 => shrunk(width, 3),
                        3..=4 => shrunk(width, 2),
                        5..=16 => shrunk(width, 1),
                        _ => width,
                    };
                }
            }
        }
        Ok(width)
    }

    fn cache_bits(&mut self) -> Result<u32, ImageError> {
        if !self.bit()? {
            return Ok(0);
        }
        let bits = self.bits(4)?;
        if (1..=11).contains(&bits) { Ok(bits) } else { Err(bad()) }
    }

    /// Codes for green and lengths, red, blue, alpha, distances.
    fn group(&mut self, cache_bits: u32) -> Result<[PrefixCode; CODES_IN_GROUP], ImageError> {
        let cached = if cache_bits == 0 { 0 } else { 1 << cache_bits };
        Ok([self.code(256 + LENGTH_CODES + cached)?, self.code(256)?, self.code(256)?, self.code(256)?, self.code(40)?])
    }

    fn code(&mut self, alphabet: u16) -> Result<PrefixCode, ImageError> {
        if self.bit()? {
            let two = self.bit()?;
            let first_bits = if self.bit()? { 8 } else { 1 };
            let mut symbols = vec![self.bits(first_bits)? as u16];
            let mut counts = [0; CODE_LENGTH_MAX + 1];
            if two {
                symbols.push(self.bits(8)? as u16);
                counts[1] = 2;
            }
            if symbols.iter().any(|&symbol| symbol >= alphabet) {
                return Err(bad());
            }
            return Ok(PrefixCode { counts, symbols });
        }
        const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let mut code_lengths = [0; 19];
        let count = 4 + self.bits(4)? as usize;
        for &at in ORDER.get(..count).ok_or_else(bad)? {
            code_lengths[at] = self.bits(3)? as u8;
        }
        let lengths_code = PrefixCode::new(&code_lengths)?;
        let mut to_read = alphabet.into();
        if self.bit()? {
            let bits = 2 + 2 * self.bits(3)?;
            to_read = 2 + self.bits(bits)?;
            if to_read > alphabet.into() {
                return Err(bad());
            }
        }
        let mut lengths = Vec::with_capacity(alphabet.into());
        let mut previous = 8;
        while lengths.len() < alphabet.into() && to_read > 0 {
            to_read -= 1;
            let (length, times) = match self.symbol(&lengths_code)? {
                length @ 0..=15 => {
                    if length > 0 {
                        previous = length as u8;
                    }
                    (length as u8, 1)
                }
                16 => (previous, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                _ => (0, 11 + self.bits(7)?),
            };
            lengths.resize(lengths.len() + times as usize, length);
        }
        if lengths.len() > alphabet.into() {
            return Err(bad());
        }
        PrefixCode::new(&lengths)
    }

    fn symbol(&mut self, code: &PrefixCode) -> Result<u16, ImageError> {
        if let [only] = code.symbols[..] {
            return Ok(only);
        }
        let (mut value, mut first, mut index) = (0, 0, 0);
        for length in 1..=CODE_LENGTH_MAX {
            value |= self.bits(1)? as usize;
            let count = usize::from(code.counts[length]);
            if value < first + count {
                return Ok(code.symbols[index + value - first]);
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        Err(bad())
    }

    /// A picture inside the stream: blocks' values or palette, as ARGB.
    fn picture(&mut self, width: u32, height: u32) -> Result<Vec<u32>, ImageError> {
        let cache_bits = self.cache_bits()?;
        let [green, red, blue, alpha, distance] = self.group(cache_bits)?;
        let mut cache = vec![0; 1 << cache_bits];
        let slot = |argb: u32| (argb.wrapping_mul(0x1E35_A7BD) >> (32 - cache_bits.max(1))) as usize;
        let pixels = width as usize * height as usize;
        let mut picture: Vec<u32> = Vec::with_capacity(pixels);
        while picture.len() < pixels {
            let start = picture.len();
            match self.symbol(&green)? {
                green @ 0..256 => {
                    let (red, blue, alpha) = (self.symbol(&red)?, self.symbol(&blue)?, self.symbol(&alpha)?);
                    picture.push(u32::from_be_bytes([alpha as u8, red as u8, green as u8, blue as u8]));
                }
                prefix @ 256..280 => {
                    let length = self.prefixed(prefix - 256)? as usize;
                    let code = self.symbol(&distance)?;
                    let back = from_plane(self.prefixed(code)?, width) as usize;
                    if back > start || length > pixels - start {
                        return Err(bad());
                    }
                    for at in start - back..start - back + length {
                        picture.push(picture[at]);
                    }
                }
                cached => picture.push(*cache.get(usize::from(cached) - 280).ok_or_else(bad)?),
            }
            if cache_bits > 0 {
                for &argb in &picture[start..] {
                    cache[slot(argb)] = argb;
                }
            }
        }
        Ok(picture)
    }

    /// A length or distance from its prefix and the bits that follow.
    fn prefixed(&mut self, prefix: u16) -> Result<u32, ImageError> {
        let prefix = u32::from(prefix);
        if prefix < 4 {
            return Ok(prefix + 1);
        }
        let extra = (prefix - 2) >> 1;
        Ok(((2 + (prefix & 1)) << extra) + self.bits(extra)? + 1)
    }
}

/// Distances up to 120 name neighbours, nearest first; the rest are counts.
fn from_plane(code: u32, width: u32) -> u32 {
    match NEIGHBOURS.get(code as usize - 1) {
        Some(&(left, up)) => (i64::from(left) + i64::from(up) * i64::from(width)).max(1) as u32,
        None => code - NEIGHBOURS.len() as u32,
    }
}

#[rustfmt::skip]
const NEIGHBOURS: [(i8, i8); 120] = [
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2),
    (2, 1), (-2, 1), (2, 2), (-2, 2), (0, 3), (3, 0), (1, 3), (-1, 3),
    (3, 1), (-3, 1), (2, 3), (-2, 3), (3, 2), (-3, 2), (0, 4), (4, 0),
    (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3), (2, 4), (-2, 4),
    (4, 2), (-4, 2), (0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0),
    (1, 5), (-1, 5), (5, 1), (-5, 1), (2, 5), (-2, 5), (5, 2), (-5, 2),
    (4, 4), (-4, 4), (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6), (6, 0),
    (1, 6), (-1, 6), (6, 1), (-6, 1), (2, 6), (-2, 6), (6, 2), (-6, 2),
    (4, 5), (-4, 5), (5, 4), (-5, 4), (3, 6), (-3, 6), (6, 3), (-6, 3),
    (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5), (-5, 5), (7, 1), (-7, 1),
    (4, 6), (-4, 6), (6, 4), (-6, 4), (2, 7), (-2, 7), (7, 2), (-7, 2),
    (3, 7), (-3, 7), (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5),
    (8, 0), (4, 7), (-4, 7), (7, 4), (-7, 4), (8, 1), (8, 2), (6, 6),
    (-6, 6), (8, 3), (5, 7), (-5, 7), (7, 5), (-7, 5), (8, 4), (6, 7),
    (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
];

fn bad() -> ImageError {
    malformed(Format::WebP, "its prefix codes are wrong")
}
