//! Exact scan and group commit: `cargo bench --bench scan`.
//!
//! Prints a table; the numbers in `benches/README.md` come from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    Attributes, EmbeddedGallery, EmbeddedOptions, EnrolMode, Enrolment, Gallery, NewTemplate, Source, SubjectId,
};
use chinhchu::matching::Dot;
use chinhchu::search::{Entry, Index};

const DIMENSION: usize = 512;
const TEMPLATES: u64 = 100_000;
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

fn scan() {
    println!("exact scan of {TEMPLATES} templates of {DIMENSION} float32 values, median of {QUERIES} queries");
    println!("{:<10} {:>7} {:>16} {:>16} {:>9}", "kernel", "threads", "nearest(10) ms", "within(0.35) ms", "GB/s");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for dot in Dot::all() {
        let index = Index::with_kernel(DIMENSION, TEMPLATES, dot);
        for begin in (0..TEMPLATES).step_by(10_000) {
            let batch = (begin..begin + 10_000)
                .map(|key| Entry { key, label: (), vector: template(key).vector().to_vec() })
                .collect();
            index.apply(&[], batch).expect("room for all");
        }
        for threads in if cores == 1 { vec![1] } else { vec![1, cores] } {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let view = index.view();
            let (mut nearest, mut within) = (Vec::new(), Vec::new());
            for number in 0..QUERIES as u64 {
                let query = template(number * 1000);
                let begin = Instant::now();
                let best = pool.install(|| view.nearest(query.vector(), 10, |_| true)).expect("a query");
                nearest.push(begin.elapsed().as_secs_f64());
                assert_eq!(best[0].key, number * 1000, "every template finds itself");
                let begin = Instant::now();
                let hits = pool.install(|| view.within(query.vector(), 0.35, |_| true)).expect("a query");
                within.push(begin.elapsed().as_secs_f64());
                assert_eq!(hits[0], best[0]);
            }
            let (nearest, within) = (median(nearest), median(within));
            let gigabytes = (TEMPLATES as usize * DIMENSION * 4) as f64 / 1e9;
            println!(
                "{:<10} {:>7} {:>16.2} {:>16.2} {:>9.1}",
                dot.name(),
                threads,
                nearest * 1e3,
                within * 1e3,
                gigabytes / within
            );
        }
    }
}

async fn enrolments_per_second(gallery: &Arc<EmbeddedGallery>, writers: u64, tag: &str) -> f64 {
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
                        subject,
                        mode: EnrolMode::Create,
                        attributes: Attributes::default(),
                        templates: vec![new],
                    };
                    gallery.enrol(enrolment, None).await.expect("an enrolment");
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
    let gallery = Arc::new(EmbeddedGallery::open(&path, RECIPE, DIMENSION, options.clone()).expect("a new gallery"));
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
    let templates = runtime.block_on(gallery.stats()).expect("its size").templates;
    drop(gallery);
    let begin = Instant::now();
    drop(EmbeddedGallery::open(&path, RECIPE, DIMENSION, options).expect("the same gallery"));
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
    scan();
    group_commit();
}
