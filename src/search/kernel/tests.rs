//! Every kernel against the portable one.

use proptest::prelude::*;

use super::{Kernel, Survivor, Task};
use crate::random::SplitMix;
use crate::search::bound::{HeadWeights, WEIGHTS_MAX};
use crate::search::codes::{CODE_LINES, FINE_BYTES, Fine, Group, Line};
use crate::search::tuning::HEAD;

/// Any codes; norms up to what codes go to.
fn groups(count: usize, random: &mut SplitMix, extreme: bool) -> Vec<Group> {
    let mut line = |max: u8| {
        Line(std::array::from_fn(|_| {
            let byte = random.next() as u8;
            if extreme { if byte & 1 == 0 { 0 } else { max } } else { byte % max.saturating_add(1).max(1) }
        }))
    };
    (0..count).map(|_| Group { norms: line(127), codes: [(); CODE_LINES].map(|()| line(255)) }).collect()
}

fn weights(random: &mut SplitMix, extreme: bool) -> HeadWeights {
    let mut weight = |signed: bool| {
        let value = (random.next() % 128) as i8;
        let value = if extreme { 127 } else { value };
        if signed && random.next() & 1 == 0 { -value } else { value }.to_le_bytes()[0]
    };
    let (residual, rest) = (weight(false), weight(false));
    // As many as `bound` allows, so that sums come as close to 16 bits as they can.
    let mut room = WEIGHTS_MAX as i16;
    let mut byte = |_| {
        let weight = i16::from(i8::from_le_bytes([weight(true)]));
        let fitting = weight.abs().min(room);
        room -= fitting;
        (fitting * weight.signum()).to_le_bytes()[0]
    };
    let words = [(); HEAD / 4].map(|()| i32::from_le_bytes([0, 1, 2, 3].map(&mut byte)));
    HeadWeights {
        words,
        sum: sum(&words),
        norms: [i32::from_le_bytes([residual, rest, 0, 0]), i32::from_le_bytes([0, 0, residual, rest])],
    }
}

fn sum(words: &[i32; HEAD / 4]) -> i32 {
    words.iter().flat_map(|word| word.to_le_bytes()).map(|weight| i32::from(weight.cast_signed())).sum()
}

/// What a first pass leaves of every query.
fn left(weights: &[HeadWeights], thresholds: &[i32], pass: impl Fn(&mut [Task<'_>])) -> Vec<Vec<Survivor>> {
    let task = |(weights, &threshold)| Task { weights, threshold, survivors: Vec::new() };
    let mut tasks: Vec<Task> = weights.iter().zip(thresholds).map(task).collect();
    pass(&mut tasks);
    tasks.into_iter().map(|task| task.survivors).collect()
}

fn survivors(kernel: Kernel, groups: &[Group], weights: &[HeadWeights], thresholds: &[i32]) -> Vec<Vec<Survivor>> {
    left(weights, thresholds, |tasks| tasks.iter_mut().for_each(|task| kernel.scan(groups, 64, task)))
}

/// Thresholds at sums that occur, at their neighbours, and at both ends.
fn thresholds(all: &[Vec<Survivor>], random: &mut SplitMix) -> Vec<i32> {
    let of = |all: &Vec<Survivor>| {
        let occurring = all.get(random.next() as usize % all.len().max(1)).map_or(0, |survivor| survivor.sum);
        [occurring, occurring + 1, i32::MIN, i32::MAX, 0][random.next() as usize % 5]
    };
    all.iter().map(of).collect()
}

/// The sum of a row's codes that a batch's first pass makes, without its norms.
fn along(row: &Fine, weights: &HeadWeights) -> i32 {
    let weights = weights.words.iter().flat_map(|word| word.to_le_bytes());
    row.0.iter().zip(weights).map(|(c, w)| i32::from(c.cast_signed() >> 1) * i32::from(w.cast_signed())).sum()
}

/// Rows, with any norms that rows have, whose sums fit sixteen bits.
fn rows(count: usize, weights: &[HeadWeights], random: &mut SplitMix, extreme: bool) -> Vec<Fine> {
    let row = |_| {
        let mut bytes = [0u8; FINE_BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let bits = random.next();
            *byte = if !extreme || at >= HEAD {
                bits as u8
            } else {
                let sign = weights[0].words[at / 4].to_le_bytes()[at % 4].cast_signed().signum();
                // With all that is as large as can be, and the other way round.
                [127i8, -128][usize::from(sign < 0) ^ usize::from(bits & 63 == 0)].cast_unsigned()
            };
        }
        bytes[FINE_BYTES - 2..].iter_mut().for_each(|norm| *norm = if extreme { 127 } else { *norm & 127 });
        let row = Fine(bytes);
        let fits = weights.iter().all(|weights| i16::try_from(along(&row, weights)).is_ok());
        if fits { row } else { Fine([0; FINE_BYTES]) }
    };
    (0..count).map(row).collect()
}

proptest! {
    #[test]
    fn every_kernel_leaves_the_same_rows_with_the_same_sums(
        seed in any::<u64>(), count in 0usize..5, queries in 1usize..20, extreme: bool, skipped in 0usize..2,
    ) {
        let mut random = SplitMix(seed);
        let groups = groups(count, &mut random, extreme);
        let groups = &groups[skipped.min(count)..];
        let weights: Vec<HeadWeights> = (0..queries).map(|_| weights(&mut random, extreme)).collect();
        let all = survivors(Kernel::PORTABLE, groups, &weights, &vec![i32::MIN; queries]);
        let thresholds = thresholds(&all, &mut random);
        let expected = survivors(Kernel::PORTABLE, groups, &weights, &thresholds);
        for (all, (kept, threshold)) in all.iter().zip(expected.iter().zip(&thresholds)) {
            prop_assert_eq!(all.len(), groups.len() * 32);
            prop_assert_eq!(kept.len(), all.iter().filter(|survivor| survivor.sum >= *threshold).count());
        }
        for kernel in Kernel::all() {
            prop_assert_eq!(&survivors(kernel, groups, &weights, &thresholds), &expected, "{}", kernel.name());
        }
    }

    #[test]
    fn every_kernel_leaves_a_batch_the_same_rows_with_the_same_sums(
        seed in any::<u64>(),
        count in prop_oneof![6 => 0usize..70, 1 => 510usize..550],
        queries in 1usize..20,
        extreme: bool,
        most in 1i32..128,
    ) {
        let mut random = SplitMix(seed);
        let mut weights: Vec<HeadWeights> = (0..queries).map(|_| weights(&mut random, extreme)).collect();
        // Small enough for some rows to fit.
        let lessened = |word: i32| i32::from_le_bytes(word.to_le_bytes().map(|byte| {
            (i32::from(byte.cast_signed()) * most / 127) as u8
        }));
        for weights in &mut weights {
            weights.words = weights.words.map(lessened);
            weights.sum = sum(&weights.words);
        }
        let rows = rows(count, &weights, &mut random, extreme);
        let passed = |kernel: Kernel, thresholds: &[i32]| {
            left(&weights, thresholds, |tasks| kernel.batch(&rows, 96, tasks))
        };
        let all = passed(Kernel::PORTABLE, &vec![i32::MIN; queries]);
        for (all, weights) in all.iter().zip(&weights) {
            prop_assert_eq!(all.len(), count);
            let [residual, rest, ..] = weights.norms[0].to_le_bytes().map(i32::from);
            for (survivor, (row, number)) in all.iter().zip(rows.iter().zip(96..)) {
                let [.., e, f] = row.0.map(i32::from);
                let sum = along(row, weights) + residual * e + rest * f;
                prop_assert_eq!(*survivor, Survivor { row: number, sum });
            }
        }
        let thresholds = thresholds(&all, &mut random);
        let expected = passed(Kernel::PORTABLE, &thresholds);
        for kernel in Kernel::all() {
            prop_assert_eq!(&passed(kernel, &thresholds), &expected, "{}", kernel.name());
        }
    }

    #[test]
    fn every_kernel_gives_the_same_sums_in_the_later_passes(seed in any::<u64>(), extreme: bool) {
        let mut random = SplitMix(seed);
        let (mut codes, mut weights) = ([0u8; FINE_BYTES], [0i16; FINE_BYTES]);
        for (code, weight) in codes.iter_mut().zip(&mut weights) {
            let bits = random.next();
            (*code, *weight) = if extreme { (0x80, if bits & 7 == 0 { 32_767 } else { -32_767 }) } else {
                (bits as u8, (bits >> 8) as i16)
            };
        }
        let sum = |bytes: usize| -> i64 {
            codes[..bytes].iter().zip(&weights).map(|(&c, &w)| i64::from(c.cast_signed()) * i64::from(w)).sum()
        };
        let line = Line(std::array::from_fn(|i| codes[i]));
        let of_line = std::array::from_fn(|i| weights[i]);
        for kernel in Kernel::all() {
            prop_assert_eq!(i64::from(kernel.next(&line, &of_line)), sum(64), "{}", kernel.name());
            prop_assert_eq!(i64::from(kernel.fine(&Fine(codes), &weights)), sum(FINE_BYTES), "{}", kernel.name());
        }
    }
}
