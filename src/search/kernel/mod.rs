//! The loops of the scan, for each instruction set. All give the same integers:
//! which one runs changes no answer, not even which rows are rescored.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(test)]
mod tests;

use super::bound::HeadWeights;
use super::codes::Group;
use super::tuning::FINE;

/// A row whose sum in the first pass reached the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Survivor {
    /// Its number among the rows of the groups given.
    pub(super) row: u32,
    pub(super) sum: i32,
}

/// One query of a pass over groups.
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
    scan_many: fn(&[Group], u32, &mut [Task<'_>]),
    fine: fn(&[i8; FINE], &[i16; FINE]) -> i32,
}

impl Kernel {
    /// The fastest this machine runs.
    pub(super) fn best() -> Self {
        Self::all().pop().unwrap_or(Self::PORTABLE)
    }

    const PORTABLE: Self =
        Self { name: "portable", scan: portable::scan, scan_many: portable::scan_many, fine: portable::fine };

    /// All that this machine runs, slowest first.
    pub(super) fn all() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                let (scan, scan_many, fine) = (avx2::scan, avx2::scan_many, avx2::fine);
                all.push(Self { name: "avx2", scan, scan_many, fine });
            }
            if avx512::is_available() {
                let (scan, scan_many, fine) = (avx512::scan, avx512::scan_many, avx512::fine);
                all.push(Self { name: "avx512vnni", scan, scan_many, fine });
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

    /// The same for several queries.
    #[inline]
    pub(super) fn scan_many(&self, groups: &[Group], first: u32, tasks: &mut [Task<'_>]) {
        (self.scan_many)(groups, first, tasks);
    }

    /// Second pass: the sum of codes by their weights.
    #[inline]
    pub(super) fn fine(&self, codes: &[i8; FINE], weights: &[i16; FINE]) -> i32 {
        (self.fine)(codes, weights)
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
