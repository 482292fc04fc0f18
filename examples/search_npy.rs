//! The exact search over two float32 matrices, and how fast it is.
//!
//! ```text
//! cargo run --release --example search_npy -- --gallery g.npy --queries q.npy \
//!     [--within S] [--nearest K] [--batch N] [--graph [--build-effort N]] [--threads N] --out results.json
//! ```
//!
//! Prints one JSON object; times are of single queries, one after the other. The
//! results file holds row numbers and scores for each query. A plain scan of
//! eight bits a dimension runs between the queries, for comparison and so that no
//! query finds its data in the cache. With `--graph` the same nearest are also
//! looked for by the graph, with growing effort until it finds 99 of 100.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use chinhchu::matching::Dot;
use chinhchu::search::{self, Entry, Graph, GraphOptions, Hit, Index, Wanted};
use chinhchu::tools::PlainScan;
use clap::Parser;
use serde_json::{Value, json};

/// Rows put into the index at a time.
const ROWS: usize = 8192;
/// Batches and as many single searches that are timed in turns.
const ROUNDS: usize = 9;
/// Efforts the graph is tried with, until its recall is enough.
const EFFORTS: [usize; 7] = [32, 64, 128, 256, 512, 1024, 2048];
const RECALL_ENOUGH: f64 = 0.99;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
struct Arguments {
    /// Matrix of unit vectors, a row each.
    #[arg(long)]
    gallery: PathBuf,
    /// Matrix of queries.
    #[arg(long)]
    queries: PathBuf,
    /// Search for all at or above this score.
    #[arg(long)]
    within: Option<f32>,
    /// Search for so many of the best.
    #[arg(long)]
    nearest: Option<usize>,
    /// Queries that are searched together, for comparison with as many single ones.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Look for the nearest by the graph as well (with --nearest).
    #[arg(long, requires = "nearest")]
    graph: bool,
    /// Candidates looked at for each point while the graph is built.
    #[arg(long, requires = "graph", default_value_t = GraphOptions::default().build_effort)]
    build_effort: usize,
    /// Threads; all cores unless given.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Where rows and scores go.
    #[arg(long)]
    out: PathBuf,
}

/// A matrix being read.
struct Matrix {
    rows: usize,
    columns: usize,
    values: Box<dyn Iterator<Item = std::io::Result<f32>>>,
}

impl Matrix {
    fn open(path: &Path) -> Outcome<Self> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = BufReader::with_capacity(1 << 20, File::open(path).map_err(|error| named(&error))?);
        let file = npyz::NpyFile::new(file).map_err(|error| named(&error))?;
        let &[rows, columns] = file.shape() else { return Err(named(&"not a matrix").into()) };
        if file.order() != npyz::Order::C {
            return Err(named(&"its columns come first; save it in C order").into());
        }
        let values = file.data::<f32>().map_err(|_| named(&"not of float32 values"))?;
        Ok(Self { rows: rows as usize, columns: columns as usize, values: Box::new(values) })
    }

    fn next_rows(&mut self, rows: usize) -> Outcome<Vec<f32>> {
        Ok(self.values.by_ref().take(rows * self.columns).collect::<Result<_, _>>()?)
    }
}

/// Median and 99th percentile, in milliseconds.
fn summary(mut seconds: Vec<f64>) -> Value {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds.get(((seconds.len() as f64 * share) as usize).min(seconds.len() - 1));
    json!({ "median_ms": at(0.5).map(|s| s * 1e3), "p99_ms": at(0.99).map(|s| s * 1e3) })
}

fn pairs(hits: &[Hit]) -> Value {
    hits.iter().map(|hit| json!([hit.key, hit.score])).collect()
}

fn run(arguments: &Arguments) -> Outcome<Value> {
    let mut wanted = Vec::new();
    wanted.extend(arguments.within.map(|score| ("within", Wanted::Within(score))));
    wanted.extend(arguments.nearest.map(|k| ("nearest", Wanted::Nearest(k))));
    if wanted.is_empty() {
        return Err("ask for --within SCORE, --nearest K or both".into());
    }
    let mut gallery = Matrix::open(&arguments.gallery)?;
    let mut queries = Matrix::open(&arguments.queries)?;
    if queries.rows == 0 {
        return Err("there are no queries".into());
    }
    let index: Index = Index::new(gallery.columns, u64::MAX);
    let mut plain = PlainScan::new(gallery.columns, &[]);
    let mut build_seconds = 0.0;
    // The graph's answers are scored from these.
    let mut kept = Vec::with_capacity(if arguments.graph { gallery.rows * gallery.columns } else { 0 });
    for first in (0..gallery.rows).step_by(ROWS) {
        let rows = gallery.next_rows(ROWS.min(gallery.rows - first))?;
        plain.extend(&rows);
        if arguments.graph {
            kept.extend_from_slice(&rows);
        }
        let vectors = rows.chunks_exact(gallery.columns).enumerate();
        let entries = vectors.map(|(i, row)| Entry { key: (first + i) as u64, label: (), vector: row.to_vec() });
        let entries: Vec<Entry<()>> = entries.collect();
        let begin = Instant::now();
        index.apply(&[], entries)?;
        build_seconds += begin.elapsed().as_secs_f64();
    }
    let begin = Instant::now();
    index.settle();
    build_seconds += begin.elapsed().as_secs_f64();

    let view = index.view();
    let values = queries.next_rows(queries.rows)?;
    let queries: Vec<&[f32]> = values.chunks_exact(queries.columns).collect();
    let (mut results, mut plain_seconds) = (Vec::new(), Vec::new());
    let mut seconds = vec![Vec::new(); wanted.len()];
    let mut truth = Vec::new();
    for (number, query) in queries.iter().enumerate() {
        let mut result = json!({ "query": number });
        for (&(name, wanted), seconds) in wanted.iter().zip(&mut seconds) {
            let begin = Instant::now();
            std::hint::black_box(plain.best(query));
            plain_seconds.push(begin.elapsed().as_secs_f64());
            let begin = Instant::now();
            let found = view.many(&[(query, wanted)], |_, _, ()| true)?;
            seconds.push(begin.elapsed().as_secs_f64());
            result[name] = pairs(&found[0]);
            if let Wanted::Nearest(_) = wanted {
                truth.push(found[0].iter().map(|hit| hit.key).collect());
            }
        }
        results.push(result);
    }
    let mut graph = None;
    if let (true, Some(k)) = (arguments.graph, arguments.nearest) {
        let (report, answers) = by_graph(kept, gallery.columns, &queries, &truth, k, arguments.build_effort)?;
        graph = Some(report);
        results.iter_mut().zip(answers).for_each(|(result, answer)| result["graph"] = answer);
    }
    let mut out = BufWriter::new(File::create(&arguments.out)?);
    serde_json::to_writer(&mut out, &results)?;
    out.flush()?;

    let bytes = index.bytes();
    let plain_bytes = plain.bytes() as f64;
    let plain = summary(plain_seconds);
    let plain_ms = plain["median_ms"].as_f64().unwrap_or(f64::NAN);
    let mut answer = json!({
        "templates": index.len(),
        "dimensions": index.dimension(),
        "queries": queries.len(),
        "threads": rayon::current_num_threads(),
        "kernel": index.kernel(),
        "build_seconds": build_seconds,
        "bytes_per_template": bytes.others as f64 / index.len().max(1) as f64,
        "plain_int8": plain,
        "plain_int8_gb_per_s": plain_bytes / (plain_ms * 1e6),
    });
    for ((name, wanted), seconds) in wanted.into_iter().zip(seconds) {
        let mut one = summary(seconds);
        let median = one["median_ms"].as_f64().unwrap_or(f64::NAN);
        one["times_as_fast_as_plain_int8"] = json!(plain_ms / median);
        if (1..=queries.len()).contains(&arguments.batch) {
            let size = arguments.batch;
            // Single searches and batches in turns: the machine's moods are the same for both.
            let (mut singles, mut batches) = (Vec::new(), Vec::new());
            for round in 0..ROUNDS {
                let batch = queries.iter().cycle().skip(round * size).take(size);
                let searches: Vec<_> = batch.map(|&query| (query, wanted)).collect();
                let begin = Instant::now();
                for search in &searches {
                    view.many(std::slice::from_ref(search), |_, _, ()| true)?;
                }
                singles.push(begin.elapsed().as_secs_f64() / size as f64);
                let begin = Instant::now();
                view.many(&searches, |_, _, ()| true)?;
                batches.push(begin.elapsed().as_secs_f64() / size as f64);
            }
            let each = |seconds| summary(seconds)["median_ms"].as_f64().unwrap_or(f64::NAN);
            let (single, batch) = (each(singles), each(batches));
            one["throughput_of_a_batch_over_single"] = json!(single / batch);
            one["median_ms_of_singles"] = json!(single);
            one["median_ms_in_a_batch"] = json!(batch);
        }
        answer[name] = one;
    }
    if let Some(graph) = graph {
        answer["graph"] = graph;
    }
    Ok(answer)
}

/// Builds the graph over `rows` and looks for the `k` nearest of each query with
/// one effort after the other. `truth` is what the exact search found.
fn by_graph(
    rows: Vec<f32>,
    dimension: usize,
    queries: &[&[f32]],
    truth: &[Vec<u64>],
    k: usize,
    build_effort: usize,
) -> Outcome<(Value, Vec<Value>)> {
    let options = GraphOptions { build_effort, ..GraphOptions::default() };
    let graph = Graph::new(dimension, options);
    let keys: Vec<u64> = (0..(rows.len() / dimension) as u64).collect();
    graph.rebuild(|| Ok((keys, search::Matrix::new(dimension, rows.as_slice())?)))?;
    let dot = Dot::best();
    let (mut tried, mut answers) = (Vec::new(), Vec::new());
    for effort in EFFORTS {
        let (mut seconds, mut found) = (Vec::new(), 0);
        answers.clear();
        for (&query, truth) in queries.iter().zip(truth) {
            let score = |key: u64| Some(dot.score(query, rows.chunks_exact(dimension).nth(key as usize)?));
            let begin = Instant::now();
            let hits = graph.nearest_with(query, k, effort, score)?;
            seconds.push(begin.elapsed().as_secs_f64());
            found += hits.iter().filter(|hit| truth.contains(&hit.key)).count();
            answers.push(pairs(&hits));
        }
        let recall = found as f64 / truth.iter().map(Vec::len).sum::<usize>().max(1) as f64;
        let mut one = summary(seconds);
        one["effort"] = json!(effort);
        one["recall"] = json!(recall);
        tried.push(one);
        if recall >= RECALL_ENOUGH {
            break;
        }
    }
    let report = graph.report();
    let report = json!({
        "links": options.links,
        "build_effort": options.build_effort,
        "build_seconds": report.build_seconds,
        "unfound": report.unfound,
        "tried": tried,
    });
    Ok((report, answers))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build()
        .map_err(Into::into)
        .and_then(|pool| pool.install(|| run(&arguments).map_err(|error| error.to_string().into())));
    finish(outcome)
}

fn finish(outcome: Result<Value, Box<dyn std::error::Error + Send + Sync>>) -> ExitCode {
    match outcome {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("search_npy: {error}");
            ExitCode::from(2)
        }
    }
}
