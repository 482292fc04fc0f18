//! Parses the markers of a JPEG file without decoding it.
//!
//! One pass over the markers (ITU-T T.81 annex B) finds size, coding process, orientation and end
//! of the picture, so that costs are known before allocation and truncated files are refused
//! instead of decoded half grey.

use std::ops::Range;

use super::super::budget::{malformed, unsupported};
use super::super::{Format, ImageError, standard_huffman};
use super::quality::quality_of_table;

/// Most scans; bounds the time. libjpeg's standard progressive script has 10, optimised ones fewer
/// than 20.
const SCANS_MAX: usize = 64;
/// Most segments passed on to the decoder (tables and scans); 64 scans with eight tables each stay
/// well below.
const PARTS_MAX: usize = 1024;

/// Bytes put where the end marker was: twice the 64 bits that the decoder
/// holds at most.
const END_MAX: usize = 16;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DHT: u8 = 0xC4;
const DRI: u8 = 0xDD;

/// Coding process of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodingProcess {
    /// SOF0 or SOF1 at 8 bits: one pass.
    Sequential,
    /// SOF2: several passes over coefficients held in memory.
    Progressive,
}

/// One colour component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameComponent {
    pub(super) id: u8,
    /// Horizontal and vertical sampling factors, 1 to 4.
    pub(super) h: u8,
    pub(super) v: u8,
}

/// Properties of a JPEG file from its markers.
#[derive(Debug)]
pub(super) struct JpegStructure {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) coding: CodingProcess,
    /// 1, 3 or 4 of them.
    pub(super) components: Vec<FrameComponent>,
    /// Whether the first scan holds every component, so that a sequential
    /// picture can be decoded row by row.
    pub(super) interleaved: bool,
    /// The transform byte of Adobe's APP14 segment.
    pub(super) adobe_transform: Option<u8>,
    /// The first EXIF block, from its TIFF header on.
    pub(super) exif: Option<Range<usize>>,
    /// 1…100, by the first luminance table; see [`quality_of_table`].
    pub(super) quality: Option<f32>,
    /// Whether a sequential picture has no Huffman table before its first scan, as frames of
    /// webcams (Motion JPEG), which use the standard tables.
    pub(super) standard_huffman: bool,
    /// The segments needed for pixels: frame, tables, scans, end. Everything else (APPn, comments,
    /// trailing bytes) never reaches a decoder.
    parts: Vec<Range<usize>>,
}

impl JpegStructure {
    /// Parses the markers up to the end of the (first) picture. `check_size` is called as soon as
    /// the size is known.
    pub(super) fn read(
        bytes: &[u8],
        check_size: impl FnMut(u32, u32) -> Result<(), ImageError>,
    ) -> Result<Self, ImageError> {
        let reader = MarkerReader {
            bytes,
            at: 2,
            check_size,
            frame: None,
            adobe_transform: None,
            exif: None,
            quality: None,
            parts: Vec::new(),
            first_scan: None,
            has_huffman: false,
            standard_huffman: false,
        };
        reader.run()
    }

    /// The file reduced to the segments needed for pixels, so that the decoder's metadata parsers
    /// are no attack surface.
    ///
    /// The end marker of a sequential picture is replaced by zeros. At a marker the decoder would
    /// continue with zero bits, so a truncated scan would come out half grey; at the end of the
    /// bytes it fails. The zeros are what it may read ahead. For progressive pictures it needs the
    /// marker.
    pub(super) fn pixels_only(&self, bytes: &[u8]) -> Vec<u8> {
        let length: usize = self.parts.iter().map(ExactSizeIterator::len).sum();
        let mut kept = Vec::with_capacity(length + 2 + END_MAX + standard_huffman::SEGMENT.len());
        kept.extend_from_slice(&[0xFF, SOI]);
        if self.standard_huffman {
            kept.extend_from_slice(&standard_huffman::SEGMENT);
        }
        for part in &self.parts {
            kept.extend_from_slice(&bytes[part.clone()]);
        }
        match self.coding {
            CodingProcess::Sequential => kept.extend_from_slice(&[0; END_MAX]),
            CodingProcess::Progressive => kept.extend_from_slice(&[0xFF, EOI]),
        }
        kept
    }

    /// Largest sampling factors of the frame.
    pub(super) fn sampling_max(&self) -> (u64, u64) {
        sampling_max(&self.components)
    }

    /// Whether the components are named R, G and B, which some encoders do
    /// instead of writing an Adobe segment.
    pub(super) fn named_rgb(&self) -> bool {
        self.components.iter().map(|c| c.id).eq(*b"RGB")
    }
}

fn sampling_max(components: &[FrameComponent]) -> (u64, u64) {
    let max = |of: fn(&FrameComponent) -> u8| components.iter().map(of).max().unwrap_or(1).into();
    (max(|c| c.h), max(|c| c.v))
}

struct FrameHeader {
    width: u32,
    height: u32,
    coding: CodingProcess,
    components: Vec<FrameComponent>,
}

struct FirstScan {
    components: usize,
    /// Fewest bits its blocks can take.
    bits_min: u64,
}

struct MarkerReader<'a, F> {
    bytes: &'a [u8],
    at: usize,
    check_size: F,
    frame: Option<FrameHeader>,
    adobe_transform: Option<u8>,
    exif: Option<Range<usize>>,
    quality: Option<f32>,
    parts: Vec<Range<usize>>,
    first_scan: Option<FirstScan>,
    has_huffman: bool,
    standard_huffman: bool,
}

impl<F: FnMut(u32, u32) -> Result<(), ImageError>> MarkerReader<'_, F> {
    fn run(mut self) -> Result<JpegStructure, ImageError> {
        let mut scans = 0;
        loop {
            let marker = self.marker()?;
            match marker {
                EOI => break,
                // Markers without a length; they have no meaning between segments.
                0x01 | 0xD0..=0xD7 => continue,
                SOI => return Err(bad("a second start of image")),
                _ => {}
            }
            let segment = self.segment()?;
            match marker {
                0xC0..=0xC2 => self.start_of_frame(marker, segment.clone())?,
                DQT => self.quality = self.quality.or_else(|| quality_of_table(&self.bytes[segment.clone()])),
                DHT => self.has_huffman = true,
                DRI => {}
                0xC3..=0xCF => return Err(unsupported(Format::Jpeg, "arithmetic, lossless or hierarchical coding")),
                0xDC => return Err(unsupported(Format::Jpeg, "a height that is only known at its end")),
                0xE1 => {
                    if self.exif.is_none() && self.bytes[segment.clone()].starts_with(b"Exif\0\0") {
                        self.exif = Some(segment.start + 6..segment.end);
                    }
                    continue;
                }
                0xEE => {
                    let body = &self.bytes[segment];
                    if body.starts_with(b"Adobe") && body.len() >= 12 {
                        self.adobe_transform = Some(body[11]);
                    }
                    continue;
                }
                SOS => {
                    scans += 1;
                    if scans > SCANS_MAX {
                        return Err(unsupported(Format::Jpeg, "more than 64 scans"));
                    }
                    self.scan(segment)?;
                    continue;
                }
                _ => continue,
            }
            self.keep(segment.start - 4..segment.end)?;
        }
        let Some(FrameHeader { width, height, coding, components }) = self.frame else {
            return Err(bad("no frame before the end of image"));
        };
        let Some(first_scan) = self.first_scan else {
            return Err(bad("no scan before the end of image"));
        };
        Ok(JpegStructure {
            width,
            height,
            coding,
            interleaved: first_scan.components == components.len(),
            components,
            adobe_transform: self.adobe_transform,
            exif: self.exif,
            quality: self.quality,
            standard_huffman: self.standard_huffman,
            parts: self.parts,
        })
    }

    fn keep(&mut self, part: Range<usize>) -> Result<(), ImageError> {
        if self.parts.len() == PARTS_MAX {
            return Err(unsupported(Format::Jpeg, "more than a thousand tables"));
        }
        self.parts.push(part);
        Ok(())
    }

    /// The next marker. Stray bytes before it are skipped, as every decoder
    /// does: cameras pad there.
    fn marker(&mut self) -> Result<u8, ImageError> {
        loop {
            self.at += find_ff(&self.bytes[self.at..]).ok_or(CUT)?;
            while *self.bytes.get(self.at).ok_or(CUT)? == 0xFF {
                self.at += 1;
            }
            let marker = self.bytes[self.at];
            self.at += 1;
            if marker != 0 {
                return Ok(marker);
            }
        }
    }

    /// The body of the segment whose marker was just read.
    fn segment(&mut self) -> Result<Range<usize>, ImageError> {
        let length = self.bytes.get(self.at..self.at + 2).ok_or(CUT)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(bad("a segment shorter than its own length field"));
        }
        let segment = self.at + 2..self.at + length;
        if segment.end > self.bytes.len() {
            return Err(CUT);
        }
        self.at = segment.end;
        Ok(segment)
    }

    fn start_of_frame(&mut self, marker: u8, segment: Range<usize>) -> Result<(), ImageError> {
        if self.frame.is_some() {
            return Err(bad("two frames"));
        }
        let body = &self.bytes[segment];
        let (&[precision, h1, h0, w1, w0, count], specs) =
            body.split_first_chunk::<6>().ok_or_else(|| bad("a short frame header"))?;
        let (width, height) = (u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
        if precision != 8 {
            return Err(unsupported(Format::Jpeg, "more than 8 bits per sample"));
        }
        if width == 0 || height == 0 {
            return Err(bad("a picture without pixels"));
        }
        (self.check_size)(width, height)?;
        if !matches!(count, 1 | 3 | 4) {
            return Err(unsupported(Format::Jpeg, "a number of components that is not 1, 3 or 4"));
        }
        if specs.len() != usize::from(count) * 3 {
            return Err(bad("a frame header of the wrong length"));
        }
        let components: Vec<_> = specs
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[id, sampling, _]| FrameComponent { id, h: sampling >> 4, v: sampling & 15 })
            .collect();
        if components.iter().any(|c| !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v)) {
            return Err(bad("a sampling factor out of range"));
        }
        let coding = if marker == 0xC2 { CodingProcess::Progressive } else { CodingProcess::Sequential };
        self.frame = Some(FrameHeader { width, height, coding, components });
        Ok(())
    }

    /// Skips the entropy-coded bytes of the scan whose header was just read.
    fn scan(&mut self, header: Range<usize>) -> Result<(), ImageError> {
        let Some(frame) = &self.frame else {
            return Err(bad("a scan before its frame"));
        };
        let scan_components =
            usize::from(*self.bytes[header.clone()].first().ok_or_else(|| bad("an empty scan header"))?);
        if !(1..=frame.components.len()).contains(&scan_components) {
            return Err(bad("a scan with a wrong number of components"));
        }
        let start = self.at;
        loop {
            self.at += find_ff(&self.bytes[self.at..]).ok_or(CUT)?;
            match *self.bytes.get(self.at + 1).ok_or(CUT)? {
                // A stuffed zero or a restart: data goes on.
                0 | 0xD0..=0xD7 => self.at += 2,
                0xFF => self.at += 1,
                _ => break,
            }
        }
        if self.first_scan.is_none() {
            let first = FirstScan { components: scan_components, bits_min: bits_min(frame, scan_components) };
            // A header that declares a large picture with too little data.
            if ((self.at - start) as u64) * 8 < first.bits_min {
                return Err(CUT);
            }
            self.first_scan = Some(first);
            self.standard_huffman = frame.coding == CodingProcess::Sequential && !self.has_huffman;
        }
        self.keep(header.start - 4..self.at)
    }
}

/// Fewest bits the first scan can take: a Huffman code has at least one bit, a
/// sequential block at least two codes, a block of a progressive picture's
/// first scan at least one.
fn bits_min(frame: &FrameHeader, scan_components: usize) -> u64 {
    let (h_max, v_max) = sampling_max(&frame.components);
    let mcus = u64::from(frame.width).div_ceil(8 * h_max) * u64::from(frame.height).div_ceil(8 * v_max);
    let blocks = if scan_components == frame.components.len() && scan_components > 1 {
        mcus * frame.components.iter().map(|c| u64::from(c.h) * u64::from(c.v)).sum::<u64>()
    } else {
        // A scan of a single component has no padding to whole MCUs, and the component with the
        // lowest sampling has one block per MCU: a lower bound for any component.
        mcus.min(u64::from(frame.width).div_ceil(32) * u64::from(frame.height).div_ceil(32))
    };
    match frame.coding {
        CodingProcess::Sequential => 2 * blocks,
        CodingProcess::Progressive => blocks,
    }
}

/// Index of the next 0xFF byte. Compares blocks of 32 bytes at once: in photos one byte in two hundred
/// is 0xFF.
fn find_ff(bytes: &[u8]) -> Option<usize> {
    let (blocks, tail) = bytes.as_chunks::<32>();
    for (i, block) in blocks.iter().enumerate() {
        if block.iter().fold(false, |found, &b| found | (b == 0xFF)) {
            return block.iter().position(|&b| b == 0xFF).map(|at| i * 32 + at);
        }
    }
    tail.iter().position(|&b| b == 0xFF).map(|at| blocks.len() * 32 + at)
}

const CUT: ImageError = ImageError::Truncated(Format::Jpeg);

fn bad(detail: &str) -> ImageError {
    malformed(Format::Jpeg, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn find_ff_finds_the_first(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..250) {
            let mut bytes: Vec<u8> = bytes.into_iter().map(|b| b & 0x7F).collect();
            prop_assert_eq!(find_ff(&bytes), None);
            if let Some(b) = bytes.get_mut(at) {
                *b = 0xFF;
                prop_assert_eq!(find_ff(&bytes), Some(at));
            }
        }

        #[test]
        fn any_bytes_after_the_start_are_read_without_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [&[0xFF, 0xD8, 0xFF][..], &tail].concat();
            if let Ok(structure) = JpegStructure::read(&bytes, |_, _| Ok(())) {
                let added = END_MAX + standard_huffman::SEGMENT.len();
                prop_assert!(structure.pixels_only(&bytes).len() <= bytes.len() + added);
            }
        }
    }
}
