//! Every kernel against the portable one.

use proptest::prelude::*;

use super::{Kernel, Survivor};
use crate::search::join::codes::{Block, Coded, Fine, GROUPS, Group, LANES, Line, OFFSET, TILE, WORDS};
use crate::search::join::tuning::{BLOCK_QUERIES, CHUNK_ROWS, FINE};
use crate::search::random::Random;

/// A byte of codes or weights; at the ends of its range where asked for.
fn weight(random: &mut Random, extreme: bool) -> i8 {
    let bits = random.next();
    if extreme { if bits & 1 == 0 { 127 } else { -127 } } else { (bits as i8).max(-127) }
}

fn group(random: &mut Random, extreme: bool) -> Group {
    let mut byte = || if extreme { [0, 255][random.next() as usize & 1] } else { random.next() as u8 };
    Group(std::array::from_fn(|_| Line(std::array::from_fn(|_| std::array::from_fn(|_| byte())))))
}

fn block(random: &mut Random, extreme: bool) -> Box<Block> {
    let mut block = Block::new();
    for word in block.heads.words.as_flattened_mut().as_flattened_mut() {
        *word = i32::from_le_bytes(std::array::from_fn(|_| weight(random, extreme).cast_unsigned()));
    }
    block.heads.starts.as_flattened_mut().fill(0);
    for (fine, offset) in block.fine.iter_mut().zip(&mut block.fine_offsets) {
        fine.0 = std::array::from_fn(|_| weight(random, extreme));
        *offset = fine.0.iter().map(|&code| i32::from(code) * i32::from(OFFSET)).sum();
    }
    block
}

fn survivors(kernel: Kernel, chunk: &[Group; GROUPS], block: &Block) -> Vec<Survivor> {
    let mut survivors = Vec::new();
    kernel.heads(chunk, 640, &block.heads, &mut survivors);
    survivors.sort_unstable();
    survivors
}

/// The sum as the layout says it is made.
fn sum(chunk: &[Group; GROUPS], row: usize, block: &Block, query: usize) -> i32 {
    let products = (0..WORDS).flat_map(|word| {
        let bytes = chunk[row / LANES].0[word].0[row % LANES];
        let weights = block.heads.words[query / TILE][word][query % TILE].to_le_bytes();
        bytes.into_iter().zip(weights).map(|(byte, weight)| i32::from(byte) * i32::from(weight.cast_signed()))
    });
    products.sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_kernel_keeps_the_same_pairs_with_the_same_sums(seed in any::<u64>(), extreme: bool) {
        let mut random = Random::new(seed);
        let chunk: [Group; GROUPS] = std::array::from_fn(|_| group(&mut random, extreme));
        let mut block = block(&mut random, extreme);
        // Such that some sums end at zero and just below it, and some queries keep
        // all rows or none.
        for query in 0..BLOCK_QUERIES {
            let row = random.next() as usize % CHUNK_ROWS;
            let choices = [-sum(&chunk, row, &block, query), -sum(&chunk, row, &block, query) - 1, 1 << 28, -(1 << 30)];
            block.heads.starts[query / TILE][query % TILE] = choices[random.next() as usize % 4];
        }
        let mut expected = Vec::new();
        for query in 0..BLOCK_QUERIES {
            for row in 0..CHUNK_ROWS {
                let over = block.heads.starts[query / TILE][query % TILE] + sum(&chunk, row, &block, query);
                if over >= 0 {
                    expected.push(Survivor { query: query as u32, row: 640 + row as u32, over });
                }
            }
        }
        prop_assert!(!expected.is_empty() && expected.len() < BLOCK_QUERIES * CHUNK_ROWS);
        for kernel in Kernel::all() {
            prop_assert_eq!(&survivors(kernel, &chunk, &block), &expected, "{}", kernel.name());
        }
    }

    #[test]
    fn every_kernel_gives_the_same_sums_in_the_second_pass(seed in any::<u64>(), extreme: bool, rows in 1usize..90) {
        let mut random = Random::new(seed);
        let block = block(&mut random, extreme);
        let fine: Vec<Fine> =
            (0..rows).map(|_| Fine(std::array::from_fn(|_| weight(&mut random, extreme)))).collect();
        let asked: Vec<Survivor> = (0..70)
            .map(|_| {
                let (query, row) = (random.next() as u32 % BLOCK_QUERIES as u32, random.next() as u32 % rows as u32);
                Survivor { query, row, over: 0 }
            })
            .collect();
        let expected: Vec<i32> = asked
            .iter()
            .map(|asked| {
                let (row, query) = (&fine[asked.row as usize].0, &block.fine[asked.query as usize].0);
                (0..FINE).map(|i| i32::from(row[i]) * i32::from(query[i])).sum()
            })
            .collect();
        for kernel in Kernel::all() {
            let mut sums = Vec::new();
            kernel.fine(&asked, &fine, &block, &mut sums);
            prop_assert_eq!(&sums, &expected, "{}", kernel.name());
        }
    }
}

#[test]
fn a_block_past_the_end_of_its_list_keeps_nothing() {
    let mut random = Random::new(1);
    let chunk: [Group; GROUPS] = std::array::from_fn(|_| group(&mut random, true));
    let mut block = block(&mut random, true);
    block.heads.starts.as_flattened_mut().fill(1 << 28);
    let axes = crate::search::join::axes::Axes::from_rows(1, vec![1.0], &[1.0]).unwrap();
    block.load(&crate::search::join::bound::Bound::new(&axes), &Coded::default(), 0, -1.0);
    for kernel in Kernel::all() {
        assert_eq!(survivors(kernel, &chunk, &block), []);
    }
}
