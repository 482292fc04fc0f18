//! The join of a gallery with itself, beside a plain blocked product of eight-bit
//! rows: `cargo bench --bench join [-- default|faceplugin]`, the pack whose embeddings
//! they are like. The plain product is there for 320 values only, as `default` has them.
//!
//! Prints a table; the numbers in `benches/README.md` come from it. Both sides run
//! on one thread, in turns.

use std::time::Instant;

use chinhchu::search::{Join, Matrix, Side};
use chinhchu::tools::{Like, PlainJoin, Population};

/// Face-like vectors: tiles of 32,768 rows, as in a large gallery.
const FACES: usize = 524_288;
/// Rounds; the medians of the ratios count.
const ROUNDS: usize = 7;
/// Rows of the plain product: some 40 million pairs a round.
const PLAIN_ROWS: usize = 16_384;
/// Of these, rows that are asked for.
const PLAIN_QUERIES: usize = 2560;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // Only `cargo bench` says so; `cargo test --benches` wants to know that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let like = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let like: Like = like.map_or(Ok(Like::default()), |name| name.parse()).expect("a pack");
    let values = Population::new(like, 1).references(0, FACES);
    let is_plain = like.dimension() == PlainJoin::DIMENSION;
    let plain = is_plain.then(|| PlainJoin::new(&values[..PLAIN_ROWS * PlainJoin::DIMENSION]));
    let vectors = Matrix::new(like.dimension(), values.as_slice()).expect("whole rows");
    let groups: Vec<u32> = (0..FACES as u32).collect();
    println!("{FACES} face-like templates, like {}, one thread, medians of {ROUNDS} rounds", like.name());
    println!(
        "{:<8} {:<12} {:>16} {:>16} {:>8} {:>12} {:>12}",
        "score", "kernel", "billion pairs/s", "plain", "ratio", "prepare s", "bytes a row"
    );
    for score in like.scores() {
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
            let other = plain.as_ref().map_or(f64::NAN, |plain| {
                std::hint::black_box(plain.count(PLAIN_QUERIES, score));
                (PLAIN_QUERIES * plain.rows()) as f64 / begin.elapsed().as_secs_f64() / 1e9
            });
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
