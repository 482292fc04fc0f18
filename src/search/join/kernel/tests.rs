//! Every kernel against the portable one.

use proptest::prelude::*;

use super::{JoinKernel, JoinSurvivor};
use crate::random::SplitMix;
use crate::search::join::bound::{
    BEYOND_QUERY_MAX, BEYOND_ROW_MAX, DECODED_MAX, HEAD_CODE_MAX, OVER_MAX, RESIDUAL_MAX,
};
use crate::search::join::codes::PLAIN_WORDS;
use crate::search::join::codes::{
    BYTE_OFFSET, CODE_WORDS, CodedSide, GROUPS, JoinBlock, JoinChunk, JoinFine, JoinGroup, JoinLine, JoinQueries,
    LANES, OFFSET, TILE, WORDS,
};
use crate::search::join::tuning::{BLOCK_QUERIES, CHUNK_ROWS, FINE, HEAD};

/// A code of the second pass; at the ends of its range where asked for.
fn fine_code(random: &mut SplitMix, extreme: bool) -> i8 {
    let bits = random.next();
    if extreme { if bits & 1 == 0 { 127 } else { -127 } } else { (bits as i8).max(-127) }
}

/// The codes of a row in the first pass, such that products with any other's stay in
/// sixteen bits: all of them small, or the eight from a random one on at the ends of their range.
fn head_codes(random: &mut SplitMix, extreme: bool) -> [i8; HEAD] {
    if !extreme {
        return std::array::from_fn(|_| (random.next() % 41) as i8 - 20);
    }
    let mut codes = [0; HEAD];
    let at = random.next() as usize % 3 * 4;
    for code in &mut codes[at..at + 8] {
        *code = if random.next() & 1 == 0 { HEAD_CODE_MAX as i8 } else { -HEAD_CODE_MAX as i8 };
    }
    codes
}

/// A number up to `max`; that itself where asked for.
fn up_to(random: &mut SplitMix, max: u8, extreme: bool) -> u8 {
    if extreme { max } else { (random.next() % (u64::from(max) + 1)) as u8 }
}

fn group(random: &mut SplitMix, extreme: bool) -> JoinGroup {
    let mut group = JoinGroup([JoinLine([[0; 4]; LANES]); WORDS]);
    for lane in 0..LANES {
        for (line, codes) in group.0.iter_mut().zip(head_codes(random, extreme).as_chunks::<4>().0) {
            line.0[lane] = codes.map(|code| (code + OFFSET as i8).cast_unsigned());
        }
        let extreme = extreme && random.next() & 1 == 0;
        let norms = [up_to(random, BEYOND_ROW_MAX, extreme), up_to(random, RESIDUAL_MAX, extreme), 0, 0];
        group.0[CODE_WORDS].0[lane] = norms;
    }
    group
}

fn block(random: &mut SplitMix, extreme: bool) -> Box<JoinBlock> {
    let mut block = JoinBlock::new();
    for query in 0..BLOCK_QUERIES {
        let (words, at) = (&mut block.heads.words[query / TILE], query % TILE);
        let codes = head_codes(random, extreme);
        for (words, codes) in words.iter_mut().zip(codes.as_chunks::<4>().0) {
            words[at] = i32::from_le_bytes(codes.map(i8::cast_unsigned));
        }
        let extreme = extreme && random.next() & 1 == 0;
        let [beyond, decoded] = [up_to(random, BEYOND_QUERY_MAX, extreme), up_to(random, DECODED_MAX, extreme)];
        words[CODE_WORDS][at] = i32::from_le_bytes([beyond, decoded, beyond, decoded]);
        set_threshold(&mut block, query, 0);
    }
    for (fine, offset) in block.fine.iter_mut().zip(&mut block.fine_offsets) {
        fine.0 = std::array::from_fn(|_| fine_code(random, extreme));
        *offset = fine.0.iter().map(|&code| i32::from(code) * i32::from(BYTE_OFFSET)).sum();
    }
    block
}

fn set_threshold(block: &mut JoinBlock, query: usize, threshold: i32) {
    let words = &block.heads.words[query / TILE][..CODE_WORDS];
    let codes = words.iter().flat_map(|words| words[query % TILE].to_le_bytes());
    let sum = codes.map(|code| i32::from(code.cast_signed())).sum();
    block.heads.begin(query, threshold as i16, sum);
}

fn survivors(kernel: JoinKernel, chunk: &[JoinGroup; GROUPS], block: &JoinBlock) -> Vec<JoinSurvivor> {
    let mut survivors = Vec::new();
    kernel.heads(chunk, 640, &block.heads, &mut survivors);
    survivors.sort_unstable();
    survivors
}

/// The sum as the layout says it is made.
fn sum(chunk: &[JoinGroup; GROUPS], row: usize, block: &JoinBlock, query: usize) -> i32 {
    let products = (0..WORDS).flat_map(|word| {
        let bytes = chunk[row / LANES].0[word].0[row % LANES];
        let weights = block.heads.words[query / TILE][word][query % TILE].to_le_bytes();
        let raised = if word < CODE_WORDS { i32::from(OFFSET) } else { 0 };
        let product = move |(byte, weight): (u8, u8)| (i32::from(byte) - raised) * i32::from(weight.cast_signed());
        bytes.into_iter().zip(weights).map(product)
    });
    products.sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_kernel_keeps_the_same_pairs_with_the_same_sums(seed in any::<u64>(), extreme: bool) {
        let mut random = SplitMix(seed);
        let chunk: [JoinGroup; GROUPS] = std::array::from_fn(|_| group(&mut random, extreme));
        let mut block = block(&mut random, extreme);
        // Such that some sums end at zero and just below it, and some queries keep
        // all rows, with more than fits, or none.
        for query in 0..BLOCK_QUERIES {
            let sum = sum(&chunk, random.next() as usize % CHUNK_ROWS, &block, query);
            let choices = [sum, sum + 1, -OVER_MAX, OVER_MAX];
            let threshold = choices[random.next() as usize % 4].min(OVER_MAX);
            set_threshold(&mut block, query, threshold);
        }
        let mut expected = Vec::new();
        for query in 0..BLOCK_QUERIES {
            for row in 0..CHUNK_ROWS {
                let over = sum(&chunk, row, &block, query) - block.threshold(query as u32);
                if over >= 0 {
                    expected.push(JoinSurvivor { query: query as u32, row: 640 + row as u32, over: over.min(OVER_MAX) });
                }
            }
        }
        prop_assert!(!expected.is_empty() && expected.len() < BLOCK_QUERIES * CHUNK_ROWS);
        prop_assert!(!extreme || expected.iter().any(|survivor| survivor.over == OVER_MAX));
        for kernel in JoinKernel::all() {
            prop_assert_eq!(&survivors(kernel, &chunk, &block), &expected, "{}", kernel.name());
        }
    }

    #[test]
    fn every_kernel_multiplies_plain_rows_alike(seed in any::<u64>(), extreme: bool) {
        let mut random = SplitMix(seed);
        let byte = |random: &mut SplitMix| if extreme { [0, 255][random.next() as usize & 1] } else { random.next() as u8 };
        let chunk: JoinChunk<PLAIN_WORDS> = std::array::from_fn(|_| {
            JoinGroup(std::array::from_fn(|_| {
                JoinLine(std::array::from_fn(|_| std::array::from_fn(|_| byte(&mut random))))
            }))
        });
        let mut queries = Box::new(JoinQueries::<PLAIN_WORDS>::NONE);
        for word in queries.words.as_flattened_mut().as_flattened_mut() {
            *word = i32::from_le_bytes(std::array::from_fn(|_| fine_code(&mut random, extreme).cast_unsigned()));
        }
        queries.starts.as_flattened_mut().fill(0);
        let found: Vec<_> = JoinKernel::all()
            .into_iter()
            .map(|kernel| {
                let mut survivors = Vec::new();
                kernel.plain(&chunk, 640, &queries, &mut survivors);
                survivors.sort_unstable();
                survivors
            })
            .collect();
        prop_assert!(!found[0].is_empty() && found[0].len() < BLOCK_QUERIES * CHUNK_ROWS);
        for other in &found[1..] {
            prop_assert_eq!(&found[0], other);
        }
    }

    #[test]
    fn every_kernel_gives_the_same_sums_in_the_second_pass(seed in any::<u64>(), extreme: bool, rows in 1usize..90) {
        let mut random = SplitMix(seed);
        let block = block(&mut random, extreme);
        let fine: Vec<JoinFine> =
            (0..rows).map(|_| JoinFine(std::array::from_fn(|_| fine_code(&mut random, extreme)))).collect();
        let asked: Vec<JoinSurvivor> = (0..70)
            .map(|_| {
                let (query, row) = (random.next() as u32 % BLOCK_QUERIES as u32, random.next() as u32 % rows as u32);
                JoinSurvivor { query, row, over: 0 }
            })
            .collect();
        let expected: Vec<i32> = asked
            .iter()
            .map(|asked| {
                let (row, query) = (&fine[asked.row as usize].0, &block.fine[asked.query as usize].0);
                (0..FINE).map(|i| i32::from(row[i]) * i32::from(query[i])).sum()
            })
            .collect();
        for kernel in JoinKernel::all() {
            let mut sums = Vec::new();
            kernel.fine(&asked, &fine, &block, &mut sums);
            prop_assert_eq!(&sums, &expected, "{}", kernel.name());
        }
    }
}

#[test]
fn a_block_past_the_end_of_its_list_keeps_nothing() {
    let mut random = SplitMix(1);
    let chunk: [JoinGroup; GROUPS] = std::array::from_fn(|_| group(&mut random, true));
    let mut block = block(&mut random, true);
    for query in 0..BLOCK_QUERIES {
        set_threshold(&mut block, query, -OVER_MAX);
    }
    let axes = crate::search::join::axes::Axes::from_rows(1, vec![1.0], &[1.0]).unwrap();
    block.load(&crate::search::join::bound::Bound::new(&axes), &CodedSide::default(), 0, -1.0);
    for kernel in JoinKernel::all() {
        assert_eq!(survivors(kernel, &chunk, &block), []);
    }
}
