//! The scan: MCU after MCU through the Huffman tables into coefficients, group
//! after group of blocks through the transform into rows, and rows into RGB.
//!
//! [`Scan::run`] is compiled twice, for any processor and for AVX2 with BMI;
//! both are the same source and give the same bytes.

use super::bits::{Bits, Source, Window};
use super::colour;
use super::huffman::{AcTable, DcTable, EOB_ADVANCE, LOOK_BITS, ac_symbol, extend};
use super::markers::Header;
use super::transform::{self, Coefficients, LANES, LANES_AT_ONCE, PlaceMap};

/// Largest DC value of 8-bit samples (T.81 F.1.2.1: differences of 11 bits).
const DC_MAX: i32 = 2047;

/// One component while a row of MCUs is decoded.
struct Plane<'a> {
    /// Blocks per MCU, across and down.
    h: usize,
    v: usize,
    dc: &'a DcTable,
    ac: &'a AcTable,
    /// Pixels a block becomes, across and down.
    block_width: usize,
    block_height: usize,
    /// Pixels of the whole component at that size.
    width: usize,
    height: usize,
    places: PlaceMap,
    places_end: u32,
    factors: [f32; 64],
    /// For each row of blocks in the MCU.
    coefficients: Vec<Coefficients>,
    /// The rows of one row of MCUs, after one row held over from the MCUs above.
    rows: Vec<u8>,
    stride: usize,
    last_dc: i32,
    /// Highest coefficient index in the group of blocks being decoded.
    index_max: u32,
}

impl Plane<'_> {
    fn row(&self, row: usize) -> &[u8] {
        &self.rows[row * self.stride..][..self.width]
    }

    fn rows_per_mcu(&self) -> usize {
        self.v * self.block_height
    }
}

/// What the decoding of a picture needs, allocated before it begins.
pub(super) struct Scan<'a> {
    header: &'a Header,
    source: Source<'a>,
    bits: Bits,
    planes: Vec<Plane<'a>>,
    mcus_across: usize,
    mcus_down: usize,
    /// MCUs whose blocks are transformed together.
    mcus_per_group: usize,
    width: usize,
    height: usize,
    out: Vec<u8>,
}

impl<'a> Scan<'a> {
    /// `denominator` is 1, 2, 4 or 8.
    pub(super) fn new(bytes: &'a [u8], header: &'a Header, denominator: usize) -> Option<Self> {
        let h_max = header.components.iter().map(|c| c.h).max()?;
        let v_max = header.components.iter().map(|c| c.v).max()?;
        let (width, height) = (header.width.div_ceil(denominator), header.height.div_ceil(denominator));
        let mcus_across = header.width.div_ceil(8 * h_max);
        let mcus_down = header.height.div_ceil(8 * v_max);
        let mcus_per_group = LANES / h_max;
        let luma_size = 8 / denominator;
        let mut planes = Vec::with_capacity(header.components.len());
        for c in &header.components {
            // Subsampled components are reduced less, as far as there is detail.
            let block_width = (luma_size * h_max / c.h).min(8);
            let block_height = (luma_size * v_max / c.v).min(8);
            let stride = mcus_across.next_multiple_of(mcus_per_group) * c.h * block_width;
            let places = PlaceMap::new(block_width, block_height);
            planes.push(Plane {
                h: c.h,
                v: c.v,
                dc: header.dc[c.dc].as_deref()?,
                ac: header.ac[c.ac].as_deref()?,
                block_width,
                block_height,
                width: (width * c.h * block_width).div_ceil(luma_size * h_max),
                height: (height * c.v * block_height).div_ceil(luma_size * v_max),
                places_end: places.end(),
                places,
                factors: transform::factors(header.quant(c)?, block_width, block_height),
                coefficients: (0..c.v).map(|_| Coefficients::new()).collect(),
                rows: vec![0; stride * (1 + c.v * block_height)],
                stride,
                last_dc: 0,
                index_max: 0,
            });
        }
        let out = vec![0; width.checked_mul(height)?.checked_mul(3)?];
        let (source, bits) = Source::new(bytes, header.scan_at);
        Some(Self { header, source, bits, planes, mcus_across, mcus_down, mcus_per_group, width, height, out })
    }

    /// Decodes everything; the RGB bytes, or `None` at the first irregularity.
    pub(super) fn decode(mut self) -> Option<Vec<u8>> {
        #[cfg(target_arch = "x86_64")]
        if has_vectors() {
            // SAFETY: the processor was just found to have what `run_vectors`
            // is compiled for.
            unsafe { run_vectors(&mut self) }?;
            return Some(self.out);
        }
        self.run()?;
        Some(self.out)
    }

    /// As [`Self::decode`], without instructions that not every processor has.
    #[cfg(test)]
    pub(super) fn decode_portable(mut self) -> Option<Vec<u8>> {
        self.run()?;
        Some(self.out)
    }

    #[inline(always)]
    fn run(&mut self) -> Option<()> {
        let mut until_restart = self.header.restart_mcus;
        let mut restarts = 0_u8;
        let mut emit = Emit::new(self.width, &self.planes);
        let mcus = self.mcus_across * self.mcus_down;
        let mut mcu = 0;
        for mcu_row in 0..self.mcus_down {
            for plane in &mut self.planes {
                let held = plane.rows_per_mcu() * plane.stride;
                plane.rows.copy_within(held.., 0);
            }
            let mut column = 0;
            while column < self.mcus_across {
                let count = self.mcus_per_group.min(self.mcus_across - column);
                for plane in &mut self.planes {
                    plane.index_max = 0;
                    for coefficients in &mut plane.coefficients {
                        coefficients.clear(plane.block_width * plane.block_height);
                    }
                }
                for in_group in 0..count {
                    self.mcu(in_group)?;
                    mcu += 1;
                    until_restart = until_restart.wrapping_sub(1);
                    if until_restart == 0 && mcu < mcus {
                        self.source.finish(&mut self.bits, 0xD0 | restarts)?;
                        restarts = (restarts + 1) & 7;
                        until_restart = self.header.restart_mcus;
                        self.planes.iter_mut().for_each(|plane| plane.last_dc = 0);
                    }
                }
                for plane in &mut self.planes {
                    plane.transform(column, count);
                }
                column += count;
            }
            emit.mcu_row(mcu_row, mcu_row + 1 == self.mcus_down, &self.planes, self.height, &mut self.out);
        }
        const EOI: u8 = 0xD9;
        self.source.finish(&mut self.bits, EOI)
    }

    /// Decodes the coefficients of one MCU (T.81 A.2.3).
    #[inline(always)]
    fn mcu(&mut self, in_group: usize) -> Option<()> {
        self.source.prepare(&mut self.bits)?;
        let mut bits = self.bits;
        for plane in &mut self.planes {
            for coefficients in &mut plane.coefficients {
                for across in 0..plane.h {
                    let mut block = Block {
                        window: self.source.window(),
                        bits,
                        coefficients: coefficients.block(in_group * plane.h + across),
                        places: &plane.places.0,
                    };
                    block.dc(plane.dc, &mut plane.last_dc)?;
                    if plane.places_end > FEW_PLACES {
                        plane.index_max = plane.index_max.max(block.ac(plane.ac)?);
                    } else {
                        block.ac_few(plane.ac, plane.places_end)?;
                    }
                    bits = block.bits;
                }
            }
        }
        self.bits = bits;
        self.source.is_within(&bits).then_some(())
    }
}

/// Blocks of which at most so many coefficients are wanted, by zigzag index,
/// pass over the others instead of decoding them.
const FEW_PLACES: u32 = 5;

/// One block being decoded (T.81 F.2.2).
struct Block<'a> {
    window: &'a Window,
    bits: Bits,
    coefficients: &'a mut transform::Block,
    places: &'a [u16; 256],
}

impl Block<'_> {
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

    #[inline(always)]
    fn dc(&mut self, table: &DcTable, last: &mut i32) -> Option<()> {
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
    fn ac(&mut self, table: &AcTable) -> Option<u32> {
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

    /// One look-up's worth of coefficients after index `k`.
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

    /// A block that did not end where a look-up did: the last symbols may have
    /// been those of the next block. From its first AC symbol, one by one.
    ///
    /// Works on a copy: a reference to `self` handed out would keep the bits of
    /// every block in memory instead of registers.
    #[inline(always)]
    fn ac_again(&mut self, table: &AcTable, start: Bits) -> Option<()> {
        let mut block =
            Block { window: self.window, bits: start, coefficients: self.coefficients, places: self.places };
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
    fn ac_few(&mut self, table: &AcTable, end: u32) -> Option<()> {
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

impl Plane<'_> {
    /// Transforms the blocks of `count` MCUs, the first at MCU `column`.
    #[inline(always)]
    fn transform(&mut self, column: usize, count: usize) {
        let blocks = count * self.h;
        for (block_row, coefficients) in self.coefficients.iter().enumerate() {
            for lane in (0..blocks).step_by(LANES_AT_ONCE) {
                let row = 1 + block_row * self.block_height;
                let from = row * self.stride + (column * self.h + lane) * self.block_width;
                let (out, stride, factors) = (&mut self.rows[from..], self.stride, &self.factors);
                let is_low = self.index_max <= transform::LOW_INDEX_MAX;
                match (self.block_width, self.block_height) {
                    (8, 8) if is_low => transform::inverse::<8, 8, 4>(coefficients, lane, factors, out, stride),
                    (8, 8) => transform::inverse::<8, 8, 8>(coefficients, lane, factors, out, stride),
                    (8, 4) => transform::inverse::<8, 4, 8>(coefficients, lane, factors, out, stride),
                    (4, 8) => transform::inverse::<4, 8, 8>(coefficients, lane, factors, out, stride),
                    (4, 4) => transform::inverse::<4, 4, 8>(coefficients, lane, factors, out, stride),
                    (4, 2) => transform::inverse::<4, 2, 8>(coefficients, lane, factors, out, stride),
                    (2, 4) => transform::inverse::<2, 4, 8>(coefficients, lane, factors, out, stride),
                    (2, 2) => transform::inverse::<2, 2, 8>(coefficients, lane, factors, out, stride),
                    (2, 1) => transform::inverse::<2, 1, 8>(coefficients, lane, factors, out, stride),
                    (1, 2) => transform::inverse::<1, 2, 8>(coefficients, lane, factors, out, stride),
                    _ => transform::inverse::<1, 1, 8>(coefficients, lane, factors, out, stride),
                }
            }
        }
    }
}

/// Rows of components to rows of RGB.
struct Emit {
    width: usize,
    /// Luma pixels per chroma pixel, across and down: 1 or 2.
    h: usize,
    v: usize,
    sums: Vec<u16>,
    cb: Vec<u8>,
    cr: Vec<u8>,
}

impl Emit {
    fn new(width: usize, planes: &[Plane<'_>]) -> Self {
        let (mut h, mut v) = (1, 1);
        if let [y, cb, _] = planes {
            h = (y.h * y.block_width) / (cb.h * cb.block_width);
            v = (y.v * y.block_height) / (cb.v * cb.block_height);
        }
        let scratch = if h * v > 1 { width + 2 } else { 0 };
        Self { width, h, v, sums: vec![0; scratch], cb: vec![0; scratch], cr: vec![0; scratch] }
    }

    /// Emits the rows that are known after a row of MCUs. Where chroma rows are
    /// doubled, the last row waits for the chroma below it.
    #[inline(always)]
    fn mcu_row(&mut self, mcu_row: usize, is_last: bool, planes: &[Plane<'_>], height: usize, out: &mut [u8]) {
        let Some(y) = planes.first() else { return };
        let rows = y.rows_per_mcu();
        let wait = self.v - 1;
        let from = (mcu_row * rows).saturating_sub(wait);
        let to = if is_last { height } else { (mcu_row + 1) * rows - wait };
        for row in from..to {
            // Row 0 of the buffers is the one held over.
            let luma = y.row(row + 1 - mcu_row * rows);
            let out = &mut out[row * self.width * 3..][..self.width * 3];
            let [_, cb, cr] = planes else {
                colour::grey_to_rgb(luma, out);
                continue;
            };
            let chroma_first = mcu_row * cb.rows_per_mcu();
            if self.h * self.v == 1 {
                let at = row + 1 - chroma_first;
                colour::to_rgb(luma, cb.row(at), cr.row(at), out);
                continue;
            }
            let near = row / self.v;
            let far = match (self.v, row % 2) {
                (1, _) => near,
                (_, 0) => near.saturating_sub(1),
                _ => (near + 1).min(cb.height - 1),
            };
            let (near, far) = (near + 1 - chroma_first, far + 1 - chroma_first);
            colour::upsample(cb.row(near), cb.row(far), self.h == 2, &mut self.sums, &mut self.cb);
            colour::upsample(cr.row(near), cr.row(far), self.h == 2, &mut self.sums, &mut self.cr);
            colour::to_rgb(luma, &self.cb, &self.cr, out);
        }
    }
}

/// Whether this processor runs [`run_vectors`].
#[cfg(target_arch = "x86_64")]
pub(super) fn has_vectors() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt")
}

/// [`Scan::run`] for processors of the last decade. `Scan::decode_portable` is
/// its safe twin; a test compares them.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn run_vectors(scan: &mut Scan<'_>) -> Option<()> {
    scan.run()
}
