//! The join of a gallery with itself, beside a plain blocked product of eight-bit
//! rows: `cargo bench --bench join`.
//!
//! Prints a table; the numbers in `benches/README.md` come from it. Both sides run
//! on one thread, in turns.

use std::time::Instant;

use chinhchu::search::{Join, Matrix, PlainJoin, Population, Side};

/// Face-like vectors: tiles of 32,768 rows, as in a large gallery.
const FACES: usize = 524_288;
/// Rounds; the medians of the ratios count.
const ROUNDS: usize = 7;
/// Rows of the plain product: some 40 million pairs a round.
const PLAIN_ROWS: usize = 16_384;
/// Of these, rows that are asked for.
const PLAIN_QUERIES: usize = 2560;
/// Scores near false match rates of 1e-6 and 1e-5.
const SCORES: [f32; 2] = [0.55, 0.48];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // Only `cargo bench` says so; `cargo test --benches` wants to know that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let values = Population::new(1).references(0, FACES);
    let plain = PlainJoin::new(&values[..PLAIN_ROWS * Population::DIMENSION]);
    let vectors = Matrix::new(Population::DIMENSION, values.as_slice()).expect("whole rows");
    let groups: Vec<u32> = (0..FACES as u32).collect();
    println!("{FACES} face-like templates, one thread, medians of {ROUNDS} rounds");
    println!(
        "{:<8} {:<12} {:>16} {:>16} {:>8} {:>12} {:>12}",
        "score", "kernel", "billion pairs/s", "plain", "ratio", "prepare s", "bytes a row"
    );
    for score in SCORES {
        let begin = Instant::now();
        let join = Join::within(Side { vectors: &vectors, groups: &groups }, score).expect("a join");
        let prepare = begin.elapsed().as_secs_f64();
        let (mut ours, mut plains, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // Unit 1 is the first that is two tiles.
            let unit = 1 + round as u32 % (join.units() - 1).max(1);
            let begin = Instant::now();
            let found = join.run(unit, usize::MAX).expect("pairs");
            let rate = join.comparisons(unit) as f64 / begin.elapsed().as_secs_f64() / 1e9;
            std::hint::black_box(found);
            let begin = Instant::now();
            std::hint::black_box(plain.count(PLAIN_QUERIES, score));
            let pairs = (PLAIN_QUERIES * plain.rows()) as f64;
            let other = pairs / begin.elapsed().as_secs_f64() / 1e9;
            ours.push(rate);
            plains.push(other);
            ratios.push(rate / other);
        }
        println!(
            "{score:<8} {:<12} {:>16.2} {:>16.2} {:>8.1} {prepare:>12.1} {:>12.0}",
            join.kernel(),
            median(ours),
            median(plains),
            median(ratios),
            join.bytes_held() as f64 / FACES as f64,
        );
    }
}
