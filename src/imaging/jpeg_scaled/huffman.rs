//! Huffman decoding tables (T.81 annex C, F.2.2.3) that decode up to two symbols per look-up.
//!
//! A baseline symbol is a code followed by the extra bits of a value. The tables are indexed by the
//! next [`LOOK_BITS`] bits and answer code *and* extra bits at once, where both lie within the
//! index, for two symbols when they fit. Longer codes are decoded by [`HuffmanDecoder`].

use super::markers::TableSpec;

/// Bits that index the tables of AC symbols. 11 measured best of 10
/// to 12: larger tables push coefficients out of a 32 KiB first-level cache.
pub(super) const LOOK_BITS: u32 = 11;
const LOOK_SIZE: usize = 1 << LOOK_BITS;

/// Bits that index the plain code table.
const CODE_BITS: u32 = 9;

/// Largest DC category and AC category of 8-bit baseline (T.81 tables F.1, F.2).
const DC_SIZE_MAX: u8 = 11;
const AC_SIZE_MAX: u8 = 10;

/// What "end of block" adds to the coefficient index: more than any run can.
pub(super) const EOB_ADVANCE: u32 = 128;

/// Most that the symbols of one [`SymbolSkip`] advance, an end of block not counted.
const SKIP_ADVANCE_MAX: u32 = 64;

/// Decodes one code at a time.
pub(super) struct HuffmanDecoder {
    /// By the next nine bits: symbol << 8 | code length, 0 where no code is
    /// that short.
    short: [u16; 1 << CODE_BITS],
    /// One past the last code of each length, left-aligned in 16 bits.
    limit: [u32; 17],
    /// Symbol index of a code of each length, minus the code.
    offset: [i32; 17],
    symbols: [u8; 256],
}

impl HuffmanDecoder {
    /// Builds canonical codes; `None` where the lengths claim more codes than
    /// there are, or there are none.
    fn new(spec: TableSpec<'_>) -> Option<Self> {
        let mut codes = Self { short: [0; 1 << CODE_BITS], limit: [0; 17], offset: [0; 17], symbols: [0; 256] };
        if spec.symbols.is_empty() || spec.symbols.len() > 256 {
            return None;
        }
        codes.symbols[..spec.symbols.len()].copy_from_slice(spec.symbols);
        each_code(spec, |symbol, code, length| {
            if length <= CODE_BITS {
                let from = (code << (CODE_BITS - length)) as usize;
                codes.short[from..from + (1 << (CODE_BITS - length))].fill(u16::from(symbol) << 8 | length as u16);
            }
        })?;
        let (mut code, mut index) = (0_u32, 0_i32);
        for length in 1..=16 {
            let count = u32::from(spec.counts[length - 1]);
            codes.offset[length] = index - code as i32;
            code += count;
            index += count as i32;
            codes.limit[length] = code << (16 - length);
            code <<= 1;
        }
        Some(codes)
    }

    /// The symbol at the top of `buffer` and the length of its code.
    #[inline(always)]
    pub(super) fn symbol(&self, buffer: u64) -> Option<(u8, u32)> {
        let entry = self.short[(buffer >> (64 - CODE_BITS)) as usize];
        if entry != 0 {
            return Some(((entry >> 8) as u8, u32::from(entry & 0xFF)));
        }
        self.long_symbol(buffer)
    }

    #[cold]
    fn long_symbol(&self, buffer: u64) -> Option<(u8, u32)> {
        let top = (buffer >> 48) as u32;
        let length = (CODE_BITS + 1..=16).find(|&n| top < self.limit[n as usize])?;
        let index = (top >> (16 - length)) as i32 + self.offset[length as usize];
        Some((*self.symbols.get(usize::try_from(index).ok()?)?, length))
    }
}

/// Calls `visit(symbol, code, length)` for every code in order (T.81 C.2).
fn each_code(spec: TableSpec<'_>, mut visit: impl FnMut(u8, u32, u32)) -> Option<()> {
    let mut symbols = spec.symbols.iter();
    let mut code = 0_u32;
    for (length, &count) in (1..).zip(spec.counts) {
        for _ in 0..count {
            if code >> length != 0 {
                return None;
            }
            visit(*symbols.next()?, code, length);
            code += 1;
        }
        code <<= 1;
    }
    Some(())
}

/// The value whose `size` extra bits are at the top of `buffer` (T.81 F.2.2.1,
/// EXTEND). `size` is at most 15.
#[inline(always)]
pub(super) fn extend(buffer: u64, size: u32) -> i32 {
    let bits = (buffer >> 1 >> (63 - size)) as i32;
    let is_negative = (buffer >> 63) as i32 ^ 1;
    bits - (((1 << size) - 1) & -is_negative)
}

/// Table of DC categories.
pub(super) struct DcTable {
    pub(super) codes: HuffmanDecoder,
}

impl DcTable {
    pub(super) fn new(spec: TableSpec<'_>) -> Option<Box<Self>> {
        if spec.symbols.iter().any(|&size| size > DC_SIZE_MAX) {
            return None;
        }
        Some(Box::new(Self { codes: HuffmanDecoder::new(spec)? }))
    }
}

/// One or two AC symbols found by one look-up, in a word that keeps the table
/// within a first-level cache.
///
/// From the low end: bits to drop (6 bits, the width of a shift; 0 where the
/// look-up found nothing), advance of the first symbol (5), advance of both (8),
/// last value (6, signed), first value (7, signed). With one symbol the second is
/// a repetition: same place, same value. An advance is the run plus one, or
/// [`EOB_ADVANCE`]; that of a first symbol which ends the block is cut to five
/// bits, for the zero then lands where nothing follows.
#[derive(Clone, Copy)]
pub(super) struct SymbolPair(u32);

impl SymbolPair {
    const NOTHING: Self = Self(0);

    fn new(length: u32, advances: [u32; 2], values: [i32; 2]) -> Self {
        let [first, last] = values.map(|value| value as u32);
        Self(length | advances[0].min(31) << 6 | advances[1] << 11 | (last & 0x3F) << 19 | first << 25)
    }

    /// Whether a value fits.
    fn holds(value: i32) -> bool {
        (-32..32).contains(&value)
    }

    /// Bits both symbols take; 0: use [`HuffmanDecoder`].
    #[inline(always)]
    pub(super) fn length(self) -> u32 {
        self.0 & 63
    }

    /// How far the first symbol moves the coefficient index.
    #[inline(always)]
    pub(super) fn advance_1(self) -> u32 {
        self.0 >> 6 & 31
    }

    /// How far both symbols move it.
    #[inline(always)]
    pub(super) fn advance(self) -> u32 {
        self.0 >> 11 & 0xFF
    }

    /// Value of the first symbol.
    #[inline(always)]
    pub(super) fn value_1(self) -> i16 {
        (self.0 as i32 >> 25) as i16
    }

    /// Value of the last symbol.
    #[inline(always)]
    pub(super) fn value(self) -> i16 {
        ((self.0 << 7) as i32 >> 26) as i16
    }
}

/// All AC symbols that one look-up can skip if their values are not needed: bits to drop (low byte;
/// 0 if none), advance (high byte). The extra bits of the last may extend beyond the index.
#[derive(Clone, Copy)]
pub(super) struct SymbolSkip(u16);

impl SymbolSkip {
    /// Bits to drop; 0: use [`HuffmanDecoder`].
    #[inline(always)]
    pub(super) fn length(self) -> u32 {
        u32::from(self.0 & 0xFF)
    }

    /// How far the coefficient index moves.
    #[inline(always)]
    pub(super) fn advance(self) -> u32 {
        u32::from(self.0 >> 8)
    }
}

/// Tables of AC symbols.
pub(super) struct AcTable {
    pub(super) pairs: [SymbolPair; LOOK_SIZE],
    pub(super) skips: [SymbolSkip; LOOK_SIZE],
    pub(super) codes: HuffmanDecoder,
}

impl AcTable {
    pub(super) fn new(spec: TableSpec<'_>) -> Option<Box<Self>> {
        let codes = HuffmanDecoder::new(spec)?;
        let mut single = [SymbolPair::NOTHING; LOOK_SIZE];
        let mut skip_one = [SymbolSkip(0); LOOK_SIZE];
        each_code(spec, |symbol, code, length| {
            let Some((advance, size)) = ac_symbol(symbol) else { return };
            if length > LOOK_BITS {
                return;
            }
            let free = LOOK_BITS - length;
            let from = (code << free) as usize;
            skip_one[from..from + (1 << free)].fill(SymbolSkip((advance << 8 | (length + size)) as u16));
            if size <= free {
                for (bits, entries) in single[from..from + (1 << free)].chunks_exact_mut(1 << (free - size)).enumerate()
                {
                    let value = extend(((bits as u64) << 1) << (63 - size), size);
                    if SymbolPair::holds(value) {
                        entries.fill(SymbolPair::new(length + size, [advance; 2], [value; 2]));
                    }
                }
            }
        })?;
        let mut table = Box::new(Self { pairs: single, skips: skip_one, codes });
        for index in 0..LOOK_SIZE {
            let first = single[index];
            if first.length() != 0 && first.advance() < EOB_ADVANCE {
                let second = single[(index << first.length()) & (LOOK_SIZE - 1)];
                let length = first.length() + second.length();
                if second.length() != 0 && length <= LOOK_BITS {
                    let advances = [first.advance(), first.advance() + second.advance()];
                    let values = [i32::from(first.value()), i32::from(second.value())];
                    table.pairs[index] = SymbolPair::new(length, advances, values);
                }
            }
            let mut all = skip_one[index];
            while all.length() < LOOK_BITS && all.length() != 0 && all.advance() < EOB_ADVANCE {
                let left = LOOK_BITS - all.length();
                let next = skip_one[(index << all.length()) & (LOOK_SIZE - 1)];
                // Its code must lie within the bits that are known, and runs
                // must not add up to what looks like an end of block.
                let is_known = codes_within(&table.codes, index, all.length(), left);
                let advance = all.advance() + next.advance() % EOB_ADVANCE;
                if next.length() == 0 || !is_known || advance > SKIP_ADVANCE_MAX {
                    break;
                }
                all = SymbolSkip(all.0 + next.0);
            }
            table.skips[index] = all;
        }
        Some(table)
    }
}

/// Whether the code that begins `skipped` bits into `index` ends within the
/// `left` bits after it.
fn codes_within(codes: &HuffmanDecoder, index: usize, skipped: u32, left: u32) -> bool {
    let buffer = (index as u64) << (64 - LOOK_BITS) << skipped;
    codes.symbol(buffer).is_some_and(|(_, length)| length <= left)
}

/// Advance and number of extra bits of an AC symbol; `None` for those that
/// baseline does not have (T.81 F.1.2.2.1).
#[inline(always)]
pub(super) fn ac_symbol(symbol: u8) -> Option<(u32, u32)> {
    let (run, size) = (u32::from(symbol >> 4), symbol & 15);
    match (run, size) {
        (0, 0) => Some((EOB_ADVANCE, 0)),
        (15, 0) => Some((16, 0)),
        (_, 1..=AC_SIZE_MAX) => Some((run + 1, u32::from(size))),
        _ => None,
    }
}
