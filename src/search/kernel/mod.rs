//! The loops of the scan, for each instruction set. All give the same integers:
//! which one runs changes no answer, not even which rows are rescored.

#![allow(unsafe_code, reason = "wider instructions, detected before; a safe twin is tested against")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod batch;
mod portable;
#[cfg(test)]
mod tests;

use super::bound::{HeadWeights, NextQuery};
use super::codes::{FINE_BYTES, Fine, Group, Next};

/// A row whose sum in the first pass reached the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Survivor {
    /// Its number among the rows of the groups given.
    pub(super) row: u32,
    pub(super) sum: i32,
}

/// One query of a first pass.
pub(super) struct Task<'a> {
    pub(super) weights: &'a HeadWeights,
    pub(super) threshold: i32,
    /// Survivors are added here, in the order of rows.
    pub(super) survivors: Vec<Survivor>,
}

/// The loops for one instruction set.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    name: &'static str,
    scan: fn(&[Group], u32, &mut Task<'_>),
    batch: fn(&[Fine], u32, &mut [Task<'_>]),
    next: fn(&Next, &[i16; 64]) -> i32,
    sift: fn(&[Next], &[Survivor], &NextQuery, f64, &mut Vec<Survivor>),
    fine: fn(&Fine, &[i16; FINE_BYTES]) -> i32,
}

impl Kernel {
    /// The fastest this machine runs.
    pub(super) fn best() -> Self {
        Self::all().pop().unwrap_or(Self::PORTABLE)
    }

    const PORTABLE: Self = Self {
        name: "portable",
        scan: portable::scan,
        batch: portable::batch,
        next: portable::next,
        sift: portable::sift,
        fine: portable::fine,
    };

    /// All that this machine runs, slowest first.
    pub(super) fn all() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if avx2::is_available() {
                let (scan, batch) = (avx2::scan, avx2::batch);
                let (next, sift, fine) = (avx2::next, avx2::sift, avx2::fine);
                all.push(Self { name: "avx2", scan, batch, next, sift, fine });
            }
            if avx2::is_available() && avx512::is_available() {
                // Single rows gain nothing from longer registers.
                let (scan, batch) = (avx512::scan, avx512::batch);
                let (next, sift, fine) = (avx2::next, avx2::sift, avx2::fine);
                all.push(Self { name: "avx512vnni", scan, batch, next, sift, fine });
            }
        }
        all
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// First pass: for each row, the sum of norms and codes by their weights.
    /// `first` is the number of the first group's first row.
    #[inline]
    pub(super) fn scan(&self, groups: &[Group], first: u32, task: &mut Task<'_>) {
        (self.scan)(groups, first, task);
    }

    /// First pass of a batch: for each row, the sum of norms and of the seven upper bits of
    /// its first codes, as signed numbers, by their weights. `first` is the number of the
    /// first row. Sums of codes must fit 16 bits, as those of rows and queries do that
    /// have codes.
    #[inline]
    pub(super) fn batch(&self, rows: &[Fine], first: u32, tasks: &mut [Task<'_>]) {
        (self.batch)(rows, first, tasks);
    }

    /// Second pass: the sum of a row's bytes by their weights.
    #[inline]
    pub(super) fn next(&self, row: &Next, weights: &[i16; 64]) -> i32 {
        (self.next)(row, weights)
    }

    /// Second pass of many rows: adds those of `survivors` whose bound reaches `floor`
    /// to `left`, each with its sum in this pass. Rows that `rows` does not have or
    /// marks as loose are left out.
    #[inline]
    pub(super) fn sift(
        &self,
        rows: &[Next],
        survivors: &[Survivor],
        query: &NextQuery,
        floor: f64,
        left: &mut Vec<Survivor>,
    ) {
        (self.sift)(rows, survivors, query, floor, left);
    }

    /// The same sum for what the third pass adds.
    #[inline]
    pub(super) fn fine(&self, row: &Fine, weights: &[i16; FINE_BYTES]) -> i32 {
        (self.fine)(row, weights)
    }
}

/// Asks for the memory of a value that is needed soon.
#[inline]
pub(super) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first = std::ptr::from_ref(value).cast::<i8>();
        for offset in (0..size_of::<T>()).step_by(64) {
            // SAFETY: a prefetch reads nothing that the program could see; every
            // x86-64 processor has it, and the address lies within the value.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
