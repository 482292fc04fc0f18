//! Fits the quality model of a pack: `models/*/quality.toml`.
//!
//! ```sh
//! cargo run --release --example fit_quality -- /path/to/cfp-dev/manifest.csv --pack models/default \
//!     --date 2026-01-31
//! ```
//!
//! The manifest has the columns `subject_id,path,pose`, where `pose` is `frontal` or
//! `profile`. Frontal photos are covered and spoiled in seeded ways as well, so that
//! the model learns what a covered face looks like, and what only looks like one.
//!
//! With `--folds K` nothing is written: the model is fitted K times without a K-th of
//! the people each, and what it says of those is printed.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use chinhchu::face::quality::{Measure, Profile};
use chinhchu::face::{Pack, Pipeline, PoolOptions, Wants};
use chinhchu::matching::compare;
use chinhchu::tools::{Example, Shows, fit_quality};
use clap::Parser;
use serde::Deserialize;

#[expect(dead_code, reason = "some faults came after the fit, which keeps its seeds")]
#[path = "../tests/face/degrade.rs"]
mod degrade;
#[path = "../tests/face/picture.rs"]
mod picture;
use degrade::{Fault, degrade};
use picture::{Eyes, Random};

/// Of so many frontal photos one is spoiled in every way; the others are covered only.
const SPOILED_EVERY: usize = 4;
/// One cover for each.
const SEEDS: [u64; 2] = [20_251_121, 31];

type Failure = Box<dyn Error + Send + Sync>;

/// Fits the quality model of a pack.
#[derive(Parser)]
struct Arguments {
    /// CSV file with the columns `subject_id,path,pose`; paths from its folder.
    manifest: PathBuf,
    /// Folder of the model pack.
    #[arg(long, default_value = "models/default")]
    pack: PathBuf,
    /// Where to write; the pack's `quality.toml` where not given.
    #[arg(long)]
    out: Option<PathBuf>,
    /// What the model says it was fitted on.
    #[arg(
        long,
        default_value = "cfp-dev: 250 public figures, ten frontal and four profile photos each (CFP, Sengupta et al., WACV 2016)"
    )]
    population: String,
    /// Day of the fit, `YYYY-MM-DD`.
    #[arg(long)]
    date: String,
    /// Do not write a model, but judge each of so many parts of the people by a model
    /// fitted on the others.
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=50))]
    folds: Option<u64>,
}

#[derive(Deserialize)]
struct Row {
    subject_id: String,
    path: PathBuf,
    pose: String,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fit_quality: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let pack = Pack::load_to_fit(&arguments.pack)?;
    let rows = csv::Reader::from_path(&arguments.manifest)?.deserialize().collect::<Result<Vec<Row>, _>>()?;
    let folder = arguments.manifest.parent().unwrap_or(Path::new("."));
    let mut ids = HashMap::new();
    let subjects: Vec<usize> = rows
        .iter()
        .map(|row| {
            let next = ids.len();
            *ids.entry(row.subject_id.as_str()).or_insert(next)
        })
        .collect();
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = std::thread::scope(|scope| {
        let work = || work(&pack, folder, &rows, &subjects, &next);
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a worker panicked")?)
            .collect::<Result<Vec<_>, Failure>>()
    })?;
    let mut found: Found = parts.into_iter().flatten().collect();
    found.sort_by_key(|(order, _)| *order);
    let examples: Vec<Example> = found.into_iter().map(|(_, example)| example).collect();
    eprintln!("{} photos of {} people, spoiled ones included", examples.len(), ids.len());
    if let Some(folds) = arguments.folds {
        return judge_in_folds(&examples, folds as usize, arguments);
    }
    let model = fit_quality(&examples, &pack.recipe().to_string(), &arguments.population, &arguments.date)?;
    let out = arguments.out.clone().unwrap_or_else(|| arguments.pack.join("quality.toml"));
    std::fs::write(&out, toml::to_string(&model)?)?;
    println!("wrote {}", out.display());
    Ok(())
}

/// Says of every person what a model fitted on others makes of them.
fn judge_in_folds(examples: &[Example], folds: usize, arguments: &Arguments) -> Result<(), Failure> {
    let profile = Profile::live();
    let limit = |measure| profile.range(measure).max.unwrap_or(1.0);
    let limits = [1.0, limit(Measure::Turned), limit(Measure::Occluded)];
    let mut utility = vec![f32::NAN; examples.len()];
    // By what a photo shows: photos, taken for front, turned, covered.
    let mut tallies: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for fold in 0..folds {
        let others: Vec<Example> = examples.iter().filter(|e| e.subject % folds != fold).cloned().collect();
        let model = fit_quality(&others, "", &arguments.population, &arguments.date)?;
        for (at, example) in examples.iter().enumerate().filter(|(_, e)| e.subject % folds == fold) {
            let Some((chances, useful)) = example.study.predictions(&model) else { continue };
            utility[at] = useful;
            let faults = (1..3).filter(|&look| chances[look] > limits[look]);
            let look = faults.max_by(|&a, &b| chances[a].total_cmp(&chances[b])).unwrap_or(0);
            let tally = tallies.entry(format!("{:?}", example.shows)).or_default();
            tally[0] += 1;
            tally[1 + look] += 1;
        }
    }
    for (shows, [photos, front, turned, covered]) in tallies {
        let share = |count: usize| 100.0 * count as f64 / photos as f64;
        println!(
            "{shows:8} {photos:5} photos: taken for front {:5.1} %, turned {:5.1} %, covered {:5.1} %",
            share(front),
            share(turned),
            share(covered),
        );
    }
    let mut frontal: Vec<usize> = (0..examples.len()).filter(|&i| examples[i].shows == Shows::Frontal).collect();
    println!("FNMR at FMR 1e-3 of {} frontal photos: {:.2} %", frontal.len(), 100.0 * fnmr(examples, &frontal)?);
    for (name, value) in [
        ("predicted utility", &(|i: usize| utility[i]) as &dyn Fn(usize) -> f32),
        ("length of the embedding", &|i| examples[i].study.template.norm()),
    ] {
        frontal.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
        let kept = &frontal[frontal.len() / 20..];
        println!("without the 5 % of the lowest {name}: {:.2} %", 100.0 * fnmr(examples, kept)?);
    }
    Ok(())
}

/// FNMR at FMR 1e-3 over all pairs of these photos.
fn fnmr(examples: &[Example], of: &[usize]) -> Result<f64, Failure> {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (at, &i) in of.iter().enumerate() {
        for &j in &of[..at] {
            let score = compare(&examples[i].study.template, &examples[j].study.template)?;
            if examples[i].subject == examples[j].subject { &mut genuine } else { &mut impostor }.push(score);
        }
    }
    let allowed = impostor.len() / 1000;
    let (_, &mut threshold, _) = impostor.select_nth_unstable_by(allowed, |a, b| b.total_cmp(a));
    Ok(genuine.iter().filter(|&&score| score <= threshold).count() as f64 / genuine.len() as f64)
}

/// Row and fault first, so that the order does not depend on the workers.
type Found = Vec<((usize, usize), Example)>;

/// Studies photos until there are none left. Photos without a face are left out.
fn work(pack: &Pack, folder: &Path, rows: &[Row], subjects: &[usize], next: &AtomicUsize) -> Result<Found, Failure> {
    let options = PoolOptions { workers: 1, queue_max: 1, limits: Default::default(), onnxruntime: None };
    let mut pipeline = Pipeline::new(pack, &options)?;
    let mut found = Vec::new();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(row) = rows.get(at) else { return Ok(found) };
        let bytes = std::fs::read(folder.join(&row.path))?;
        let shows = match row.pose.as_str() {
            "frontal" => Shows::Frontal,
            "profile" => Shows::Profile,
            _ => return Err(format!("row {} is neither frontal nor profile", at + 2).into()),
        };
        let wants = Wants { pose: true, ..Wants::default() };
        let Ok(study) = pipeline.study(&bytes, wants) else { continue };
        let pose = study.pose;
        found.push(((at, 0), Example { study, subject: subjects[at], shows, pose }));
        if shows != Shows::Frontal {
            continue;
        }
        let report = pipeline.assess(&bytes, Wants::default())?;
        let face = report.face;
        let eyes = Eyes::of(face.left, face.top, face.width, face.height);
        let photo = image::load_from_memory(&bytes)?.into_rgb8();
        for (i, fault) in Fault::FITTED.into_iter().enumerate() {
            // Where these are, nobody asks what is before the face.
            let unasked = matches!(fault, Fault::Blur | Fault::Dark | Fault::Bright);
            let seeds = match fault {
                Fault::Cover => &SEEDS[..],
                _ if !unasked && at.is_multiple_of(SPOILED_EVERY) => &SEEDS[..1],
                _ => &[],
            };
            for (j, &seed) in seeds.iter().enumerate() {
                let mut random = Random(seed ^ ((at as u64) << 8 | i as u64));
                let Ok(study) = pipeline.study(&degrade(&photo, eyes, fault, &mut random), Wants::default()) else {
                    continue;
                };
                let shows = if fault == Fault::Cover { Shows::Covered } else { Shows::Spoiled };
                found.push((
                    (at, 1 + i + j * Fault::FITTED.len()),
                    Example { study, subject: subjects[at], shows, pose },
                ));
            }
        }
    }
}
