//! All pairs of a float32 matrix at or above a score, and how fast they are found.
//!
//! ```text
//! cargo run --release --example join_npy -- --vectors t.npy --score 0.55 [--threads N] [--check] [--out pairs.csv]
//! cargo run --release --example join_npy -- --faces 1000000 [--like default|faceplugin] --score 0.45
//! ```
//!
//! Every row is a subject of its own. `--faces` makes vectors that look like faces
//! instead of reading some; every thousandth person is there twice. Prints one JSON
//! object. `--check` compares every pair as well and says whether the same were
//! found: for some ten thousand rows.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use chinhchu::matching::Dot;
use chinhchu::search::{Join, Matrix, Pair, SearchError, Side};
use chinhchu::tools::{Like, Population};
use clap::Parser;
use rayon::prelude::*;
use serde_json::{Value, json};

/// Pairs of a unit that are held.
const PAIRS_MAX: usize = 10_000_000;
/// One person in so many is there twice.
const TWICE: usize = 1000;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    /// Matrix of unit vectors, a row each.
    #[arg(long, required_unless_present = "faces")]
    vectors: Option<PathBuf>,
    /// Make so many vectors instead.
    #[arg(long, conflicts_with = "vectors")]
    faces: Option<usize>,
    /// The pack whose embeddings these are like: default or faceplugin.
    #[arg(long, default_value = Like::default().name(), conflicts_with = "vectors")]
    like: Like,
    /// Find the pairs at or above this score.
    #[arg(long)]
    score: f32,
    /// Threads; all cores unless given.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Compare every pair as well.
    #[arg(long)]
    check: bool,
    /// Where rows and scores of the pairs go, as CSV.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn read(path: &Path) -> Outcome<(usize, Vec<f32>)> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = BufReader::with_capacity(1 << 20, File::open(path).map_err(|error| named(&error))?);
    let file = npyz::NpyFile::new(file).map_err(|error| named(&error))?;
    let &[_, columns] = file.shape() else { return Err(named(&"not a matrix").into()) };
    if file.order() != npyz::Order::C {
        return Err(named(&"its columns come first; save it in C order").into());
    }
    Ok((columns as usize, file.into_vec::<f32>().map_err(|_| named(&"not of float32 values"))?))
}

/// The last ones are second captures of people spread over the others.
fn faces(population: &Population, count: usize) -> Vec<f32> {
    let mut values = population.references(0, count);
    let again = count / TWICE;
    let rows = values.par_chunks_exact_mut(population.dimension()).skip(count - again).enumerate();
    rows.for_each(|(i, row)| population.write((i * (TWICE - 1)) as u64, 1, row));
    values
}

/// Whether comparing every pair finds the same, bit for bit.
fn check(dimension: usize, values: &[f32], score: f32, pairs: &[Pair]) -> bool {
    let dot = Dot::portable();
    let rows: Vec<&[f32]> = values.chunks_exact(dimension.max(1)).collect();
    let found: Vec<Pair> = (0..rows.len())
        .into_par_iter()
        .flat_map_iter(|a| {
            let rows = &rows;
            let scored =
                (a + 1..rows.len()).map(move |b| Pair { a: a as u32, b: b as u32, score: dot.score(rows[a], rows[b]) });
            scored.filter(move |pair| pair.score >= score)
        })
        .collect();
    found == pairs
}

fn memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Processor time of all threads so far, which others on the machine do not add to.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Fields 14 and 15, in hundredths; the second field may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

fn run(arguments: &Arguments) -> Outcome<Value> {
    let (dimension, values) = match (&arguments.vectors, arguments.faces) {
        (Some(path), _) => read(path)?,
        (None, count) => {
            let population = Population::new(arguments.like, 1);
            (population.dimension(), faces(&population, count.unwrap_or(0)))
        }
    };
    let vectors = Matrix::new(dimension, values.as_slice())?;
    let rows = u32::try_from(values.len() / dimension.max(1))?;
    let groups: Vec<u32> = (0..rows).collect();
    let begin = Instant::now();
    let join = Join::within(Side { vectors: &vectors, groups: &groups }, arguments.score)?;
    let prepare_seconds = begin.elapsed().as_secs_f64();
    let (begin, processor) = (Instant::now(), processor_seconds());
    let units: Vec<Vec<Pair>> =
        (0..join.units()).into_par_iter().map(|unit| join.run(unit, PAIRS_MAX)).collect::<Result<_, SearchError>>()?;
    let seconds = begin.elapsed().as_secs_f64();
    let processor = processor.and_then(|before| Some(processor_seconds()? - before));
    let mut pairs = units.concat();
    pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
    let comparisons: u64 = (0..join.units()).map(|unit| join.comparisons(unit)).sum();
    let threads = rayon::current_num_threads();
    let mut answer = json!({
        "rows": rows,
        "score": arguments.score,
        "threads": threads,
        "kernel": join.kernel(),
        "units": join.units(),
        "comparisons": comparisons,
        "pairs": pairs.len(),
        "prepare_seconds": prepare_seconds,
        "seconds": seconds,
        "processor_seconds": processor,
        "billion_pairs_per_second_and_thread": comparisons as f64 / seconds / threads as f64 / 1e9,
        "billion_pairs_per_processor_second": processor.map(|processor| comparisons as f64 / processor / 1e9),
        "bytes_per_row_beside_the_vectors": join.bytes_held() as f64 / f64::from(rows.max(1)),
        "memory_mib": memory_mib(),
    });
    if let Some(path) = &arguments.out {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "a,b,score")?;
        pairs.iter().try_for_each(|pair| writeln!(out, "{},{},{}", pair.a, pair.b, pair.score))?;
        out.flush()?;
    }
    if arguments.check {
        let same = check(dimension, &values, arguments.score, &pairs);
        answer["same_as_comparing_every_pair"] = json!(same);
        if !same {
            return Err(format!("comparing every pair finds others: {answer}").into());
        }
    }
    Ok(answer)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build();
    match pool.map_err(Into::into).and_then(|pool| pool.install(|| run(&arguments))) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("join_npy: {error}");
            ExitCode::from(2)
        }
    }
}
