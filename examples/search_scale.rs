//! The exact search at the size of a country: codes in memory, vectors in a file.
//!
//! ```text
//! cargo run --release --example search_scale -- --templates 10000000 --dir DIR
//! ```
//!
//! Draws face-like vectors, writes them to a file in `--dir` (13 GB for 10 million, 20 GB
//! with `--like faceplugin`), and searches them with an index that holds their codes and, as
//! far as `--memory-gib` allows, the vectors themselves. Prints what building,
//! searching alone and together, searching beside inserts, and writing and reading
//! the index file take. Takes its files away in the end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chinhchu::search::{Chunks, Entry, Hit, Index, IndexOptions, Originals, SearchError, View, Wanted, read, write};
use chinhchu::tools::{Like, Population};
use clap::Parser;

/// Rows put into the index at a time.
const ROWS: usize = 8192;
/// Searches in a batch at most, as in the gallery.
const BATCH: usize = 64;
/// Searches that are timed one after the other.
const SINGLES: usize = 40;
/// Inserts a second beside searches.
const INSERTS: f64 = 1000.0;
/// How long callers ask.
const LASTING: Duration = Duration::from_secs(10);
/// The country and the server that figures are carried over to.
const COUNTRY_TEMPLATES: f64 = 1e8;
const SERVER_CORES: f64 = 32.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Rows by key, one after the other in a file.
struct Rows {
    file: File,
    /// Values in a row.
    dimension: usize,
    read: AtomicU64,
}

impl Rows {
    fn write(&self, first: u64, values: &[f32]) -> std::io::Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file.write_all_at(&bytes, self.place(first))
    }

    /// Where a row begins in the file.
    fn place(&self, row: u64) -> u64 {
        row * (self.dimension * size_of::<f32>()) as u64
    }
}

impl Originals for Rows {
    fn read(&self, keys: &[u64], take: &mut dyn FnMut(usize, &[f32])) -> Result<(), SearchError> {
        let mut row = vec![0f32; self.dimension];
        let mut bytes = vec![0u8; size_of_val(row.as_slice())];
        for (at, &key) in keys.iter().enumerate() {
            self.file.read_exact_at(&mut bytes, self.place(key)).map_err(|_| SearchError::Unreadable)?;
            row.iter_mut().zip(bytes.as_chunks::<4>().0).for_each(|(value, &b)| *value = f32::from_le_bytes(b));
            take(at, &row);
        }
        self.read.fetch_add(keys.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed().as_secs_f64(), result)
}

/// Median and 99th percentile, in milliseconds.
fn summary(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len() - 1)).map_or(f64::NAN, |s| s * 1e3);
    (at(50), at(99))
}

/// Memory of this process, in GiB.
fn resident_gib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(f64::NAN) / (1 << 20) as f64
}

fn queries(population: &Population, templates: u64, count: u64) -> Vec<Vec<f32>> {
    // Every other one is of somebody who is not enrolled.
    let person = |i: u64| if i.is_multiple_of(2) { i * 15_013 % templates } else { 1 << 40 | i };
    (0..count).map(|i| population.capture(person(i), 1)).collect()
}

fn one(view: &View, query: &[f32], wanted: Wanted) -> Outcome<Vec<Hit>> {
    Ok(view.many(&[(query, wanted)], |_, _, ()| true)?.pop().unwrap_or_default())
}

/// What callers were given.
struct Served {
    /// Searches a second.
    rate: f64,
    /// Milliseconds.
    median: f64,
    p99: f64,
    /// Searches in a batch, on average.
    batch: f64,
}

/// Many callers, each with one search under way, answered as the gallery does: one
/// batch at a time on all cores, which takes what waits, at most [`BATCH`].
fn together(index: &Index, queries: &[Vec<f32>], wanted: Wanted, callers: usize) -> Outcome<Served> {
    type Ask = (usize, mpsc::Sender<()>);
    let (asks, waiting) = mpsc::channel::<Ask>();
    let begin = Instant::now();
    let mut batches = 0u32;
    let times: Vec<f64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..callers)
            .map(|caller| {
                let asks = asks.clone();
                scope.spawn(move || {
                    let mut times = Vec::new();
                    while begin.elapsed() < LASTING {
                        let (reply, done) = mpsc::channel();
                        let ask = (caller * 31 + times.len() * 7, reply);
                        let (took, answered) = seconds(|| asks.send(ask).is_ok() && done.recv().is_ok());
                        if !answered {
                            break;
                        }
                        times.push(took);
                    }
                    times
                })
            })
            .collect();
        drop(asks);
        let mut failed = None;
        while let Ok(first) = waiting.recv() {
            let batch: Vec<Ask> = std::iter::once(first).chain(waiting.try_iter().take(BATCH - 1)).collect();
            let searches: Vec<_> =
                batch.iter().map(|(at, _)| (queries[at % queries.len()].as_slice(), wanted)).collect();
            match index.view().many(&searches, |_, _, ()| true) {
                Ok(_) => batch.into_iter().for_each(|(_, reply)| reply.send(()).unwrap_or_default()),
                // Those who asked learn it from the replies that are dropped.
                Err(error) => failed = Some(error),
            }
            batches += 1;
        }
        let times = callers.into_iter().flat_map(|caller| caller.join().unwrap_or_default()).collect();
        failed.map_or(Ok(times), Err)
    })?;
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    let batch = times.len() as f64 / f64::from(batches.max(1));
    let (median, p99) = summary(times);
    Ok(Served { rate, median, p99, batch })
}

/// Callers of both kinds of search, one, eight and sixty-four, and what that means for a
/// country.
fn concurrent(index: &Index, asked: &[Vec<f32>], both: &[(&str, Wanted)]) -> Outcome<()> {
    let (templates, cores) = (index.len() as f64, rayon::current_num_threads() as f64);
    for &(name, wanted) in both {
        let mut most = f64::NAN;
        for callers in [1, BATCH / 8, BATCH] {
            let Served { rate, median, p99, batch } = together(index, asked, wanted, callers)?;
            println!(
                "{name:<14} {callers:>2} callers: {rate:>8.1} a second, median {median:>8.1} ms, p99 {p99:>8.1} ms, \
                 {batch:.1} in a batch"
            );
            most = rate;
        }
        // All cores are at work on one batch after the other.
        let nanoseconds = cores * 1e9 / (most * templates);
        let there = SERVER_CORES * 1e9 / (nanoseconds * COUNTRY_TEMPLATES);
        println!(
            "{name:<14} {cores} cores x 1e9 / ({most:.1} a second x {templates} templates) = {nanoseconds:.2} ns of a core a \
             template; {SERVER_CORES} cores x 1e9 / ({nanoseconds:.2} x {COUNTRY_TEMPLATES:.0e}) = {there:.0} a second at \
             {COUNTRY_TEMPLATES:.0e} templates"
        );
    }
    Ok(())
}

#[derive(Parser)]
struct Arguments {
    /// How many vectors.
    #[arg(long, default_value_t = 1_000_000)]
    templates: u64,
    /// Folder for the vectors and the index file.
    #[arg(long)]
    dir: PathBuf,
    /// The pack whose embeddings they are like: default or faceplugin.
    #[arg(long, default_value = Like::default().name())]
    like: Like,
    /// Memory for the index.
    #[arg(long, default_value_t = 8.0)]
    memory_gib: f64,
}

fn main() -> Outcome<()> {
    let Arguments { templates, dir, like, memory_gib } = Arguments::parse();
    let (vectors, index_file) = (dir.join("search_scale.vectors"), dir.join("search_scale.index"));
    let done = run(templates, like, memory_gib, &vectors, &index_file);
    for path in [vectors, index_file] {
        let _ = std::fs::remove_file(path);
    }
    done
}

fn run(templates: u64, like: Like, memory_gib: f64, vectors: &Path, index_file: &Path) -> Outcome<()> {
    let population = Population::new(like, 1);
    let (dimension, score) = (population.dimension(), like.scores()[0]);
    let file = File::options().read(true).write(true).create(true).truncate(true).open(vectors)?;
    let rows = Arc::new(Rows { file, dimension, read: AtomicU64::new(0) });
    let options = IndexOptions {
        vectors_max: u64::MAX,
        bytes_max: (memory_gib * (1u64 << 30) as f64) as u64,
        originals: Some(Arc::clone(&rows) as _),
    };
    let index: Index = Index::with_options(dimension, options.clone());
    let (mut drawing, mut building) = (0.0, 0.0);
    for first in (0..templates).step_by(ROWS) {
        let count = ROWS.min((templates - first) as usize);
        let (took, values) = seconds(|| population.references(first, count));
        drawing += took;
        let (took, written) = seconds(|| rows.write(first, &values));
        written?;
        drawing += took;
        let each = (first..).zip(values.chunks_exact(dimension));
        let entries = each.map(|(key, row)| Entry { key, label: (), vector: row.to_vec() }).collect();
        let (took, applied) = seconds(|| index.apply(&[], entries));
        applied?;
        building += took;
    }
    building += seconds(|| index.settle()).0;
    let bytes = index.bytes();
    println!(
        "{templates} templates, {} kernel, {} threads: drawn and written in {drawing:.0} s, indexed in {building:.0} s",
        index.kernel(),
        rayon::current_num_threads()
    );
    println!(
        "{:.1} bytes a template beside the vectors, {:.2} GiB of vectors in memory, {:.2} GiB resident",
        bytes.others as f64 / templates as f64,
        bytes.vectors as f64 / (1u64 << 30) as f64,
        resident_gib()
    );

    let asked = queries(&population, templates, 2 * BATCH as u64);
    let within = format!("within({score})");
    let both = [(within.as_str(), Wanted::Within(score)), ("nearest(10)", Wanted::Nearest(10))];
    let mut answers = Vec::new();
    for (name, wanted) in both {
        let view = index.view();
        let mut times = Vec::new();
        rows.read.store(0, Ordering::Relaxed);
        for query in &asked[..SINGLES] {
            let (took, found) = seconds(|| one(&view, query, wanted));
            times.push(took);
            answers.push(found?);
        }
        let (p50, p99) = summary(times);
        let reads = rows.read.load(Ordering::Relaxed) as f64 / SINGLES as f64;
        println!(
            "{name:<14} alone: median {p50:.1} ms, p99 {p99:.1} ms, {reads:.1} vectors read from the file a search"
        );
    }
    concurrent(&index, &asked, &both)?;
    beside_inserts(&population, &index, &rows, &asked, score)?;

    let file = std::io::BufWriter::with_capacity(1 << 20, File::create(index_file)?);
    let (took, written) = seconds(|| -> Outcome<u64> {
        let mut chunks = Chunks::begin(file)?;
        write(&index.view(), &mut chunks, |()| {})?;
        let file = chunks.into_inner().into_inner().map_err(|error| error.into_error())?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    });
    println!("index file of {:.2} GB written and flushed in {took:.1} s", written? as f64 / 1e9);
    let live = index.len();
    drop(index);
    let again: Index = Index::with_options(dimension, options);
    let (took, opened) = seconds(|| -> Outcome<usize> {
        let file = std::io::BufReader::with_capacity(1 << 20, File::open(index_file)?);
        let rest = read(&again, &mut Chunks::open(file)?, |_| {})?;
        let mut entries = Vec::with_capacity(rest.len());
        let keys: Vec<u64> = rest.iter().map(|(key, ())| *key).collect();
        rows.read(&keys, &mut |at, vector| {
            entries.push(Entry { key: keys[at], label: (), vector: vector.to_vec() });
        })?;
        again.apply(&[], entries)?;
        Ok(rest.len())
    });
    println!("read back in {took:.1} s, {} templates inserted again", opened?);
    if again.len() != live {
        return Err("templates were lost on the way".into());
    }
    let view = again.view();
    for (number, expected) in answers.iter().enumerate() {
        let (query, wanted) = (&asked[number % SINGLES], both[number / SINGLES].1);
        let found: Vec<Hit> = one(&view, query, wanted)?;
        // Those that were inserted meanwhile may be found as well.
        if expected.iter().any(|hit| hit.key < templates && !found.contains(hit)) && number < SINGLES {
            return Err("an index read back finds less than the one that was written".into());
        }
    }
    println!("and found again what was found before; {:.2} GiB resident", resident_gib());
    Ok(())
}

/// How much longer searches take while others insert.
fn beside_inserts(population: &Population, index: &Index, rows: &Rows, asked: &[Vec<f32>], score: f32) -> Outcome<()> {
    let templates = index.len();
    let search = || -> Outcome<Vec<f64>> {
        let ask = |query: &Vec<f32>| {
            let (took, found) = seconds(|| one(&index.view(), query, Wanted::Within(score)));
            found.map(|_| took)
        };
        asked.iter().cycle().take(4 * asked.len()).map(ask).collect()
    };
    let quiet = summary(search()?).1;
    let done = AtomicBool::new(false);
    let (busy, inserted) = std::thread::scope(|scope| -> Outcome<(f64, f64)> {
        let writer = scope.spawn(|| -> Outcome<f64> {
            let begin = Instant::now();
            let mut inserted = 0u64;
            while !done.load(Ordering::Acquire) {
                let key = templates + inserted;
                let vector = population.capture(key, 0);
                rows.write(key, &vector)?;
                index.insert(key, (), &vector)?;
                inserted += 1;
                let due = Duration::from_secs_f64(inserted as f64 / INSERTS);
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
            }
            Ok(inserted as f64 / begin.elapsed().as_secs_f64())
        });
        let busy = search().map(|times| summary(times).1);
        done.store(true, Ordering::Release);
        let inserted = writer.join().map_err(|_| "the writer panicked")??;
        Ok((busy?, inserted))
    })?;
    println!(
        "p99 of within({score}): {quiet:.1} ms, beside {inserted:.0} inserts a second {busy:.1} ms ({:.2} times)",
        busy / quiet
    );
    Ok(())
}
