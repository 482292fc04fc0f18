//! What sealing at rest costs: a clear and a sealed gallery beside each other, enrolled into, opened from
//! the index file and from the records, and searched, in turns.
//!
//! ```text
//! cargo bench --bench sealing [-- TEMPLATES]
//! ```

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use chinhchu::context::RequestContext;
use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    self, Agreement, Attributes, EmbeddedOptions, EnrolMode, Enrolment, Filter, Gallery, NewTemplate, Scope, Source,
    SubjectId,
};
use chinhchu::sealing::{KeyStoreOptions, MasterKey, Secret};
use chinhchu::tools::{Like, Population};

use self::support::Failure;

/// Templates where none are asked for.
const TEMPLATES: u64 = 1_000_000;
/// Values of a template.
const DIMENSION: usize = 512;
/// Callers who enrol at once, and how many a caller enrols in a round.
const WRITERS: [(usize, usize); 2] = [(8, 50), (64, 25)];
/// Rounds of enrolments, openings and searches.
const ENROL_ROUNDS: usize = 9;
const OPEN_ROUNDS: usize = 5;
const SEARCHES: usize = 60;
/// Targets, sealed over clear: of the time to open from the file and from the records, of the time of a
/// search, at most; of the rate of enrolments, at least.
const FILE_RATIO_MAX: f64 = 1.5;
const RECORDS_RATIO_MAX: f64 = 2.0;
const SEARCH_RATIO_MAX: f64 = 1.03;
const ENROL_RATIO_MIN: f64 = 0.9;

const RECIPE: RecipeDigest = RecipeDigest([1; 32]);

fn main() -> ExitCode {
    let templates = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(TEMPLATES);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    support::end("sealing", runtime.block_on(run(templates)))
}

fn options(folder: &Path, is_sealed: bool, from_file: bool) -> Result<EmbeddedOptions, Failure> {
    let master = MasterKey::new(Secret::copied(&[7; 32]));
    let keys = KeyStoreOptions { path: folder.join("keys"), copy: None, master, previous: None, read_only: false };
    Ok(EmbeddedOptions {
        sealing: is_sealed.then_some(keys),
        // Every size counts as large, or none.
        checked_bytes_max: if from_file { 0 } else { u64::MAX },
        ..EmbeddedOptions::default()
    })
}

fn open(folder: &Path, is_sealed: bool, from_file: bool) -> Result<Gallery, Failure> {
    Ok(gallery::open(&folder.join("data"), RECIPE, DIMENSION, options(folder, is_sealed, from_file)?)?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn population() -> Result<Population, Failure> {
    let like = Like::ALL.into_iter().find(|like| like.dimension() == DIMENSION);
    Ok(Population::new(like.ok_or("no population has templates of this dimension")?, 1))
}

/// How ids follow one another: a clear gallery appends those that rise, where a sealed one, which has
/// hashes of them, writes anywhere.
#[derive(Clone, Copy, PartialEq)]
enum Ids {
    /// Anywhere among those that are there, as digests and numbers that people already have.
    Scattered,
    Rising,
}

/// An id that lies anywhere.
fn scattered(number: u64) -> String {
    // SplitMix64, of Steele and others, "Fast splittable pseudorandom number generators", 2014.
    let mixed = (number.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}-{number:x}", mixed ^ (mixed >> 31))
}

/// Enrols people under new ids; how many a second.
async fn enrol(
    gallery: &Arc<Gallery>,
    (ids, round): (Ids, usize),
    (writers, each): (usize, usize),
) -> Result<f64, Failure> {
    let began = Instant::now();
    let people = population()?;
    let callers = (0..writers).map(|writer| {
        let (gallery, population) = (Arc::clone(gallery), people.clone());
        tokio::spawn(async move {
            let context = RequestContext::internal("benchmark");
            for number in 0..each {
                let place = (((writers * 100 + round) * writers + writer) * each + number) as u64;
                let id = match ids {
                    Ids::Scattered => scattered((1 << 40) + place),
                    Ids::Rising => format!("z{place:012}"),
                };
                let face = population.capture((1 << 40) + (writer * each + number) as u64, 0);
                let template = Template::from_raw(RECIPE, &face).map_err(|_| "a vector without a length")?;
                let new = NewTemplate { template, source: Source::Chip, captured_at: None, quality: None };
                let enrolment = Enrolment {
                    subject: SubjectId::new(id)?,
                    mode: EnrolMode::Create,
                    attributes: Attributes::default(),
                    templates: vec![new],
                    agreement: Agreement::Known,
                    by: None,
                    legal_basis: None,
                };
                gallery.enrol(&context, enrolment, None).await?;
            }
            Ok::<_, Failure>(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    Ok((writers * each) as f64 / began.elapsed().as_secs_f64())
}

async fn run(templates: u64) -> Result<bool, Failure> {
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let sealed = [false, true];
    let mut is_reached = true;
    let mut galleries = Vec::new();
    for (folder, is_sealed) in folders.iter().zip(sealed) {
        let gallery = Arc::new(open(folder.path(), is_sealed, true)?);
        let began = Instant::now();
        support::fill_named(&gallery, RECIPE, DIMENSION, templates, scattered).await?;
        println!("{templates} templates enrolled in {:.0} s, sealed: {is_sealed}", began.elapsed().as_secs_f64());
        galleries.push(gallery);
    }

    for (group, ids) in WRITERS.into_iter().flat_map(|group| [(group, Ids::Scattered), (group, Ids::Rising)]) {
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..=ENROL_ROUNDS {
            for (of, gallery) in galleries.iter().enumerate() {
                let rate = enrol(gallery, (ids, round), group).await?;
                // The first round warms up.
                if round > 0 {
                    rates[of].push(rate);
                }
            }
        }
        let [clear, sealed] = rates.map(median);
        let ratio = sealed / clear;
        let (how, target) = match ids {
            Ids::Scattered => ("scattered", format!(" (target: at least {ENROL_RATIO_MIN})")),
            Ids::Rising => ("rising", String::new()),
        };
        println!(
            "enrolments a second by {} callers, {how} ids: clear {clear:.0}, sealed {sealed:.0}, ratio {ratio:.3}{target}",
            group.0
        );
        is_reached &= ids == Ids::Rising || ratio >= ENROL_RATIO_MIN;
    }

    for (what, scope) in [("within 0.42", Scope::Within(0.42)), ("the nearest ten", Scope::Nearest(10))] {
        let mut times = [Vec::new(), Vec::new()];
        for number in 0..SEARCHES {
            let probe = population()?.capture((1 << 41) + number as u64, 0);
            let probe = Template::from_raw(RECIPE, &probe).map_err(|_| "a vector without a length")?;
            for (of, gallery) in galleries.iter().enumerate() {
                let began = Instant::now();
                gallery.search(&probe, scope, &Filter::default()).await?;
                times[of].push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
        let [clear, sealed] = times.map(median);
        let ratio = sealed / clear;
        println!(
            "{what}: clear {clear:.2} ms, sealed {sealed:.2} ms, ratio {ratio:.3} (target: at most {SEARCH_RATIO_MAX})"
        );
        is_reached &= ratio <= SEARCH_RATIO_MAX;
    }
    drop(galleries);

    for (what, from_file, target) in
        [("the index file", true, FILE_RATIO_MAX), ("the records", false, RECORDS_RATIO_MAX)]
    {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=OPEN_ROUNDS {
            for (of, (folder, is_sealed)) in folders.iter().zip(sealed).enumerate() {
                let began = Instant::now();
                let gallery = open(folder.path(), is_sealed, from_file)?;
                let took = began.elapsed().as_secs_f64();
                drop(gallery);
                if round > 0 {
                    times[of].push(took);
                }
            }
        }
        let [clear, sealed] = times.map(median);
        let ratio = sealed / clear;
        println!(
            "opened from {what}: clear {clear:.2} s, sealed {sealed:.2} s, ratio {ratio:.2} (target: at most {target})"
        );
        is_reached &= ratio <= target;
    }
    Ok(is_reached)
}
