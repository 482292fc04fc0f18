//! Parses the marker segments in front of the entropy-coded data (T.81 annex B) strictly: `None`
//! for anything but a supported baseline picture.

use super::super::standard_huffman;
use super::huffman::{AcTable, DcTable};

/// The order in which coefficients are coded: `ZIGZAG[k]` is the row-major
/// place, `8 * v + u`, of the k-th (T.81 figure A.6).
#[rustfmt::skip]
pub(super) const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10,
    17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34,
    27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36,
    29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46,
    53, 60, 61, 54, 47, 55, 62, 63,
];

const SOI: u8 = 0xD8;
const SOF0: u8 = 0xC0;
const SOF1: u8 = 0xC1;
const DHT: u8 = 0xC4;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DRI: u8 = 0xDD;
const APP0: u8 = 0xE0;
const APP14: u8 = 0xEE;
const APP15: u8 = 0xEF;
const COM: u8 = 0xFE;

/// One colour component as the frame and scan headers describe it.
#[derive(Clone, Copy)]
pub(super) struct ScanComponent {
    id: u8,
    /// Blocks per MCU across, 1 or 2.
    pub(super) h: usize,
    /// Blocks per MCU down, 1 or 2.
    pub(super) v: usize,
    quant: usize,
    /// Which DC table it uses.
    pub(super) dc: usize,
    /// Which AC table it uses.
    pub(super) ac: usize,
}

/// Everything needed before the first MCU is decoded.
pub(super) struct BaselineHeader {
    /// Width in pixels, 1 to 65535.
    pub(super) width: usize,
    /// Height in pixels, 1 to 65535.
    pub(super) height: usize,
    /// One component (grey) or three (Y, Cb, Cr).
    pub(super) components: Vec<ScanComponent>,
    /// MCUs between restart markers; 0 where there are none.
    pub(super) restart_mcus: usize,
    quant: [Option<[u8; 64]>; 4],
    /// DC tables by their identifier; those the components name are there.
    pub(super) dc: [Option<Box<DcTable>>; 4],
    /// AC tables by their identifier; those the components name are there.
    pub(super) ac: [Option<Box<AcTable>>; 4],
    /// Where the entropy-coded data begins.
    pub(super) scan_at: usize,
}

impl BaselineHeader {
    /// The quantisation table of a component, in zigzag order, no entry zero.
    pub(super) fn quant(&self, component: &ScanComponent) -> Option<&[u8; 64]> {
        self.quant[component.quant].as_ref()
    }
}

/// Reads everything up to and with the scan header.
///
/// Bounded: it walks the bytes once, and allocates at most eight tables.
pub(super) fn read(bytes: &[u8]) -> Option<BaselineHeader> {
    if bytes.get(..2)? != [0xFF, SOI] {
        return None;
    }
    let mut at = 2;
    let mut quant = [None; 4];
    let (mut dc_specs, mut ac_specs) = ([None; 4], [None; 4]);
    let mut frame: Option<BaselineFrame> = None;
    let mut restart_mcus = 0;
    let mut jfif = false;
    let mut adobe_transform = None;
    let mut has_huffman = false;
    loop {
        let [0xFF, marker, high, low] = *bytes.get(at..at + 4)? else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = bytes.get(at + 4..at + 2 + length)?;
        at += 2 + length;
        match marker {
            SOF0 | SOF1 if frame.is_none() => frame = Some(read_frame(segment)?),
            DQT => read_quant(segment, &mut quant)?,
            DHT => {
                has_huffman = true;
                read_huffman(segment, &mut dc_specs, &mut ac_specs)?;
            }
            DRI => restart_mcus = usize::from(u16::from_be_bytes(segment.try_into().ok()?)),
            APP0 => jfif |= segment.starts_with(b"JFIF\0"),
            APP14 if segment.starts_with(b"Adobe") => adobe_transform = Some(*segment.get(11)?),
            SOS => {
                let BaselineFrame { width, height, mut components } = frame?;
                read_scan(segment, &mut components)?;
                is_known_colour(&components, jfif, adobe_transform).then_some(())?;
                // Frames of webcams (Motion JPEG) leave the standard tables out.
                if !has_huffman {
                    let tables = &standard_huffman::SEGMENT[standard_huffman::HEAD_BYTES..];
                    read_huffman(tables, &mut dc_specs, &mut ac_specs)?;
                }
                let (mut dc, mut ac) = ([const { None }; 4], [const { None }; 4]);
                for c in &components {
                    quant[c.quant]?;
                    if dc[c.dc].is_none() {
                        dc[c.dc] = Some(DcTable::new(dc_specs[c.dc]?)?);
                    }
                    if ac[c.ac].is_none() {
                        ac[c.ac] = Some(AcTable::new(ac_specs[c.ac]?)?);
                    }
                }
                return Some(BaselineHeader { width, height, components, restart_mcus, quant, dc, ac, scan_at: at });
            }
            APP0..=APP15 | COM => {}
            _ => return None, // progressive, arithmetic, lossless, DNL, a second frame, ...
        }
    }
}

struct BaselineFrame {
    width: usize,
    height: usize,
    components: Vec<ScanComponent>,
}

/// T.81 B.2.2.
fn read_frame(segment: &[u8]) -> Option<BaselineFrame> {
    let [8, y1, y0, x1, x0, count, ref specs @ ..] = *segment else { return None };
    let height = usize::from(u16::from_be_bytes([y1, y0]));
    let width = usize::from(u16::from_be_bytes([x1, x0]));
    if width == 0 || height == 0 || !matches!(count, 1 | 3) || specs.len() != 3 * usize::from(count) {
        return None;
    }
    let mut components = Vec::with_capacity(3);
    for spec in specs.chunks_exact(3) {
        let (mut h, mut v) = (usize::from(spec[1] >> 4), usize::from(spec[1] & 15));
        if !(1..=4).contains(&h) || !(1..=4).contains(&v) || spec[2] > 3 {
            return None;
        }
        if count == 1 {
            // Alone in its scan, a component has one block per MCU (A.2.2).
            (h, v) = (1, 1);
        }
        let is_luma = components.is_empty();
        if h > 2 || v > 2 || (!is_luma && (h, v) != (1, 1)) {
            return None;
        }
        components.push(ScanComponent { id: spec[0], h, v, quant: usize::from(spec[2]), dc: 0, ac: 0 });
    }
    Some(BaselineFrame { width, height, components })
}

/// T.81 B.2.4.1; 8-bit entries only.
fn read_quant(mut segment: &[u8], tables: &mut [Option<[u8; 64]>; 4]) -> Option<()> {
    while let [id, rest @ ..] = segment {
        let (table, rest) = rest.split_first_chunk::<64>()?;
        if *id > 3 || table.contains(&0) {
            return None;
        }
        tables[usize::from(*id)] = Some(*table);
        segment = rest;
    }
    Some(())
}

/// A Huffman table as specified in the file: number of codes of each length, and their symbols.
#[derive(Clone, Copy)]
pub(super) struct TableSpec<'a> {
    /// Codes of 1 to 16 bits.
    pub(super) counts: &'a [u8; 16],
    /// Their symbols, shortest code first.
    pub(super) symbols: &'a [u8],
}

/// T.81 B.2.4.2.
fn read_huffman<'a>(
    mut segment: &'a [u8],
    dc: &mut [Option<TableSpec<'a>>; 4],
    ac: &mut [Option<TableSpec<'a>>; 4],
) -> Option<()> {
    while let [class_id, rest @ ..] = segment {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let total = counts.iter().map(|&n| usize::from(n)).sum();
        let (symbols, rest) = rest.split_at_checked(total)?;
        let tables = if class_id >> 4 == 0 { &mut *dc } else { &mut *ac };
        if *class_id > 0x13 || class_id & 15 > 3 {
            return None;
        }
        tables[usize::from(class_id & 15)] = Some(TableSpec { counts, symbols });
        segment = rest;
    }
    Some(())
}

/// T.81 B.2.3: one scan with all components in the frame's order, all
/// coefficients, no successive approximation.
fn read_scan(segment: &[u8], components: &mut [ScanComponent]) -> Option<()> {
    let [count, rest @ ..] = segment else { return None };
    if usize::from(*count) != components.len() || rest.len() != 2 * components.len() + 3 {
        return None;
    }
    let (specs, spectral) = rest.split_at(2 * components.len());
    if spectral != [0, 63, 0] {
        return None;
    }
    for (c, spec) in components.iter_mut().zip(specs.chunks_exact(2)) {
        (c.dc, c.ac) = (usize::from(spec[1] >> 4), usize::from(spec[1] & 15));
        if spec[0] != c.id || c.dc > 3 || c.ac > 3 {
            return None;
        }
    }
    Some(())
}

/// Whether three components are certainly Y, Cb, Cr: by the JFIF or Adobe marker, or, without
/// either, by the customary identifiers (cameras that write Exif only).
fn is_known_colour(components: &[ScanComponent], jfif: bool, adobe_transform: Option<u8>) -> bool {
    match (components, adobe_transform) {
        ([_], _) => true,
        (_, Some(transform)) => transform == 1,
        ([y, cb, cr], None) => jfif || [y.id, cb.id, cr.id] == [1, 2, 3],
        _ => false,
    }
}
