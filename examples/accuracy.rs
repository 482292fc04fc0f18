//! Error rates of a model pack over all pairs of a manifest, and its calibration.
//!
//! ```sh
//! cargo run --release --example accuracy -- /path/to/cfp-dev/manifest.csv --json
//! cargo run --release --example accuracy -- /path/to/cfp-dev/manifest.csv \
//!     --calibration models/default/calibration.toml
//! ```

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use chinhchu::evaluation::{OperatingPoint, Scores, fit_curve};
use chinhchu::face::{FacePool, Pack, PoolOptions, Template, Wants};
use chinhchu::matching::Calibration;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// FMRs that FNMR is reported at.
const FMRS: [f64; 3] = [1e-3, 1e-4, 1e-5];
/// Most frames fused into a probe.
const FRAMES_MAX: usize = 5;
/// Probes drawn per person and number of frames.
const DRAWS: usize = 10;
/// Fixes which captures are fused.
const SEED: u64 = 20_161_113;

/// Error rates of a model pack over all pairs of a manifest.
#[derive(Parser)]
struct Arguments {
    /// CSV file with the columns `subject_id,path,pose`; paths from its folder.
    manifest: PathBuf,
    /// Which photos.
    #[arg(long, value_enum, default_value = "frontal")]
    pose: PoseFilter,
    /// Folder of the model pack.
    #[arg(long, default_value = "models/default")]
    pack: PathBuf,
    /// Worker threads; 0 is one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Fit a calibration on the photos and write it here.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// What the calibration says it was fitted on.
    #[arg(
        long,
        default_value = "cfp-dev: frontal photos of 250 public figures, ten each (CFP, Sengupta et al., WACV 2016)"
    )]
    population: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PoseFilter {
    Frontal,
    All,
}

#[derive(Deserialize)]
struct Row {
    subject_id: String,
    path: PathBuf,
    #[serde(default)]
    pose: String,
}

#[derive(Serialize)]
struct Report {
    pack: String,
    recipe: String,
    photos: usize,
    subjects: usize,
    failures: usize,
    /// Reason, and how many photos failed for it.
    failure_reasons: BTreeMap<String, usize>,
    genuine: usize,
    impostor: usize,
    fnmr_at_fmr: Vec<OperatingPoint>,
    fused_probes: Vec<Fused>,
    /// Photos to templates, wall clock.
    embed_seconds: f64,
    workers: usize,
}

#[derive(Serialize)]
struct Fused {
    frames: usize,
    genuine: usize,
    impostor: usize,
    fnmr_at_fmr: Vec<OperatingPoint>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("accuracy: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let rows = rows(&arguments.manifest, arguments.pose)?;
    let pack = Pack::load(&arguments.pack)?;
    let options =
        PoolOptions { workers: arguments.threads, queue_max: 16, limits: Default::default(), onnxruntime: None };
    let pool = FacePool::start(&pack, &options)?;
    let folder = arguments.manifest.parent().unwrap_or(Path::new("."));
    let clock = Instant::now();
    let tickets = rows
        .iter()
        .map(|row| Ok(pool.analyze(std::fs::read(folder.join(&row.path))?, Wants::default())))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    let mut ids = HashMap::new();
    let (mut templates, mut subjects) = (Vec::new(), Vec::new());
    let mut failure_reasons = BTreeMap::new();
    for (row, ticket) in rows.iter().zip(tickets) {
        match ticket.wait() {
            Ok(analysis) => {
                templates.push(analysis.template);
                let next = ids.len();
                subjects.push(*ids.entry(&row.subject_id).or_insert(next));
            }
            Err(e) => *failure_reasons.entry(e.to_string()).or_insert(0) += 1,
        }
    }
    let embed_seconds = clock.elapsed().as_secs_f64();

    let scores = Scores::all_pairs(&templates, &subjects)?;
    let mut by_frames = vec![(1, scores)];
    for frames in 2..=FRAMES_MAX {
        by_frames.push((frames, Scores::fused_probes(&templates, &subjects, frames, DRAWS, SEED)?));
    }
    let report = report(&pack, &rows, ids.len(), failure_reasons, &by_frames, embed_seconds, pool.workers());
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    if let Some(path) = &arguments.calibration {
        write_calibration(path, &templates, &arguments.population, ids.len(), &by_frames)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn rows(manifest: &Path, pose: PoseFilter) -> Result<Vec<Row>, Box<dyn Error>> {
    let rows: Vec<Row> = csv::Reader::from_path(manifest)?.deserialize().collect::<Result<_, _>>()?;
    Ok(rows.into_iter().filter(|row| pose == PoseFilter::All || row.pose == "frontal").collect())
}

fn report(
    pack: &Pack,
    rows: &[Row],
    subjects: usize,
    failure_reasons: BTreeMap<String, usize>,
    by_frames: &[(usize, Scores)],
    embed_seconds: f64,
    workers: usize,
) -> Report {
    let points = |scores: &Scores| FMRS.iter().filter_map(|&fmr| scores.at_fmr(fmr)).collect();
    let single = &by_frames[0].1;
    let fused = by_frames[1..].iter().map(|(frames, scores)| Fused {
        frames: *frames,
        genuine: scores.genuine().len(),
        impostor: scores.impostor().len(),
        fnmr_at_fmr: points(scores),
    });
    Report {
        pack: pack.name().to_owned(),
        recipe: pack.recipe().to_string(),
        photos: rows.len(),
        subjects,
        failures: failure_reasons.values().sum(),
        failure_reasons,
        genuine: single.genuine().len(),
        impostor: single.impostor().len(),
        fnmr_at_fmr: points(single),
        fused_probes: fused.collect(),
        embed_seconds,
        workers,
    }
}

fn print(report: &Report) {
    let Report { photos, subjects, failures, genuine, impostor, embed_seconds, workers, .. } = report;
    println!("pack {}, recipe {}", report.pack, report.recipe);
    println!("{photos} photos of {subjects} people in {embed_seconds:.1} s on {workers} workers, {failures} failed");
    for (reason, count) in &report.failure_reasons {
        println!("  {count} x {reason}");
    }
    println!("1 frame: {genuine} genuine, {impostor} impostor comparisons");
    table(&report.fnmr_at_fmr);
    for fused in &report.fused_probes {
        println!("{} frames fused: {} genuine, {} impostor comparisons", fused.frames, fused.genuine, fused.impostor);
        table(&fused.fnmr_at_fmr);
    }
}

fn table(points: &[OperatingPoint]) {
    for point in points {
        println!("  FMR {:.0e}  threshold {:.4}  FNMR {:.2} %", point.fmr, point.threshold, point.fnmr * 100.0);
    }
}

fn write_calibration(
    path: &Path,
    templates: &[Template],
    population: &str,
    subjects: usize,
    by_frames: &[(usize, Scores)],
) -> Result<(), Box<dyn Error>> {
    let recipe = templates.first().ok_or("no photo gave a template")?.recipe();
    let date = today()?;
    let curves = by_frames
        .iter()
        .map(|(frames, scores)| fit_curve(scores, *frames as u32, population, &date, subjects as u64))
        .collect::<Result<_, _>>()?;
    let text = toml::to_string(&Calibration { version: 1, recipe: recipe.to_string(), curves })?;
    std::fs::write(path, text)?;
    // What cannot be read back must not be left behind unnoticed.
    Calibration::load(path, recipe)?;
    Ok(())
}

/// Today in UTC, `YYYY-MM-DD`, by Hinnant's days-to-civil.
fn today() -> Result<String, Box<dyn Error>> {
    let days = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / 86_400;
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}
