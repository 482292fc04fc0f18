//! The loops in plain Rust: what the others are tested against.

use super::{Survivor, Task};
use crate::search::codes::Group;
use crate::search::tuning::{FINE, GROUP_ROWS};

pub(super) fn scan(groups: &[Group], first: u32, task: &mut Task<'_>) {
    for (group, first) in groups.iter().zip((first..).step_by(GROUP_ROWS)) {
        for (row, sum) in (first..).zip(sums(group, task)) {
            if sum >= task.threshold {
                task.survivors.push(Survivor { row, sum });
            }
        }
    }
}

pub(super) fn scan_many(groups: &[Group], first: u32, tasks: &mut [Task<'_>]) {
    for task in tasks {
        scan(groups, first, task);
    }
}

#[inline(always)]
pub(super) fn fine(codes: &[i8; FINE], weights: &[i16; FINE]) -> i32 {
    codes.iter().zip(weights).map(|(&code, &weight)| i32::from(code) * i32::from(weight)).sum()
}

fn sums(group: &Group, task: &Task<'_>) -> [i32; GROUP_ROWS] {
    let mut sums = [0i32; GROUP_ROWS];
    for (half, sums) in sums.chunks_exact_mut(16).enumerate() {
        for (sum, norms) in sums.iter_mut().zip(group.norms.0.chunks_exact(4)) {
            *sum += by_weights(norms.iter().copied(), task.weights.norms[half]);
        }
        let lines = group.codes.iter().skip(half).step_by(2);
        for (line, words) in lines.zip(task.weights.words.chunks_exact(2)) {
            for (sum, bytes) in sums.iter_mut().zip(line.0.chunks_exact(4)) {
                *sum += by_weights(bytes.iter().map(|byte| byte & 15), words[0]);
                *sum += by_weights(bytes.iter().map(|byte| byte >> 4), words[1]);
            }
        }
    }
    sums
}

fn by_weights(bytes: impl Iterator<Item = u8>, word: i32) -> i32 {
    bytes.zip(word.to_le_bytes()).map(|(byte, weight)| i32::from(byte) * i32::from(i8::from_le_bytes([weight]))).sum()
}
