//! Exact scan and group commit: `cargo bench --bench scan [-- default|faceplugin]`, the
//! pack whose embeddings the vectors are like.
//!
//! Prints a table; the numbers in `benches/README.md` come from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::context::RequestContext;
use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    self, Attributes, EmbeddedOptions, EnrolMode, Enrolment, Gallery, NewTemplate, Source, SubjectId,
};
use chinhchu::search::{Entry, Index, Wanted};
use chinhchu::tools::{Like, PlainScan, Population};

const DIMENSION: usize = 512;
const QUERIES: usize = 21;
const RECIPE: RecipeDigest = RecipeDigest([1; 32]);
/// How long enrolments are counted for.
const WRITING: Duration = Duration::from_secs(3);

/// Unit vectors from a small generator: the same in every run.
fn template(number: u64) -> Template {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let raw: Vec<f32> = (0..DIMENSION)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Template::from_raw(RECIPE, &raw).expect("a vector that is not zero")
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Face-like vectors in the index that is searched.
const FACES: usize = 1_000_000;
/// Queries of a batch.
const BATCH: usize = 64;
/// Inserts a second beside searches.
const INSERTS: f64 = 1000.0;

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed().as_secs_f64(), result)
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}

/// The exact search against a plain scan of a byte a value, in turns.
fn scan(like: Like) {
    let population = Population::new(like, 1);
    let index = Index::new(like.dimension(), u64::MAX);
    let mut plain = PlainScan::new(like.dimension(), &[]);
    let mut build = 0.0;
    for first in (0..FACES).step_by(10_000) {
        let rows = population.references(first as u64, 10_000);
        plain.extend(&rows);
        let rows = rows.chunks_exact(like.dimension()).enumerate();
        let batch = rows.map(|(i, row)| Entry { key: (first + i) as u64, label: (), vector: row.to_vec() }).collect();
        build += seconds(|| index.apply(&[], batch).expect("room for all")).0;
    }
    build += seconds(|| index.settle()).0;
    let bytes = index.bytes().others as f64 / FACES as f64;
    println!(
        "exact search of {FACES} face-like templates, like {}, {} kernel, medians of {QUERIES} queries",
        like.name(),
        index.kernel()
    );
    println!("built in {build:.1} s, {bytes:.0} bytes a template beside the vector");
    println!(
        "{:<8} {:<16} {:>10} {:>10} {:>8} {:>12} {:>8}",
        "threads", "", "ms", "plain ms", "ratio", "batch ms", "ratio"
    );
    let queries: Vec<Vec<f32>> =
        (0..BATCH as u64).map(|i| population.capture(if i % 2 == 0 { i * 15_013 } else { 1 << 40 | i }, 1)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let view = index.view();
    let [strict, less] = like.scores();
    for threads in if cores == 1 { vec![1] } else { vec![1, cores] } {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let asked = [
            (format!("within({strict})"), Wanted::Within(strict)),
            (format!("within({less})"), Wanted::Within(less)),
            ("nearest(10)".to_owned(), Wanted::Nearest(10)),
        ];
        for (name, wanted) in asked {
            let (mut plains, mut singles, mut batches) = (Vec::new(), Vec::new(), Vec::new());
            for query in &queries[..QUERIES] {
                plains.push(seconds(|| pool.install(|| plain.best(query))).0);
                let ask = || view.many(&[(query.as_slice(), wanted)], |_, _, ()| true).expect("a query");
                singles.push(seconds(|| pool.install(ask)).0);
            }
            let together: Vec<_> = queries.iter().map(|query| (query.as_slice(), wanted)).collect();
            for _ in 0..5 {
                let ask = || view.many(&together, |_, _, ()| true).expect("queries");
                batches.push(seconds(|| pool.install(ask)).0 / BATCH as f64);
            }
            let (plain, single, batch) = (median(plains), median(singles), median(batches));
            println!(
                "{threads:<8} {name:<16} {:>10.2} {:>10.2} {:>8.1} {:>12.3} {:>8.1}",
                single * 1e3,
                plain * 1e3,
                plain / single,
                batch * 1e3,
                single / batch
            );
        }
    }
    drop(view);
    beside_inserts(&population, strict, &index, &queries);
}

/// How much longer searches take while others insert.
fn beside_inserts(population: &Population, score: f32, index: &Index, queries: &[Vec<f32>]) {
    let search = || -> Vec<f64> {
        let ask = |query: &Vec<f32>| seconds(|| index.within(query, score, |_| true).expect("a query")).0;
        queries.iter().cycle().take(8 * BATCH).map(ask).collect()
    };
    let quiet = p99(search());
    let done = std::sync::atomic::AtomicBool::new(false);
    let (busy, inserted) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let begin = Instant::now();
            let mut inserted = 0u64;
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                let key = FACES as u64 + inserted;
                index.insert(key, (), &population.capture(key, 0)).expect("room");
                inserted += 1;
                let due = Duration::from_secs_f64(inserted as f64 / INSERTS);
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
            }
            inserted as f64 / begin.elapsed().as_secs_f64()
        });
        let busy = p99(search());
        done.store(true, std::sync::atomic::Ordering::Release);
        (busy, writer.join().expect("a writer"))
    });
    println!(
        "p99 of within({score}): {:.2} ms, beside {inserted:.0} inserts a second {:.2} ms ({:.1} times)",
        quiet * 1e3,
        busy * 1e3,
        busy / quiet
    );
}

async fn enrolments_per_second(gallery: &Arc<Gallery>, writers: u64, tag: &str) -> f64 {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (gallery, tag) = (Arc::clone(gallery), tag.to_owned());
            tokio::spawn(async move {
                let mut done = 0u64;
                while begin.elapsed() < WRITING {
                    let subject = SubjectId::new(format!("{tag}-{writer}-{done}")).expect("an id");
                    let content = template(writer << 32 | done);
                    let new = NewTemplate { template: content, source: Source::Live, captured_at: None, quality: None };
                    let enrolment = Enrolment {
                        by: None,
                        legal_basis: None,
                        subject,
                        mode: EnrolMode::Create,
                        attributes: Attributes::default(),
                        templates: vec![new],
                        agreement: chinhchu::gallery::Agreement::Known,
                    };
                    gallery.enrol(&RequestContext::internal("test"), enrolment, None).await.expect("an enrolment");
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("a writer");
    }
    done as f64 / begin.elapsed().as_secs_f64()
}

fn group_commit() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("data");
    let options = EmbeddedOptions::default();
    let gallery = Arc::new(gallery::open(&path, RECIPE, DIMENSION, options.clone()).expect("a new gallery"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("\ndurable enrolments a second, one template of {DIMENSION} values each");
    println!("{:<10} {:>12} {:>8}", "writers", "per second", "ratio");
    let mut one = f64::NAN;
    for writers in [1, 8, 64, 512] {
        let rate = runtime.block_on(enrolments_per_second(&gallery, writers, &format!("w{writers}")));
        if writers == 1 {
            one = rate;
        }
        println!("{writers:<10} {rate:>12.0} {:>8.1}", rate / one);
    }
    let templates = gallery.stats().templates;
    drop(gallery);
    let begin = Instant::now();
    drop(gallery::open(&path, RECIPE, DIMENSION, options).expect("the same gallery"));
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "\nopening and checking {templates} templates: {seconds:.2} s ({:.0} a second)",
        templates as f64 / seconds
    );
}

fn main() {
    // Only `cargo bench` says so; `cargo test --benches` wants to know that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let like = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    scan(like.map_or(Ok(Like::default()), |name| name.parse()).expect("a pack"));
    group_commit();
}
