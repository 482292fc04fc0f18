//! The codes of a list of rows, as the two passes read them.
//!
//! First pass: [`HEAD_BYTES`] bytes a row, sixteen rows interleaved ([`JoinGroup`]).
//! Second pass: [`FINE`] bytes a row and its [`Norms`]. Together 268 bytes a row.

use rayon::prelude::*;

use super::axes::Axes;
use super::bound::{Bound, Norms, OVER_MAX, RowCodes};
use super::tuning::{BLOCK_QUERIES, CHUNK_ROWS, FINE, HEAD, HEAD_BYTES};
use super::vectors::Vectors;
use crate::matching::Dot;
use crate::search::SearchError;
use crate::search::vector::check;

/// Rows of a group: lanes of a register.
pub(crate) const LANES: usize = 16;

/// Words of four bytes in a row of the first pass.
pub(super) const WORDS: usize = HEAD_BYTES / 4;

/// Words of four bytes in a row whose values are all coded, in eight bits each: what the join is
/// measured against (`tools::PlainJoin`) has the default pack's templates so.
pub(crate) const PLAIN_WORDS: usize = 72;

/// Groups of a chunk.
pub(crate) const GROUPS: usize = CHUNK_ROWS / LANES;

/// Words of those that hold codes; the last one holds norms.
pub(super) const CODE_WORDS: usize = HEAD / 4;

/// Queries whose sums are held in registers together.
pub(crate) const TILE: usize = 4;

/// What a code of the first pass is raised by to be a byte without a sign.
pub(super) const OFFSET: u8 = 64;

/// The same for codes that fill their byte.
pub(crate) const BYTE_OFFSET: u8 = 128;

/// A line of the cache: four bytes of each of sixteen rows.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct JoinLine(pub(crate) [[u8; 4]; LANES]);

/// Sixteen rows of `W` words of four bytes each: line `j` has bytes `4j` to `4j + 3`
/// of every row. In the first pass: the codes, raised by [`OFFSET`]; then U, E and two
/// bytes of zero.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct JoinGroup<const W: usize = WORDS>(pub(crate) [JoinLine; W]);

/// The rows of a chunk.
pub(crate) type JoinChunk<const W: usize = WORDS> = [JoinGroup<W>; GROUPS];

/// Some queries of `W` words each, four side by side.
#[repr(C, align(64))]
pub(crate) struct JoinQueries<const W: usize = WORDS> {
    /// Weights.
    pub(crate) words: [[[i32; TILE]; W]; BLOCK_QUERIES / TILE],
    /// What their sums begin with: a pair whose sum ends below zero is dropped.
    pub(crate) starts: [[i32; TILE]; BLOCK_QUERIES / TILE],
    /// The start in parts, for sums in sixteen bits: less what the raised codes add too
    /// much, modulo 2¹⁶;
    pub(super) lowered: [[i32; TILE]; BLOCK_QUERIES / TILE],
    /// less Θ, which is here twice, as it has to be for both rows of a word.
    pub(super) thresholds: [[[i16; 2]; TILE]; BLOCK_QUERIES / TILE],
}

impl<const W: usize> JoinQueries<W> {
    /// Queries that no row matches.
    pub(crate) const NONE: Self = Self {
        words: [[[0; TILE]; W]; BLOCK_QUERIES / TILE],
        starts: [[-OVER_MAX; TILE]; BLOCK_QUERIES / TILE],
        lowered: [[0; TILE]; BLOCK_QUERIES / TILE],
        thresholds: [[[OVER_MAX as i16; 2]; TILE]; BLOCK_QUERIES / TILE],
    };
}

impl JoinQueries {
    /// What a query's sums begin with: its codes add up to `sum`.
    pub(super) fn begin(&mut self, query: usize, threshold: i16, sum: i32) {
        let (tile, at) = (query / TILE, query % TILE);
        let lowered = -i32::from(OFFSET) * sum;
        self.starts[tile][at] = lowered - i32::from(threshold);
        self.lowered[tile][at] = lowered & 0xFFFF;
        self.thresholds[tile][at] = [threshold; 2];
    }
}

/// The second pass's codes of a row.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct JoinFine(pub(super) [i8; FINE]);

impl JoinGroup {
    /// Rows that nothing is known of: no code, no norms.
    const EMPTY: Self = {
        let mut lines = [JoinLine([[OFFSET; 4]; LANES]); WORDS];
        lines[CODE_WORDS] = JoinLine([[0; 4]; LANES]);
        Self(lines)
    };

    fn put(&mut self, lane: usize, codes: &RowCodes, norms: &Norms) {
        let words = codes[..HEAD].as_chunks::<4>().0.iter();
        let words = words.map(|codes| codes.map(|code| code.cast_unsigned().wrapping_add(OFFSET)));
        let norms = [norms.beyond_steps, norms.residual_steps, 0, 0];
        for (line, word) in self.0.iter_mut().zip(words.chain([norms])) {
            line.0[lane] = word;
        }
    }
}

/// Some rows as queries.
#[repr(C, align(64))]
pub(super) struct JoinBlock {
    /// For the first pass.
    pub(super) heads: JoinQueries,
    pub(super) fine: [JoinFine; BLOCK_QUERIES],
    /// [`BYTE_OFFSET`] times the sum of the second pass's codes.
    pub(super) fine_offsets: [i32; BLOCK_QUERIES],
}

impl JoinBlock {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            heads: JoinQueries::NONE,
            fine: [JoinFine([0; FINE]); BLOCK_QUERIES],
            fine_offsets: [0; BLOCK_QUERIES],
        })
    }

    /// Takes up to [`BLOCK_QUERIES`] rows from place `first` on, a multiple of
    /// [`CHUNK_ROWS`], to find pairs at or above `score`.
    pub(super) fn load(&mut self, bound: &Bound, list: &CodedSide, first: usize, score: f32) {
        self.heads = JoinQueries::NONE;
        for query in 0..BLOCK_QUERIES {
            let (tile, at, place) = (query / TILE, query % TILE, first + query);
            let Some(norms) = list.norms.get(place).filter(|norms| !norms.is_loose()) else {
                continue;
            };
            let (group, lane) = (&list.heads[place / LANES], place % LANES);
            // Every block is loaded once for each strip: bytes are taken four at a time.
            for (words, line) in self.heads.words[tile].iter_mut().zip(&group.0[..CODE_WORDS]) {
                words[at] = lowered(u32::from_le_bytes(line.0[lane])).cast_signed();
            }
            // Twice, as it has to be for both rows of a word; elsewhere zeros meet it.
            let [beyond, decoded] = [norms.beyond_weight, norms.decoded_weight];
            self.heads.words[tile][CODE_WORDS][at] = i32::from_le_bytes([beyond, decoded, beyond, decoded]);
            self.heads.begin(query, bound.threshold(norms, score), i32::from(norms.head_sum));
            self.fine[query] = list.fine[place];
            self.fine_offsets[query] = i32::from(BYTE_OFFSET) * i32::from(norms.fine_sum);
        }
    }

    /// Θ of a query.
    #[inline]
    pub(super) fn threshold(&self, query: u32) -> i32 {
        i32::from(self.heads.thresholds.as_flattened()[query as usize][0])
    }
}

/// Four bytes less [`OFFSET`] each, modulo 256; none is above 127.
fn lowered(bytes: u32) -> u32 {
    const OFFSETS: u32 = u32::from_le_bytes([OFFSET; 4]);
    const TOPS: u32 = 0x8080_8080;
    // With the top bits set no byte borrows of the next one.
    ((bytes | TOPS) - OFFSETS) ^ TOPS
}

/// The codes of a list, with empty rows up to a whole chunk, which count as loose.
#[derive(Default)]
pub(super) struct CodedSide {
    pub(super) heads: Vec<JoinGroup>,
    pub(super) fine: Vec<JoinFine>,
    pub(super) norms: Vec<Norms>,
    /// Places of rows without codes, ascending.
    pub(super) loose: Vec<u32>,
}

impl CodedSide {
    /// Reads, checks and codes `rows`.
    pub(super) fn new(axes: &Axes, vectors: &dyn Vectors, rows: &[u32], dot: Dot) -> Result<Self, SearchError> {
        let bound = Bound::new(axes);
        let padded = rows.len().next_multiple_of(CHUNK_ROWS);
        let mut heads = vec![JoinGroup::EMPTY; padded / LANES];
        let mut fine = vec![JoinFine([0; FINE]); padded];
        let mut norms = vec![Norms::LOOSE; padded];
        let chunks = heads.par_chunks_mut(GROUPS).zip(fine.par_chunks_mut(CHUNK_ROWS));
        let chunks = chunks.zip(norms.par_chunks_mut(CHUNK_ROWS)).zip(rows.par_chunks(CHUNK_ROWS));
        chunks.try_for_each_init(
            || vec![0.0; axes.dimension],
            |vector, (((heads, fine), norms), rows)| {
                for (at, &row) in rows.iter().enumerate() {
                    vectors.read(row, vector)?;
                    check(vector, axes.dimension)?;
                    if let Some((codes, lengths)) = bound.encode(axes, vector, &axes.rotate(dot, vector)) {
                        heads[at / LANES].put(at % LANES, &codes, &lengths);
                        fine[at].0.copy_from_slice(&codes[HEAD..]);
                        norms[at] = lengths;
                    }
                }
                Ok(())
            },
        )?;
        let loose = norms[..rows.len()].iter().zip(0u32..).filter(|(norms, _)| norms.is_loose());
        let loose = loose.map(|(_, place)| place).collect();
        Ok(Self { heads, fine, norms, loose })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<JoinGroup>()
            + self.fine.capacity() * size_of::<JoinFine>()
            + self.norms.capacity() * size_of::<Norms>()
            + self.loose.capacity() * size_of::<u32>()
    }
}

/// Bytes of codes a row takes.
pub(super) const ROW_BYTES: usize = HEAD_BYTES + FINE + size_of::<Norms>();
