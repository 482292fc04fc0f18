//! Writes vectors that look like faces, and queries to search them with, as
//! float32 matrices.
//!
//! ```text
//! cargo run --release --example faces_npy -- --count 1000000 --queries 200 \
//!     --gallery g.npy --out-queries q.npy [--like default|faceplugin] [--seed 1]
//! ```
//!
//! Every other query is a second capture of somebody in the gallery, the others
//! are of strangers.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chinhchu::tools::{Like, Population};
use clap::Parser;
use npyz::WriterBuilder;

/// Rows made at a time.
const ROWS: usize = 8192;

#[derive(Parser)]
struct Arguments {
    /// Vectors in the gallery.
    #[arg(long)]
    count: usize,
    /// Queries.
    #[arg(long, default_value_t = 200)]
    queries: usize,
    /// Where the gallery goes.
    #[arg(long)]
    gallery: PathBuf,
    /// Where the queries go.
    #[arg(long)]
    out_queries: PathBuf,
    /// The pack whose embeddings they are like: default or faceplugin.
    #[arg(long, default_value = Like::default().name())]
    like: Like,
    /// Another seed, another population.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faces_npy: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let population = Population::new(arguments.like, arguments.seed);
    let firsts = (0..arguments.count).step_by(ROWS);
    let chunks = firsts.map(|first| population.references(first as u64, ROWS.min(arguments.count - first)));
    let columns = population.dimension() as u64;
    write(&arguments.gallery, [arguments.count as u64, columns], chunks)?;
    let queries = (0..arguments.queries).map(|number| {
        if number % 2 == 0 && arguments.count > 0 {
            // Spread over the gallery.
            population.capture((number as u64 * 7919) % arguments.count as u64, 1)
        } else {
            population.capture(u64::MAX - number as u64, 0)
        }
    });
    write(&arguments.out_queries, [arguments.queries as u64, columns], queries)
}

fn write(path: &Path, shape: [u64; 2], chunks: impl Iterator<Item = Vec<f32>>) -> io::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    for chunk in chunks {
        writer.extend(chunk)?;
    }
    writer.finish()
}
