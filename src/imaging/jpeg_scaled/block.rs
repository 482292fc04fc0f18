//! Decodes one block of coefficients (T.81 F.2.2).

use super::bits::{Bits, Window};
use super::huffman::{AcTable, DcTable, EOB_ADVANCE, LOOK_BITS, ac_symbol, extend};
use super::transform;

/// Largest DC value of 8-bit samples (T.81 F.1.2.1: differences of 11 bits).
const DC_MAX: i32 = 2047;

/// If at most this many coefficients of a block are needed, by zigzag index, the others are skipped
/// instead of decoded.
pub(super) const FEW_PLACES: u32 = 5;

/// One block being decoded.
pub(super) struct BlockDecoder<'a> {
    /// Where bits come from.
    pub(super) window: &'a Window,
    /// The next bits.
    pub(super) bits: Bits,
    /// Where coefficients go.
    pub(super) coefficients: &'a mut transform::BlockCoefficients,
    /// Which goes where: see [`transform::PlaceMap`].
    pub(super) places: &'a [u16; 256],
}

impl BlockDecoder<'_> {
    /// Sets the coefficient of index `k`, of which any value is fine.
    #[inline(always)]
    fn set(&mut self, k: u32, value: i16) {
        let place = usize::from(self.places[(k & 0xFF) as usize]);
        // Every place in the map is in the array: this is how the bound check
        // is seen to be one comparison.
        if let Some(coefficient) = self.coefficients.get_mut(place) {
            *coefficient = value;
        }
    }

    /// The DC coefficient, coded as the difference from the `last` of the component.
    #[inline(always)]
    pub(super) fn dc(&mut self, table: &DcTable, last: &mut i32) -> Option<()> {
        self.bits.refill(self.window);
        let (size, length) = table.codes.symbol(self.bits.buffer)?;
        self.bits.drop(length);
        *last += extend(self.bits.buffer, u32::from(size));
        self.bits.drop(u32::from(size));
        if last.abs() > DC_MAX {
            return None;
        }
        self.set(0, *last as i16);
        Some(())
    }

    /// All AC coefficients, up to two at a look-up. Returns the last index.
    #[inline(always)]
    pub(super) fn ac(&mut self, table: &AcTable) -> Option<u32> {
        let start = self.bits;
        let mut k = 0;
        while k < 63 {
            self.bits.refill(self.window);
            k = self.ac_pair(table, k)?;
            if k < 63 {
                // One refill is enough for two look-ups, slow ones (26 bits) too.
                k = self.ac_pair(table, k)?;
            }
        }
        if is_complete(k) {
            return Some(k % EOB_ADVANCE);
        }
        self.ac_again(table, start)?;
        Some(63)
    }

    /// Decodes the coefficients of one table look-up after index `k`.
    #[inline(always)]
    fn ac_pair(&mut self, table: &AcTable, k: u32) -> Option<u32> {
        let pair = table.pairs[(self.bits.buffer >> (64 - LOOK_BITS)) as usize];
        if pair.length() == 0 {
            return self.ac_slow(table, k);
        }
        self.bits.drop(pair.length());
        let k_1 = k + pair.advance_1();
        let k_2 = k + pair.advance();
        self.set(k_1, pair.value_1());
        self.set(k_2, pair.value());
        Some(k_2)
    }

    /// Decodes a block again, symbol by symbol from its first AC symbol, because the last table
    /// look-up may have included symbols of the next block.
    ///
    /// Works on a copy: passing a reference to `self` would keep the bit buffer in memory instead
    /// of registers.
    #[inline(always)]
    fn ac_again(&mut self, table: &AcTable, start: Bits) -> Option<()> {
        let mut block =
            BlockDecoder { window: self.window, bits: start, coefficients: self.coefficients, places: self.places };
        self.bits = block.ac_singly(table)?;
        Some(())
    }

    #[cold]
    #[inline(never)]
    fn ac_singly(&mut self, table: &AcTable) -> Option<Bits> {
        let mut k = 0;
        while k < 63 {
            self.bits.refill(self.window);
            k = self.ac_slow(table, k)?;
        }
        is_complete(k).then_some(self.bits)
    }

    /// The AC coefficients before index `end`, and past the others.
    #[inline(always)]
    pub(super) fn ac_few(&mut self, table: &AcTable, end: u32) -> Option<()> {
        let start = self.bits;
        let mut k = 0;
        while k + 1 < end {
            self.bits.refill(self.window);
            k = self.ac_slow(table, k)?;
            if k >= 63 {
                return is_complete(k).then_some(());
            }
        }
        while k < 63 {
            self.bits.refill(self.window);
            let skip = table.skips[(self.bits.buffer >> (64 - LOOK_BITS)) as usize];
            if skip.length() == 0 {
                k = self.ac_slow(table, k)?;
            } else {
                self.bits.drop(skip.length());
                k += skip.advance();
            }
        }
        if is_complete(k) {
            return Some(());
        }
        self.ac_again(table, start)
    }

    /// One symbol: code first, then extra bits. Takes at most 26 bits.
    #[inline(always)]
    fn ac_slow(&mut self, table: &AcTable, k: u32) -> Option<u32> {
        let (symbol, length) = table.codes.symbol(self.bits.buffer)?;
        let (advance, size) = ac_symbol(symbol)?;
        self.bits.drop(length);
        let value = extend(self.bits.buffer, size) as i16;
        self.bits.drop(size);
        let k = k + advance;
        self.set(k, value);
        Some(k)
    }
}

/// Whether a block ends properly at index `k` of at least 63: with its last
/// coefficient, or by an end of block that came before it.
#[inline(always)]
fn is_complete(k: u32) -> bool {
    k == 63 || (EOB_ADVANCE..EOB_ADVANCE + 63).contains(&k)
}
