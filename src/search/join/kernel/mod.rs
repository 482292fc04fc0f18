//! The loops of the join, for each instruction set. All keep the same pairs with
//! the same sums; only the order within a chunk differs.

#![allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(test)]
mod tests;

use super::codes::{JoinBlock, JoinChunk, JoinFine, JoinQueries, PLAIN_WORDS};

/// A pair that the first pass could not drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(crate) struct JoinSurvivor {
    /// Number of the query in its block.
    pub(super) query: u32,
    /// Number of the row among those given.
    pub(super) row: u32,
    /// Its sum less the query's threshold: not negative, and
    /// [`OVER_MAX`](super::bound::OVER_MAX) where it is more than that.
    pub(super) over: i32,
}

/// The loops for one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct JoinKernel {
    name: &'static str,
    heads: fn(&JoinChunk, u32, &JoinQueries, &mut Vec<JoinSurvivor>),
    plain: fn(&JoinChunk<PLAIN_WORDS>, u32, &JoinQueries<PLAIN_WORDS>, &mut Vec<JoinSurvivor>),
    fine: fn(&[JoinSurvivor], &[JoinFine], &JoinBlock, &mut Vec<i32>),
}

impl JoinKernel {
    /// The fastest this machine runs.
    pub(crate) fn best() -> Self {
        Self::all().pop().unwrap_or(Self::PORTABLE)
    }

    const PORTABLE: Self =
        Self { name: "portable", heads: portable::heads, plain: portable::heads, fine: portable::fine };

    /// All that this machine runs, slowest first.
    pub(super) fn all() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Self { name: "avx2", heads: avx2::heads, plain: avx2::plain, fine: avx2::fine });
            }
            if avx512::is_available() {
                all.push(Self { name: "avx512vnni", heads: avx512::heads, plain: avx512::heads, fine: avx512::fine });
            }
        }
        all
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// First pass: adds the pairs of the queries and a chunk's rows whose
    /// sums end at zero or above. `first` is the number of the chunk's first row.
    #[inline]
    pub(super) fn heads(
        &self,
        chunk: &JoinChunk,
        first: u32,
        queries: &JoinQueries,
        survivors: &mut Vec<JoinSurvivor>,
    ) {
        (self.heads)(chunk, first, queries, survivors);
    }

    /// The same loop over all values of plain rows, to be measured against.
    #[inline]
    pub(crate) fn plain(
        &self,
        chunk: &JoinChunk<PLAIN_WORDS>,
        first: u32,
        queries: &JoinQueries<PLAIN_WORDS>,
        survivors: &mut Vec<JoinSurvivor>,
    ) {
        (self.plain)(chunk, first, queries, survivors);
    }

    /// Second pass: for each survivor, the sum of products of codes. Their rows are
    /// numbers in `rows`.
    ///
    /// # Panics
    /// Where a row or query is none.
    #[inline]
    pub(super) fn fine(&self, survivors: &[JoinSurvivor], rows: &[JoinFine], block: &JoinBlock, sums: &mut Vec<i32>) {
        (self.fine)(survivors, rows, block, sums);
    }
}
