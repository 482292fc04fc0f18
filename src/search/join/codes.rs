//! The codes of a list of rows, as the two passes read them.
//!
//! First pass: [`HEAD_BYTES`] bytes a row, sixteen rows interleaved ([`Group`]).
//! Second pass: [`FINE`] bytes a row and its [`Norms`]. Together 172 bytes a row.

use rayon::prelude::*;

use super::axes::Axes;
use super::bound::{Bound, Norms, RowCodes};
use super::tuning::{BLOCK_QUERIES, CHUNK_ROWS, FINE, HEAD, HEAD_BYTES};
use super::vectors::Vectors;
use crate::matching::Dot;
use crate::search::SearchError;
use crate::search::index::check;

/// Rows of a group: lanes of a register.
pub(super) const LANES: usize = 16;

/// Words of four bytes in a row of the first pass.
pub(super) const WORDS: usize = HEAD_BYTES / 4;

/// Groups of a chunk.
pub(super) const GROUPS: usize = CHUNK_ROWS / LANES;

/// Queries whose sums are held in registers together.
pub(super) const TILE: usize = 4;

/// What a code is raised by to be a byte without a sign.
pub(super) const OFFSET: u8 = 128;

/// A line of the cache: four bytes of each of sixteen rows.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [[u8; 4]; LANES]);

/// Sixteen rows of `W` words of four bytes each: line `j` has bytes `4j` to `4j + 3`
/// of every row. In the first pass: the codes, raised by [`OFFSET`]; then E; then U
/// as two bytes to be added.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Group<const W: usize = WORDS>(pub(super) [Line; W]);

/// The rows of a chunk.
pub(super) type Chunk<const W: usize = WORDS> = [Group<W>; GROUPS];

/// Some queries of `W` words each, four side by side.
#[repr(C, align(64))]
pub(super) struct Queries<const W: usize = WORDS> {
    /// Weights.
    pub(super) words: [[[i32; TILE]; W]; BLOCK_QUERIES / TILE],
    /// What their sums begin with: a pair whose sum ends below zero is dropped.
    pub(super) starts: [[i32; TILE]; BLOCK_QUERIES / TILE],
}

impl<const W: usize> Queries<W> {
    /// Queries that no row matches.
    pub(super) const NONE: Self =
        Self { words: [[[0; TILE]; W]; BLOCK_QUERIES / TILE], starts: [[NEVER; TILE]; BLOCK_QUERIES / TILE] };
}

/// The second pass's codes of a row.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Fine(pub(super) [i8; FINE]);

impl Group {
    /// Rows that nothing is known of: no code, no norms.
    const EMPTY: Self = {
        let mut lines = [Line([[OFFSET; 4]; LANES]); WORDS];
        let mut at = HEAD;
        while at < HEAD_BYTES {
            let mut lane = 0;
            while lane < LANES {
                lines[at / 4].0[lane][at % 4] = 0;
                lane += 1;
            }
            at += 1;
        }
        Self(lines)
    };

    fn put(&mut self, lane: usize, codes: &RowCodes, norms: &Norms) {
        let [low, high] = [norms.beyond_steps / 2, norms.beyond_steps.div_ceil(2)];
        // At most 255 each, as U is at most 510.
        let last = [norms.residual_steps, low as u8, high as u8];
        let bytes = codes[..HEAD].iter().map(|code| code.cast_unsigned() ^ OFFSET).chain(last);
        for (at, byte) in bytes.enumerate() {
            self.0[at / 4].0[lane][at % 4] = byte;
        }
    }
}

/// Some rows as queries.
#[repr(C, align(64))]
pub(super) struct Block {
    /// For the first pass.
    pub(super) heads: Queries,
    pub(super) fine: [Fine; BLOCK_QUERIES],
    /// [`OFFSET`] times the sum of the second pass's codes.
    pub(super) fine_offsets: [i32; BLOCK_QUERIES],
    /// Thresholds of the first pass.
    pub(super) thresholds: [i32; BLOCK_QUERIES],
}

/// Begins a sum that no row can lift to zero.
const NEVER: i32 = -(1 << 30);

impl Block {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            heads: Queries::NONE,
            fine: [Fine([0; FINE]); BLOCK_QUERIES],
            fine_offsets: [0; BLOCK_QUERIES],
            thresholds: [0; BLOCK_QUERIES],
        })
    }

    /// Takes up to [`BLOCK_QUERIES`] rows from place `first` on, a multiple of
    /// [`CHUNK_ROWS`], to find pairs at or above `score`.
    pub(super) fn load(&mut self, bound: &Bound, list: &Coded, first: usize, score: f32) {
        for query in 0..BLOCK_QUERIES {
            let (tile, at, place) = (query / TILE, query % TILE, first + query);
            let Some(norms) = list.norms.get(place).filter(|norms| !norms.is_loose()) else {
                self.heads.starts[tile][at] = NEVER;
                continue;
            };
            let (group, lane) = (&list.heads[place / LANES], place % LANES);
            let mut sum = 0;
            for (word, line) in group.0.iter().enumerate() {
                let mut bytes = line.0[lane].map(|byte| (byte ^ OFFSET).cast_signed());
                if word == WORDS - 1 {
                    // Both at most 127.
                    let weights = [norms.decoded_weight, norms.beyond_weight, norms.beyond_weight];
                    for (byte, weight) in bytes[HEAD % 4..].iter_mut().zip(weights) {
                        *byte = weight.cast_signed();
                    }
                    sum += bytes[..HEAD % 4].iter().map(|&code| i32::from(code)).sum::<i32>();
                } else {
                    sum += bytes.iter().map(|&code| i32::from(code)).sum::<i32>();
                }
                self.heads.words[tile][word][at] = i32::from_le_bytes(bytes.map(i8::cast_unsigned));
            }
            self.thresholds[query] = bound.threshold(norms, score);
            self.heads.starts[tile][at] = -self.thresholds[query] - i32::from(OFFSET) * sum;
            self.fine[query] = list.fine[place];
            let fine: i32 = list.fine[place].0.iter().map(|&code| i32::from(code)).sum();
            self.fine_offsets[query] = i32::from(OFFSET) * fine;
        }
    }
}

/// The codes of a list, with empty rows up to a whole chunk, which count as loose.
#[derive(Default)]
pub(super) struct Coded {
    pub(super) heads: Vec<Group>,
    pub(super) fine: Vec<Fine>,
    pub(super) norms: Vec<Norms>,
    /// Places of rows without codes, ascending.
    pub(super) loose: Vec<u32>,
}

impl Coded {
    /// Reads, checks and codes `rows`.
    pub(super) fn new(axes: &Axes, vectors: &dyn Vectors, rows: &[u32], dot: Dot) -> Result<Self, SearchError> {
        let bound = Bound::new(axes);
        let padded = rows.len().next_multiple_of(CHUNK_ROWS);
        let mut heads = vec![Group::EMPTY; padded / LANES];
        let mut fine = vec![Fine([0; FINE]); padded];
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
        self.heads.capacity() * size_of::<Group>()
            + self.fine.capacity() * size_of::<Fine>()
            + self.norms.capacity() * size_of::<Norms>()
            + self.loose.capacity() * size_of::<u32>()
    }
}

/// Bytes of codes a row takes.
pub(super) const ROW_BYTES: usize = HEAD_BYTES + FINE + size_of::<Norms>();
