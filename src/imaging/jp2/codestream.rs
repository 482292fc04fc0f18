//! Parses the markers of a codestream (ISO/IEC 15444-1, annex A) to estimate the cost of decoding
//! and to detect truncated files.

use super::super::budget::{malformed, unsupported};
use super::super::{Format, ImageError};

/// Tiles are numbered with 16 bits (A.4.2).
const TILES_MAX: u64 = 65_535;
const COMPONENTS_MAX: u16 = 4;
const PRECISION_MAX: u8 = 16;
/// 4:1:0 and anything above it is no photo.
const SUBSAMPLING_MAX: u8 = 4;
/// Decomposition levels (A.6.1).
const LEVELS_MAX: u8 = 32;
/// Quantisation segments hold a step size per sub-band: two bytes for each of
/// 3 * 32 + 1, and a few more.
const QUANTISATION_BYTES_MAX: usize = 256;

// Memory of the decoder's data structures, from their sizes in version 0.5 (code-block 72 bytes,
// tag-tree node 40, precinct 80, layer 24, segment 32), with room for the doubling of growing
// vectors.
const CODE_BLOCK_BYTES: u64 = 480;
const PRECINCT_BYTES: u64 = 320;
const LAYER_BYTES: u64 = 72;
const SEGMENT_BYTES: u64 = 96;
const TILE_BYTES: u64 = 512;
const TILE_COMPONENT_BYTES: u64 = 1024;
const TILE_PART_BYTES: u64 = 256;
/// Steps the decoder may take to lay out its tag trees, over the whole picture.
/// It visits `4^levels` nodes of each, whatever the shape of the precinct, so
/// that a long row of small blocks costs the square of its length. Square
/// precincts of the smallest blocks stay at half of this at the most pixels.
const TREE_STEPS_MAX: u64 = 1 << 26;
/// Coding passes of a block of 32 bit-planes, each a segment of its own where
/// passes are terminated or bypass the coder.
const PASSES_MAX: u64 = 94;

/// Properties of a codestream from its markers.
pub(super) struct Codestream {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: u8,
    /// Peak memory of the decoder besides planes of samples, in bytes: coefficients, wavelet
    /// buffers and data structures.
    pub(super) working_bytes: u64,
    /// Whether the last tile-part has no declared length.
    pub(super) open_ended: bool,
}

impl Codestream {
    /// Parses all markers, skipping packet data. `check_size` is called as soon as the size is
    /// known.
    pub(super) fn read(
        bytes: &[u8],
        format: Format,
        check_size: impl FnOnce(u32, u32) -> Result<(), ImageError>,
    ) -> Result<Self, ImageError> {
        let mut reader = CodestreamReader { bytes, at: 0, format };
        if reader.u16()? != 0xFF4F || reader.u16()? != 0xFF51 {
            return Err(reader.bad("it does not start with a size"));
        }
        let size = SizSegment::read(&mut reader, check_size)?;

        let mut cost =
            DecodingCost { code_blocks: 0, precincts: 0, tree_steps: 0, layers: 1, pieces_max: 1, tile_parts: 0 };
        let mut seen_tiles = vec![false; usize::try_from(size.tiles).unwrap_or(0)];
        let mut open_ended = false;
        // Main header, then a header and data for every tile-part.
        while reader.headers(&size, &mut cost)? == AfterHeaders::TilePart {
            let tile_part = reader.tile_part()?;
            *seen_tiles.get_mut(usize::from(tile_part.tile)).ok_or_else(|| reader.bad("a tile out of range"))? = true;
            cost.tile_parts += 1;
            if reader.headers(&size, &mut cost)? != AfterHeaders::Data {
                return Err(reader.bad("a tile without data"));
            }
            open_ended = tile_part.end.is_none();
            match tile_part.end {
                Some(end) if end < reader.at => return Err(reader.bad("a tile shorter than its header")),
                Some(end) if end > bytes.len() => return Err(reader.cut()),
                Some(end) => reader.at = end,
                // Up to the end marker, which must be last.
                None => reader.at = bytes.len().saturating_sub(2).max(reader.at),
            }
        }
        // A missing tile would leave a hole in the picture.
        if seen_tiles.contains(&false) {
            return Err(reader.cut());
        }
        Ok(Self {
            width: size.width,
            height: size.height,
            components: size.components as u8,
            working_bytes: cost.bytes(&size, bytes.len()),
            open_ended,
        })
    }
}

/// The SIZ segment (A.5.1).
struct SizSegment {
    width: u32,
    height: u32,
    components: u16,
    /// Largest tile, in pixels.
    tile_width: u64,
    tile_height: u64,
    tiles: u64,
}

impl SizSegment {
    fn read(
        reader: &mut CodestreamReader<'_>,
        check_size: impl FnOnce(u32, u32) -> Result<(), ImageError>,
    ) -> Result<Self, ImageError> {
        let end = reader.segment_end()?;
        let _capabilities = reader.u16()?;
        let [x1, y1, x0, y0, tile_w, tile_h, tile_x0, tile_y0] = [(); 8].map(|()| reader.u32());
        let (x1, y1, x0, y0) = (x1?, y1?, x0?, y0?);
        let (tile_w, tile_h, tile_x0, tile_y0) = (tile_w?, tile_h?, tile_x0?, tile_y0?);
        let components = reader.u16()?;
        if x0 >= x1 || y0 >= y1 || tile_w == 0 || tile_h == 0 || tile_x0 > x0 || tile_y0 > y0 {
            return Err(reader.bad("an impossible size"));
        }
        let (width, height) = (x1 - x0, y1 - y0);
        check_size(width, height)?;
        if !(1..=COMPONENTS_MAX).contains(&components) {
            return Err(reader.unsupported("a number of components that is not 1 to 4"));
        }
        let mut one_is_full = false;
        for _ in 0..components {
            let [precision, dx, dy] = [reader.u8()?, reader.u8()?, reader.u8()?];
            if precision & 0x80 != 0 || precision + 1 > PRECISION_MAX {
                return Err(reader.unsupported("samples that are signed or wider than 16 bits"));
            }
            if !(1..=SUBSAMPLING_MAX).contains(&dx) || !(1..=SUBSAMPLING_MAX).contains(&dy) {
                return Err(reader.unsupported("a component sampled more coarsely than 1 in 4"));
            }
            one_is_full |= (dx, dy) == (1, 1);
        }
        if !one_is_full {
            return Err(reader.unsupported("no component at full size"));
        }
        if reader.at != end {
            return Err(reader.bad("a size of the wrong length"));
        }
        let tiles_of = |to: u32, from: u32, side: u32| u64::from(to - from).div_ceil(u64::from(side));
        let tiles = tiles_of(x1, tile_x0, tile_w) * tiles_of(y1, tile_y0, tile_h);
        if tiles > TILES_MAX {
            return Err(reader.bad("more tiles than can be numbered"));
        }
        Ok(Self {
            width,
            height,
            components,
            tile_width: tile_w.min(width).into(),
            tile_height: tile_h.min(height).into(),
            tiles,
        })
    }
}

/// Highest cost of a tile under any coding style in the file.
struct DecodingCost {
    /// Per component of the largest tile.
    code_blocks: u64,
    precincts: u64,
    tree_steps: u64,
    layers: u64,
    /// Segments a code-block can be cut into.
    pieces_max: u64,
    tile_parts: u64,
}

impl DecodingCost {
    /// Accounts for the parameters that COD and COC share (table A.20).
    fn style(
        &mut self,
        reader: &mut CodestreamReader<'_>,
        size: &SizSegment,
        has_precincts: bool,
    ) -> Result<(), ImageError> {
        let levels = reader.u8()?;
        let (block_width, block_height) = (reader.u8()?.saturating_add(2), reader.u8()?.saturating_add(2));
        if levels > LEVELS_MAX || block_width > 10 || block_height > 10 || block_width + block_height > 12 {
            return Err(reader.bad("a coding style out of range"));
        }
        const BYPASS: u8 = 1;
        const TERMINATE: u8 = 4;
        let block_style = reader.u8()?;
        let _transformation = reader.u8()?;
        if block_style & (BYPASS | TERMINATE) != 0 {
            self.pieces_max = PASSES_MAX;
        }

        let (mut code_blocks, mut precincts, mut tree_steps) = (0, 0, 0u64);
        for resolution in 0..=levels {
            let (precinct_width, precinct_height) = match has_precincts {
                true => reader.u8().map(|both| (both & 15, both >> 4))?,
                false => (15, 15),
            };
            // Above the lowest resolution, bands have half the size (B.7).
            let halving = u8::from(resolution > 0);
            if precinct_width < halving || precinct_height < halving {
                return Err(reader.bad("an empty precinct"));
            }
            let shrunk = |side: u64| side.div_ceil(1 << (levels - resolution));
            let (width, height) = (shrunk(size.tile_width), shrunk(size.tile_height));
            let bands = 1 + 2 * u64::from(halving);
            let cells = |side: u64, exponent: u8| (side >> exponent) + 2;
            let here = bands * cells(width, precinct_width) * cells(height, precinct_height);
            precincts += here;
            let across = Across::new(width >> halving, precinct_width - halving, block_width);
            let down = Across::new(height >> halving, precinct_height - halving, block_height);
            code_blocks += bands * across.blocks * down.blocks;
            let levels = across.tree_levels.max(down.tree_levels);
            tree_steps = tree_steps.saturating_add(here.saturating_mul(2 << (2 * levels)));
        }
        self.tree_steps = self.tree_steps.max(tree_steps);
        if self.tree_steps.saturating_mul(size.tiles * u64::from(size.components)) > TREE_STEPS_MAX {
            return Err(reader.unsupported("precincts of very many code-blocks"));
        }
        self.code_blocks = self.code_blocks.max(code_blocks);
        self.precincts = self.precincts.max(precincts);
        Ok(())
    }

    fn bytes(&self, size: &SizSegment, encoded_bytes: usize) -> u64 {
        let components = u64::from(size.components);
        // Coefficients and output of the transform, and its scratch of a quarter.
        let transform = (size.tile_width + 1) * (size.tile_height + 1) * 4 * 9 / 4;
        // A segment takes at least three bits to announce.
        let code_blocks = self.code_blocks * components;
        let segments = (code_blocks * self.pieces_max.max(self.layers)).min(encoded_bytes as u64 * 8 / 3);
        transform
            + code_blocks * (CODE_BLOCK_BYTES + self.layers * LAYER_BYTES)
            + self.precincts * components * PRECINCT_BYTES
            + segments * SEGMENT_BYTES
            + size.tiles * (TILE_BYTES + components * TILE_COMPONENT_BYTES)
            + self.tile_parts * TILE_PART_BYTES
    }
}

/// Code-blocks along one side of a band.
struct Across {
    blocks: u64,
    /// Height of the tag tree over those of one precinct.
    tree_levels: u32,
}

impl Across {
    fn new(band: u64, precinct_exponent: u8, block_exponent: u8) -> Self {
        let block_exponent = block_exponent.min(precinct_exponent);
        // Bands need not start where blocks do: up to one more at either end.
        let blocks = (band >> block_exponent) + 2;
        let in_precinct = blocks.min(1 << (precinct_exponent - block_exponent));
        Self { blocks, tree_levels: in_precinct.next_power_of_two().ilog2() }
    }
}

#[derive(PartialEq, Eq)]
enum AfterHeaders {
    TilePart,
    Data,
    End,
}

struct TilePart {
    tile: u16,
    /// Where its data ends; `None`: at the end of the codestream.
    end: Option<usize>,
}

struct CodestreamReader<'a> {
    bytes: &'a [u8],
    at: usize,
    format: Format,
}

impl CodestreamReader<'_> {
    /// Reads marker segments up to the start of a tile-part, of data, or the
    /// end of the codestream.
    fn headers(&mut self, size: &SizSegment, cost: &mut DecodingCost) -> Result<AfterHeaders, ImageError> {
        loop {
            match self.u16()? {
                0xFF90 => return Ok(AfterHeaders::TilePart),
                0xFF93 => return Ok(AfterHeaders::Data),
                0xFFD9 => return Ok(AfterHeaders::End),
                0xFF30..=0xFF3F => {}
                marker @ 0xFF40..=0xFFFF => {
                    let end = self.segment_end()?;
                    match marker & 0xFF {
                        // COD: style, order, layers, colour transform.
                        0x52 => {
                            let flags = self.u8()?;
                            let _order = self.u8()?;
                            cost.layers = cost.layers.max(self.u16()?.into());
                            let _transform = self.u8()?;
                            cost.style(self, size, flags & 1 != 0)?;
                        }
                        // COC: component, style.
                        0x53 => {
                            let _component = self.u8()?;
                            let flags = self.u8()?;
                            cost.style(self, size, flags & 1 != 0)?;
                        }
                        0x5C | 0x5D if end - self.at > QUANTISATION_BYTES_MAX => {
                            return Err(self.bad("more step sizes than bands"));
                        }
                        0x5F => return Err(self.unsupported("changes of progression order")),
                        0x60 | 0x61 => return Err(self.unsupported("packed packet headers")),
                        _ => {}
                    }
                    if self.at > end {
                        return Err(self.bad("a segment longer than it says"));
                    }
                    self.at = end;
                }
                _ => return Err(self.bad("no marker where one must be")),
            }
        }
    }

    /// The SOT segment (A.4.2), its marker already read.
    fn tile_part(&mut self) -> Result<TilePart, ImageError> {
        let start = self.at - 2;
        let end = self.segment_end()?;
        let tile = self.u16()?;
        let length = self.u32()?;
        if end != self.at + 2 {
            return Err(self.bad("a tile-part header of the wrong length"));
        }
        self.at = end;
        let end = match length {
            0 => None,
            length => Some(start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX))),
        };
        Ok(TilePart { tile, end })
    }

    /// Reads a segment's length and checks that all of it is there.
    fn segment_end(&mut self) -> Result<usize, ImageError> {
        let start = self.at;
        let length = usize::from(self.u16()?);
        if length < 2 {
            return Err(self.bad("a segment shorter than its own length field"));
        }
        let end = start + length;
        if end > self.bytes.len() {
            return Err(self.cut());
        }
        Ok(end)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or_else(|| self.cut())?;
        self.at += N;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, ImageError> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, ImageError> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, ImageError> {
        self.take().map(u32::from_be_bytes)
    }

    fn cut(&self) -> ImageError {
        ImageError::Truncated(self.format)
    }

    fn bad(&self, detail: &str) -> ImageError {
        malformed(self.format, detail)
    }

    fn unsupported(&self, detail: &str) -> ImageError {
        unsupported(self.format, detail)
    }
}
