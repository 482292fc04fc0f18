//! Fits the quality model of a pack: `models/*/quality.toml`.
//!
//! ```sh
//! cargo run --release --example fit_quality -- /path/to/cfp-dev/manifest.csv --pack models/default
//! ```
//!
//! The manifest has the columns `subject_id,path,pose`, where `pose` is `frontal` or
//! `profile`. Every third frontal photo is spoiled in each seeded way as well, so that
//! the model learns what a covered face looks like, and what only looks like one.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use chinhchu::evaluation::{Example, Shows, fit_quality};
use chinhchu::face::{Pack, Pipeline, PoolOptions, Wants};
use clap::Parser;
use serde::Deserialize;

#[path = "../tests/face/degrade.rs"]
mod degrade;
use degrade::{Eyes, Fault, Random, degrade};

/// Of so many frontal photos one is spoiled.
const SPOILED_EVERY: usize = 4;
const SEED: u64 = 20_251_121;

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
    let model = fit_quality(&examples, &pack.recipe().to_string(), &arguments.population, &arguments.date)?;
    let out = arguments.out.clone().unwrap_or_else(|| arguments.pack.join("quality.toml"));
    std::fs::write(&out, toml::to_string(&model)?)?;
    println!("wrote {}", out.display());
    Ok(())
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
        if shows != Shows::Frontal || !at.is_multiple_of(SPOILED_EVERY) {
            continue;
        }
        let report = pipeline.assess(&bytes, Wants::default())?;
        let face = report.face;
        let eyes = Eyes::of(face.left, face.top, face.width, face.height);
        let photo = image::load_from_memory(&bytes)?.into_rgb8();
        for (i, fault) in Fault::ALL.into_iter().enumerate() {
            // Where these are, nobody asks what is before the face.
            if matches!(fault, Fault::Blur | Fault::Dark | Fault::Bright) {
                continue;
            }
            let mut random = Random(SEED ^ ((at as u64) << 8 | i as u64));
            let Ok(study) = pipeline.study(&degrade(&photo, eyes, fault, &mut random), Wants::default()) else {
                continue;
            };
            let shows = if fault == Fault::Cover { Shows::Covered } else { Shows::Spoiled };
            found.push(((at, 1 + i), Example { study, subject: subjects[at], shows, pose }));
        }
    }
}
