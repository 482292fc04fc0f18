//! The join that others do, to be measured against: every value as eight bits,
//! all of them multiplied, blocked as the join here is.

use rayon::prelude::*;

use crate::search::plain::{
    BLOCK_QUERIES, BYTE_OFFSET, CHUNK_ROWS, GROUPS, JoinChunk, JoinGroup, JoinKernel, JoinLine, JoinQueries, LANES,
    PLAIN_WORDS, TILE,
};

/// What a value of 1 is in eight bits: faces' values stay below a third.
const SCALE: f32 = 381.0;

/// Rows of eight-bit values. Its scores are not exact; nothing is found with it.
pub struct PlainJoin {
    groups: Vec<JoinGroup<PLAIN_WORDS>>,
    kernel: JoinKernel,
}

impl PlainJoin {
    /// Values in a row.
    pub const DIMENSION: usize = 4 * PLAIN_WORDS;

    /// Takes rows of [`PlainJoin::DIMENSION`] values; what does not fill 64 rows is
    /// left out.
    pub fn new(rows: &[f32]) -> Self {
        let groups = rows.par_chunks_exact(LANES * Self::DIMENSION).map(|rows| {
            let mut group = JoinGroup([JoinLine([[BYTE_OFFSET; 4]; LANES]); PLAIN_WORDS]);
            for (lane, row) in rows.chunks_exact(Self::DIMENSION).enumerate() {
                for (line, values) in group.0.iter_mut().zip(row.as_chunks::<4>().0) {
                    line.0[lane] = values.map(|value| {
                        let code = (value * SCALE).round().clamp(-127.0, 127.0) as i8;
                        code.cast_unsigned() ^ BYTE_OFFSET
                    });
                }
            }
            group
        });
        Self { groups: groups.collect(), kernel: JoinKernel::best() }
    }

    /// Rows it compares.
    pub fn rows(&self) -> usize {
        self.groups.len() / GROUPS * CHUNK_ROWS
    }

    /// Pairs of the first `queries` rows and all rows that score about `score` or
    /// more, on the calling thread.
    pub fn count(&self, queries: usize, score: f32) -> u64 {
        let (chunks, _) = self.groups.as_chunks::<GROUPS>();
        let mut block = Box::new(JoinQueries::NONE);
        let mut found = Vec::new();
        let mut count = 0;
        for asked in chunks.iter().take(queries / BLOCK_QUERIES) {
            load(&mut block, asked, score);
            for chunk in chunks {
                self.kernel.plain(chunk, 0, &block, &mut found);
                count += found.len() as u64;
                found.clear();
            }
        }
        count
    }
}

/// Takes the rows of a chunk as queries.
fn load(block: &mut JoinQueries<PLAIN_WORDS>, chunk: &JoinChunk<PLAIN_WORDS>, score: f32) {
    const { assert!(BLOCK_QUERIES == CHUNK_ROWS) };
    let threshold = (score * SCALE * SCALE) as i32;
    for query in 0..BLOCK_QUERIES {
        let (tile, at) = (query / TILE, query % TILE);
        let mut sum = 0;
        for (words, line) in block.words[tile].iter_mut().zip(&chunk[query / LANES].0) {
            let codes = line.0[query % LANES].map(|byte| (byte ^ BYTE_OFFSET).cast_signed());
            sum += codes.iter().map(|&code| i32::from(code)).sum::<i32>();
            words[at] = i32::from_le_bytes(codes.map(i8::cast_unsigned));
        }
        block.starts[tile][at] = -threshold - i32::from(BYTE_OFFSET) * sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::{Like, Population};

    #[test]
    fn it_counts_what_comparing_every_pair_counts() {
        let rows = Population::new(Like::Default, 6).references(0, 130);
        let join = PlainJoin::new(&rows);
        assert_eq!(join.rows(), 128);
        let rows: Vec<&[f32]> = rows.chunks_exact(PlainJoin::DIMENSION).take(128).collect();
        let dot = crate::matching::Dot::best();
        let about = |score: f32| {
            let pairs = rows[..64].iter().flat_map(|a| rows.iter().map(move |b| dot.score(a, b)));
            pairs.filter(|&found| found >= score).count() as u64
        };
        let count = join.count(64, 0.1);
        assert!((about(0.101)..=about(0.099)).contains(&count), "{count}");
        assert_eq!(join.count(64, 0.9), 64);
    }
}
