//! Decodes the scan: MCUs to coefficients by the Huffman tables, groups of blocks to rows by the
//! inverse transform, and rows to RGB.
//!
//! [`ScanDecoder::run`] is compiled twice, for any processor and for AVX2 with BMI;
//! both are the same source and give the same bytes.

use super::bits::{Bits, ScanBytes};
use super::block::{BlockDecoder, FEW_PLACES};
use super::huffman::{AcTable, DcTable};
use super::markers::BaselineHeader;
use super::rows::Emit;
use super::transform::{self, Coefficients, LANES, LANES_AT_ONCE, PlaceMap};

/// One component while a row of MCUs is decoded.
pub(super) struct Plane<'a> {
    /// Blocks per MCU across.
    pub(super) h: usize,
    /// Blocks per MCU down.
    pub(super) v: usize,
    dc: &'a DcTable,
    ac: &'a AcTable,
    /// Pixels a block becomes, across.
    pub(super) block_width: usize,
    /// Pixels a block becomes, down.
    pub(super) block_height: usize,
    width: usize,
    /// Pixels of the whole component at that size, down.
    pub(super) height: usize,
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
    /// A row of the buffer; 0 is the one held over.
    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.rows[row * self.stride..][..self.width]
    }

    /// Rows of pixels in a row of MCUs.
    pub(super) fn rows_per_mcu(&self) -> usize {
        self.v * self.block_height
    }
}

/// State of decoding a picture, allocated before it begins.
pub(super) struct ScanDecoder<'a> {
    header: &'a BaselineHeader,
    source: ScanBytes<'a>,
    bits: Bits,
    planes: Vec<Plane<'a>>,
    mcus_across: usize,
    mcus_down: usize,
    /// MCUs whose blocks are transformed together.
    mcus_per_group: usize,
    width: usize,
    height: usize,
    out: Vec<u8>,
    mcus_left: usize,
    until_restart: usize,
    restarts: u8,
}

impl<'a> ScanDecoder<'a> {
    /// `denominator` is 1, 2, 4 or 8.
    pub(super) fn new(bytes: &'a [u8], header: &'a BaselineHeader, denominator: usize) -> Option<Self> {
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
        let (source, bits) = ScanBytes::new(bytes, header.scan_at);
        Some(Self {
            header,
            source,
            bits,
            planes,
            mcus_across,
            mcus_down,
            mcus_per_group,
            width,
            height,
            out,
            mcus_left: mcus_across * mcus_down,
            until_restart: header.restart_mcus,
            restarts: 0,
        })
    }

    /// Decodes everything; the RGB bytes, or `None` at the first irregularity.
    #[allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]
    pub(super) fn decode(mut self) -> Option<Vec<u8>> {
        #[cfg(target_arch = "x86_64")]
        if has_vectors() {
            // SAFETY: the processor was just found to have what `run_vectors`
            // is compiled for.
            unsafe { run_vectors(&mut self) }?;
            return Some(self.out);
        }
        self.run(Self::group)?;
        Some(self.out)
    }

    /// As [`Self::decode`], without instructions that not every processor has.
    #[cfg(test)]
    pub(super) fn decode_portable(mut self) -> Option<Vec<u8>> {
        self.run(Self::group)?;
        Some(self.out)
    }

    /// The whole scan. `group` decodes the coefficients of a group of MCUs.
    #[inline(always)]
    fn run(&mut self, group: impl Fn(&mut Self, usize) -> Option<()>) -> Option<()> {
        let mut emit = Emit::new(self.width, &self.planes);
        for mcu_row in 0..self.mcus_down {
            for plane in &mut self.planes {
                let held = plane.rows_per_mcu() * plane.stride;
                plane.rows.copy_within(held.., 0);
            }
            let mut column = 0;
            while column < self.mcus_across {
                let count = self.mcus_per_group.min(self.mcus_across - column);
                group(self, count)?;
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

    /// Decodes the coefficients of `count` MCUs.
    #[inline(always)]
    fn group(&mut self, count: usize) -> Option<()> {
        for plane in &mut self.planes {
            plane.index_max = 0;
            for coefficients in &mut plane.coefficients {
                coefficients.clear(plane.block_width * plane.block_height);
            }
        }
        for in_group in 0..count {
            self.mcu(in_group)?;
            self.mcus_left -= 1;
            // Without restarts this wraps, and never comes back to zero.
            self.until_restart = self.until_restart.wrapping_sub(1);
            if self.until_restart == 0 && self.mcus_left > 0 {
                self.restart()?;
            }
        }
        Some(())
    }

    /// T.81 F.2.1.3.1 and E.2.4: the marker in its turn, predictions from zero.
    #[cold]
    fn restart(&mut self) -> Option<()> {
        self.source.finish(&mut self.bits, 0xD0 | self.restarts)?;
        self.restarts = (self.restarts + 1) & 7;
        self.until_restart = self.header.restart_mcus;
        self.planes.iter_mut().for_each(|plane| plane.last_dc = 0);
        Some(())
    }

    /// Decodes the coefficients of one MCU (T.81 A.2.3).
    #[inline(always)]
    fn mcu(&mut self, in_group: usize) -> Option<()> {
        self.source.prepare(&mut self.bits)?;
        let mut bits = self.bits;
        for plane in &mut self.planes {
            for coefficients in &mut plane.coefficients {
                for across in 0..plane.h {
                    let mut block = BlockDecoder {
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

/// Whether this processor runs [`run_vectors`].
#[cfg(target_arch = "x86_64")]
pub(super) fn has_vectors() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt")
}

/// [`ScanDecoder::run`] for processors of the last decade. `ScanDecoder::decode_portable` is
/// its safe twin; a test compares them.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn run_vectors(scan: &mut ScanDecoder<'_>) -> Option<()> {
    scan.run(|scan, count| group_vectors(scan, count))
}

/// [`ScanDecoder::group`], apart from the rest so that its inner loop has the
/// processor's registers for itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline(never)]
fn group_vectors(scan: &mut ScanDecoder<'_>, count: usize) -> Option<()> {
    scan.group(count)
}
